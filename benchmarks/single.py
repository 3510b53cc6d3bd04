"""Single layers to measure: told once, in words that every framework can follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.models import KERAS_ONLY, KINDS

# Beside the decoder stages of `KINDS` (enlarge, convolve, ReLU): pooling that remembers maxima, its undoing, and both.
BARE_LAYERS = ("max_pool", "max_unpool_alone", "max_pool_and_unpool")
LAYERS = (*BARE_LAYERS, *(kind for kind in KINDS if kind not in KERAS_ONLY))
SHAPES = {"128x16x16x64": (128, 16, 16, 64), "32x32x32x128": (32, 32, 32, 128)}
"""What layers enlarge, or pool to: (batch, height, width, channels)."""


@dataclass(frozen=True)
class LayerTask:
    """One layer, or one decoder stage.

    Args:
        layer: one of `LAYERS`.
        shape: (batch, height, width, channels) of the small side.
        filters: channels that a stage's convolution gives.
        compute_type: `float32` or `bfloat16`.
    """

    layer: str
    shape: Sequence[int]
    filters: int
    compute_type: str

    @property
    def pools(self) -> bool:
        """Whether the layer is given the large side."""
        return self.layer in ("max_pool", "max_pool_and_unpool")

    @property
    def wants_switches(self) -> bool:
        """Whether the layer is given the switches of a pooling."""
        return self.layer in ("max_unpool", "max_unpool_alone")

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape of what the layer gives."""
        batch, height, width, channels = self.shape
        if self.layer == "max_pool":
            return batch, height, width, channels
        return batch, 2 * height, 2 * width, channels if self.layer in BARE_LAYERS else self.filters

    def words(self) -> dict[str, Any]:
        """The fields, for another process."""
        return asdict(self)

    def make_inputs(self) -> list[np.ndarray]:
        """Pixels to pool, values to enlarge, and the gradient that comes back, all float32.

        No window of the pixels has two equal values, in bfloat16 neither: which of equals is the maximum may differ.
        """
        generator = np.random.default_rng(0)
        batch, height, width, channels = self.shape
        ranks = generator.permuted(np.broadcast_to(np.arange(1, 5), (batch, height, width, channels, 4)), axis=-1)
        cells = ranks * generator.uniform(0.25, 0.5, (batch, height, width, channels, 1))
        windows = cells.reshape(batch, height, width, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
        pixels = windows.reshape(batch, 2 * height, 2 * width, channels)
        arrays = [pixels, generator.standard_normal(self.shape), generator.standard_normal(self.output_shape)]
        return [array.astype(np.float32) for array in arrays]
