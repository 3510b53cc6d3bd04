"""Values of a Python program to the tree that a configuration file gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

from cae.config.nodes import Node, Path, Place, Problem, Scalar
from cae.config.reader import MAX_DEPTH, UNUSABLE
from cae.config.words import shown

# Values have no lines in a program; a message names the key.
PLACE = Place("config")


def from_python(value: Any) -> tuple[Node, list[Problem]]:
    """Take over what YAML could say as well, and refuse the rest.

    Tuples become lists, paths text, and numbers of NumPy those of Python.

    >>> node, problems = from_python({"data": {"image_size": (28, 28)}, "seed": object})
    >>> print(problems[0])
    config: seed: must be text, a number, true, false, null, a list or a mapping; received "<class 'object'>"

    Returns:
        The tree, with null for what was refused; and what is wrong.
    """
    problems: list[Problem] = []
    return _node(value, (), problems), problems


def _node(value: Any, path: Path, problems: list[Problem]) -> Node:
    if len(path) > MAX_DEPTH:
        problems.append(Problem(PLACE, path, f"values are nested more than {MAX_DEPTH} deep"))
        return Node(None, PLACE)
    if isinstance(value, Mapping):
        children = {}
        for key, child in value.items():
            if isinstance(key, str) and not UNUSABLE.search(key):
                children[str(key)] = replace(_node(child, (*path, key), problems), key_place=PLACE)
            else:
                problems.append(Problem(PLACE, path, f"a key must be text; received {shown(key)}"))
        return Node(children, PLACE)
    if isinstance(value, list | tuple):
        return Node([_node(item, (*path, index), problems) for index, item in enumerate(value)], PLACE)
    return Node(_scalar(value, path, problems), PLACE)


def _scalar(value: Any, path: Path, problems: list[Problem]) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        rule = "must be text, a number, true, false, null, a list or a mapping"
        problems.append(Problem(PLACE, path, f"{rule}; received {shown(value)}"))
        return None
    if unusable := UNUSABLE.search(text):
        problems.append(Problem(PLACE, path, f"the character {unusable.group()!r} is not allowed"))
    return UNUSABLE.sub("", text)
