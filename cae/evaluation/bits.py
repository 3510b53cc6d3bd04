"""What an image costs in bits, as measured: its code, quantised and entropy-coded, and its switches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.evaluation.measure import Change, Measurer
from cae.kinds.downsampling import IndexedPooling
from cae.plan.matching import match_bits

if TYPE_CHECKING:
    from collections.abc import Callable

    from cae.data.image_set import ImageSet
    from cae.kinds.operations import Pool
    from cae.plan import Plan

# Levels of a code value: 8 bits.
LEVELS = 256


def entropy(counts: Any) -> Any:
    """Bits that say which of several values one has, when they are as frequent as was counted.

    This is what an ideal coder takes that knows how frequent they are. Of few observations it comes out too low.

    Example:
        >>> entropy([2, 2, 0, 0]).item(), entropy([[4, 4, 4, 4], [9, 0, 0, 0]]).tolist()
        (1.0, [2.0, 0.0])

    Args:
        counts: how often each value was seen, along the last axis.

    Returns:
        Float64, without the last axis; 0 where nothing was seen.
    """
    counts = np.asarray(counts, np.float64)
    shares = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.abs(np.sum(shares * logs, axis=-1))  # never -0


class BitMeter:
    """Counts switches, and finds the range of each channel of the code, of images that stream by.

    Args:
        plan: of the model.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._images = 0
        self._low, self._high = np.full(plan.latent_shape[2], np.inf), np.full(plan.latent_shape[2], -np.inf)
        self._counts = [(_IndexCounts if _is_soft(pool) else _SwitchCounts)(pool) for pool in plan.switches]

    def add(self, latent: np.ndarray, switches: Sequence[np.ndarray]) -> None:
        """Take the codes and switches of a batch."""
        self._images += len(latent)
        over_images = tuple(range(latent.ndim - 1))
        self._low = np.minimum(self._low, latent.min(axis=over_images))
        self._high = np.maximum(self._high, latent.max(axis=over_images))
        for counts, one in zip(self._counts, switches, strict=True):
            counts.add(one)

    def measure(self, measurer: Callable[[Change], Measurer], images: ImageSet, psnr: float) -> dict[str, Any]:
        """Measure the code at 8 bits a value, on the same images again, and put everything together.

        A value becomes the nearest of 256 between the least and the largest of its channel, which are found on these
        images. The entropy is that of each channel's values over places and images.

        Args:
            measurer: makes one of what is done to a code.
            images: the split.
            psnr: mean over the images with codes as they are, in dB.

        Returns:
            Bits an image: `code` with its `values`, `quantized` (8 bits each), `entropy`, `psnr` and `psnr_loss` in dB;
            with switches also `switches` (`at_most` log2(window) each, `entropy`, and `entropy_given_place` for a coder
            that knows each place and channel; soft indices are measured at 8 bits each) and `poolings`, the same for
            each; `total`, entropies of code and switches; `control`, of `match_bits`; and `images`, the number that all
            this was counted on. Empty where a code has values that are not finite.
        """
        if not np.isfinite([self._low, self._high]).all():
            return {}
        low = self._low.astype(np.float32)
        step = ((self._high - self._low) / (LEVELS - 1)).astype(np.float32)
        counts = np.zeros((len(low), LEVELS), np.int64)

        def quantize(latent: Any, switches: list[Any]) -> tuple[Any, list[Any]]:
            levels = tf.math.divide_no_nan(tf.cast(latent, tf.float32) - low, step)
            most = LEVELS - 1  # soft indices are from 0 to 1
            rounded = [tf.round(one * most) / most if one.dtype.is_floating else one for one in switches]
            return tf.cast(low + tf.round(levels) * step, latent.dtype), rounded

        def count(_: Any, __: Any, latent: np.ndarray, ___: Any) -> None:
            nonlocal counts
            levels = np.rint(np.divide(latent - low, step, out=np.zeros_like(latent), where=step > 0)).astype(np.int64)
            numbered = levels.clip(0, LEVELS - 1) + LEVELS * np.arange(len(low))  # in each channel others
            counts += np.bincount(numbered.ravel(), minlength=counts.size).reshape(counts.shape)

        quantized = measurer(quantize).measure(images, count).means()["psnr"]
        values = self._plan.code.values
        code = {
            "values": values,
            "quantized": values * int(math.log2(LEVELS)),
            "entropy": float(values * entropy(counts).mean()),
            "psnr": quantized,
            "psnr_loss": psnr - quantized,
        }
        found: dict[str, Any] = {"images": self._images, "code": code, "total": code["entropy"]}
        poolings = {
            pool.name: {"at_most": pool.switch_bits, **counts.measure()}
            for pool, counts in zip(self._plan.switches, self._counts, strict=True)
            if pool.switch_bits
        }
        if poolings:
            switches = {key: sum(one[key] for one in poolings.values()) for key in next(iter(poolings.values()))}
            total = code["entropy"] + switches["entropy_given_place"]
            found |= {"switches": switches, "poolings": poolings, "total": total}
            if control := match_bits(self._plan, switches["entropy_given_place"], code["entropy"] / values):
                found["control"] = control
        return found


class _SwitchCounts:
    """How often each place and channel of a pooling had each switch."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        places = (*pool.output_shape[:2], pool.channels_of_switches)
        self._counts = np.zeros((pool.pool_size**2, *places), np.int32)  # [P^2, H/P, W/P, C]

    def add(self, switches: np.ndarray) -> None:
        """Take those of a batch, or indices that are one for a single cell."""
        if isinstance(self._pool, IndexedPooling):
            switches = _cells(switches, self._pool).argmax(axis=0)
        for cell, counts in enumerate(self._counts):
            counts += np.count_nonzero(switches == cell, axis=0)

    def measure(self) -> dict[str, float]:
        """Entropies of an image's switches."""
        places = self._counts[0].size
        by_row = self._counts.swapaxes(0, 1)
        return {
            "entropy": float(places * entropy(self._counts.reshape(len(self._counts), places).sum(axis=1))),
            "entropy_given_place": float(sum(entropy(np.moveaxis(row, 0, -1)).sum() for row in by_row)),
        }


class _IndexCounts:
    """How often the soft indices of each cell and channel had each of 256 levels from 0 to 1.

    All but the last of a window count: together they are one. Levels are too many to be counted at each place, so that
    a coder that knows the place is taken to gain nothing.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counts = np.zeros((pool.pool_size**2 - 1, pool.channels_of_switches, LEVELS), np.int64)

    def add(self, indices: np.ndarray) -> None:
        """Take those of a batch."""
        levels = np.rint(_cells(indices, self._pool)[:-1].astype(np.float32) * (LEVELS - 1)).astype(np.int64)
        cells, *_, channels = levels.shape
        numbered = levels + LEVELS * (channels * np.arange(cells)[:, None, None, None, None] + np.arange(channels))
        self._counts += np.bincount(numbered.ravel(), minlength=self._counts.size).reshape(self._counts.shape)

    def measure(self) -> dict[str, float]:
        """Entropies of an image's indices."""
        height, width, _ = self._pool.output_shape
        bits = float(height * width * entropy(self._counts).sum())
        return {"entropy": bits, "entropy_given_place": bits}


def _is_soft(pool: Pool) -> bool:
    return isinstance(pool, IndexedPooling) and pool.indices == "soft"


def _cells(indices: np.ndarray, pool: Pool) -> np.ndarray:
    """The indices of the first cell of every window, of the second and so on: [P^2, N, H/P, W/P, C]."""
    side, (height, width, _) = pool.pool_size, pool.output_shape
    excess = [side * windows - size for windows, size in zip((height, width), indices.shape[1:3], strict=True)]
    padded = np.pad(indices, [(0, 0), *((more // 2, more - more // 2) for more in excess), (0, 0)])
    windows = padded.reshape(-1, height, side, width, side, indices.shape[3])
    return windows.transpose(2, 4, 0, 1, 3, 5).reshape(side**2, -1, height, width, indices.shape[3])


def mean_bits(found: Sequence[Mapping[str, Any]], plan: Plan) -> dict[str, Any]:
    """Average what was measured of several runs of a model; the control has as many bits as these means.

    Args:
        found: from `BitMeter.measure`.
        plan: of the model.

    Returns:
        The same, without single poolings, and `seeds`, the number of runs; empty where a run has no such figures.
    """
    if not all(found):
        return {}

    def mean(values: Sequence[Any]) -> Any:
        if not isinstance(values[0], Mapping):
            return float(np.mean(values))
        return {key: mean([one[key] for one in values]) for key in values[0] if key not in ("poolings", "control")}

    means: dict[str, Any] = {**mean(found), "seeds": len(found)}
    values = means["code"]["values"]
    switch_bits = means.get("switches", {}).get("entropy_given_place", 0.0)
    control = match_bits(plan, switch_bits, means["code"]["entropy"] / values)
    return {**means, **({"control": control} if control else {})}


def bits_in_words(bits: Mapping[str, Any]) -> str:
    """Say what an image costs, and with which words a decoder without switches gets as many bits.

    Example:
        >>> import textwrap
        >>> code = {"values": 784, "quantized": 6272, "entropy": 5012.3, "psnr": 24.1, "psnr_loss": 0.021}
        >>> switches = {"at_most": 12544.0, "entropy": 9000.4, "entropy_given_place": 8100.2}
        >>> text = bits_in_words({"images": 1000, "total": 13112.5, "code": code, "switches": switches})
        >>> print(textwrap.fill(text, 100))
        Bits an image, measured on 1,000 images: 13,112 in all. The code has 5,012 when entropy-coded (784
        values at 8 bits are 6,272, and cost 0.02 dB of PSNR). Side information, which bypasses the code:
        switches have 8,100 for a coder that knows each place, 9,000 for one that does not, and at most
        12,544.
    """
    if not bits:
        return ""
    code = bits["code"]
    means = f", means over {bits['seeds']} seeds" if bits.get("seeds", 1) > 1 else ""
    sentences = [
        f"Bits an image, measured on {bits['images']:,.0f} images{means}: {bits['total']:,.0f} in all. The code has"
        f" {code['entropy']:,.0f} when entropy-coded ({code['values']:,.0f} values at 8 bits are"
        f" {code['quantized']:,.0f}, and cost {code['psnr_loss']:.2f} dB of PSNR)."
    ]
    if switches := bits.get("switches"):
        sentences.append(
            "Side information, which bypasses the code: switches have"
            f" {switches['entropy_given_place']:,.0f} for a coder that knows each place, {switches['entropy']:,.0f} for"
            f" one that does not, and at most {switches['at_most']:,.0f}."
        )
    if control := bits.get("control"):
        sentences.append(
            f"A control with as many bits and no switches: {control['words']} (code channels:"
            f" {control['channels']} instead of {control['instead_of']}, taken to have as many bits a value)."
        )
    return " ".join(sentences)
