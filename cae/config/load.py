"""Configuration files, and what the command line changes in them, to one checked configuration."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from cae.config.grid import grid_problems
from cae.config.overrides import Override, apply, merge
from cae.config.problems import MAX_PROBLEMS, by_place
from cae.config.registration import IF_ADDED, load_installed, where_it_was
from cae.config.run import RunConfig
from cae.config.validation import validate
from cae.config.yaml.files import PLACE, absolute_paths, read_files, read_mapping
from cae.config.yaml.nodes import Node, Place, Problem, nearest, num_values
from cae.config.yaml.reader import MAX_DEPTH, MAX_VALUES, UNUSABLE, read_yaml
from cae.errors import ConfigError
from cae.kinds.own_model import PARTS, find_beside


def load_config(path: pathlib.Path | str, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a configuration file, change it as the command line says, and check all of it.

    The layers, each on top of the one before: the defaults, the files that `extends` names, the file itself,
    the overrides. Mappings are merged, lists and everything else are replaced. Where a layer makes another
    choice (`kind: resize` on `kind: conv_transpose`) the keys of the old choice are dropped. An override sets
    its key to its value and nothing else, whatever order the overrides have.

    Relative paths of images start from the file that states them, those of overrides from the current folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.yaml")
    ...     _ = file.write_text("model: {decoder: {upsampling: {kind: conv_transpose, kernel_size: 2}}}")
    ...     config = load_config(file, ["model.decoder.upsampling.kind=max_unpool", "training.epochs=3"])
    >>> config.model.decoder.upsampling.kind, config.training.epochs
    ('max_unpool', 3)

    Args:
        path: the YAML file; an empty one takes every default.
        overrides: as on the command line, `KEY=VALUE` with a dotted key and a YAML value.

    Raises:
        ConfigError: something is wrong; the message has one line for each problem, with its place.
    """
    config = _check(*read_files(os.fspath(path)), Place(os.fspath(path)), overrides)
    for part in PARTS:
        if given := getattr(config.model, part).keras:
            find_beside(pathlib.Path(path), part, given)
    return config


def check_config(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> RunConfig:
    """Check a configuration that was written in Python, with the keys of a file and the same errors.

    >>> check_config({"seed": 3, "model": {"decoder": {"upsampling": "subpixel"}}}).seed
    3
    >>> check_config({"training": {"epochs": 0}})
    Traceback (most recent call last):
    cae.errors.ConfigError: config: training.epochs: must be an integer of at least 1 or auto; received 0

    Args:
        values: nested mappings of text, numbers, truth values, None, paths, and lists or tuples of these; `extends`
            may name a file below it. Relative paths start from the current folder.
        overrides: as for `load_config`.

    Raises:
        ConfigError: something is wrong; the message has one line for each problem, with its key.
    """
    return _check(*read_mapping(values), PLACE, overrides)


def _check(layers: list[Node], problems: list[Problem], place: Place, overrides: Sequence[str]) -> RunConfig:
    """Lay overrides on what was read, and check all of it.

    Args:
        layers: a mapping for each file, the lowest first; none where nothing could be read.
        problems: what was wrong on the way.
        place: of the whole.
        overrides: `KEY=VALUE`.
    """
    load_installed(layers, overrides)
    root = functools.reduce(merge, layers) if layers else Node({}, place)
    changes, found = _read_overrides(overrides)
    problems += found
    root, found = apply(root, changes)
    problems += found
    if num_values(root) > MAX_VALUES:
        problems.append(Problem(root.place, (), f"more than {MAX_VALUES} values in all files and overrides together"))
        layers = []
    if not layers:  # further problems would be about a configuration that was never written
        raise _refusal(problems)
    config, found = validate(root)
    problems += _news(found or grid_problems(root), problems)
    if problems or config is None:
        raise _refusal([_with_origin(problem, root, place) for problem in problems])
    return config


def _with_origin(problem: Problem, root: Node, place: Place) -> Problem:
    """A problem; of a kind that is not there, with the package that had it when the run was trained."""
    is_key = problem.message.startswith("unknown key")
    word = problem.path[-1] if is_key else nearest(root, problem.path)[0].value
    found = where_it_was(word, pathlib.Path(place.source)) if isinstance(word, str) else None
    message = problem.message.partition(f"; {IF_ADDED}")[0]
    return dataclasses.replace(problem, message=f"{message}; {found}") if found else problem


def _read_overrides(texts: Sequence[str]) -> tuple[list[Override], list[Problem]]:
    """Return what overrides set, and what is wrong with them as such."""
    overrides: list[Override] = []
    problems: list[Problem] = []
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        source = f"--set {text}" if len(text) <= 200 else f"--set {text[:200]}..."
        # Keys of a grid and of what is tuned are dotted themselves.
        depth = 1 if key.startswith("grid.") else 2 if key.startswith("tune.values.") else -1
        path = tuple(key.split(".", depth))
        if not equals or not all(path) or len(path) > MAX_DEPTH or UNUSABLE.search(key):
            message = "must be KEY=VALUE with a dotted key, for example training.epochs=20"
            problems.append(Problem(Place(source, key=""), (), message))
            continue
        node, found = read_yaml(value, source, key=key)
        problems += found
        if node is not None:
            placed = Node(node.value, node.place, node.place)
            overrides.append(Override(path, absolute_paths(placed, os.curdir, path)))
    return overrides, problems


def _news(found: list[Problem], known: list[Problem]) -> list[Problem]:
    """Return the problems where none is known yet: what could not be read is wrong for later checks, too."""
    places = {problem.place for problem in known}
    return [problem for problem in found if problem.place not in places]


def _refusal(problems: list[Problem]) -> ConfigError:
    """Return the error that lists all problems from the top to the bottom of the files."""
    lines = [str(problem) for problem in sorted(problems, key=lambda problem: by_place(problem.place))]
    lines = list(dict.fromkeys(lines))
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = ["... and more"]
    return ConfigError("\n".join(lines))
