"""What every configuration section has in common."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Section(BaseModel):
    """A frozen mapping that knows its keys; unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class KerasObject(Section):
    """An object of Keras, by its class and its configuration."""

    class_name: str = ""
    """Keras' name of the class or function, such as LogCosh or log_cosh; of your own ones with module."""
    config: dict[str, Any] = {}
    """Arguments of the class, as `get_config()` gives them."""
    custom: bool = False
    """Whether it is not Keras' own, so that the Python program must hand it over again where it is needed."""


class GivenModel(Section):
    """A model of Keras that a Python program handed over; in the run it lies as `encoder.keras` or `decoder.keras`."""

    name: str = ""
    """What it is called."""
    sha256: str = ""
    """Of its architecture, without the names of layers."""
    weights_sha256: str = ""
    """Of the weights that it was handed over with."""


# A key within a configuration, part by part.
Path = tuple[str | int, ...]
# The keys in conflict, the one to blame first, and the rule with what was received.
Conflict = tuple[tuple[Path, ...], str]


@dataclass(frozen=True)
class Choice:
    """A choice between sections told apart by one key, with a default and a short form.

    A bare word is short for the choice with all its defaults: `max_pool` for `{kind: max_pool}`.
    A mapping that does not say which choice it means takes the default one.
    """

    by: str
    """The key that tells the sections apart."""
    default: str
    """The choice of a mapping without that key."""
    sections: Sequence[type[Section]] = field(default=(), compare=False)
    """The sections to choose from, read whenever a schema is made; without them, those of the annotated union."""

    def spell_out(self, value: Any) -> Any:
        """Return the mapping that a bare word or an incomplete mapping stands for; all else unchanged."""
        if isinstance(value, str):
            return {self.by: value}
        if isinstance(value, dict) and self.by not in value:
            return {self.by: self.default, **value}
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if self.sections:
            union: Any = Union[tuple(self.sections)]  # noqa: UP007, since they are known at run time only
            schema = handler.generate_schema(Annotated[union, Field(discriminator=self.by)])
        else:
            schema = handler(source)
        return core_schema.no_info_before_validator_function(self.spell_out, schema)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow the bare word, and let only the default choice leave the key out."""
        long_form = handler(schema)
        options: dict[str, str] = long_form["discriminator"]["mapping"]
        references = dict.fromkeys(options.values())  # two words may share a section
        return {
            "anyOf": [
                {"enum": list(options)},
                *(
                    {"$ref": reference}
                    if reference == options[self.default]
                    else {"$ref": reference, "required": [self.by]}
                    for reference in references
                ),
            ],
            "discriminator": long_form["discriminator"],
            "default": {self.by: self.default},
        }


@dataclass(frozen=True)
class OneOf:
    """A choice between words, for a key that takes nothing else."""

    words: Collection[str] = field(compare=False)
    """The words, read whenever a schema is made."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.words))


def _no_bool(value: Any) -> Any:
    """Keep `true` from passing for the 1 that it equals in Python."""
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


def listed(numbers: Sequence[int]) -> str:
    """Numbers for a message, each once."""
    return ", ".join(map(str, dict.fromkeys(numbers)))


def says(phrase: str) -> Any:
    """Describe in words what a key takes, where its type alone would say too little in an error message."""
    return Field(json_schema_extra={"$comment": phrase})


NotBool = BeforeValidator(_no_bool)

# Whatever is counted here must fit into 32 bits, as devices count.
MOST = 2**31 - 1

PositiveInt = Annotated[int, Field(gt=0, le=MOST)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
# YAML has lists only; strictness still holds for the items.
Height_Width = Annotated[
    tuple[PositiveInt, PositiveInt], Field(strict=False), says("a list of two integers of at least 1, [height, width]")
]
