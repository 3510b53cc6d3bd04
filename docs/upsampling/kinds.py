"""Table: the kinds of upsampling, as a configuration chooses them."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

from cae.kinds.catalogue import UPSAMPLINGS


def table() -> list[tuple[Any, ...]]:
    """Header and rows: each kind with its sentence, its keys with their defaults, and whether kernels can be tied."""
    return [
        ("kind", "what it does", "keys", "`tied_weights`"),
        *(
            (
                f"`{kind.model_fields['kind'].default}`",
                str(kind.model_fields["kind"].description).replace("^2", "²"),
                ", ".join(_key(name, field) for name, field in kind.model_fields.items() if name != "kind") or "none",
                "yes" if kind.can_be_tied else "no",
            )
            for kind in UPSAMPLINGS
        ),
    ]


def _key(name: str, field: Any) -> str:
    others = [word for word in _words(field.annotation) if word != field.default]
    default = field.default if isinstance(field.default, str) else json.dumps(field.default)
    return f"`{name}: {default}`" + (f", or {', '.join(map(str, others))}" if others else "")


def _words(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()
