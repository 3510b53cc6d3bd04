"""The activations: what each keeps and works on while training, and how it carries a signal back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ActivationKind:
    """What is known of an activation, which has Keras' name.

    Args:
        kept: maps of its size that it keeps for its gradient beside its output, which takes the place of its input.
            Measured.
        work: maps that its gradient works on. With 1 it writes the gradient of its input over that of its output; with
            what is needed no more of kept maps, most need no others. Measured.
        negative_slope: what a deconvnet leaves of a negative backward signal: the activation's slope on its negative
            side, as far as it rectifies. Those with 1 do not: they let both signs through alike, shifted or flattened
            at most.
    """

    kept: float
    work: float
    negative_slope: float

    @property
    def is_rectifier(self) -> bool:
        """Whether it holds back negative values."""
        return self.negative_slope < 1.0


ACTIVATIONS = {
    "relu": ActivationKind(kept=0.0, work=1.0, negative_slope=0.0),
    "leaky_relu": ActivationKind(kept=1.0, work=1.0, negative_slope=0.2),
    "elu": ActivationKind(kept=0.0, work=1.0, negative_slope=0.0),
    "selu": ActivationKind(kept=0.0, work=1.0, negative_slope=0.0),
    "gelu": ActivationKind(kept=3.0, work=1.0, negative_slope=0.0),
    "silu": ActivationKind(kept=1.0, work=4.0, negative_slope=0.0),  # computes its parts again
    "softplus": ActivationKind(kept=1.0, work=1.0, negative_slope=0.0),
    "tanh": ActivationKind(kept=0.0, work=1.0, negative_slope=1.0),
    "sigmoid": ActivationKind(kept=0.0, work=1.0, negative_slope=1.0),
    "linear": ActivationKind(kept=0.0, work=1.0, negative_slope=1.0),
}
