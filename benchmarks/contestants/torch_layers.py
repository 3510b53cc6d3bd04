"""The same stages in PyTorch, and how its kernels relate to TensorFlow's."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn

from benchmarks.models import Task


class Stage(nn.Module):
    """One decoder stage: twice the height and width, a convolution and ReLU.

    Args:
        kind: a key of `benchmarks.models.KINDS`.
        channels: channels given.
        filters: channels to give.
    """

    def __init__(self, kind: str, channels: int, filters: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "carafe":
            self.predict = nn.Sequential(nn.Conv2d(channels, 64, 1), nn.Conv2d(64, 100, 3, padding=1))
        if kind == "dysample":
            self.predict = nn.Conv2d(channels, 8, 1)
        if kind.startswith("conv_transpose"):
            size = int(kind[-1])
            # An odd kernel leaves one pixel over on one side; that TensorFlow takes the other one changes no work.
            self.conv: nn.Module = nn.ConvTranspose2d(channels, filters, size, 2, padding=1, output_padding=size % 2)
        elif kind in ("subpixel", "haar"):
            self.conv = nn.Conv2d(channels, 4 * filters, 3, padding=1)
        else:
            self.conv = nn.Conv2d(channels // 4 if kind == "bilinear_additive" else channels, filters, 3, padding=1)

    def forward(self, x: torch.Tensor, switches: torch.Tensor | None = None) -> torch.Tensor:
        """Enlarge (batch, channels, height, width) features."""
        if self.kind == "subpixel":
            return torch.relu(nn.functional.pixel_shuffle(self.conv(x), 2))
        if self.kind == "haar":
            mean, across, down, both = (self.conv(x) / 2).chunk(4, dim=1)
            above = [mean + across + down + both, mean - across + down - both]
            below = [mean + across - down - both, mean - across - down + both]
            return torch.relu(nn.functional.pixel_shuffle(torch.stack(above + below, dim=2).flatten(1, 2), 2))
        return torch.relu(self.conv(self._enlarge(x, switches)))

    def _enlarge(self, x: torch.Tensor, switches: torch.Tensor | None) -> torch.Tensor:
        batch, channels, height, width = x.shape
        if self.kind == "max_unpool":
            assert switches is not None
            return nn.functional.max_unpool2d(x, switches, 2)
        if self.kind == "fixed_unpool":
            size = (batch, channels, 2 * height, 2 * width)
            image = torch.zeros(size, dtype=x.dtype, device=x.device).to(memory_format=torch.channels_last)
            image[:, :, ::2, ::2] = x
            return image
        if self.kind == "carafe":
            weights = self.predict(x).reshape(batch, 4, 25, -1).softmax(2)
            neighbours = nn.functional.unfold(x, 5, padding=2).reshape(batch, channels, 25, -1)
            pixels = torch.einsum("nckp,nskp->ncsp", neighbours, weights).reshape(batch, 4 * channels, height, width)
            return nn.functional.pixel_shuffle(pixels, 2)
        if self.kind == "dysample":
            # Of the offsets: rows and columns first, then the pixels of a square. Places go from -1 to 1.
            aside = self.predict(x).float().reshape(batch, 2, 2, 2, height, width).permute(0, 4, 2, 5, 3, 1)
            aside = aside.reshape(batch, 2 * height, 2 * width, 2) / 4
            sides = [((torch.arange(2 * side, device=x.device) + 0.5) / 2 - 0.5) for side in (height, width)]
            places = torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1) + aside
            sizes = torch.tensor([height, width], device=x.device)
            grid = ((2 * places + 1) / sizes - 1).flip(-1).to(x.dtype)
            return nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        if self.kind == "resize_nearest":
            return nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        if self.kind in ("resize_bilinear", "bilinear_additive"):
            x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
        return x.unflatten(1, (channels // 4, 4)).sum(2) if self.kind == "bilinear_additive" else x


class Autoencoder(nn.Module):
    """The model of a task."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.has_switches = task.kind == "max_unpool"
        given, widths = [task.image_shape[2], *task.filters], task.decoder_filters
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(given))
        pairs = itertools.pairwise([task.filters[-1], *widths])
        self.stages = nn.ModuleList(Stage(task.kind, a, b) for a, b in pairs)
        self.output = nn.Conv2d(widths[-1], task.image_shape[2], 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Reconstruct (batch, channels, height, width) images; float32 whatever the layers compute in."""
        recorded: list[torch.Tensor] = []
        for conv in self.convs:
            x = torch.relu(conv(x))
            if self.has_switches:
                x, switches = nn.functional.max_pool2d(x, 2, return_indices=True)
                recorded.append(switches)
            else:
                x = nn.functional.max_pool2d(x, 2)
        for stage in self.stages:
            x = stage(x, recorded.pop() if recorded else None)
        return torch.sigmoid(self.output(x).float())


def is_mirrored(kind: str) -> bool:
    """Whether PyTorch's layer is TensorFlow's seen in a mirror: odd transposed kernels pad on the other side."""
    return kind == "conv_transpose_3"


def mirror(images: np.ndarray) -> np.ndarray:
    """Turn (batch, height, width, channels) by 180 degrees."""
    return np.ascontiguousarray(images[:, ::-1, ::-1])


def kernel_to_torch(kernel: np.ndarray, kind: str, *, shuffled: bool) -> np.ndarray:
    """A kernel (height, width, a, b) as PyTorch has it, (b, a, height, width).

    Args:
        kernel: of a convolution or a transposed one.
        kind: of the decoder.
        shuffled: whether depth to space follows, whose channels PyTorch orders otherwise.
    """
    if is_mirrored(kind):
        kernel = kernel[::-1, ::-1]
    kernel = kernel.transpose(3, 2, 0, 1)
    return np.ascontiguousarray(kernel[_shuffled_order(len(kernel))] if shuffled else kernel)


def kernel_from_torch(kernel: np.ndarray, kind: str, *, shuffled: bool) -> np.ndarray:
    """Undo `kernel_to_torch`, for gradients."""
    if shuffled:
        kernel = kernel[np.argsort(_shuffled_order(len(kernel)))]
    kernel = kernel.transpose(2, 3, 1, 0)
    return kernel[::-1, ::-1] if is_mirrored(kind) else kernel


def bias_to_torch(bias: np.ndarray, *, shuffled: bool) -> np.ndarray:
    """A bias in PyTorch's order."""
    return bias[_shuffled_order(len(bias))] if shuffled else bias


def bias_from_torch(bias: np.ndarray, *, shuffled: bool) -> np.ndarray:
    """Undo `bias_to_torch`."""
    return bias[np.argsort(_shuffled_order(len(bias)))] if shuffled else bias


def load_weights(module: nn.Module, weights: list[np.ndarray], kind: str) -> None:
    """Give a module TensorFlow's weights, kernel and bias of each convolution in order."""
    shuffling = {stage.conv for stage in module.modules() if isinstance(stage, Stage) and stage.kind == "subpixel"}
    pairs = zip(weights[::2], weights[1::2], strict=True)
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    with torch.no_grad():
        for layer, (kernel, bias) in zip(convolutions, pairs, strict=True):
            shuffled = layer in shuffling
            layer.weight.copy_(torch.from_numpy(kernel_to_torch(kernel, kind, shuffled=shuffled)))
            assert layer.bias is not None
            layer.bias.copy_(torch.from_numpy(bias_to_torch(bias, shuffled=shuffled)))


def _shuffled_order(filters: int) -> np.ndarray:
    """TensorFlow's number of each of PyTorch's channels before 2x2 depth to space: there pixels come first."""
    return np.arange(filters).reshape(4, filters // 4).T.ravel()
