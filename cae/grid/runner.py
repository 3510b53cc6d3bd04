"""Train a grid's runs in processes that are kept from one run to the next, whatever becomes of each."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from cae.config import RunConfig, save_config
from cae.config.registration import own_parts_of
from cae.engine import JOBS
from cae.errors import UserError
from cae.grid.combinations import Combination, find_combination
from cae.grid.jobs import threads_for
from cae.machine import this_machine
from cae.runs import RunDirectory
from cae.stop_handler import StopHandler, meaning, stop_signals

_PACKAGE_PARENT = Path(__file__).parents[2]


class Children(StopHandler):
    """Within the `with` block runs are trained in other processes, which wait for the next one when they are done.

    Stop signals go to the processes that train, and this one waits for their end.

    >>> with Children() as children:
    ...     children.stop_signal is None
    True

    Args:
        program: `module:function`, which a process calls with the words of a command line.
    """

    def __init__(self, program: str = "") -> None:
        super().__init__()
        self.stop_signal: int | None = None
        self._program = program
        self._settings: Mapping[str, str] = {}
        self._keeps = True
        # Changed by single operations, which no signal and no other thread comes between.
        self._waiting: list[subprocess.Popen[bytes]] = []
        self._training: list[subprocess.Popen[bytes]] = []

    def renew(self, settings: Mapping[str, str], *, keep: bool = True) -> None:
        """End the processes that wait.

        Args:
            settings: environment variables of those that are started from here on.
            keep: whether these train more than one run.
        """
        self._settings, self._keeps = settings, keep
        processes, self._waiting = self._waiting, []
        for process in processes:
            _close(process)
        for process in processes:
            process.wait()

    def train(self, arguments: Sequence[str | Path]) -> int:
        """Run `cae train ARGUMENTS` to its end; returns the exit code, negative after a signal that killed it."""
        words = list(map(str, arguments))
        with _stops_blocked():
            if self.stop_signal:
                return 128 + self.stop_signal
            process = self._give(words)
            self._training.append(process)
        if self.stop_signal:  # it came while another thread than that of signals was here
            _send(process, bytes([self.stop_signal]))
        is_kept = False
        try:
            if not (process.stdout and process.stdout.readline()):
                return process.wait()  # it has ended, or is about to: what it has become is not fit for another run
            is_kept = self._keeps
            if not is_kept:
                _close(process)
                process.wait()
            return 0
        finally:
            self._training.remove(process)
            if is_kept:
                self._waiting.append(process)
            else:
                _close(process)

    def _give(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Hand a run to a process that waits, or else to a new one."""
        with contextlib.suppress(IndexError):
            while True:
                process = self._waiting.pop()
                if _send(process, json.dumps(words).encode() + b"\n"):
                    return process
                _close(process)
                process.wait()
        return subprocess.Popen(
            [sys.executable, "-m", "cae.grid.worker", str(os.getpid()), self._program, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # says that it can train another run
            env={**environment(), **self._settings},
            # On Windows: Ctrl-C in the console is for the grid alone, which passes it on.
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Pass it on."""
        self.stop_signal = self.stop_signal or meaning(number)
        for process in list(self._training):
            _send(process, bytes([meaning(number)]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.renew({})
        super().__exit__(kind, error, trace)


def _send(process: subprocess.Popen[bytes], message: bytes) -> bool:
    """Write to a process; whether it was still there."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            return bool(os.write(process.stdin.fileno(), message))
    return False


def _close(process: subprocess.Popen[bytes]) -> None:
    """Let go of a process, which ends then."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


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


def compute_elsewhere(module: str, values: Any, *words: str | Path, failed: str) -> Any:
    """Let a module compute in a process of its own, whose memory is given back.

    Args:
        module: run by `python -m`; it reads JSON from stdin, and the last line that it prints is JSON.
        values: that it reads.
        words: of its command line.
        failed: what the error begins with.

    Raises:
        UserError: it has failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if done.returncode:
        said = [*done.stderr.strip().splitlines(), f"exit code {done.returncode}"][-2:][0]
        raise UserError(f"{failed}: {said}")
    return json.loads(done.stdout.splitlines()[-1])


_WITHOUT_MEMORY = (signal.SIGABRT, signal.SIGSEGV, getattr(signal, "SIGKILL", None))


def train_combinations(
    combinations: Sequence[Combination],
    runs_dir: Path,
    *,
    program: Callable[[Sequence[str]], int],
    jobs: int = 1,
    overwrite: bool,
    longer: bool = False,
    passed_on: Sequence[str] = (),
    noun: Literal["runs", "trials"] = "runs",
    tell: Callable[[str], None],
) -> tuple[list[Path], int]:
    """Train what is pending in other processes, each of which trains one run after another.

    A run that failed takes its process with it, so does one after which the process holds more memory than it should,
    and runs that need other settings of a whole process do not share one. A stop signal is passed on to the processes
    that train, which write a checkpoint; the rest is left for another time.

    Args:
        combinations: in the grid's order.
        runs_dir: the folder of all experiments.
        program: trains when it is called with the words of a command line; other processes find it by its name.
        jobs: how many runs are trained side by side.
        overwrite: start each run afresh.
        longer: go on for more epochs with runs that were to have fewer.
        passed_on: options of each run's own command, `--debug` and the like.
        noun: what messages call them.
        tell: shows a line to the user.

    Returns:
        The folders of the runs that are trained to their end, in the grid's order, and the exit code: 0, 1 if a run
        failed or is trained by another process, 130 or 143 after a stop signal that left something undone.
    """
    name = f"{program.__module__}:{program.__qualname__}"
    with tempfile.TemporaryDirectory(prefix="cae-grid-") as folder, Children(name) as children:
        session = _Session(
            combinations, runs_dir, overwrite, longer, passed_on, noun, tell, jobs, Path(folder), children
        )
        return session.train()


@dataclass
class _Session:
    combinations: Sequence[Combination]
    runs_dir: Path
    overwrite: bool
    longer: bool
    passed_on: Sequence[str]
    noun: Literal["runs", "trials"]
    tell: Callable[[str], None]
    jobs: int
    folder: Path
    children: Children
    started: float = field(default_factory=lambda: time.monotonic())
    seconds: list[float] = field(default_factory=list)  # of each run that was trained to its end here
    done: dict[int, Path] = field(default_factory=dict)  # by numbers, from 1
    failures: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)  # what other processes train

    def train(self) -> tuple[list[Path], int]:
        for of_process, runs in itertools.groupby(
            enumerate(self.combinations, start=1), lambda run: _ProcessSettings.of(run[1].config)
        ):
            todo = iter(list(runs))  # from which several threads may take the next
            self.children.renew(of_process.variables(self.jobs), keep=not of_process.has_own_code)
            if self.jobs == 1:
                self._train_all(todo)
                continue
            with ThreadPoolExecutor(self.jobs) as threads:
                running = {threads.submit(self._train_all, todo) for _ in range(self.jobs)}
                while running:  # signals come to this thread, on Windows only when it does not wait
                    ended, running = wait(running, timeout=0.5)
                    for one in ended:
                        one.result()
        num_left = len(self.combinations) - len(self.done) - len(self.failures) - len(self.elsewhere)
        stop_signal = self.children.stop_signal if num_left else None
        self._tell_end(stop_signal)
        done = [self.done[number] for number in sorted(self.done)]
        return done, 128 + stop_signal if stop_signal else int(bool(self.failures or self.elsewhere))

    def _train_all(self, todo: Iterator[tuple[int, Combination]]) -> None:
        """Train one run after another, until none is left or a stop signal comes."""
        for number, planned in todo:
            if self.children.stop_signal:
                return
            # Another process of the same grid may have been there since the start, or have left.
            combination = find_combination(
                planned.config, planned.directory, overwrite=self.overwrite, longer=self.longer
            )
            self.tell(self._progress(number, combination))
            if combination.intent == "skip":
                combination.directory.restore_page()
                self.done[number] = combination.directory.path
            elif combination.intent == "refuse":
                self.failures.append(combination.reason)
            elif combination.intent == "leave":
                self.elsewhere.append(combination.reason)
            else:
                self._train_one(number, combination)

    def _train_one(self, number: int, combination: Combination) -> None:
        """Train one run to its end; a stop leaves it neither done nor failed."""
        # Messages about the configuration name this file, and so the combination.
        path, run = self.folder / f"{combination.config.name}.yaml", combination.directory
        save_config(combination.config, path)
        started, old_summary = time.monotonic(), _summary(run)
        modes = {"train": ["--overwrite"] if self.overwrite else [], "resume": ["--resume"]}
        options = [*modes[combination.intent], *self.passed_on]
        exit_code = self.children.train([path, "--runs-dir", self.runs_dir, *options])
        if exit_code == 0:
            self.done[number] = run.path
            self.seconds.append(time.monotonic() - started)
        elif holder := run.lock.holder():  # it was quicker
            self.elsewhere.append(f"{run.path}: is being trained by {holder}")
        elif not self.children.stop_signal:
            summary = _summary(run)
            error = summary.get("error") if summary != old_summary else None
            self.failures.append(f"{run.path}: {error or _in_words(exit_code)}")

    def _progress(self, number: int, combination: Combination) -> str:
        folder = "" if self.noun == "runs" else f"{combination.config.experiment}/"
        head = f"[{number}/{len(self.combinations)}] {folder}{combination.config.name}"
        if not combination.is_pending:
            return f"{head}: {combination.reason}"
        elapsed = time.monotonic() - self.started
        if not self.seconds:
            left = "time left is known after the first run"
        else:
            num_left = sum(other.is_pending for other in self.combinations[number - 1 :])
            mean = sum(self.seconds) / len(self.seconds)
            left = f"about {_clock(num_left * mean / min(self.jobs, num_left))} left"
        return (
            f"{head}: {'going on' if combination.intent == 'resume' else 'training'}, {_clock(elapsed)} so far, {left}"
        )

    def _tell_end(self, stop_signal: int | None) -> None:
        total = len(self.combinations)
        if self.failures:
            failed = "\n".join(f"  {failure}" for failure in self.failures)
            self.tell(f"{len(self.failures)} of {total} {self.noun} failed:\n{failed}")
        if self.elsewhere:
            left = "\n".join(f"  {run}" for run in self.elsewhere)
            self.tell(
                f"{len(self.elsewhere)} of {total} {self.noun} are left to the processes that train them:\n{left}"
            )
        if stop_signal:
            self.tell(
                f"Stopped with {len(self.done)} of {total} {self.noun} done."
                " The same command without --overwrite goes on from here."
            )
        elif self.done:
            self.tell(f"{len(self.done)} of {total} {self.noun} done.")


@dataclass(frozen=True)
class _ProcessSettings:
    """What holds for a whole process and cannot be taken back: runs that differ in it do not share one."""

    deterministic: bool
    strategy: str
    has_own_code: bool
    """Code of other packages may set anything when it is imported: each run has a process of its own."""

    @classmethod
    def of(cls, config: RunConfig) -> Self:
        section = config.training
        return cls(section.deterministic, section.strategy, bool(own_parts_of(config)))

    def variables(self, jobs: int) -> dict[str, str]:
        """Environment variables of a process, of which several run side by side."""
        if jobs == 1:
            return {}
        # Where bits are promised, sums must be divided between as many threads as in a run alone.
        return {JOBS: str(jobs), **({} if self.deterministic else threads_for(jobs, this_machine()))}


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
