"""One training at a time in a run directory: the second is refused, and a killed one leaves nothing locked."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cae.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What file systems without locks answer. Some network file systems are mounted so.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# Whoever only looks holds the lock for an instant, too.
_PATIENCE_SECONDS = 1.0
_MOST_BYTES = 4096  # of a signature
_BEGINNING = b'{"process": '


class BusyError(UserError):
    """Another process trains this run."""


class RunLock:
    """The right to write a run's training files.

    The lock is the system's own on an open file (`flock`), so that it ends with its process, however that ends. It
    holds between the processes of a machine, and between machines where their common file system passes locks on:
    NFS does, Lustre when mounted with `flock`. Where a file system knows no locks, training says so and goes on.
    The file lies beside the run, since `--overwrite` moves the run away whole.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp()) / "experiment" / "name"
        >>> with RunLock(run).held(print):
        ...     RunLock(run).holder() is None
        False
        >>> RunLock(run).holder() is None
        True

    Args:
        run: the run directory, which may not exist yet.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._path = run.with_name(f".lock-{run.name}")

    @contextlib.contextmanager
    def held(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock in the block.

        Args:
            tell: called with a line where the file system has no locks.

        Raises:
            BusyError: another process holds it.
            UserError: the folder cannot be written.
        """
        try:
            descriptor = self._take()
        except OSError as error:
            if fcntl is not None and error.errno not in _WITHOUT_LOCKS:
                raise UserError(f"{self._run}: cannot be written: {error.strerror or error}.") from error
            tell(f"{self._run}: files cannot be locked here; see to it that nothing else trains this run meanwhile.")
            yield
            return
        try:
            yield
        finally:
            # While it is still held: a process that opened the file before sees that it was removed.
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(descriptor)

    def holder(self) -> str | None:
        """The process that trains this run now, in words; None if there is none."""
        try:
            descriptor = self._open()
        except (OSError, UserError):
            return None
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _in_words(descriptor)
        except OSError:
            pass
        finally:
            os.close(descriptor)
        return None

    def check_is_free(self) -> None:
        """Refuse a run that another process trains.

        Raises:
            BusyError: another process trains it; the message says which.
        """
        if holder := self.holder():
            raise BusyError(
                f"{self._run}: is being trained by {holder}. Wait for its end, stop it, or choose another `name`."
            )

    def _take(self) -> int:
        if fcntl is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            descriptor = self._open(os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_in_place(descriptor):
                    if not _is_ours(descriptor):
                        raise UserError(
                            f"{self._path}: is no lock of this program, which needs that name; move it away."
                        )
                    _sign(descriptor)
                    return descriptor
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    self.check_is_free()
                    continue  # it ended just now
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            time.sleep(0.05)

    def _open(self, flags: int = 0) -> int:
        """Open the file itself: where a link leads somebody else's file may lie, and a pipe or a device is no lock."""
        # Neither flag is known to Windows.
        guards = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(self._path, os.O_RDWR | flags | guards, 0o666)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise UserError(f"{self._path}: is no regular file, as a lock must be; move it away.") from error
            raise
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise UserError(f"{self._path}: is no regular file, as a lock must be; move it away.")

    def _is_in_place(self, descriptor: int) -> bool:
        """Whether the open file still has its name: its last holder may have removed it in between."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False


def _is_ours(descriptor: int) -> bool:
    """Whether a file begins as a holder's signature, which a kill may have cut, and has no other name of somebody's."""
    content = os.pread(descriptor, len(_BEGINNING), 0)
    return _BEGINNING.startswith(content) and os.fstat(descriptor).st_nlink == 1


def _sign(descriptor: int) -> None:
    """Note who holds the lock; for people only, since the lock itself is what counts."""
    signature = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(signature).encode(), 0)


def _in_words(descriptor: int) -> str:
    try:
        found = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
        return f"process {int(found['process'])} on {str(found['host'])[:80]!a} since {str(found['since'])[:40]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
