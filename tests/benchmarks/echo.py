"""A child for tests: gives back what it is told, and fails when asked to."""

from benchmarks.children import serve


class Echo:
    def __init__(self, greeting):
        self.greeting = greeting

    def answer(self, name):
        print("not an answer")
        return f"{self.greeting} {name}"

    def fail(self):
        raise ValueError("as asked")


if __name__ == "__main__":
    serve(Echo)
