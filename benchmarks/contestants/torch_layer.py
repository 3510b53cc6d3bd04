"""One layer of PyTorch, eager, channels last."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks.children import serve
from benchmarks.contestants.exchange import read_arrays, write_arrays
from benchmarks.contestants.pytorch import DEVICE, from_torch, to_torch
from benchmarks.contestants.torch_layers import (
    Stage,
    bias_from_torch,
    is_mirrored,
    kernel_from_torch,
    load_weights,
    mirror,
)
from benchmarks.single import BARE_LAYERS, LayerTask


class TorchTrial:
    """Runs a layer forward, and forward and backward.

    Args:
        **words: of the task.
    """

    def __init__(self, **words: Any) -> None:
        self._task = task = LayerTask(**words)
        self._stage: Stage | None = None
        if task.layer not in BARE_LAYERS:
            stage = Stage(task.layer, task.shape[3], task.filters)
            self._stage = stage.to(DEVICE, memory_format=torch.channels_last)

    def count_parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self._parameters())

    def load_weights(self, path: str) -> None:
        """Take weights over that TensorFlow wrote."""
        if self._stage is not None:
            load_weights(self._stage, read_arrays(path), self._task.layer)

    def load_inputs(self, path: str) -> None:
        """Take the inputs over, see `LayerTask.make_inputs`."""
        arrays = [mirror(array) if self._is_mirrored else array for array in read_arrays(path)]
        dtype = getattr(torch, self._task.compute_type)
        pixels, values, self._upstream = (to_torch(array).to(dtype) for array in arrays)
        self._input = pixels if self._task.pools else values
        self._switches = torch.nn.functional.max_pool2d(pixels, 2, return_indices=True)[1]

    def write_results(self, out: str) -> None:
        """Write the output, and the gradients for the input and the weights, as TensorFlow has them."""
        output, for_input, *for_weights = self._forward_and_backward()
        images = [from_torch(output), from_torch(for_input)]
        arrays = [mirror(image) if self._is_mirrored else image for image in images]
        shuffled = self._task.layer == "subpixel"
        gradients = [gradient.float().cpu().numpy() for gradient in for_weights]
        for kernel, bias in zip(gradients[::2], gradients[1::2], strict=True):
            arrays.append(kernel_from_torch(kernel, self._task.layer, shuffled=shuffled))
            arrays.append(bias_from_torch(bias, shuffled=shuffled))
        write_arrays(out, arrays)

    def time(self, what: str, calls: int) -> float:
        """Seconds of one call, as a mean of so many."""
        started = time.perf_counter()
        for _ in range(calls):
            made = self._forward(self._input) if what == "forward" else self._forward_and_backward()[1]
        np.asarray(made[:1, :1, :1, :1].detach().float().cpu())  # a device that computes on its own has to finish first
        return (time.perf_counter() - started) / calls

    @property
    def _is_mirrored(self) -> bool:
        return is_mirrored(self._task.layer)

    def _parameters(self) -> list[torch.Tensor]:
        return [] if self._stage is None else list(self._stage.parameters())

    def _forward(self, given: torch.Tensor) -> torch.Tensor:
        functional = torch.nn.functional
        if self._task.pools:
            pooled, switches = functional.max_pool2d(given, 2, return_indices=True)
            return pooled if self._task.layer == "max_pool" else functional.max_unpool2d(pooled, switches, 2)
        if self._stage is None:
            return functional.max_unpool2d(given, self._switches, 2)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=self._task.compute_type == "bfloat16"):
            return self._stage(given, self._switches if self._task.wants_switches else None)

    def _forward_and_backward(self) -> list[torch.Tensor]:
        given = self._input.detach().requires_grad_()
        output = self._forward(given)
        return [output, *torch.autograd.grad(output, [given, *self._parameters()], self._upstream.to(output.dtype))]


if __name__ == "__main__":
    serve(TorchTrial)
