"""A configuration with a grid to one configuration for each combination of its values."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from cae.config.overrides import Override, apply
from cae.config.problems import MAX_PROBLEMS, unknown_dotted
from cae.config.run import LogRange, RunConfig, TuneSection
from cae.config.schema_walk import root_shape
from cae.config.validation import validate
from cae.config.yaml.nodes import Node, Path, Place, Problem, from_plain, nearest, num_values, plain
from cae.errors import ConfigError

MAX_RUNS = 1000
MAX_GRID_VALUES = 1_000_000

# What belongs to the grid as a whole.
_FIXED = ("grid", "match", "tune", "experiment", "name")
# What trials may not differ in: their seeds, their budget, and what would make validation easier.
_UNTUNED = (*_FIXED, "seed", "logging", "data", "objective.corruption", "training.epochs", "training.steps")

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


def arm_names(config: RunConfig, axes: tuple[str, ...] = ("seed",)) -> list[str]:
    """Name the decoder of each run of `expand_grid`: runs that differ along `axes` alone have the same.

    >>> arm_names(RunConfig(grid={"seed": (0, 1), "model.decoder.upsampling.kind": ("resize", "subpixel")}))
    ['resize', 'subpixel', 'resize', 'subpixel']
    """
    names = []
    for values in itertools.product(*config.grid.values()):
        chosen = {key: value for key, value in zip(config.grid, values, strict=True) if key not in axes}
        names.append(_run_name(config.name, _overrides(chosen)) if chosen else config.name)
    return names


def with_values(config: RunConfig, values: Mapping[str, Any], prefix: str = "") -> RunConfig:
    """Set dotted keys of a single run's configuration.

    >>> with_values(RunConfig(), {"training.optimizer.learning_rate": 0.01, "seed": 3}, "trial").name
    'trial-learning_rate=0.01,seed=3'

    Args:
        config: without a grid.
        values: of the keys.
        prefix: begins a new name that tells the values; empty for the old name.

    Raises:
        ConfigError: the result is not a valid configuration.
    """
    overrides = _overrides(values)
    new, problems = apply(from_plain(config.model_dump(), _HERE), overrides)
    result, found = validate(new)
    if result is None or problems or found:
        raise ConfigError("\n".join(map(str, problems or found)))
    return result.model_copy(update={"name": _run_name(prefix, overrides)}) if prefix else result


_HERE = Place("tune")


def _overrides(values: Mapping[str, Any]) -> list[Override]:
    return [Override(tuple(key.split(".")), from_plain(value, _HERE)) for key, value in values.items()]


def grid_problems(root: Node) -> list[Problem]:
    """Return what is wrong with a grid, or with the configurations that it stands for.

    Args:
        root: the whole configuration; its values are right by themselves.
    """
    entries = itertools.chain(_all_entry_problems(root), _tune_problems(root))
    if problems := [*islice(entries, MAX_PROBLEMS + 1), *_size_problems(root)]:
        return problems
    found: dict[Problem, None] = {}  # the same problem comes up in many combinations
    num_found = 0
    for combination, unset in _combinations(root):
        wrong = unset or validate(combination)[1] or _trial_problems(root, combination)
        found.update(dict.fromkeys(wrong))
        num_found += len(wrong)
        if len(found) >= MAX_PROBLEMS or num_found >= MAX_RUNS:
            break
    return list(found)


def _tune(root: Node) -> TuneSection:
    tune = root.value.get("tune") if isinstance(root.value, dict) else None
    return TuneSection() if tune is None else TuneSection.model_validate(plain(tune))


def _tune_problems(root: Node) -> Iterator[Problem]:
    """Yield what is wrong with what is to be tuned, whatever the grid's combinations are."""
    tune, grid = _tune(root), {key: plain(values) for key, values in _grid(root).items()}

    def problem(message: str, *path: str) -> Problem:
        return Problem(nearest(root, ("tune", *path))[0].place, ("tune", *path), message)

    if not tune.values:
        if tune != TuneSection():
            yield problem("has no effect without values to try: {values: {dotted key: [value, ...]}}")
        return
    if not grid:  # `conflicts` reports that
        return
    draws = tune.search != "grid"
    for key, values in tune.values.items():
        path = ("values", key)
        if any(_overlap(key, fixed) for fixed in _UNTUNED) and not key.startswith("data.augmentation"):
            yield problem("cannot be tuned: trials must differ in nothing that makes validation easier", *path)
        elif root_shape().at(tuple(key.split("."))) is None:
            yield problem(unknown_dotted(key), *path)
        elif any(_overlap(key, axis) for axis in grid):
            yield problem("is an axis of the grid already, or has one in it", *path)
        elif key.split(".")[0] == "model" and _value(root, "match", "none") != "none":
            yield problem("cannot be tuned with match, which has made the models alike before", *path)
        if isinstance(values, LogRange):
            if values.low >= values.high:
                yield problem(f"low must be below high; received {values.low:g} and {values.high:g}", *path)
            if draws == (values.num is not None):
                rule = "num has no effect but with search: grid" if draws else "a range needs num with search: grid"
                yield problem(rule, *path)
    if draws == (tune.trials is None):
        yield problem(f"search: {tune.search} needs trials" if draws else "trials has no effect with search: grid")
    if tune.search == "halving" and tune.epochs is None:
        yield problem("search: halving needs epochs, which the first round trains")
    own = grid.get("seed", [_value(root, "seed", 0)])
    if common := sorted(set(tune.seeds) & set(own)):
        yield problem(f"trials need seeds of their own; the grid's runs have {common[0]} too", "seeds")
    number = (
        1
        if draws
        else math.prod(
            len(values.spread if isinstance(values, LogRange) else values) for values in tune.values.values()
        )
    )
    if number > MAX_RUNS:
        yield problem(f"at most {MAX_RUNS} trials of each decoder; received {number}", "values")


def _value(root: Node, key: str, default: Any) -> Any:
    return root.value[key].value if isinstance(root.value, dict) and key in root.value else default


def _overlap(key: str, other: str) -> bool:
    """Whether one of two dotted keys is the other, or stands in it."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _trial_problems(root: Node, combination: Node) -> list[Problem]:
    """Return which tuned values do not go with a combination, each tried alone; seeds make no difference to that."""
    found: list[Problem] = []
    seeds = _items(_grid(root)["seed"]) if "seed" in _grid(root) else []
    if seeds and _value(combination, "seed", None) != seeds[0].value:
        return found
    for key, values in _tune(root).values.items():
        node = nearest(root, ("tune", "values", key))[0]
        ends = [values.at(0), values.at(1)] if isinstance(values, LogRange) else []
        for item in [from_plain(end, node.place) for end in ends] or _items(node):
            trial, unset = apply(combination, [Override(tuple(key.split(".")), item)])
            found += unset or validate(trial)[1]
    return found


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
        yield Problem(place, path, unknown_dotted(key))
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
    rest = replace(
        root, value={key: child for key, child in root.value.items() if key not in ("grid", "match", "tune")}
    )
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
