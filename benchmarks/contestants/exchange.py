"""Weights and arrays in files, so that contestants can be given the same weights and their results be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def write_arrays(path: str, arrays: Sequence[Any]) -> None:
    """Write arrays in order, all as float32."""
    np.savez(path, *(np.asarray(array, np.float32) for array in arrays))


def read_arrays(path: str) -> list[np.ndarray]:
    """Read arrays in the order they were written in."""
    with np.load(path) as file:
        return [file[f"arr_{number}"] for number in range(len(file.files))]


class KerasExchange:
    """Gives and takes the weights of a Keras model, and says what the model makes of images."""

    model: Any

    def count_parameters(self) -> int:
        """Number of weights."""
        return int(self.model.count_params())

    def save_weights(self, path: str) -> None:
        """Write all weights, first layer first."""
        write_arrays(path, self.model.get_weights())

    def load_weights(self, path: str) -> None:
        """Take weights over."""
        self.model.set_weights(read_arrays(path))

    def reconstruct(self, images: str, out: str) -> None:
        """Read images, float32 in [0, 1], and write their reconstructions."""
        write_arrays(out, [self.model(read_arrays(images)[0], training=False)])
