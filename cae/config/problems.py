"""What pydantic finds wrong, in our own words and with the place where it was written."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from cae.config.messages import closest, in_words, refusal, shown
from cae.config.nodes import Node, Path, Place, Problem, dotted, nearest, plain
from cae.config.schema_walk import Options, Shape, as_index, root_shape

# More lines than anyone reads; suggestions for thousands of keys would also take seconds.
MAX_PROBLEMS = 100

_UNKNOWN = "extra_forbidden"  # pydantic's name for it


def explain(error: ValidationError, root: Node) -> list[Problem]:
    """Return pydantic's findings as problems, one for each key that is wrong; no more than one above `MAX_PROBLEMS`.

    Args:
        error: What the validation of `root` raised.
        root: The configuration with its places.
    """
    data = plain(root)
    found: dict[Path, str] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        found.setdefault(_path(item["loc"], data), item["type"])
    # Of a choice between types each type is an error of its own; the one that got furthest says most.
    above = {path[:length] for path in found for length in range(len(path))}
    placed = [(_place(root, path, kind), path, kind) for path, kind in found.items() if path not in above]
    placed.sort(key=lambda item: by_place(item[0]))
    return [
        Problem(place, path, _unknown_key(data, path) if kind == _UNKNOWN else _wrong_value(data, path))
        for place, path, kind in placed[: MAX_PROBLEMS + 1]
    ]


def by_place(place: Place) -> tuple[Any, ...]:
    """Sort key: file by file from top to bottom, the command line last."""
    return place.line is None, place.source, place.line or 0, place.column or 0


def _path(loc: tuple[str | int, ...], data: Any) -> Path:
    """Return the dotted key that pydantic's location means.

    The location also names the choice taken and the type tried at each union, which are no keys.
    """
    path: list[str | int] = []
    shape: Shape | None = root_shape()
    choice_ahead = False
    for part in loc:
        if choice_ahead and shape and shape.options and part in shape.options.shapes:
            choice_ahead = False
        elif _has(data, part):
            shape = shape.child(part, data) if shape else None
            data = data[part]
            path.append(part)
            choice_ahead = bool(shape and shape.options)
    if choice_ahead and shape and shape.options and _has(data, shape.options.by):
        path.append(shape.options.by)  # the choice itself is wrong
    return tuple(path)


def _has(data: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(data, list) and part < len(data)
    return isinstance(data, dict) and part in data


def _place(root: Node, path: Path, kind: str) -> Place:
    node, _ = nearest(root, path)
    return node.key_place or node.place if kind == _UNKNOWN else node.place


def _inside(data: Any, path: Path) -> tuple[Shape | None, Any]:
    """Return what may stand at a path, for the choices that were made on the way, and what does."""
    shape: Shape | None = root_shape()
    for part in path:
        if shape and shape.options and part == shape.options.by:
            shape = Shape({"enum": list(shape.options.shapes)}, shape.definitions)
        else:
            shape = shape.child(part, data) if shape else None
        data = data[part]
    return shape, data


def _wrong_value(data: Any, path: Path) -> str:
    shape, value = _inside(data, path)
    return refusal(shape, value) if shape else f"is not allowed; received {shown(value)}"


def _unknown_key(data: Any, path: Path) -> str:
    key = str(path[-1])
    section, siblings = _inside(data, path[:-1])
    if section is None:
        return "unknown key"
    if section.options and (owners := section.options.owners(key)):
        return _without_effect(key, section.options, owners, siblings)
    return "unknown key; " + (_suggestion(key, path[:-1], section, siblings) or _allowed(section, siblings))


def _without_effect(key: str, options: Options, owners: list[str], siblings: Any) -> str:
    """Say for which other choice a key is."""
    usual = "" if options.by in siblings else " (the default)"
    chosen = f"{options.by}: {options.chosen(siblings)}{usual}"
    return f"{key} has no effect with {chosen}; it belongs to {in_words(owners)}"


def _suggestion(key: str, parent: Path, section: Shape, siblings: Any) -> str | None:
    known = root_shape()
    if "." in key and (known.at((*parent, *key.split("."))) or known.at(tuple(key.split(".")))):
        return "dotted keys are for --set and grid; here mappings stand within mappings"
    if close := closest(key, _keys(section, siblings), cutoff=0.65):
        return f"did you mean {close}?"
    if as_index(key) is not None:
        return f"{dotted(parent)} is not a list"
    elsewhere = sorted({dotted(path) for path in known.paths() if path[-1] == key})
    return f"did you mean {' or '.join(elsewhere)}?" if 0 < len(elsewhere) <= 3 else None


def _keys(section: Shape, siblings: Any) -> list[str]:
    if section.options is None:
        return list(section.keys)
    chosen = section.options.shapes.get(section.options.chosen(siblings))
    return list(chosen.keys) if chosen else []


def _allowed(section: Shape, siblings: Any) -> str:
    by = section.options.by if section.options else None
    keys = [key for key in _keys(section, siblings) if key != by]
    if by and section.options and not keys:
        return f"{by}: {section.options.chosen(siblings)} has no other keys"
    return f"allowed are {', '.join(keys)}" + (f" and {by}" if by else "")
