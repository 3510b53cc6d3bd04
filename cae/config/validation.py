"""Turn a tree of values into typed sections, or into a list of all that is wrong with it."""

from __future__ import annotations

import itertools
import shlex
from typing import Any

from pydantic import ValidationError

from cae.config.checks import conflicts
from cae.config.problems import explain, meant_key, shown
from cae.config.run import RunConfig
from cae.config.schema_walk import root_shape
from cae.config.yaml.nodes import Node, Path, Problem, dotted, nearest, plain
from cae.section import Section


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
    if newest:
        message = _with_others(message, paths[0], path, [(one, other) for one, other in written if one != path])
    return Problem(node.place, path, message)


def _with_others(message: str, idle: Path, blamed: Path, others: list[tuple[Path, Node]]) -> str:
    """Of a key without effect, say where the keys stand that the command line did not give, and what to add."""
    _, has_no_effect, why = message.partition("has no effect")
    others = [(path, node) for path, node in others if node.place.key is None]
    if not has_no_effect or not others:
        return message
    where = {path: str(node.place) for path, node in others}
    if blamed == idle:
        named = {path: place for path, place in where.items() if str(path[-1]) in why} or where
        return f"{message}; {', '.join(f'{dotted(path)} is set in {place}' for path, place in named.items())}"
    if idle not in where:
        return message
    subject = f"{dotted(idle)}, set in {where[idle]}, has no effect{why}"
    return f"{subject}; add --set {shlex.quote(f'{dotted(idle)}={shown(_default_of(idle))}')}"


def _default_of(path: Path) -> Any:
    """The value of a key that is not given, without what a section has by default anyway; None in other choices."""
    value: Any = RunConfig()
    for key in path:
        value = getattr(value, str(key), None)
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, Section) else value


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
    by = section.options.by if section.options is not None else None
    if key == by:
        return [parent]
    meant = None if root_shape().at(path) else meant_key(path)
    if meant is None:
        return [path]
    return [path, parent if meant == by else (*parent, meant)]


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
