"""What a file claims to hold, looked at before memory is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from cae.data.file_errors import file_error
from cae.machine import find_limits, this_machine

# Deflate cannot do better than 1032:1, and reaches that with zeros alone: masks and drawings unfold to 100 times as
# much. What is small may unfold as it likes.
_HIGHEST_COMPRESSION, _USUAL_COMPRESSION = 1032, 200
_HARMLESS_BYTES = 1 << 26


def check_claim(path: Path, claimed: int, stored: int) -> None:
    """Refuse an array that so few bytes cannot unfold to, or only to fill a machine's memory.

    Args:
        path: The file.
        claimed: Bytes that its header promises.
        stored: Bytes that are there, compressed or not.

    Raises:
        UserError: The claim cannot be true, or is of zeros.
    """
    if claimed > _HIGHEST_COMPRESSION * stored:
        raise file_error(path, f"the header promises {claimed} bytes. Received: far fewer bytes; truncated or damaged.")
    if not unfolds_usually(claimed, stored):
        raise file_error(
            path,
            f"what unfolds to more than {_HARMLESS_BYTES >> 20} MiB must not unfold to more than {_USUAL_COMPRESSION}"
            f" times its bytes; images do not. Received: {stored:,} bytes for {claimed:,}; store them uncompressed.",
        )


def unfolds_usually(claimed: int, stored: int) -> bool:
    """Whether bytes may unfold to so many: few, or not many times what is stored.

    >>> unfolds_usually(4 << 30, 6 << 20), unfolds_usually(60 << 20, 1 << 16)
    (False, True)
    """
    return claimed <= max(_HARMLESS_BYTES, _USUAL_COMPRESSION * stored)


def machine_memory() -> int | None:
    """Bytes of memory that this machine has, or that its container allows; None where the system does not tell."""
    sizes = [find_limits(this_machine()).memory]
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):  # not on Windows
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((size for size in sizes if size is not None), default=None)


def check_fits_memory(path: Path, needed: int) -> None:
    """Refuse what this machine, or its container, has no memory for, where the system tells how much that is.

    Raises:
        UserError: More bytes are needed than the machine has.
    """
    memory = machine_memory()
    if memory is not None and needed > memory:
        raise file_error(
            path,
            f"this must be read into memory as a whole. Received: {needed / 1e9:,.1f} GB, and this machine has "
            f"{memory / 1e9:,.1f} GB; a .npy file would stay on disk.",
        )
