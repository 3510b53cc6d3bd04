"""Transposed convolution to an exact size, held against plain loops and against its mathematical properties."""

from __future__ import annotations

import keras
import layer_oracles as oracles
import numpy as np
import pytest

from cae.layers import Conv2DTransposeToSize


def conv_transpose(
    images: np.ndarray, kernel: np.ndarray, strides: tuple[int, int], output_size: tuple[int, int]
) -> np.ndarray:
    """Every pixel adds its multiple of the kernel (height, width, out, in); SAME padding, then the crop."""
    batch, height, width, _ = images.shape
    kernel_height, kernel_width, filters, _ = kernel.shape
    full = (height * strides[0], width * strides[1])
    top, left = max(kernel_height - strides[0], 0) // 2, max(kernel_width - strides[1], 0) // 2
    result = np.zeros((batch, *full, filters))
    for i in range(height):
        for j in range(width):
            for a in range(kernel_height):
                for b in range(kernel_width):
                    y, x = i * strides[0] + a - top, j * strides[1] + b - left
                    if 0 <= y < full[0] and 0 <= x < full[1]:
                        result[:, y, x] += images[:, i, j] @ kernel[a, b].T
    return oracles.middle(result, output_size)


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


@pytest.mark.parametrize(("kernel_size", "strides"), [(3, 2), (4, 2), (5, 3), (2, 3)])
def test_it_is_the_transpose_of_the_convolution_with_the_same_kernel(kernel_size: int, strides: int) -> None:
    generator = np.random.default_rng(2)
    image = generator.normal(size=(1, 4 * strides, 3 * strides, 2)).astype("float32")
    latent = generator.normal(size=(1, 4, 3, 5)).astype("float32")
    down = keras.layers.Conv2D(5, kernel_size, strides, padding="same", use_bias=False)
    up = Conv2DTransposeToSize(2, kernel_size, strides, use_bias=False)
    down.build(image.shape)
    up.build(latent.shape)
    up.kernel.assign(down.kernel)
    left, right = np.vdot(down(image), latent), np.vdot(image, up(latent))
    np.testing.assert_allclose(left, right, rtol=1e-4)


def test_its_parameters_are_those_of_a_transposed_convolution() -> None:
    ours = Conv2DTransposeToSize(7, (3, 5), (2, 3), output_size=(7, 10))
    keras_layer = keras.layers.Conv2DTranspose(7, (3, 5), (2, 3), padding="same")
    for layer in (ours, keras_layer):
        layer.build((None, 4, 4, 6))
    assert ours.count_params() == keras_layer.count_params() == 7 * 3 * 5 * 6 + 7


def test_its_bias_and_activation_are_applied() -> None:
    layer = Conv2DTransposeToSize(2, 3, output_size=(3, 3), activation="relu", bias_initializer="ones")
    np.testing.assert_array_equal(layer(np.zeros((1, 2, 2, 1), "float32")), np.ones((1, 3, 3, 2)))


@pytest.mark.parametrize("argument", [{"padding": "valid"}, {"output_padding": 1}, {"data_format": "channels_first"}])
def test_what_the_layer_decides_itself_cannot_be_given(argument: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="multiple values for keyword argument"):
        Conv2DTransposeToSize(2, 3, **argument)
