"""A configuration with a grid to one configuration for each combination of its values."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from cae.config.overrides import Override, apply
from cae.config.problems import MAX_PROBLEMS, closest
from cae.config.run import RunConfig
from cae.config.schema_walk import root_shape
from cae.config.validation import validate
from cae.config.yaml.nodes import Node, Path, Place, Problem, dotted, from_plain, num_values, plain
from cae.errors import ConfigError

MAX_RUNS = 1000
MAX_GRID_VALUES = 1_000_000

# What belongs to the grid as a whole.
_FIXED = ("grid", "match", "experiment", "name")

# Keys whose value says enough without them; choices stand in front.
_CHOICES = ("kind", "name", "source", "upsampling", "downsampling", "interpolation", "kernel_size")
_DECODERS = ("model", "decoder", "upsampling")
_SEED = ("seed",)


def expand_grid(config: RunConfig) -> list[RunConfig]:
    """Return one configuration for each combination of the grid's values; without a grid, `config` itself.

    Each has an empty grid and a name of its own, which depends on its values only: a longer list of values
    leaves the names of the runs that were there before. What runs differ in comes first, so that they can be told
    apart where a narrow list cuts names off. `match` is left to `cae.grid`, which needs the images.

    >>> config = RunConfig(grid={"seed": (0, 1), "model.decoder.upsampling.kind": ("resize", "subpixel")})
    >>> [run.name for run in expand_grid(config)]
    ['resize-s0', 'subpixel-s0', 'resize-s1', 'subpixel-s1']
    >>> [run.name for run in expand_grid(RunConfig(name="small", grid={"seed": (0, 1)}))]
    ['small-seed=0', 'small-seed=1']

    Args:
        config: as from `load_config`, which has checked every combination.

    Raises:
        ConfigError: a combination is not a valid configuration.
    """
    if not config.grid:
        return [config]
    root = from_plain(config.model_dump(), Place("grid"))
    if problems := grid_problems(root):
        raise ConfigError("\n".join(map(str, problems)))
    runs = [validate(combination)[0] for combination, _ in _combinations(root)]
    return [run for run in runs if run is not None]


def grid_problems(root: Node) -> list[Problem]:
    """Return what is wrong with a grid, or with the configurations that it stands for.

    Args:
        root: the whole configuration; its values are right by themselves.
    """
    if problems := [*islice(_all_entry_problems(root), MAX_PROBLEMS + 1), *_size_problems(root)]:
        return problems
    found: dict[Problem, None] = {}  # the same problem comes up in many combinations
    num_found = 0
    for combination, unset in _combinations(root):
        wrong = unset or validate(combination)[1]
        found.update(dict.fromkeys(wrong))
        num_found += len(wrong)
        if len(found) >= MAX_PROBLEMS or num_found >= MAX_RUNS:
            break
    return list(found)


def _size_problems(root: Node) -> Iterator[Problem]:
    """Yield whether there are more combinations, or more in them, than can be looked at in a moment."""
    grid = _grid(root)
    if not grid or not isinstance(root.value, dict):
        return
    place = root.value["grid"].place
    num_runs = math.prod(len(_items(values)) for values in grid.values())
    if num_runs > MAX_RUNS:
        received = str(num_runs) if num_runs < 10**15 else "more than 10^15"
        yield Problem(place, ("grid",), f"at most {MAX_RUNS} combinations; received {received}")
        return
    total = num_runs * (num_values(root) - num_values(root.value["grid"]))
    total += sum(num_runs // len(_items(values)) * num_values(values) for values in grid.values())
    if total > MAX_GRID_VALUES:
        message = f"at most {MAX_GRID_VALUES} values in all {num_runs} combinations together"
        yield Problem(place, ("grid",), f"{message}; received {total}")


def _grid(root: Node) -> dict[str, Node]:
    grid = root.value.get("grid") if isinstance(root.value, dict) else None
    return grid.value if grid is not None and isinstance(grid.value, dict) else {}


def _items(values: Node) -> list[Node]:
    return values.value if isinstance(values.value, list) else []


def _all_entry_problems(root: Node) -> Iterator[Problem]:
    for key, values in _grid(root).items():
        yield from _entry_problems(key, values)


def _entry_problems(key: str, values: Node) -> Iterator[Problem]:
    path, place = ("grid", key), values.key_place or values.place
    parts = key.split(".")
    if parts[0] in _FIXED:
        yield Problem(place, path, f"{parts[0]} cannot vary within a grid")
    elif root_shape().at(tuple(parts)) is None:
        near = closest(key, [dotted(known) for known in root_shape().paths()], cutoff=0.8)
        yield Problem(place, path, "unknown key" + (f"; did you mean {near}?" if near else ""))
    seen: set[str] = set()
    for index, item in enumerate(_items(values)):
        text = _as_json(item)
        if text in seen:
            yield Problem(item.place, (*path, index), f"the value {text} is given twice")
        seen.add(text)


def _combinations(root: Node) -> Iterator[tuple[Node, list[Problem]]]:
    """Yield the tree of each combination, and what could not be set; the last key's values change fastest."""
    grid = _grid(root)
    assert isinstance(root.value, dict)
    rest = replace(root, value={key: child for key, child in root.value.items() if key not in ("grid", "match")})
    paths: list[Path] = [tuple(key.split(".")) for key in grid]
    name = root.value["name"].value if "name" in root.value else RunConfig.model_fields["name"].default
    for values in itertools.product(*map(_items, grid.values())):
        overrides = [Override(path, value) for path, value in zip(paths, values, strict=True)]
        here = Place("grid")
        run = Node(_run_name(str(name), overrides), here, here)
        yield apply(rest, [*overrides, Override(("name",), run)])


def _run_name(name: str, overrides: list[Override]) -> str:
    if any(override.path[:3] == _DECODERS for override in overrides):
        # What they are compared in stands in front, and the seed in a few letters: lists of runs cut long names off.
        ordered = sorted(overrides, key=lambda override: (override.path == _SEED, override.path[:3] != _DECODERS))
        settings = [_label(override) for override in ordered if override.path != _SEED]
        seeds = [_label(override).replace("seed=", "s", 1) for override in ordered if override.path == _SEED]
        own = [] if name == RunConfig.model_fields["name"].default else [name]
        full = "-".join([",".join(settings), *seeds, *own])
    else:
        full = f"{name}-{','.join(map(_label, overrides))}"
    return full if len(full) <= 128 else f"{full[:100]}-{_digest(full)}"


def _label(override: Override) -> str:
    """Return `seed=3`, or `resize` alone where the word says enough; a digest for what is no short word."""
    leaf = str(override.path[-1])
    text = _short(override.value) or _digest(_as_json(override.value))
    return text if leaf in _CHOICES else f"{leaf}={text}"


def _short(node: Node) -> str:
    """Return `3`, `resize`, or `resize_nearest` for a mapping of such; nothing for what is not short."""
    value = node.value
    if isinstance(value, dict):
        words = {key: _short(child) for key, child in value.items() if not isinstance(child.value, dict)}
        if not value or len(words) < len(value) or not all(words.values()):
            return ""
        ordered = sorted(words, key=lambda key: _CHOICES.index(key) if key in _CHOICES else len(_CHOICES))
        text = "_".join(words[key] if key in _CHOICES else f"{key}={words[key]}" for key in ordered)
        return text if len(text) <= 48 else ""
    text = str(value) if isinstance(value, int | float | str) else ""
    return text if re.fullmatch(r"[A-Za-z0-9._+-]{0,31}[A-Za-z0-9_+-]", text) else ""


def _as_json(node: Node) -> str:
    return json.dumps(plain(node), sort_keys=True, ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
