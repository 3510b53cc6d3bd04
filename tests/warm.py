"""`python ARGUMENTS` without the seconds that TensorFlow takes to be imported: in forks of a process that has it.

For tests of what processes do when they train, are stopped or killed. How the program itself starts is seen by those
that start it with `tests.conftest.start_process`.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from types import SimpleNamespace

from cae.engine import VARIABLE
from cae.grid import runner
from cae.grid.worker import train_as_child
from tests.conftest import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


class WarmProcess:
    """As much of `subprocess.Popen` as tests use.

    Args:
        arguments: `-c PROGRAM`, `-m MODULE` or a script in the project's root, and its words.
        env: environment variables, those of this process by default.
        start_new_session: whether signals to this process' group are none to the new one.
        warm_children: whether a grid in it forks the processes of its runs, too, of which one is there at a time.
    """

    def __init__(self, *arguments, env=None, start_new_session=False, warm_children=False):
        self._said = None
        self._out, self._err = (tempfile.NamedTemporaryFile() for _ in range(2))  # noqa: SIM115
        # Programs start anew for an allocator of their own, and would find another command line than theirs.
        environment = {VARIABLE: "", **(os.environ if env is None else env)}
        words = list(map(str, arguments))
        given = words, environment, self._out.name, self._err.name, start_new_session, warm_children
        self._process = _context.Process(target=_run, args=given, daemon=True)
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.returncode

    def communicate(self, timeout=None):
        self.wait(timeout)
        if self._said is None:
            self._said = tuple(file.read().decode() for file in (self._out, self._err))
            for file in (self._out, self._err):
                file.close()
        return self._said

    def first_line(self, timeout=120):
        """The first line of stdout, once it is there; what there is of it if the process ends before."""
        deadline = time.monotonic() + timeout
        with open(self._out.name) as file:
            while not (line := file.readline()).endswith("\n") and self.poll() is None:
                assert time.monotonic() < deadline, "waited too long"
                file.seek(0)
                time.sleep(0.02)
        return line

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self._process.kill()


def run_warm(*arguments, timeout=120):
    """Exit code, stdout and stderr of such a process."""
    process = WarmProcess(*arguments)
    out, err = process.communicate(timeout)
    return process.returncode, out, err


class _ForkedWorker:
    """As much of `subprocess.Popen` as grids use for `python -m cae.grid.worker`."""

    def __init__(self, command, stdin, stdout, env, creationflags):
        python, *words = command
        assert (python, words[:2], stdin, stdout) == (sys.executable, ["-m", "cae.grid.worker"], -1, -1)
        (orders, to_worker), (from_worker, answers) = os.pipe(), os.pipe()
        self._code = None
        self.pid = os.fork()
        if not self.pid:
            os.close(to_worker)
            os.close(from_worker)
            for end, stream in ((orders, 0), (answers, 1)):
                os.dup2(end, stream)
                os.close(end)
            os.environ.clear()
            os.environ.update({VARIABLE: "", **env})
            sys.argv = words[1:]
            os._exit(_code_of(train_as_child, words[2:]))
        os.close(orders)
        os.close(answers)
        self.stdin, self.stdout = os.fdopen(to_worker, "wb", 0), os.fdopen(from_worker, "rb")

    def wait(self):
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code


def _code_of(function, *arguments):
    """The exit code of a process that calls a function."""
    try:
        return function(*arguments)
    except SystemExit as stop:
        return stop.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        atexit._run_exitfuncs()
        sys.stderr.flush()


def _run(words, environment, out, err, is_leader, warm_children):
    if warm_children:
        runner.subprocess = SimpleNamespace(Popen=_ForkedWorker, PIPE=subprocess.PIPE)
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, stream)
        os.close(file)
    if is_leader:
        os.setsid()
    os.chdir(ROOT)
    first, *others = words
    try:
        if first == "-c":
            sys.argv = ["-c", *others[1:]]
            exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})
        elif first == "-m":
            sys.argv = others
            runpy.run_module(others[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(first, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
