"""Weights to start from: those of models of your own, and those that linear algebra fits to training images."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cae.data.pixels import to_float
from cae.kinds.linear_path import NAME
from cae.kinds.own_model import OwnModel, first_weights, save
from cae.measures.linear_codes import BlockKlt, Pca, fit_block_klt, fit_image_pca, most_by_memory

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.model import Autoencoder
    from cae.runs import RunDirectory

_VALUES_AT_ONCE = 2**22


def give_first_weights(autoencoder: Autoencoder) -> dict[str, Any]:
    """Give models of your own the weights that they were handed over with.

    Returns:
        For the record: of each part that is one, its name and the SHA-256 of these weights; nothing where none is.
    """
    found: dict[str, str] = {}
    for part, operation, layer in _own_models(autoencoder):
        layer.set_weights(first_weights(operation.model))
        found[part] = f"{operation.model.name}, weights_sha256 {operation.model.weights_sha256}"
    return {"own_models": found} if found else {}


def save_own_models(autoencoder: Autoencoder, run: RunDirectory) -> None:
    """Write models of your own into the run, with the weights that they were handed over with."""
    for part, operation, _ in _own_models(autoencoder):
        save(operation.model, run.own_models[part])


def _own_models(autoencoder: Autoencoder) -> Iterator[tuple[str, OwnModel, Any]]:
    for part, operations in (("encoder", autoencoder.plan.encoder), ("decoder", autoencoder.plan.decoder)):
        for operation in operations:
            if isinstance(operation, OwnModel):
                yield part, operation, getattr(autoencoder, part).get_layer(operation.name)


def fit_linear_path(autoencoder: Autoencoder, images: ImageSet, kind: Literal["klt", "pca"]) -> dict[str, Any]:
    """Make the linear path the best linear code of training images: the KLT of their blocks, or their PCA.

    The code is then `components @ (block - mean)`, and the reconstruction `components.T @ code + mean`; means go into
    the biases. The same images give the same weights, whatever the seed and the decoder.

    Args:
        autoencoder: with a linear path; the rest of its weights stays.
        kind: `klt` for a block path, `pca` for a global one.
        images: the training part, of which at most 16,384 are read, evenly taken, and fewer of large images.

    Returns:
        For the record: `images` used, and `seconds`.

    Reference:
        Hotelling 1933; Jain 1989, "Fundamentals of Digital Image Processing", section 5.11 (Karhunen-Loeve transform).
    """
    started = time.monotonic()
    values = math.prod(images.image_shape)
    most = min(len(images), most_by_memory(values))
    positions = np.unique(np.linspace(0, len(images) - 1, most).astype(np.int64))
    batches = _read(images, positions, max(1, _VALUES_AT_ONCE // values))
    encode, decode = (part.get_layer(NAME) for part in (autoencoder.encoder, autoencoder.decoder))
    num_components = decode.kernel.shape[-2]
    fitted: Pca | BlockKlt
    if kind == "klt":
        side = autoencoder.encoder.get_layer(f"{NAME}_blocks").factor
        fitted = fit_block_klt(batches, (side, side), num_components)
    else:
        fitted = fit_image_pca(batches, num_components)
    # Images that vary in fewer directions leave the other values of the code at zero.
    components = np.zeros((num_components, fitted.mean.size))
    components[: len(fitted.components)] = fitted.components
    mean = fitted.mean.astype(np.float64)
    encode.kernel.assign(components.T.reshape(encode.kernel.shape))
    encode.bias.assign(-components @ mean)
    decode.kernel.assign(components.reshape(decode.kernel.shape))
    decode.bias.assign(mean)
    return {"images": len(positions), "seconds": round(time.monotonic() - started, 3)}


def _read(images: ImageSet, positions: np.ndarray, at_once: int) -> Iterator[np.ndarray]:
    for first in range(0, len(positions), at_once):
        yield to_float(images.read(positions[first : first + at_once]))
