"""Enlarging and convolution in one layer, held against an enlarged picture under a plain convolution."""

from __future__ import annotations

import functools
from pathlib import Path

import layer_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf

from cae.forms import can_fold, folding_is_faster, has_matrix_units
from cae.layers import FixedUnpoolingConv2D, ResizeConv2D
from cae.layers.resize_conv import fold_kernel

FORMS = pytest.mark.parametrize("folded", [True, False, None])
SIZES = pytest.mark.parametrize(
    ("factor", "kernel_size", "size", "output_size"),
    [
        (2, 3, (4, 6), None),
        (2, 3, (5, 7), (10, 14)),
        (2, 3, (5, 7), (9, 14)),
        (2, 5, (1, 3), (2, 5)),
        (2, 4, (3, 4), None),
        (2, 1, (3, 4), None),
        (3, 3, (4, 1), (12, 3)),
        (3, 2, (3, 4), (7, 11)),
        (4, 7, (2, 3), None),
        (4, 3, (9, 8), None),
        (3, 5, (8, 1), None),
        (2, 3, (1, 1), None),
        (2, 7, (3, 8), None),
    ],
)


LAYERS = {
    "nearest": ResizeConv2D,
    "bilinear": functools.partial(ResizeConv2D, interpolation="bilinear"),
    "fixed_unpool": FixedUnpoolingConv2D,
}
KINDS = pytest.mark.parametrize("kind", LAYERS)


def enlarged_as(kind: str, images: np.ndarray, factor: int, output_size: tuple[int, int] | None) -> np.ndarray:
    """Repeat pixels or draw lines between them, and cut the middle out, in float64.

    Or keep each block's top-left pixel, and cut zeros off.
    """
    if kind == "bilinear":
        size = tuple(factor * n for n in images.shape[1:3])
        return oracles.middle(drawn(drawn(images, factor, 1), factor, 2), output_size or size)
    enlarged = images.astype("float64").repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = output_size or enlarged.shape[1:3]
    if kind == "nearest":
        return oracles.middle(enlarged, (height, width))
    corners = (np.arange(enlarged.shape[1])[:, None] % factor == 0) & (np.arange(enlarged.shape[2]) % factor == 0)
    return (enlarged * corners[:, :, None])[:, :height, :width]


def drawn(images: np.ndarray, factor: int, axis: int) -> np.ndarray:
    """Read lines between the pixels' centres at those of smaller pixels; beyond the outermost centres they are flat."""
    size = images.shape[axis]
    centres = (np.arange(factor * size) + 0.5) / factor - 0.5
    return np.apply_along_axis(lambda line: np.interp(centres, np.arange(size), line), axis, images.astype("float64"))


def convolved(
    kind: str, images: np.ndarray, kernel: np.ndarray, factor: int, output_size: tuple[int, int] | None
) -> np.ndarray:
    """Enlarge, pad with zeros, and add up tap by tap in float64."""
    enlarged = enlarged_as(kind, images, factor, output_size)
    side, (_, height, width, _) = len(kernel), enlarged.shape
    before = (side - 1) // 2
    padded = np.pad(enlarged, [(0, 0), (before, side - 1 - before), (before, side - 1 - before), (0, 0)])
    return sum(
        padded[:, y : y + height, x : x + width] @ kernel[y, x].astype("float64")
        for y in range(side)
        for x in range(side)
    )


def make(kind: str, folded: bool | None, factor: int, kernel_size: int, output_size: tuple[int, int] | None, **kwargs):
    layer = LAYERS[kind](4, kernel_size, factor, output_size, folded=folded, bias_initializer="ones", **kwargs)
    layer.build((None, None, None, 3))
    return layer


@KINDS
@FORMS
@SIZES
@pytest.mark.parametrize("compiled", [False, True])
def test_it_is_an_enlarged_picture_under_a_convolution(
    kind, folded, factor, kernel_size, size, output_size, compiled
) -> None:
    layer = make(kind, folded, factor, kernel_size, output_size)
    images = np.random.default_rng(factor).normal(size=(2, *size, 3)).astype("float32")
    expected = convolved(kind, images, np.array(layer.kernel), factor, output_size) + 1.0
    np.testing.assert_allclose(tf.function(layer, jit_compile=compiled, autograph=False)(images), expected, atol=1e-5)


@KINDS
@FORMS
@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-2), ("bfloat16", 8e-2)])
def test_16_bit_results_are_rounded_but_the_same(kind, folded, dtype, tolerance) -> None:
    layer = make(kind, folded, 2, 3, None, dtype=dtype)
    images = tf.cast(np.random.default_rng(0).normal(size=(2, 5, 3, 3)), dtype)
    kernel = tf.cast(layer.kernel, tf.float32).numpy()
    expected = convolved(kind, tf.cast(images, tf.float32).numpy(), kernel, 2, None) + 1.0
    np.testing.assert_allclose(tf.cast(layer(images), tf.float32), expected, atol=tolerance, rtol=tolerance)


@KINDS
@SIZES
def test_both_forms_have_the_same_gradients(kind, factor, kernel_size, size, output_size) -> None:
    forms = [make(kind, folded, factor, kernel_size, output_size, dtype="float64") for folded in (True, False)]
    forms[1].set_weights(forms[0].get_weights())
    images = tf.constant(np.random.default_rng(1).normal(size=(2, *size, 3)))
    gradients = []
    for layer in forms:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(tf.sin(layer(images)))
        gradients.append(tape.gradient(loss, [images, *(weight.value for weight in layer.weights)]))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_a_folded_kernel_counts_every_tap_once_for_each_pixel_of_a_block() -> None:
    kernel = np.random.default_rng(2).normal(size=(5, 5, 2, 3))
    folded = fold_kernel(tf.constant(kernel), 3)
    assert folded.shape == (7, 7, 3, 2)
    np.testing.assert_allclose(np.sum(folded, axis=(0, 1)).T, 9 * kernel.sum(axis=(0, 1)))


def test_folding_a_resize_needs_whole_sizes() -> None:
    for enlarging in ("nearest", "bilinear"):
        assert can_fold(enlarging, (4, 5), (8, 10), 2, 3)
        assert not can_fold(enlarging, (4, 5), (8, 9), 2, 3)
        assert not can_fold(enlarging, (None, 5), (8, 10), 2, 3)
    assert can_fold("nearest", (None, None), None, 3, 3)
    assert not can_fold("bilinear", (None, None), None, 3, 3)
    assert can_fold("fixed_unpool", (None, 5), (8, 9), 2, 3)


def test_a_blur_may_come_last_for_kernels_that_have_a_middle() -> None:
    assert [side for side in range(1, 9) if can_fold("bilinear", (4, 5), (8, 10), 2, side)] == [1, 3, 5, 7]


def test_small_maps_16_bits_and_what_learns_nothing_are_resized_bilinearly_before_they_are_convolved() -> None:
    assert folding_is_faster("bilinear", (8, 9), 3, "float32")
    assert not folding_is_faster("bilinear", (8, 9), 3, "float32", training=False)
    assert folding_is_faster("nearest", (8, 9), 3, "float32", training=False)
    assert not folding_is_faster("bilinear", (8, 7), 3, "float32")
    assert not folding_is_faster("bilinear", (None, 8), 3, "float32")
    assert not folding_is_faster("bilinear", (8, 8), 3, "bfloat16")


def test_matrix_units_of_the_processor_make_16_bits_unfolded(tmp_path: Path, monkeypatch) -> None:
    flags = tmp_path / "cpuinfo"
    flags.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n")
    assert has_matrix_units(flags)
    monkeypatch.setattr("cae.forms.has_matrix_units", lambda: True)
    assert not folding_is_faster("nearest", (4, 5), 3, "bfloat16")
    assert folding_is_faster("nearest", (4, 5), 3, "float32")
    monkeypatch.setattr("cae.forms.has_matrix_units", lambda: False)
    assert folding_is_faster("nearest", (4, 5), 3, "bfloat16")
    assert not folding_is_faster("nearest", (4, 5), 1, "float32")
    assert not folding_is_faster("nearest", (4, 5), 3, "float32", on_gpu=True)


def test_processors_without_them_or_without_that_file_have_none(tmp_path: Path) -> None:
    flags = tmp_path / "cpuinfo"
    flags.write_text("flags\t\t: fpu avx512_bf16 not_amx_bf16x\n")
    assert not has_matrix_units(flags)
    assert not has_matrix_units(tmp_path / "nothing")


@pytest.mark.parametrize("argument", ["strides", "padding", "groups", "dilation_rate", "data_format"])
@KINDS
def test_what_the_layer_decides_itself_cannot_be_given(kind: str, argument: str) -> None:
    with pytest.raises(TypeError, match=argument):
        LAYERS[kind](3, 3, **{argument: 1})


def test_a_layer_computes_the_same_while_training() -> None:
    layer = make("bilinear", None, 2, 3, None)
    images = tf.constant(np.random.default_rng(4).normal(size=(2, 9, 8, 3)).astype("float32"))
    traced = [
        {
            node.op
            for node in tf.function(layer).get_concrete_function(images, training=training).graph.as_graph_def().node
        }
        for training in (False, True)
    ]
    assert ["Conv2DBackpropInput" in operations for operations in traced] == [False, True]
    np.testing.assert_allclose(layer(images, training=True), layer(images, training=False), atol=1e-5)


def test_another_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be nearest or bilinear\. Received: interpolation='bicubic'"):
        ResizeConv2D(3, 3, interpolation="bicubic")


@KINDS
def test_a_kernel_that_is_not_square_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="`kernel_size` must be a whole number"):
        LAYERS[kind](3, (3, 2))
