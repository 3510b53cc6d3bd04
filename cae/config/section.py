"""What every configuration section has in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A frozen mapping that knows each of its keys; unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _kind_in_short(value: Any) -> Any:
    """Let a bare word stand for the choice with all its defaults: `max_pool` for `{kind: max_pool}`."""
    return {"kind": value} if isinstance(value, str) else value


# A choice between sections told apart by their `kind`; a bare word is short for `{kind: word}`.
KindInShort = BeforeValidator(_kind_in_short, json_schema_input_type=Any)

PositiveInt = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
# YAML has lists only; strictness still holds for the items.
Height_Width = Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)]
