"""Whole programs: when they say what, how long they run, and how much memory they hold at most."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import ROOT


@dataclass(frozen=True)
class Finished:
    """A process that has ended.

    Args:
        code: exit code.
        seconds: from its start to its end.
        lines: what it said on stdout and stderr, each with the seconds from its start.
        peak_bytes: the most memory it has held; at least what the process held that started it, which the system counts
            as well.
    """

    code: int
    seconds: float
    lines: Sequence[tuple[float, str]]
    peak_bytes: int

    def seconds_until(self, beginning: str) -> float:
        """When the first line that begins so was said."""
        return next(seconds for seconds, line in self.lines if line.startswith(beginning))

    def seconds_between(self, beginning: str) -> list[float]:
        """Seconds between each two consecutive lines that begin so."""
        stamps = [seconds for seconds, line in self.lines if line.startswith(beginning)]
        return [later - earlier for earlier, later in itertools.pairwise(stamps)]


def run(*arguments: str | Path, expected_code: int = 0) -> Finished:
    """Run Python with these arguments in the project's folder, and wait for its end.

    Raises:
        RuntimeError: the process ended with another code than expected; the message has its last lines.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        lines = [(time.perf_counter() - started, line.rstrip("\n")) for line in process.stdout]
    # Not `wait`, which keeps the memory to itself.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    finished = Finished(
        code, time.perf_counter() - started, lines, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    )
    if code != expected_code:
        last = "\n".join(line for _, line in lines[-20:])
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with code {code}:\n{last}")
    return finished
