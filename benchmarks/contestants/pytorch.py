"""PyTorch in eager mode, channels last: its usual training loop."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks.children import serve
from benchmarks.contestants.exchange import read_arrays, write_arrays
from benchmarks.contestants.torch_layers import Autoencoder, is_mirrored, load_weights, mirror
from benchmarks.models import Task
from benchmarks.pictures import make_pictures

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def to_torch(images: np.ndarray) -> torch.Tensor:
    """(batch, height, width, channels) as PyTorch has it, in the same order of memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).to(DEVICE)


def from_torch(images: torch.Tensor) -> np.ndarray:
    """Undo `to_torch`, as float32."""
    return images.detach().float().permute(0, 2, 3, 1).cpu().numpy()


class TorchTraining:
    """Trains a task's model.

    Args:
        rounds_of: steps for which there are images.
        **words: of the task.
    """

    def __init__(self, rounds_of: int, **words: Any) -> None:
        self._task = Task(**words)
        torch.manual_seed(0)
        height, width, channels = self._task.image_shape
        pictures = make_pictures(rounds_of * self._task.batch_size, (height, width, channels))
        self._images = to_torch(pictures.astype(np.float32) / 255.0)
        self._model = Autoencoder(self._task).to(DEVICE, memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=1e-3)

    def count_parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self._model.parameters())

    def load_weights(self, path: str) -> None:
        """Take weights over that TensorFlow wrote."""
        load_weights(self._model, read_arrays(path), self._task.kind)

    def reconstruct(self, images: str, out: str) -> None:
        """Read images, float32 in [0, 1], and write their reconstructions."""
        given = read_arrays(images)[0]
        mirrored = is_mirrored(self._task.kind)
        with torch.no_grad(), self._autocast():
            made = from_torch(self._model(to_torch(mirror(given) if mirrored else given)))
        write_arrays(out, [mirror(made) if mirrored else made])

    def train(self, steps: int) -> dict[str, float]:
        """Take training steps on shuffled images."""
        started = time.perf_counter()
        order = torch.randperm(len(self._images), device=DEVICE)[: steps * self._task.batch_size]
        for chosen in order.split(self._task.batch_size):
            images = self._images[chosen]
            self._optimizer.zero_grad()
            with self._autocast():
                loss = torch.nn.functional.mse_loss(self._model(images), images)
            loss.backward()
            self._optimizer.step()
        loss.item()
        return {"torch": time.perf_counter() - started}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(DEVICE.type, torch.bfloat16, enabled=self._task.precision == "mixed_bfloat16")


if __name__ == "__main__":
    serve(TorchTraining)
