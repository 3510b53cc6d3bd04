"""What a file claims to hold, looked at before memory is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from cae.data.file_errors import file_error

# Deflate cannot do better than 1032:1.
_HIGHEST_COMPRESSION = 1032


def check_claim(path: Path, claimed: int, stored: int) -> None:
    """Refuse an array that so few bytes cannot unfold to: a damaged file, or one that was never filled.

    Args:
        path: The file.
        claimed: Bytes that its header promises.
        stored: Bytes that are there, compressed or not.

    Raises:
        UserError: The claim cannot be true.
    """
    if claimed > _HIGHEST_COMPRESSION * stored:
        raise file_error(path, f"the header promises {claimed} bytes. Received: far fewer bytes; truncated or damaged.")


def check_fits_memory(path: Path, needed: int) -> None:
    """Refuse what this machine has no memory for, where the system tells how much that is.

    Raises:
        UserError: More bytes are needed than the machine has.
    """
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", ()):  # Windows
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise file_error(
            path,
            f"this must be read into memory as a whole. Received: {needed / 1e9:,.1f} GB, and this machine has "
            f"{memory / 1e9:,.1f} GB; a .npy file would stay on disk.",
        )
