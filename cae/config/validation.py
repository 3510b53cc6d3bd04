"""Turn a tree of values into typed sections, or into a list of all that is wrong with it."""

from __future__ import annotations

import itertools
from typing import Any

from pydantic import ValidationError

from cae.config.checks import conflicts
from cae.config.problems import closest, explain
from cae.config.run import RunConfig
from cae.config.schema_walk import root_shape
from cae.config.yaml.nodes import Node, Path, Problem, nearest, plain


def validate(root: Node) -> tuple[RunConfig | None, list[Problem]]:
    """Check every key by itself, then the keys with each other.

    Keys that are wrong by themselves are left out of the second part: one mistake is one problem, and the
    rest is still checked. With a grid there is no second part, since it is the combinations that must agree.

    >>> from cae.config.yaml.nodes import Place, from_plain
    >>> config, problems = validate(from_plain({"seed": -1, "objective": {"huber_delta": 0.1}}, Place("a.yaml")))
    >>> for problem in problems:
    ...     print(problem)
    a.yaml: seed: must be an integer from 0 to 2147483647; received -1
    a.yaml: objective.huber_delta: huber_delta has no effect without a weight for huber

    Returns:
        The configuration, None unless every key is right by itself; and what is wrong.
    """
    data = plain(root)
    try:
        config = RunConfig.model_validate(data)
    except ValidationError as error:
        problems = explain(error, root)
        wrong = {path for problem in problems for path in _doubtful(problem.path)}
        rest = _without(data, wrong)
        return None, problems + (_conflicts(rest, root, wrong) if rest else [])
    return config, _conflicts(config, root, set())


def _conflicts(config: RunConfig, root: Node, wrong: set[Path]) -> list[Problem]:
    """Return the conflicts between keys, without those that involve a wrong key."""
    if config.grid:
        return []
    return [
        _located(root, paths, message)
        for paths, message in conflicts(config)
        if not any(_overlap(path, bad) for path in paths for bad in wrong)
    ]


def _located(root: Node, paths: tuple[Path, ...], message: str) -> Problem:
    """Blame the key that the command line gave, since it is the newest; else the first that was written."""
    found = [(path, *nearest(root, path)) for path in paths]
    written = [(path, node) for path, node, depth in found if depth == len(path)]
    newest = [(path, node) for path, node in written if node.place.key is not None]
    path, node = (newest or written or [(paths[0], found[0][1])])[0]
    return Problem(node.place, path, message)


def _overlap(path: Path, other: Path) -> bool:
    length = min(len(path), len(other))
    return path[:length] == other[:length]


def _doubtful(path: Path) -> list[Path]:
    """Return the keys whose meaning a wrong key leaves open.

    A misspelt choice may have been meant for any, and a misspelt key for the one that it resembles.
    """
    parent, key = path[:-1], path[-1]
    section = root_shape().at(parent)
    if section is None:
        return [path]
    if section.options is not None and key == section.options.by:
        return [parent]
    meant = closest(str(key), section.keys, cutoff=0.5)
    return [path] if root_shape().at(path) or meant is None else [path, (*parent, meant)]


def _without(data: Any, wrong: set[Path]) -> RunConfig | None:
    """Return what remains without the doubtful parts; None when that is nothing sound."""
    for path in wrong:
        # Lists go as a whole: without one item the others would stand in other places.
        keys = list(itertools.takewhile(lambda part: isinstance(part, str), path))
        if not keys:
            return None
        section = data
        for key in keys[:-1]:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.pop(keys[-1], None)
    try:
        return RunConfig.model_validate(data)
    except ValidationError:
        return None
