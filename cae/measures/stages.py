"""Unevenness of each decoder stage of a built model, measured on its layers by a constant input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.kinds.convolutions import Convolution, TransposedConvolution, main_way
from cae.kinds.operations import LayerOperation, Operation, Upsample
from cae.layers import Conv2DTransposeToSize, MaxUnpooling2D, TiedConv2DTranspose

if TYPE_CHECKING:
    import keras

    from cae.model import Autoencoder


def phase_gains(kernel: Any, strides: int) -> np.ndarray:
    """Sum a kernel's taps at each output phase.

    This is what each output phase of a transposed convolution with these strides makes of a constant input, away
    from the borders; likewise of a convolution behind unpooling to a fixed place in each window, whose zeros leave
    each phase every s-th tap. Which phase comes first depends on padding and cropping; the measures do not.

    Example:
        >>> phase_gains(np.ones((3, 3, 1, 1)), 2)[:, :, 0, 0].tolist()
        [[4.0, 2.0], [2.0, 1.0]]

    Args:
        kernel: shape (kernel height, kernel width, channels, channels), in either order of channels.
        strides: of the transposed convolution, or the side of the unpooled window; at least 1.

    Returns:
        float64, (strides, strides, channels, channels). A kernel smaller than the strides leaves phases at zero.
    """
    taps = np.asarray(kernel, np.float64)
    if taps.ndim != 4:
        raise ValueError(f"`kernel` must have four axes. Received: shape {taps.shape}.")
    if strides < 1:
        raise ValueError(f"`strides` must be at least 1. Received: strides={strides}.")
    rows = [[taps[a::strides, b::strides].sum(axis=(0, 1)) for b in range(strides)] for a in range(strides)]
    return np.array(rows)


def unevenness(gains: Any) -> float:
    """Unevenness U of the DC gain G over output phases: ||G - mean G|| / ||mean G||.

    G of a phase is the matrix of gains from each input to each output channel; the mean is over phases, the norms
    over phases and channels (each the root of the mean over phases of squared Frobenius norms). 0 means that a
    constant input comes out constant.

    U has two causes. Uneven overlap: with equal taps, stride 2 and a kernel of
    3x3, U is 0.4843, of 5x5 0.2857, of 4x4 0. And unlike phases: independent random taps make each phase a filter
    of its own, which gives about sqrt(s^2 - 1), 1.73 for stride 2, whatever the size of the kernel.
    `overlap_unevenness` tells the first cause from the second.

    Example:
        >>> round(unevenness(phase_gains(np.ones((3, 3, 1, 1)), 2)), 4)
        0.4843
        >>> unevenness(phase_gains(np.ones((4, 4, 8, 3)), 2))
        0.0

    Args:
        gains: shape (phases down, phases across, channels, channels).

    Returns:
        U, at least 0; infinite when the mean is zero but the gains are not; 0 when all gains are zero.

    Reference:
        Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts", on overlap; Aitken et al. 2017,
        "Checkerboard artifact free sub-pixel convolution", on random starts; Sugawara, Shiota and Kiya 2019,
        "Checkerboard artifacts free convolutional neural networks", on conditions for none.
    """
    gains = np.asarray(gains, np.float64)
    mean = gains.mean(axis=(0, 1))
    spread = np.sum((gains - mean) ** 2, axis=(2, 3)).mean()
    return _ratio(math.sqrt(spread), float(np.linalg.norm(mean)))


def overlap_unevenness(gains: Any) -> float:
    """Unevenness of the gain's strength over output phases: std ||G|| / mean ||G||.

    ||G|| of a phase is the Frobenius norm over its channels: how strongly it answers constant inputs on average,
    whatever it makes of them. At most `unevenness`, and equal to it where the phases' gains differ by positive
    factors only, as with equal taps. On a random start it still orders kernels as their overlap does: for stride 2
    and many channels 0.24 with 3x3, 0.14 with 5x5, near 0 with 4x4.

    Example:
        >>> round(overlap_unevenness(phase_gains(np.ones((3, 3, 1, 1)), 2)), 4)
        0.4843
        >>> kernel = np.random.default_rng(1).normal(size=(4, 4, 64, 64))
        >>> overlap_unevenness(phase_gains(kernel, 2)) < 0.02 < unevenness(phase_gains(kernel, 2))
        True

    Args:
        gains: shape (phases down, phases across, channels, channels).

    Returns:
        At least 0; 0 when all gains are zero.

    Reference:
        Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts", section "Deconvolution & Overlap".
    """
    strengths = np.linalg.norm(np.asarray(gains, np.float64), axis=(2, 3))
    return _ratio(float(strengths.std()), float(strengths.mean()))


def _ratio(spread: float, mean: float) -> float:
    if spread == 0.0:
        return 0.0
    return spread / mean if mean > 0.0 else math.inf


# Values of the largest picture that a stage is given, about 32 MB in float64.
_VALUES_AT_ONCE = 2**22


def stage_unevenness(autoencoder: Autoencoder) -> list[dict[str, Any]]:
    """Measure how unevenly each decoder stage's upsampling answers a constant input, without data.

    A stage counts from its upsampling to the convolution that belongs to it, before normalisation and activation:
    a linear system whose gain can be read off. Copies of its layers, without biases, are given pictures that are
    one in one channel and zero in the others, large enough for a period of output that no border reaches. Unpooling
    by switches is measured with all switches at the top-left, as `fixed_unpool` works always; weights
    that are predicted are those that a constant leads to. Stages with a layer of your own, which need not be linear,
    are left out.

    Resizing gives 0, and so does a sub-pixel convolution as it starts; see `unevenness` and `overlap_unevenness` for
    what the other kinds give and why.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.model import build_autoencoder
        >>> from cae.plan import make_plan
        >>> section = ModelSection.model_validate({"decoder": {"upsampling": "subpixel"}})
        >>> stages = stage_unevenness(build_autoencoder(make_plan(section, (12, 12, 1))))
        >>> [(stage["stage"], round(stage["unevenness"], 6)) for stage in stages]
        [('stage_2', 0.0), ('stage_1', 0.0)]

    Args:
        autoencoder: a built model, trained or not.

    Returns:
        For each stage from the code outwards `stage`, its name in the plan, `unevenness` and `overlap_unevenness`.
    """
    measured = []
    for operations in _linear_stages(autoencoder.plan.decoder):
        gains = _stage_gains(autoencoder.decoder, operations)
        measured.append(
            {
                "stage": _stage_name(next(operation.name for operation in operations if _enlarges(operation))),
                "unevenness": unevenness(gains),
                "overlap_unevenness": overlap_unevenness(gains),
            }
        )
    return measured


def _stage_name(operation: str) -> str:
    """`stage_2` of the operations of that stage; `output` of a stem's."""
    return "_".join(operation.split("_")[:2]) if operation.startswith("stage_") else "output"


def _linear_stages(decoder: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Each run of linear operations that enlarges: upsampling and convolution in the kind's own order."""
    for is_linear, group in itertools.groupby(main_way(decoder), _is_linear):
        run = list(group)
        if is_linear and any(_enlarges(op) for op in run):
            yield run


def _is_linear(operation: Operation) -> bool:
    return isinstance(operation, Convolution | TransposedConvolution) or (
        isinstance(operation, LayerOperation) and operation.is_linear
    )


def _enlarges(operation: Operation) -> bool:
    if isinstance(operation, TransposedConvolution):
        return operation.strides > 1  # a tied one may have none
    return isinstance(operation, Upsample)


def _stage_gains(decoder: keras.Model, operations: Sequence[Operation]) -> np.ndarray:
    """The stage's gain at each output phase: (phases down, phases across, input channels, output channels)."""
    field, jump = 1.0, 1.0  # in pixels of the stage's input
    for operation in operations:
        field, jump = operation.reach(field, jump)
    factor, centre = round(1.0 / jump), math.ceil(field)
    side, channels = 2 * centre + 1, operations[0].input_shape[2]
    widest = max(operation.output_shape[2] for operation in operations)
    at_once = max(1, _VALUES_AT_ONCE // (max(channels, widest) * (side * factor) ** 2))

    layers = [_copy_for_any_size(decoder.get_layer(op.name), op.input_shape[2]) for op in operations]
    period = slice(centre * factor, (centre + 1) * factor)
    gains = []
    for first in range(0, channels, at_once):
        chosen = np.eye(channels)[first : first + at_once]
        pictures = np.broadcast_to(chosen[:, None, None, :], (len(chosen), side, side, channels))
        gains.append(_apply(layers, operations, pictures)[:, period, period])  # [in, s, s, out]
    return np.concatenate(gains).transpose(1, 2, 0, 3)


def _copy_for_any_size(layer: keras.layers.Layer, channels: int) -> keras.layers.Layer:
    """The same layer in float64, without bias, and not bound to the size of the model's pictures."""
    if isinstance(layer, TiedConv2DTranspose):  # its kernel is laid out like that of any transposed convolution
        copy = Conv2DTransposeToSize(layer.filters, layer.kernel_size, layer.strides, use_bias=False, dtype="float64")
        copy.build((None, None, None, channels))
        copy.set_weights([layer.kernel])
        return copy
    config = {**layer.get_config(), "dtype": "float64"}
    if "output_size" in config:
        config["output_size"] = None
    if "use_bias" in config:
        config["use_bias"] = False
    copy = layer.__class__.from_config(config)
    if layer.weights:
        maps = (None, None, None, channels)
        copy.build((maps, maps) if isinstance(layer, MaxUnpooling2D) else maps)
        copy.set_weights([layer.kernel] if "use_bias" in config else layer.get_weights())
    return copy


def _apply(layers: Sequence[Any], operations: Sequence[Operation], pictures: np.ndarray) -> np.ndarray:
    x: Any = pictures
    for layer, operation in zip(layers, operations, strict=True):
        if isinstance(operation, Upsample) and operation.switches_from is not None:
            x = [x, layer.top_left(x.shape)]
        x = layer(x)
    return np.asarray(x)
