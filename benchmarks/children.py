"""Processes that stay alive and are asked for one thing at a time, so that contestants do not disturb each other."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_SHOWN_LINES = 20


class ChildError(RuntimeError):
    """A child has ended, or has said that it cannot do what it was asked for."""


class Child:
    """A process that makes one worker and calls its methods when asked; idle in between.

    Args:
        module: what `python -m` runs; must call `serve`.
        environment: variables that it has beside those of this process.
        words: the worker's arguments, as JSON knows them.
    """

    def __init__(self, module: str, environment: Mapping[str, str] = MappingProxyType({}), **words: Any) -> None:
        self.module = module
        # Closed with the process.
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._say(words)

    def ask(self, method: str, **arguments: Any) -> Any:
        """Call a method of the worker and wait for what it returns."""
        self._say([method, arguments])
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise ChildError(f"{self.module} has ended with code {self._process.returncode}:\n{self._last_lines()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                # What the process will never read any more need not be written.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _say(self, value: Any) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the missing answer will tell
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()

    def _last_lines(self) -> str:
        self._log.seek(0)
        return "".join(self._log.readlines()[-_SHOWN_LINES:])


def serve(make: Callable[..., Any]) -> None:
    """Be a child: make the worker from the first line, then answer one call a line until there are no more.

    What libraries print to stdout goes to stderr, so that it cannot come between the answers.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = make(**json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        method, arguments = json.loads(line)
        print(json.dumps(getattr(worker, method)(**arguments)), file=answers, flush=True)
