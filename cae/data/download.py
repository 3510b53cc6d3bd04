"""Downloads, and the folder in the user's cache that keeps them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from cae.data.file_errors import why

# 128 bits: among a million million files no two are expected to agree by chance.
DIGEST_BYTES = 16


def user_cache_folder() -> Path:
    """The folder $XDG_CACHE_HOME/cae or ~/.cache/cae; it need not exist yet.

    Source: XDG Base Directory Specification, version 0.8 (a relative $XDG_CACHE_HOME is to be ignored).

    Raises:
        OSError: The user has no home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "cae"
    try:
        return Path.home() / ".cache" / "cae"
    except RuntimeError as error:  # as in a container for users that its system does not know
        raise OSError(str(error)) from error


def digest(*parts: object) -> bytes:
    """Digest values by their texts, 16 bytes.

    >>> digest("a", 1) == digest("a", 1), digest("a", 1) == digest("a1")
    (True, False)
    """
    # Each text with its length before it, so that no two lists of parts run together to the same bytes.
    texts = [part if isinstance(part, bytes) else os.fsencode(str(part)) for part in parts]
    joined = b"".join(b"%d:%b" % (len(text), text) for text in texts)
    return hashlib.blake2b(joined, digest_size=DIGEST_BYTES).digest()


def file_stamp(path: str) -> bytes:
    """Digest a file's path, size and times of change; another stamp tells that the file is not what it was.

    Raises:
        OSError: There is no such file.
    """
    status = os.stat(path)
    return digest(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


# Time that one connection or one read may take, not the whole download: without a network this must fail quickly.
_SECONDS = 10.0

_KERAS_DATA = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_CIFAR_DATA = "https://www.cs.toronto.edu/~kriz/"

# File addresses, folder in the cache, and checksum (SHA-256 or MD5) where the publisher gives one; those of
# Fashion-MNIST carry gzip's own.
_FILES: dict[str, list[tuple[str, str, str | None]]] = {
    "mnist": [
        (f"{_KERAS_DATA}mnist.npz", "", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),
    ],
    "fashion_mnist": [
        (f"{_KERAS_DATA}{part}-{kind}.gz", "fashion-mnist", None)
        for part in ("train", "t10k")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ],
    "cifar10": [(f"{_CIFAR_DATA}cifar-10-binary.tar.gz", "", "c32a1d4ab5d03f1284b67883e8d87530")],
    "cifar100": [(f"{_CIFAR_DATA}cifar-100-binary.tar.gz", "", "03b5dce01913d631647c71ecec9e9cb8")],
}


class DownloadError(Exception):
    """A download failed; the message says why."""


def keras_datasets_folder() -> Path:
    """The folder where Keras keeps data sets: $KERAS_HOME/datasets or ~/.keras/datasets.

    It is /tmp/.keras/datasets, as Keras has it, where the home folder cannot be written or the system knows none, as in
    a container for users that have no entry in its list.
    """
    home = os.path.expanduser("~")
    usual = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or usual)) / "datasets"


def download(source: str) -> None:
    """Download a data set's files into `keras_datasets_folder()`, archives extracted.

    Args:
        source: mnist, fashion_mnist, cifar10 or cifar100.

    Raises:
        DownloadError: There is no network, the server does not answer, or a checksum is wrong.
    """
    import keras

    with _short_waits(), _progress_on_terminal_only():
        for address, folder, checksum in _FILES[source]:
            target = keras_datasets_folder() / folder
            try:
                target.mkdir(parents=True, exist_ok=True)
                keras.utils.get_file(
                    address.rsplit("/", 1)[1],
                    origin=address,
                    # An absolute path, so that Keras does not choose another folder.
                    cache_subdir=str(target.absolute()),
                    file_hash=checksum,
                    extract=address.endswith(".tar.gz"),
                )
            except Exception as error:  # Keras raises a bare Exception for a failed download
                reason = why(error)
                raise DownloadError(reason if address in reason else f"{address}: {reason}") from error


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _progress_on_terminal_only() -> Iterator[None]:
    """Keras would write its progress bar to stdout, which is for results, and fill log files with backspaces."""
    import keras

    before = keras.utils.is_interactive_logging_enabled()
    if not sys.stderr.isatty():
        keras.utils.disable_interactive_logging()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if before:
            keras.utils.enable_interactive_logging()
