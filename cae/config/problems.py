"""What is wrong with a configuration, in plain words and with its place in the file."""

from __future__ import annotations

import contextlib
import difflib
import json
import math
import re
from collections.abc import Container, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from cae.config.registration import how_to_add
from cae.config.schema_walk import Options, Shape, as_index, root_shape
from cae.config.synonyms import CHOICE_KEYS, EXPLAINED, KEYS, MEANT, letters
from cae.config.yaml.nodes import Node, Path, Place, Problem, dotted, nearest, plain, resolve
from cae.section import MOST

MAX_SHOWN = 80


def describe(shape: Shape) -> str:
    """Return what may stand in a place, to follow "must be".

    >>> from cae.config.schema_walk import root_shape
    >>> describe(root_shape().at(("training", "xla")))
    'auto, true or false'
    >>> describe(root_shape().at(("model", "encoder", "dropout")))
    'a number of at least 0 and below 1'
    """
    schema = shape.schema
    if "$comment" in schema:
        return str(schema["$comment"])
    if shape.has_options and shape.options:
        return f"one of {', '.join(shape.options.shapes)}, or a mapping with `{shape.options.by}`"
    if len(shape.alternatives) > 1:
        phrases = [phrase for part in shape.alternatives for phrase in _phrases(part)]
        comma = "," if any("," in phrase or " or " in phrase for phrase in phrases) else ""
        return f"{', '.join(phrases[:-1])}{comma} or {phrases[-1]}"
    words = _words(shape)
    if words:
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    return _describe_type(shape)


def _phrases(shape: Shape) -> list[str]:
    return _phrases_of_boolean(shape) or [describe(shape)]


def _phrases_of_boolean(shape: Shape) -> list[str]:
    return ["true", "false"] if shape.schema.get("type") == "boolean" else []


def _describe_type(shape: Shape) -> str:
    schema = shape.schema
    kind = schema.get("type")
    if kind == "array":
        item = shape.items(0)
        if item and item.has_options:
            return "a list of such choices"
        return f"a list of {_count(schema)}" + (f", each {describe(item)}" if item and item.schema else "")
    if kind == "object":
        return f"a mapping with keys from {', '.join(shape.keys)}" if shape.keys else "a mapping"
    if kind in ("integer", "number"):
        return ("an integer" if kind == "integer" else "a number") + _range(schema, kind == "integer")
    return {"boolean": "true or false", "string": "text", "null": "null"}.get(str(kind), "a value")


def _range(schema: dict[str, Any], whole: bool) -> str:
    """Return the limits; those of integers always as the last values that are allowed."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = _highest(schema), schema.get("exclusiveMaximum")
    if whole:
        low, above = (low if above is None else above + 1), None
        high, below = (high if below is None else below - 1), None
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}" if not whole else f" from {low} to {high}"
    limits = {"of at least": low, "above": above, "of at most": high, "below": below}
    said = [f"{word} {limit:g}" for word, limit in limits.items() if limit is not None]
    return " " + " and ".join(said) if said else ""


def _highest(schema: dict[str, Any]) -> float | None:
    """Return the highest value, except the limit of all counts, which is mentioned only for a number above it."""
    highest = schema.get("maximum")
    return None if highest == MOST else highest


def _count(schema: dict[str, Any]) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    if high is not None:
        return f"{low} items" if low == high else f"{low} to {high} items"
    return "one or more items" if low == 1 else f"{low} or more items"


def words_of(shape: Shape) -> list[str]:
    """The words that may stand in a place: fixed ones, choices, and true or false.

    >>> from cae.config.schema_walk import root_shape
    >>> words_of(root_shape().at(("training", "xla")))
    ['auto', 'true', 'false']
    """
    fixed = [word for part in shape.alternatives for word in _words(part) or _phrases_of_boolean(part)]
    return list(dict.fromkeys([*fixed, *(shape.options.shapes if shape.options else ())]))


def _words(shape: Shape) -> list[str]:
    """Return the fixed words, numbers and truth values that may stand in a place."""
    schema = shape.schema
    fixed = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return [word if isinstance(word, str) else shown(word) for word in fixed]


def shown(value: Any) -> str:
    """Return a value as it might stand in the file, shortened when it is long.

    >>> shown({"kind": "resize", "scale": [2, None]})
    '{kind: "resize", scale: [2, null]}'
    """
    text = _shown(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
    return json.dumps(value, ensure_ascii=False, default=str)


def refusal(shape: Shape, value: Any) -> str:
    """Return what must stand in a place, what was received, and how to mend it where that is clear."""
    advice = _advice(shape, value)
    return f"must be {describe(shape)}; received {shown(value)}" + (f"; {advice}" if advice else "")


def _advice(shape: Shape, value: Any) -> str | None:
    types = {alternative.schema.get("type") for alternative in shape.alternatives}
    if isinstance(value, float) and not math.isfinite(value):
        return "numbers must be finite"
    if isinstance(value, float) and value.is_integer() and "integer" in types and abs(value) < 1e15:
        return f"write {int(value)}"
    if isinstance(value, int) and value > MOST and "integer" in types:
        return f"numbers end at {MOST}"
    if value is None and types == {"object"}:
        return "leave the key out for its defaults"
    if "array" in types and (listed := _as_list(shape, value)):
        return f"write {listed}"
    if isinstance(value, dict):
        return None
    if (shape.options or "object" in types) and (mapping := _as_mapping(shape, value)):
        return f"write {mapping}"
    if value is None or isinstance(value, list):
        return None
    if not isinstance(value, str):
        return _advice_on_word(shape, shown(value), types)
    advice = _advice_on_word(shape, value, types) or _advice_on_number(shape, value, types)
    return advice or how_to_add(words_of(shape))


def _as_mapping(shape: Shape, value: Any) -> str | None:
    """Return the mapping that one value was probably meant for: by the key's name, or the first one that takes it."""
    if isinstance(value, str):
        known = [key for part in shape.alternatives if not part.options for key in part.keys]
        key = closest(value, known)
        return f"{{{key}: 1.0}}" if key and known else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    sections = (
        [("", shape)]
        if not shape.options
        else [(f"{shape.options.by}: {choice}, ", section) for choice, section in shape.options.shapes.items()]
    )
    for start, section in sections:
        for part in section.alternatives:
            # Of a large section none can be meant by a number alone.
            for key, inner in part.keys.items() if len(part.keys) <= 4 else ():
                if {one.schema.get("type") for one in inner.alternatives} & {"integer", "number"}:
                    return f"{{{start}{key}: {shown(value)}}}"
    return None


def _as_list(shape: Shape, value: Any) -> str | None:
    """Return the list that one number, or one text like `64x48`, was probably meant for."""
    numbers = [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
    if isinstance(value, str) and re.fullmatch(r"[(\[]?\s*\d+(\s*[x*,;\s]\s*\d+)*\s*(px|pixels)?[)\]]?", value.lower()):
        numbers = [int(part) for part in re.findall(r"\d+", value)]
    length = next((one.schema.get("minItems", 0) for one in shape.alternatives if one.schema.get("type") == "array"), 0)
    if len(numbers) == 1:
        numbers *= max(1, length)
    return f"[{', '.join(map(str, numbers))}]" if numbers else None


def _advice_on_word(shape: Shape, text: str, types: set[Any]) -> str | None:
    meant = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}.get(text.lower())
    if "boolean" in types and meant:
        return f"write {meant}"
    if "subpixel" in (shape.options.shapes if shape.options else ()) and letters(text) in EXPLAINED:
        return EXPLAINED[letters(text)]
    words = [word for alternative in shape.alternatives for word in _words(alternative)]
    if shape.options:
        words.extend(shape.options.shapes)
    if close := closest(text, words):
        return f"did you mean {close}?"
    if shape.options and (key := _key_taking(text, shape.options)):
        return f"did you mean {{{shape.options.by}: {key[0]}, {key[1]}: {text}}}?"
    return None


def _key_taking(word: str, options: Options) -> tuple[str, str] | None:
    """Return a choice and its key that takes `word`, as `interpolation` of `resize` takes `nearest`."""
    keys = ((choice, key, inner) for choice, shape in options.shapes.items() for key, inner in shape.keys.items())
    return next(((choice, key) for choice, key, inner in keys if key != options.by and word in _words(inner)), None)


def _advice_on_number(shape: Shape, text: str, types: set[Any]) -> str | None:
    if not (types & {"integer", "number"} or any(isinstance(word, int) for word in shape.schema.get("enum", ()))):
        return None
    if re.fullmatch(r"\d+(\.\d+)?\s*%", text):
        return f"write {float(text.rstrip('% ')) / 100:g}"
    if re.fullmatch(r"\d+(\s+\d+)+", text):
        return f"write {', '.join(text.split())}"
    plain = re.sub(r"(?<=\d)[,_'](?=\d{3}(\D|$))", "", text).replace("_", "").replace(",", ".")
    for number, advice in ((text, "write it without quotes"), (plain, f"write {plain}")):
        with contextlib.suppress(ValueError):
            if isinstance(resolve(number), int | float):
                return advice
    return None


def in_words(names: Sequence[str]) -> str:
    """Enumerate names.

    >>> in_words(["sgd", "rmsprop", "muon"])
    'sgd, rmsprop and muon'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def closest(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the candidate that `word` most probably misspells, or is another name of; None when none is near.

    >>> closest("max_unpol", ["max_unpool", "resize"]), closest("PixelShuffle", ["resize", "subpixel"])
    ('max_unpool', 'subpixel')
    """
    candidates = list(candidates)
    # `keras.layers.UpSampling2D` is its last word.
    for spelt in (word, word.rpartition(".")[2]):
        if meant := next((name for name in MEANT.get(letters(spelt), ()) if name in candidates), None):
            return meant
    begun = [candidate for candidate in candidates if len(word) >= 3 and candidate.startswith(word.lower())]
    if len(begun) == 1:
        return begun[0]
    word = word.lower().replace("-", "_")
    containing = [candidate for candidate in candidates if len(word) >= 4 and word in candidate]
    matches = difflib.get_close_matches(word, containing or candidates, n=1, cutoff=cutoff)
    return matches[0] if matches else (containing[0] if len(containing) == 1 else None)


# More lines than anyone reads; suggestions for thousands of keys would also take seconds.
MAX_PROBLEMS = 100

_UNKNOWN = "extra_forbidden"  # pydantic's name for it


def explain(error: ValidationError, root: Node) -> list[Problem]:
    """Return pydantic's findings as problems, one for each key that is wrong; no more than one above `MAX_PROBLEMS`.

    Args:
        error: what the validation of `root` raised.
        root: the configuration with its places.
    """
    data = plain(root)
    found: dict[Path, str] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        found.setdefault(_path(item["loc"], data), item["type"])
    # Of a choice between types each type is an error of its own; the one that got furthest says most.
    above = {path[:length] for path in found for length in range(len(path))}
    unknown = [path for path, kind in found.items() if kind == _UNKNOWN]
    unmade = {path[:-1] for path in unknown if _leaves_a_choice_open(data, path)}
    found = {path: kind for path, kind in found.items() if kind != _UNKNOWN or not _follows(path, unmade)}
    placed = [(_place(root, path, kind), path, kind) for path, kind in found.items() if path not in above]
    placed.sort(key=lambda item: by_place(item[0]))
    return [
        Problem(place, path, _unknown_key(data, path) if kind == _UNKNOWN else _wrong_value(data, path))
        for place, path, kind in placed[: MAX_PROBLEMS + 1]
    ]


def meant_key(path: Path) -> str | None:
    """Return the key of the same section that a misspelt one was probably meant for.

    >>> meant_key(("data", "sorce")), meant_key(("training", "lr"))
    ('source', None)
    """
    section, key = root_shape().at(path[:-1]), str(path[-1])
    if section is None:
        return None
    choices = section.options.shapes.values() if section.options else [section]
    keys = dict.fromkeys(one for choice in choices for one in choice.keys)
    return _other_name(key, path[:-1], section, keys) or closest(key, keys, cutoff=0.5)


def _other_name(key: str, parent: Path, section: Shape, keys: Container[str]) -> str | None:
    """Return which of a section's keys other libraries call `key`."""
    meant_in, _, meant = KEYS.get(letters(key), "").rpartition(".")
    if meant_in == dotted(parent) and meant in keys:
        return meant
    return section.options.by if section.options and letters(key) in CHOICE_KEYS else None


def _leaves_a_choice_open(data: Any, path: Path) -> bool:
    """Whether a key is the misspelt one that makes the choice of its section, whose default then counts."""
    section, siblings = _inside(data, path[:-1])
    by = section.options.by if section and section.options else None
    return by is not None and by not in siblings and meant_key(path) == by and root_shape().at(path) is None


def _follows(path: Path, unmade: set[Path]) -> bool:
    """Whether an unknown key is so only because the choice of its section is not made."""
    return path[:-1] in unmade and root_shape().at(path) is not None


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


def _places_of(key: str) -> dict[str, tuple[Options | None, list[str]]]:
    """The dotted keys that end with `key`; where one belongs to a choice, that, and the words that have it."""
    known = root_shape()
    found = {place: known.at(tuple(place.split(".")[:-1])) for place in known.places_of(key)}
    options = {place: at.options if at else None for place, at in found.items()}
    return {place: (choice, choice.owners(key) if choice else []) for place, choice in options.items()}


def _without_effect(key: str, options: Options, owners: list[str], siblings: Any) -> str:
    """Say for which other choice a key is, here or in another section, or where the same choice has it."""
    usual = "" if options.by in siblings else " (the default)"
    word, places = options.chosen(siblings), _places_of(key)
    meant = [place for place, (_, words) in places.items() if word in words]
    instead = f"did you mean {' or '.join(meant)}? Here " if meant else ""
    others = [
        f", and in {place.rpartition('.')[0]} to {in_words(words)}"
        for place, (choice, words) in places.items()
        if choice and choice.by == options.by and not (meant or set(words) & set(owners))
    ]
    belongs = in_words(owners) + "".join(others)
    return f"{key} has no effect with {options.by}: {word}{usual}; {instead}it belongs to {belongs}"


def _suggestion(key: str, parent: Path, section: Shape, siblings: Any) -> str | None:
    known = root_shape()
    if "." in key and (known.at((*parent, *key.split("."))) or known.at(tuple(key.split(".")))):
        return "dotted keys are for --set and grid; here mappings stand within mappings"
    if (name := key.partition(":")[0]) != key and name in _keys(section, siblings):
        return f"write a space behind the colon of {name}"
    if other := _other_name(key, parent, section, _keys(section, siblings)):
        return f"did you mean {other}?"
    meant = KEYS.get(letters(key), "")
    close = closest(key, _keys(section, siblings), cutoff=0.65)
    elsewhere = _places_in_words(key)
    if close:
        return f"did you mean {' or '.join([*elsewhere, f'{close} here' if elsewhere else close])}?"
    if as_index(key) is not None:
        return f"{dotted(parent)} is not a list"
    if meant and not any(place.startswith(f"{meant}.") for place in elsewhere):
        return f"did you mean {meant}?"
    return f"did you mean {' or '.join(elsewhere)}?" if elsewhere else None


def unknown_dotted(key: str) -> str:
    """What is wrong with a dotted key that there is none of, as in a grid.

    >>> unknown_dotted("model.encoder.downsampling.interpolation")
    'unknown key; did you mean model.decoder.upsampling.interpolation (kind: resize)?'
    """
    near = closest(key, [dotted(known) for known in root_shape().paths()], cutoff=0.8)
    places = _places_in_words(key.rpartition(".")[2])
    meant = [*places, *([near] if near and not any(place.startswith(near) for place in places) else [])]
    return "unknown key" + (f"; did you mean {' or '.join(meant)}?" if meant else "")


def _places_in_words(key: str) -> list[str]:
    """The dotted keys that end with `key`, each with the choices that have it; none where there are many."""
    places = [_with_words(place, *found) for place, found in sorted(_places_of(key).items())]
    return places if len(places) <= 3 else []


def _with_words(place: str, options: Options | None, words: list[str]) -> str:
    """A dotted key, with the choices that have it where the usual one does not."""
    return f"{place} ({options.by}: {in_words(words)})" if options and options.default not in words else place


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
    added = how_to_add(keys)
    return f"allowed are {', '.join(keys)}" + (f" and {by}" if by else "") + (f"; {added}" if added else "")
