"""Errors that are the user's to mend: shown as one message, never as a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something in the data, the files or the run is wrong; the message says what, where and what is allowed."""

    exit_code = 1


class ConfigError(UserError):
    """The command line or the configuration is wrong; the message may have one line for each problem."""

    exit_code = 2


class NonFiniteOutputError(UserError):
    """A network gave infinity or not-a-number, of which nothing can be made.

    Args:
        run: whose network it is.
        what: the network gave.
        index: of the first image concerned.
        name: what this image is called; None for its index.
    """

    def __init__(self, run: str, what: str, index: int, name: str | None = None) -> None:
        called = str(index) if name is None else name
        image = f"image {called}" if called.isdigit() else called
        super().__init__(
            f"{run}: {what} {image} has values that are infinite or not a number: the weights are so"
            " large that the computation overflows. Train again, with a lower training.optimizer.learning_rate or with"
            " training.precision: float32."
        )
        self._run, self._what, self.index = run, what, index

    def at(self, index: int) -> NonFiniteOutputError:
        """The same error, told to who counts images otherwise."""
        return NonFiniteOutputError(self._run, self._what, index)

    def named(self, name: str) -> NonFiniteOutputError:
        """The same error with the image's name."""
        return NonFiniteOutputError(self._run, self._what, self.index, name)
