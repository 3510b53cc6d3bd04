"""Train a grid's runs one after another, each in a process of its own, whatever becomes of each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from cae.config import save_config
from cae.errors import UserError
from cae.grid.combinations import Combination, find_combination
from cae.messages import next_steps
from cae.runs import RunDirectory
from cae.stop_handler import StopHandler, meaning, stop_signals

_PACKAGE_PARENT = Path(__file__).parents[2]


class Children(StopHandler):
    """Within the `with` block, stop signals go to the running child, and this process waits for its end.

    >>> with Children() as children:
    ...     children.stop_signal is None
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.stop_signal: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def train(self, arguments: Sequence[str | Path]) -> int:
        """Run `cae train ARGUMENTS` to its end; returns the exit code, negative after a signal that killed it."""
        command = [sys.executable, "-m", "cae.commands.grid_worker", str(os.getpid()), *map(str, arguments)]
        with _stops_blocked():
            if self.stop_signal:
                return 128 + self.stop_signal
            # Results go to stdout, and of one run that is its folder, which is known here.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment(),
                # On Windows: Ctrl-C in the console is for the grid alone, which passes it on.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        try:
            return self._process.wait()
        finally:
            process, self._process = self._process, None
            if process.stdin is not None:
                process.stdin.close()

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Pass it on."""
        self.stop_signal = self.stop_signal or meaning(number)
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it has just ended
                os.write(self._process.stdin.fileno(), bytes([meaning(number)]))


@contextlib.contextmanager
def _stops_blocked() -> Iterator[None]:
    """What is started here has the stop signals blocked; this process gets them when the block ends."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment() -> dict[str, str]:
    """Of a child, which must find this package, and no other of its name in the current folder."""
    paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


_WITHOUT_MEMORY = (signal.SIGABRT, signal.SIGSEGV, getattr(signal, "SIGKILL", None))


def train_combinations(
    combinations: Sequence[Combination],
    runs_dir: Path,
    *,
    overwrite: bool,
    longer: bool = False,
    passed_on: Sequence[str] = (),
    noun: Literal["runs", "trials"] = "runs",
    tell: Callable[[str], None],
) -> tuple[list[Path], int]:
    """Train what is pending, each run in a process of its own, so that its memory is given back.

    A stop signal is passed on to the running process, which writes a checkpoint; the rest is left for another time.

    Args:
        combinations: in the grid's order.
        runs_dir: the folder of all experiments.
        overwrite: start each run afresh.
        longer: go on for more epochs with runs that were to have fewer.
        passed_on: options of each run's own command, `--debug` and the like.
        noun: what messages call them.
        tell: shows a line to the user.

    Returns:
        The folders of the runs that are trained to their end, in the grid's order, and the exit code: 0, 1 if a run
        failed or is trained by another process, 130 or 143 after a stop signal that left something undone.
    """
    return _Session(combinations, runs_dir, overwrite, longer, passed_on, noun, tell).train()


class _Session:
    def __init__(
        self,
        combinations: Sequence[Combination],
        runs_dir: Path,
        overwrite: bool,
        longer: bool,
        passed_on: Sequence[str],
        noun: Literal["runs", "trials"],
        tell: Callable[[str], None],
    ) -> None:
        self._combinations = combinations
        self._runs_dir = runs_dir
        self._overwrite = overwrite
        self._longer = longer
        self._mode = {"train": ["--overwrite"] if overwrite else [], "resume": ["--resume"]}
        self._passed_on = passed_on
        self._noun = noun
        self._tell = tell
        self._started = time.monotonic()
        self._seconds: list[float] = []  # of each run that was trained to its end here
        self._done: list[Path] = []
        self._failures: list[str] = []
        self._elsewhere: list[str] = []  # what other processes train

    def train(self) -> tuple[list[Path], int]:
        stop_signal = None
        with tempfile.TemporaryDirectory(prefix="cae-grid-") as folder, Children() as children:
            for number, planned in enumerate(self._combinations, start=1):
                # Another process of the same grid may have been there since the start, or have left.
                combination = find_combination(
                    planned.config, planned.directory, overwrite=self._overwrite, longer=self._longer
                )
                self._tell(self._progress(number, combination))
                if combination.intent == "skip":
                    combination.directory.restore_page()
                    self._done.append(combination.directory.path)
                elif combination.intent == "refuse":
                    self._failures.append(combination.reason)
                elif combination.intent == "leave":
                    self._elsewhere.append(combination.reason)
                else:
                    self._train_one(combination, Path(folder), children)
                num_left = len(self._combinations) - len(self._done) - len(self._failures) - len(self._elsewhere)
                if children.stop_signal and num_left:
                    stop_signal = children.stop_signal
                    break
        self._tell_end(stop_signal)
        return self._done, 128 + stop_signal if stop_signal else int(bool(self._failures or self._elsewhere))

    def _train_one(self, combination: Combination, folder: Path, children: Children) -> None:
        """Train one run to its end; a stop leaves it neither done nor failed."""
        # Messages about the configuration name this file, and so the combination.
        path, run = folder / f"{combination.config.name}.yaml", combination.directory
        save_config(combination.config, path)
        started, old_summary = time.monotonic(), _summary(run)
        options = [*self._mode[combination.intent], *self._passed_on]
        exit_code = children.train([path, "--runs-dir", self._runs_dir, *options])
        if exit_code == 0:
            self._done.append(run.path)
            self._seconds.append(time.monotonic() - started)
        elif holder := run.lock.holder():  # it was quicker
            self._elsewhere.append(f"{run.path}: is being trained by {holder}")
        elif not children.stop_signal:
            summary = _summary(run)
            error = summary.get("error") if summary != old_summary else None
            self._failures.append(f"{run.path}: {error or _in_words(exit_code)}")

    def _progress(self, number: int, combination: Combination) -> str:
        folder = "" if self._noun == "runs" else f"{combination.config.experiment}/"
        head = f"[{number}/{len(self._combinations)}] {folder}{combination.config.name}"
        if not combination.is_pending:
            return f"{head}: {combination.reason}"
        elapsed = time.monotonic() - self._started
        if not self._seconds:
            left = "time left is known after the first run"
        else:
            num_left = sum(other.is_pending for other in self._combinations[number - 1 :])
            left = f"about {_clock(num_left * sum(self._seconds) / len(self._seconds))} left"
        return (
            f"{head}: {'going on' if combination.intent == 'resume' else 'training'}, {_clock(elapsed)} so far, {left}"
        )

    def _tell_end(self, stop_signal: int | None) -> None:
        total = len(self._combinations)
        if self._failures:
            failed = "\n".join(f"  {failure}" for failure in self._failures)
            self._tell(f"{len(self._failures)} of {total} {self._noun} failed:\n{failed}")
        if self._elsewhere:
            left = "\n".join(f"  {run}" for run in self._elsewhere)
            self._tell(
                f"{len(self._elsewhere)} of {total} {self._noun} are left to the processes that train them:\n{left}"
            )
        if stop_signal:
            self._tell(
                f"Stopped with {len(self._done)} of {total} {self._noun} done."
                " The same command without --overwrite goes on from here."
            )
        elif self._done:
            experiment = self._runs_dir / self._combinations[0].config.experiment
            self._tell(f"{len(self._done)} of {total} {self._noun} done.")
            if self._noun == "runs":
                self._tell(
                    next_steps(["python", "-m", "cae", "evaluate", experiment], ["tensorboard", "--logdir", experiment])
                )


def _summary(run: RunDirectory) -> dict[str, Any]:
    """The run's summary, where it has come to one; its times tell it from that of an earlier try."""
    try:
        return run.read_summary()
    except UserError:
        return {}


def _in_words(exit_code: int) -> str:
    if exit_code < 0:
        # The system kills what takes too much memory; libraries abort or crash when they get none.
        return f"killed by signal {-exit_code}{' (out of memory?)' if -exit_code in _WITHOUT_MEMORY else ''}"
    return f"exit code {exit_code}; the reason is above"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
