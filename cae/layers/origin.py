"""What a map was made of, for a layer behind it that can do both steps in one.

Some steps cost less together, or in the other order: rectifying what is pooled instead of pooling what was rectified.
Layers stay one for each step all the same, so that each step's output can be looked at. A layer writes on its output
what it made it of; while training, the next one starts from there. What is then needed no more, compiled functions
leave out.

Where nothing is trained each layer works on what it is given: gradients with respect to maps in between, which explain
a model, must pass through these maps, and exported graphs are to show one step after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

_ATTRIBUTE = "_cae_origin"


@dataclass(frozen=True)
class Biased:
    """A sum of a map and a bias for each channel."""

    inputs: tf.Tensor
    bias: tf.Tensor


@dataclass(frozen=True)
class Computed:
    """What a compiled kernel gives (see `cae.layers.windows.compiled`).

    Args:
        kernel: of the inputs, and of the options by name.
        inputs: tensors; for the shape of the first one it is compiled.
        options: what it is compiled for.
        gradient: from the gradient of the output to those of the inputs.
    """

    kernel: Callable[..., tf.Tensor]
    inputs: tuple[tf.Tensor, ...]
    options: Mapping[str, Any]
    gradient: Callable[[tf.Tensor], tuple[tf.Tensor, ...]]


@dataclass(frozen=True)
class Opened:
    """A map whose channels became squares of `factor` by `factor` pixels."""

    inputs: tf.Tensor
    factor: int
    output_size: tuple[int, int] | None


@dataclass(frozen=True)
class Rectified:
    """The greater one of a map's values and 0."""

    inputs: tf.Tensor


Origin = Biased | Computed | Opened | Rectified


def remember(outputs: tf.Tensor, origin: Origin) -> tf.Tensor:
    """Write on a tensor of a graph what it was made of; returns it.

    The same values must follow from the origin. Outside of graphs nothing is written: nothing would be left out there,
    and a tensor that is kept would keep all that it was made of.

    Example:
        >>> @tf.function
        ... def knows(source):
        ...     return origin_of(remember(tf.nn.relu(source), Rectified(source))).inputs is source
        >>> bool(knows(tf.constant([-1.0, 2.0])))
        True
    """
    if not tf.executing_eagerly():
        setattr(outputs, _ATTRIBUTE, origin)
    return outputs


def origin_of(tensor: tf.Tensor) -> Origin | None:
    """What a tensor was made of; None where nobody wrote it there."""
    return getattr(tensor, _ATTRIBUTE, None)
