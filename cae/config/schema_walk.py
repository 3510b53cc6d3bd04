"""A walk through the schema: every key with its type, default and sentence; the JSON schema for editors."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from cae.config.data import AnyData
from cae.config.run import RunConfig
from cae.config.yaml.nodes import Path


class _Untitled(GenerateJsonSchema):
    """A schema without titles, which would only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def as_index(part: str | int) -> int | None:
    """Return the index that a part of a dotted key may be."""
    return int(part) if isinstance(part, int) or re.fullmatch("[0-9]{1,6}", part) else None


@functools.cache
def root_shape() -> Shape:
    """Return the shape of a whole configuration."""
    schema = RunConfig.model_json_schema(schema_generator=_Untitled)
    return Shape(schema, schema["$defs"])


@dataclass(frozen=True)
class Options:
    """Sections of which one is chosen by a key of its own."""

    by: str
    """The key that tells them apart: `kind`, for data `source`, for optimizers `name`."""
    default: str
    """The choice of a mapping without that key."""
    shapes: dict[str, Shape]
    """The sections, by the word that chooses them."""

    @property
    def shared(self) -> frozenset[str]:
        """Keys that mean the same whatever is chosen, and so outlive another choice."""
        return frozenset(AnyData.model_fields) if self.by == "source" else frozenset()

    def chosen(self, data: Any) -> str:
        """Return the word by which a mapping chooses, stated or not; an unknown one is returned as it is."""
        word = data.get(self.by, self.default) if isinstance(data, dict) else data
        return word if isinstance(word, str) else self.default

    def owners(self, key: str) -> list[str]:
        """Return the choices that have `key`."""
        return [word for word, shape in self.shapes.items() if key in shape.keys]


@dataclass(frozen=True)
class Shape:
    """What may stand in one place.

    >>> root_shape().at(("model", "encoder", "downsampling")).options.default
    'max_pool'
    >>> root_shape().at(("training", "epoch")) is None
    True
    """

    schema: dict[str, Any]
    definitions: dict[str, Any]

    @functools.cached_property
    def alternatives(self) -> list[Shape]:
        """The shapes of which any one will do; this one alone when there is no choice of types."""
        shapes = [self.inner(schema) for key in ("anyOf", "oneOf") for schema in self.schema.get(key, ())]
        return [self] if not shapes or "discriminator" in self.schema else shapes

    @functools.cached_property
    def keys(self) -> dict[str, Shape]:
        """The keys of a mapping that is not a choice, with what they take."""
        properties: dict[str, Any] = {}
        for shape in self.alternatives:
            properties.update(shape.schema.get("properties", {}))
        return {key: self.inner(schema) for key, schema in properties.items()}

    @functools.cached_property
    def options(self) -> Options | None:
        """The sections to choose from; also when a list of them, or null, would do as well."""
        for shape in self.alternatives:
            if shape.has_options:
                discriminator = shape.schema["discriminator"]
                by = discriminator["propertyName"]
                shapes = {word: self.inner({"$ref": ref}) for word, ref in discriminator["mapping"].items()}
                words = shape.schema["anyOf"][0]["enum"]
                return Options(by, shape.schema["default"][by], {word: shapes[word] for word in words})
        return None

    @property
    def has_options(self) -> bool:
        """Whether this is nothing but a choice between sections."""
        return "discriminator" in self.schema

    @property
    def default(self) -> Any:
        """The plain value when the key is left out."""
        return self.schema.get("default")

    def inner(self, schema: dict[str, Any]) -> Shape:
        """Return the shape of a part of the schema."""
        if "$ref" in schema:
            definition = self.definitions[schema["$ref"].rsplit("/", 1)[1]]
            schema = {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}
        return Shape(schema, self.definitions)

    def items(self, index: int) -> Shape | None:
        """Return the shape of a list's item."""
        for shape in self.alternatives:
            fixed = shape.schema.get("prefixItems", ())
            if index < len(fixed):
                return self.inner(fixed[index])
            if isinstance(shape.schema.get("items"), dict):
                return self.inner(shape.schema["items"])
        return None

    def child(self, part: str | int, data: Any = None) -> Shape | None:
        """Return the shape under a key or an index of `data`; without data, in any choice with the key."""
        if isinstance(part, int):
            return self.items(part)
        if self.options is None:
            free = self.schema.get("additionalProperties")
            return self.keys.get(part) or (self.inner(free) if isinstance(free, dict) else None)
        words = list(self.options.shapes) if data is None else [self.options.chosen(data)]
        shapes = [self.options.shapes[word] for word in words if word in self.options.shapes]
        return next((shape.keys[part] for shape in shapes if part in shape.keys), None)

    def at(self, path: Path) -> Shape | None:
        """Return the shape at the end of a path, whatever is chosen on the way; None for an unknown key."""
        shape: Shape | None = self
        for part in path:
            if shape is None:
                return None
            index = as_index(part)
            shape = shape.child(part if index is None or shape.items(index) is None else index)
        return shape

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        """Yield every dotted key, those of all choices included."""
        sections = list(self.options.shapes.values()) if self.options else [self]
        keys = {key: shape for section in sections for key, shape in section.keys.items()}
        for key, shape in keys.items():
            yield (*prefix, key)
            yield from shape.paths((*prefix, key))

    def places_of(self, key: str) -> list[str]:
        """Return the dotted keys that end with `key`, shortest first; those of `tune` only where no others do.

        >>> root_shape().places_of("epochs"), root_shape().places_of("trials")
        (['training.epochs'], ['tune.trials'])
        """
        found = sorted({".".join(map(str, path)) for path in self.paths() if path[-1] == key}, key=len)
        return [place for place in found if not place.startswith("tune.")] or found


def make_schema() -> dict[str, Any]:
    """Return the schema of a configuration file (JSON Schema 2020-12).

    It knows every key with its type, limits, default and a sentence, the short forms (`max_pool` for
    `{kind: max_pool}`) and `extends`. It does not know what must hold between keys.

    >>> make_schema()["properties"]["seed"]["description"]
    'Fixes initial weights, data order, splits and noise.'
    """
    schema = root_shape().schema
    extends = {
        "type": ["string", "null"],
        "default": None,
        "description": "A file whose keys hold where this one is silent; relative to this file.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of a training run",
        **schema,
        "properties": {"extends": extends, **schema["properties"]},
    }


if __name__ == "__main__":
    print(json.dumps(make_schema(), indent=2))
