"""Labels as names of folders, which TensorBoard shows as names of runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What one of the common file systems does not allow in a name.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_LENGTH = 100


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Give each label a name that every file system takes, as near to it as possible, and no name twice.

    Example:
        >>> folder_names(["resize nearest", "a/b", "A:B", ".."])
        {'resize nearest': 'resize nearest', 'a/b': 'a_b', 'A:B': 'A_B 2', '..': '_'}

    Args:
        labels: all different.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        base = _FORBIDDEN.sub("_", label)[:_LENGTH].strip(". ") or "_"
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base} {number}"
        taken.add(name.casefold())
        names[label] = name
    return names
