"""The ways in which a signal can be carried back through activations."""

from __future__ import annotations

from typing import Literal, get_args

Method = Literal["deconvnet", "gradient", "guided"]
METHODS: tuple[Method, ...] = get_args(Method)
