"""`python -m tests.faults.loop FOLDER COMMAND ...` lets each command meet a fault at each of its steps.

Runs with the shim before the C library (LD_PRELOAD). Whatever changes a file below FOLDER counts as a step. At each
step in its turn, or with `--seed` at one of each kind, the command, from the same start every time, meets each WAY: the
step fails once (`once`), it and all that follow fail (`full`), or the process is killed there by SIGKILL (`kill`).
After each fault every file must be whole or absent, and the same command must go through. Prints a line of JSON for
each command.

All kills of a command share one process, forked for it, since what a kill leaves is what is there when it comes: the
process stops at each step, a copy of the files is taken, and at the last of the steps it is killed indeed.

TensorFlow starts once for all of this, and nothing is computed again: only the writing of files is tried.
"""

import argparse
import contextlib
import ctypes
import gc
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

from tests.faults.commands import call, check, make_cases, make_template
from tests.faults.shortcuts import compute_once
from tests.faults.whole_files import HIDDEN, files_in, read

COUNT, ONCE, FULL, STOP = range(4)
WAYS = {"once": ONCE, "full": FULL, "kill": STOP}
FEWEST = 20  # steps that a command meets, where it has so many
# What differs between steps of one kind: random parts of names, numbers, the run.
VARIABLE = re.compile(r"writing-.{8}|\.[0-9]+\.[^/]*|[0-9a-f]{32}|\d+|(?<=/e/)[^/ ]+")
SECONDS = 60

shim = ctypes.CDLL(None)


@contextlib.contextmanager
def faults(root, number, mode, stops=()):
    """Gives a list that holds, after the block, the steps that were taken."""
    steps = []
    shim.faults_arm(os.fsencode(root), ctypes.c_long(number), mode)
    for stop in stops:
        shim.faults_stop_at(ctypes.c_long(stop))
    try:
        yield steps
    finally:
        steps += [shim.faults_name(step).decode() for step in range(1, shim.faults_count() + 1)]
        shim.faults_arm(b"", 0, COUNT)


def fork_that_stops(root, numbers, arguments):
    """Begin a command in a process of its own that stops at these steps."""
    child = os.fork()
    if not child:
        code = 1
        try:
            with faults(root, 0, STOP, numbers):
                code = call(*arguments)[0]
        finally:
            os._exit(code if isinstance(code, int) else 1)
    return child


def wait_for_stop(child):
    """Wait until a process stops; gives why it does not."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if found:
            return "" if os.WIFSTOPPED(status) else f"ended with {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.001)
    kill(child)
    return "does not end"


def kill(child):
    """Kill a process; gives its exit code, -9 for the kill."""
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kind_of(step):
    """What is done to what: the ending of the file, or its name, or that of the folder."""
    operation, _, path = VARIABLE.sub("", step).partition(" ")
    name = path.rpartition("/")[2]
    return operation, Path(name).suffix or name


class Loop:
    def __init__(self, root, template, case):
        self.root, self.template, self.case = root, template, case
        self.folders_before = {}

    def reset(self):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root)
        if self.case.prepare is not None:
            self.case.prepare()
        self.folders_before = {folder: set(files_in(folder)) for folder in self.case.folders if folder.exists()}

    def count(self):
        """Run it without a fault, twice, for what is computed once; notes the steps and what is there in the end."""
        for _ in range(2):
            self.reset()
            with faults(self.root, 0, COUNT) as self.steps:
                check(call(*self.case.arguments))
        # What only saves time may be missing: commands go on without a cache.
        self.expected = {name for name in files_in(self.root) if not name.startswith("cache/")}
        self.folders_after = {folder: set(files_in(folder)) for folder in self.case.folders}
        return len(self.steps)

    def choose(self, seed, ways):
        """One step of each kind with one of the ways, and with the next seed others; more steps where these are few.

        Of a command that repeats others, any few.
        """
        kinds = {}
        for number, step in enumerate(self.steps, start=1):
            kinds.setdefault(kind_of(step), []).append(number)
        # A kind of few steps meets each of them in every way, too: its steps change when its ways have all been.
        chosen = [] if self.case.repeats else [numbers[seed // len(ways) % len(numbers)] for numbers in kinds.values()]
        others = sorted(set(range(1, 1 + len(self.steps))) - set(chosen))
        chosen += random.Random(seed).sample(others, min(len(others), max(0, FEWEST - len(chosen))))
        return [(step, ways[(seed + at) % len(ways)]) for at, step in enumerate(chosen)]

    def meet(self, chosen):
        """Meet faults, and after each of them none; gives what is wrong on the way."""
        problems = []
        for number, way in chosen:
            if way != "kill":
                self.reset()
                problems += self.recover(number, way, self.suffer(number, way))
        kills = sorted(number for number, way in chosen if way == "kill")
        copies, ending = self.kill_at(kills) if kills else ([], "")
        for number, copy in zip(kills, copies, strict=False):  # fewer where it ended before
            shutil.rmtree(self.root)
            copy.rename(self.root)
            problems += self.recover(number, "kill", [])
        return problems + ([f"not killed at {kills[len(copies)]}: {ending}"] if ending else [])

    def suffer(self, number, way):
        with faults(self.root, number, WAYS[way]):
            code, _, err = call(*self.case.arguments)
        if "Traceback" in err or "--debug shows where" in err:
            return [f"an error that nobody thought of: {err[-1500:]}"]
        if code not in (0, 1):
            return [f"exit code {code}: {err[-300:]}"]
        return [] if code == 0 or "error:" in err or "failed" in err else [f"no reason: {err[-300:]}"]

    def kill_at(self, numbers):
        """What kills at these steps leave: copies of all files, and why there are fewer."""
        self.reset()
        copies, child = [], fork_that_stops(self.root, numbers, self.case.arguments)
        for number in numbers:
            if ending := wait_for_stop(child):
                return copies, ending
            if number == numbers[-1] and (code := kill(child)) != -signal.SIGKILL:
                return copies, f"ended with {code}"
            copies.append(self.root.with_name(f"left-{number}"))
            shutil.copytree(self.root, copies[-1], symlinks=True)
            if number != numbers[-1]:
                os.kill(child, signal.SIGCONT)
        return copies, ""

    def recover(self, number, way, problems):
        """Look at what a fault has left, and go on from there; gives these problems and what is wrong besides."""
        problems = problems + self.look()
        code, _, err = call(*self.case.arguments)
        # What is there whole need not be made again.
        if code != 0 and not ("already" in err and self.is_done()):
            problems.append(f"does not go through afterwards: {err[-300:]}")
        problems += [f"afterwards {problem}" for problem in self.look()]
        if not self.is_done():
            problems.append(f"afterwards missing: {sorted(self.expected - files_in(self.root).keys())}")
        if left := [str(path) for path in self.root.rglob(".*") if HIDDEN.match(path.name)]:
            problems.append(f"left: {left}")
        problems += [f"not as its checksum says: {finding}" for finding in self.verify()]
        return [f"step {number} ({self.steps[number - 1]}), {way}: {problem}" for problem in problems]

    def verify(self):
        """Files that are not what the checksums of their folder say."""
        from cae.runs.checksums import verify

        found = [finding for checksums in self.root.rglob("checksums.json") for finding in verify(checksums.parent)]
        return [finding for finding in found if finding.state in ("changed", "missing")]

    def marks_from(self, mark):
        """A mark, and those of folders in its folder."""
        return [mark, *(one for one in self.case.marks if mark.parent in one.parent.parents)]

    def is_done(self):
        """Whether all files are there that the command writes."""
        return self.expected <= files_in(self.root).keys()

    def look(self):
        found, problems = files_in(self.root), []
        for name, path in found.items():
            if "tfevents" not in name:
                problems.append(read(path, hashlib.sha256(path.read_bytes()).digest()))
        for mark in self.case.marks:
            if mark.exists() and '"status": "failed"' not in mark.read_text():
                here, *others = (f"{one.parent.relative_to(self.root)}/" for one in self.marks_from(mark))
                missing = {name.removeprefix(here) for name in self.expected - found.keys() if name.startswith(here)}
                others = tuple(other.removeprefix(here) for other in others)
                if missing := {n for n in missing if not n.startswith(others) and self.case.later not in n}:
                    problems.append(f"{mark.name} is there without {sorted(missing)}")
        for folder in self.case.folders:
            inside = set(files_in(folder)) if folder.exists() else None
            if inside not in (self.folders_before.get(folder), self.folders_after[folder]):
                problems.append(f"{folder} is neither old nor new: {sorted(inside or ['absent'])}")
        return list(filter(None, problems))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["once", "kill"])
    parser.add_argument("--seed", type=int, help="one step of each kind and one way each, with the next seed others")
    options = parser.parse_args()
    shim.faults_name.restype, shim.faults_name.argtypes = ctypes.c_char_p, [ctypes.c_long]
    shim.faults_count.restype = ctypes.c_long
    template, root = options.folder / "template", options.folder / "root"
    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    root.mkdir(parents=True)
    compute_once()
    make_template(root)
    root.rename(template)
    for name in options.cases:
        loop = Loop(root, template, make_cases(root)[name])
        before, number = cpu_seconds(), loop.count()
        # What is there by now stays; forks need not copy what the garbage collector would touch.
        gc.collect()
        gc.freeze()
        if options.seed is None:
            chosen = list(itertools.product(range(1, 1 + number), options.ways))
        else:
            chosen = loop.choose(options.seed, options.ways)
        found = [f"{name}, {problem}" for problem in loop.meet(chosen)]
        told = {
            "case": name,
            "steps": number,
            "met": len(chosen),
            "seconds": round(cpu_seconds() - before, 2),
            "problems": found,
        }
        print(json.dumps(told), flush=True)


def cpu_seconds():
    """Of this process and those that it forked."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
