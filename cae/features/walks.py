"""Walks through the space of codes, decoded on the way: from one image to another, and along principal components."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from cae.measures.linear_codes import fit_pca

if TYPE_CHECKING:
    from cae.model import Autoencoder

STEPS = 7
DEVIATIONS = np.arange(-3.0, 4.0)
_COMPONENTS = 8


@dataclass(frozen=True)
class Traversal:
    """Pictures along the leading principal components of codes.

    Args:
        pictures: in [0, 1], (components, places, height, width, channels).
        shares: of the codes' variance, (components,).
    """

    pictures: np.ndarray
    shares: np.ndarray


def interpolate(autoencoder: Autoencoder, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Decode the straight line between the codes of two images, both ends included.

    A decoder with switches is given those of the first image all the way.

    Args:
        autoencoder: the trained model.
        first: float32 in [0, 1], (height, width, channels).
        last: the same shape.

    Returns:
        In [0, 1], (`STEPS`, height, width, channels).
    """
    latents, switches = autoencoder.encode(tf.constant(np.stack([first, last])))
    start, end = tf.cast(latents, tf.float32).numpy()
    shares = np.linspace(0.0, 1.0, STEPS, dtype=np.float32).reshape(-1, *[1] * start.ndim)
    # Not start + share * (end - start): the ends must be the two codes, to the last bit.
    return _decode(autoencoder, (1 - shares) * start + shares * end, [one[:1] for one in switches])


def traverse(autoencoder: Autoencoder, codes: np.ndarray) -> Traversal | None:
    """Decode codes that differ from the mean code along one principal component, by -3 to 3 standard deviations.

    Args:
        autoencoder: a trained model without switches.
        codes: of training images, float32, (images, *code_shape).

    Returns:
        As many components as have a share in the codes' variance, at most eight; None if all codes are alike.
    """
    rows = codes.reshape(len(codes), math.prod(codes.shape[1:])).copy()
    total = float(rows.var(axis=0, dtype=np.float64).sum())
    pca = fit_pca(rows, _COMPONENTS)  # centres the rows
    if not total or not len(pca.components):
        return None
    deviations = (rows @ pca.components.T).std(axis=0, dtype=np.float64)  # (components,)
    pictures = []
    for component, deviation in zip(pca.components, deviations, strict=True):
        line = pca.mean + np.float32(deviation) * DEVIATIONS.astype(np.float32)[:, np.newaxis] * component
        pictures.append(_decode(autoencoder, line.reshape(-1, *codes.shape[1:]), []))
    return Traversal(np.stack(pictures), deviations**2 / total)


def _decode(autoencoder: Autoencoder, codes: np.ndarray, switches: list[tf.Tensor]) -> np.ndarray:
    latents = tf.cast(codes, autoencoder.decoder.inputs[0].dtype)
    repeated = [tf.repeat(one, len(codes), axis=0) for one in switches]
    return np.clip(tf.cast(autoencoder.decode(latents, repeated), tf.float32).numpy(), 0.0, 1.0)
