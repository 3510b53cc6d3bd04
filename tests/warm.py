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

from cae.engine import VARIABLE
from tests.conftest import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


class WarmProcess:
    """As much of `subprocess.Popen` as tests use.

    Args:
        arguments: `-c PROGRAM`, `-m MODULE` or a script in the project's root, and its words.
        env: environment variables, those of this process by default.
        start_new_session: whether signals to this process' group are none to the new one.
    """

    def __init__(self, *arguments, env=None, start_new_session=False):
        self._said = None
        self._out, self._err = (tempfile.NamedTemporaryFile() for _ in range(2))  # noqa: SIM115
        # Programs start anew for an allocator of their own, and would find another command line than theirs.
        environment = {VARIABLE: "", **(os.environ if env is None else env)}
        words = list(map(str, arguments))
        given = words, environment, self._out.name, self._err.name, start_new_session
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


def _run(words, environment, out, err, is_leader):
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
