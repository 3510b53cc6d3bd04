"""Transposed convolution to an exact size, held against plain loops and against its mathematical properties."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from cae.layers import Conv2DTransposeToSize


def conv_transpose(
    images: np.ndarray, kernel: np.ndarray, strides: tuple[int, int], output_size: tuple[int, int]
) -> np.ndarray:
    """Every pixel adds its multiple of the kernel (height, width, out, in) where a SAME convolution would read."""
    batch, height, width, _ = images.shape
    pads = [
        max((code - 1) * stride + side - size, 0) // 2
        for code, stride, side, size in zip((height, width), strides, kernel.shape[:2], output_size, strict=True)
    ]
    result = np.zeros((batch, *output_size, kernel.shape[2]))
    for i, j, a, b in itertools.product(range(height), range(width), *map(range, kernel.shape[:2])):
        y, x = i * strides[0] + a - pads[0], j * strides[1] + b - pads[1]
        if 0 <= y < output_size[0] and 0 <= x < output_size[1]:
            result[:, y, x] += images[:, i, j] @ kernel[a, b].T
    return result


@pytest.mark.parametrize(
    ("kernel_size", "strides", "size", "output_size"),
    [
        (3, 2, (4, 3), (7, 6)),
        (4, 2, (3, 5), (6, 9)),
        (5, 3, (3, 2), (7, 4)),
        (1, 2, (3, 3), (5, 6)),
        (2, 4, (2, 3), (6, 11)),
        (3, 1, (4, 5), (4, 5)),
        ((2, 5), (3, 2), (3, 4), (8, 7)),
        (7, 2, (1, 1), (1, 2)),
    ],
)
def test_every_pixel_adds_its_multiple_of_the_kernel(
    kernel_size: int | tuple[int, int],
    strides: int | tuple[int, int],
    size: tuple[int, int],
    output_size: tuple[int, int],
) -> None:
    images = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
    layer = Conv2DTransposeToSize(4, kernel_size, strides, output_size)
    outputs = layer(images)
    expected = conv_transpose(images, np.array(layer.kernel), layer.strides, output_size)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "overlaps"), [(3, {1, 2, 4}), (4, {4}), (2, {1})], ids=["3x3", "4x4", "2x2"])
def test_an_uneven_kernel_shows_its_overlap_pattern(kernel_size: int, overlaps: set[int]) -> None:
    layer = Conv2DTransposeToSize(1, kernel_size, kernel_initializer="ones")
    inside = np.array(layer(np.ones((1, 6, 6, 1), "float32")))[0, 2:-2, 2:-2, 0]
    assert set(inside.ravel().tolist()) == overlaps
    if kernel_size == 3:
        np.testing.assert_array_equal(np.sort(inside[:2, :2].ravel()), [1, 2, 2, 4])


@pytest.mark.parametrize("size", [(8, 12), (7, 11), (13, 5)])
@pytest.mark.parametrize("strides", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_it_is_the_transpose_of_the_convolution_with_the_same_kernel(
    kernel_size: int, strides: int, size: tuple[int, int]
) -> None:
    generator = np.random.default_rng(2)
    image = generator.normal(size=(1, *size, 2)).astype("float32")
    down = keras.layers.Conv2D(5, kernel_size, strides, padding="same", use_bias=False)
    code = down(image)
    latent = generator.normal(size=code.shape).astype("float32")
    up = Conv2DTransposeToSize(2, kernel_size, strides, output_size=size, use_bias=False)
    up.build(latent.shape)
    up.kernel.assign(down.kernel)
    np.testing.assert_allclose(np.vdot(code, latent), np.vdot(image, up(latent)), rtol=1e-3, atol=1e-4)


def test_its_parameters_are_those_of_a_transposed_convolution() -> None:
    ours = Conv2DTransposeToSize(7, (3, 5), (2, 3), output_size=(7, 10))
    keras_layer = keras.layers.Conv2DTranspose(7, (3, 5), (2, 3), padding="same")
    for layer in (ours, keras_layer):
        layer.build((None, 4, 4, 6))
    assert ours.count_params() == keras_layer.count_params() == 7 * 3 * 5 * 6 + 7


def test_its_bias_and_activation_are_applied() -> None:
    layer = Conv2DTransposeToSize(2, 3, output_size=(3, 3), activation="relu", bias_initializer="ones")
    np.testing.assert_array_equal(layer(np.zeros((1, 2, 2, 1), "float32")), np.ones((1, 3, 3, 2)))


@pytest.mark.parametrize(
    "argument", [{"padding": "valid"}, {"output_padding": 1}, {"data_format": "channels_first"}, {"dilation_rate": 2}]
)
def test_what_the_layer_decides_itself_cannot_be_given(argument: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="multiple values for keyword argument"):
        Conv2DTransposeToSize(2, 3, **argument)
