"""Folders that keep things from one run to the next, and digests that say whether these still hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

# 128 bits: among a million million files no two are expected to agree by chance.
DIGEST_BYTES = 16


def user_cache_folder() -> Path:
    """The folder $XDG_CACHE_HOME/cae or ~/.cache/cae; it need not exist yet.

    Source: XDG Base Directory Specification, version 0.8 (a relative $XDG_CACHE_HOME is to be ignored).

    Raises:
        OSError: the user has no home folder.
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
        OSError: there is no such file.
    """
    status = os.stat(path)
    return digest(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def keras_datasets_folder() -> Path:
    """The folder where Keras keeps data sets: $KERAS_HOME/datasets or ~/.keras/datasets.

    It is /tmp/.keras/datasets, as Keras has it, where the home folder cannot be written or the system knows none, as in
    a container for users that have no entry in its list.
    """
    home = os.path.expanduser("~")
    usual = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or usual)) / "datasets"
