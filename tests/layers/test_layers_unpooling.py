"""Unpooling by switches and without, held against plain loops."""

from __future__ import annotations

import keras
import layer_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import FixedUnpooling2D, MaxPooling2DWithSwitches, MaxUnpooling2D

SIZES = [(2, (6, 4)), (2, (5, 7)), (3, (9, 6)), (3, (7, 5)), (3, (4, 8)), (4, (5, 6)), (2, (1, 1)), (5, (3, 11))]


def pooled_example(pool_size: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Values of both signs and switches that differ between images and channels."""
    images = oracles.scrambled((2, *size, 3), seed=11)
    _, switches = oracles.max_pool(images, pool_size)
    values = np.random.default_rng(12).normal(size=switches.shape).astype("float32")
    return values, switches


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_unpooling_puts_each_value_where_its_maximum_was(pool_size: int, size: tuple[int, int]) -> None:
    values, switches = pooled_example(pool_size, size)
    images = MaxUnpooling2D(pool_size, output_size=size)((values, switches))
    np.testing.assert_array_equal(images, oracles.unpool(values, switches, pool_size, size))


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_repeating_adds_each_channels_share_of_the_value_to_the_pixels_of_its_window(pool_size, size) -> None:
    values, switches = pooled_example(pool_size, size)
    layer = MaxUnpooling2D(pool_size, output_size=size, unpool="repeat")
    unpooled = oracles.unpool(values, switches, pool_size, size)
    np.testing.assert_array_equal(layer((values, switches)), unpooled)
    share = np.array([0.5, -2.0, 0.1], np.float32)
    layer.set_weights([share])
    expected = unpooled.copy()
    for row, column, cells in oracles.windows(*size, pool_size):
        for y, x in cells.values():
            expected[:, y, x] += share * values[:, row, column]
    np.testing.assert_allclose(layer((values, switches)), expected, atol=1e-6)


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_a_values_gradient_is_gathered_at_its_switch(pool_size: int, size: tuple[int, int]) -> None:
    values, switches = pooled_example(pool_size, size)
    weights = np.random.default_rng(13).normal(size=(2, *size, 3)).astype("float32")
    inputs = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        images = MaxUnpooling2D(pool_size, output_size=size)((inputs, switches))
    gradient = tape.gradient(images, inputs, weights)
    np.testing.assert_array_equal(gradient, oracles.gather(weights, switches, pool_size))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("pool_size", "size"), [(2, (5, 7)), (3, (4, 8))])
def test_a_shared_switch_places_all_channels_and_gathers_their_gradients(
    pool_size: int, size: tuple[int, int], dtype: str
) -> None:
    images = oracles.scrambled((2, *size, 3), seed=21)
    switches = oracles.shared_switches(images, pool_size)
    every = np.repeat(switches, 3, axis=-1)
    values = np.random.default_rng(22).integers(-9, 10, every.shape).astype("float32")
    weights = np.random.default_rng(23).integers(-9, 10, images.shape).astype("float32")
    inputs = tf.cast(values, dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        placed = MaxUnpooling2D(pool_size, size, "per_place", dtype=dtype)((inputs, switches))
    gradient = tape.gradient(placed, inputs, tf.cast(weights, dtype))
    np.testing.assert_array_equal(tf.cast(placed, tf.float32), oracles.unpool(values, every, pool_size, size))
    np.testing.assert_array_equal(tf.cast(gradient, tf.float32), oracles.gather(weights, every, pool_size))


def test_shared_switches_of_more_channels_than_one_are_refused() -> None:
    values, switches = pooled_example(2, (4, 6))
    with pytest.raises(ValueError, match="one shape but for the channels, of which shared switches have one"):
        MaxUnpooling2D(switches="per_place")((values, switches))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("pool_size", "size"), [(2, (5, 7)), (3, (7, 5))])
def test_pooling_again_gives_the_same_values_and_switches(
    pool_size: int, size: tuple[int, int], compiled: bool
) -> None:
    images = 1.0 + abs(oracles.scrambled((3, *size, 2), seed=14))  # positive: zeros never win
    pool, unpool = MaxPooling2DWithSwitches(pool_size), MaxUnpooling2D(pool_size, output_size=size)

    @tf.function(jit_compile=compiled)
    def twice(images: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        first = pool(images)
        return first, pool(unpool(first))

    (pooled, switches), (pooled_again, switches_again) = twice(tf.constant(images))
    np.testing.assert_array_equal(pooled_again, pooled)
    np.testing.assert_array_equal(switches_again, switches)


def test_windows_of_zeros_unpool_to_zeros_and_keep_their_values_gradient() -> None:
    zeros = np.zeros((1, 4, 4, 1), "float32")
    pooled, switches = MaxPooling2DWithSwitches()(zeros)
    np.testing.assert_array_equal(MaxUnpooling2D()((pooled, switches)), zeros)
    ones = np.array(MaxUnpooling2D()((tf.ones_like(pooled), switches)))
    np.testing.assert_array_equal(ones[0, :, :, 0], np.tile([[1, 0], [0, 0]], (2, 2)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_nan_and_infinity_stay_in_their_own_cells(dtype: str) -> None:
    values = np.array([[np.nan, np.inf], [-np.inf, 2.0]], "float32").reshape(1, 2, 2, 1)
    switches = np.array([[1, 2], [3, 0]], "uint8").reshape(1, 2, 2, 1)
    images = tf.cast(MaxUnpooling2D(dtype=dtype)((values, switches)), tf.float32)
    np.testing.assert_array_equal(images, oracles.unpool(values, switches, 2, (4, 4)))


def test_nan_in_a_gradient_stays_with_its_own_cell() -> None:
    values, switches = pooled_example(3, (7, 5))
    weights = np.full((2, 7, 5, 3), np.nan, "float32")
    weights[0] = oracles.scrambled((7, 5, 3), seed=15)
    inputs = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        images = MaxUnpooling2D(3, output_size=(7, 5))((inputs, switches))
    gradient = tape.gradient(images, inputs, weights)
    np.testing.assert_array_equal(gradient, oracles.gather(weights, switches, 3))


def test_foreign_switches_that_point_at_padding_drop_their_values() -> None:
    size, values = (4, 4), np.ones((1, 2, 2, 1), "float32")  # windows of 3 overlap 4 pixels by one at the top left
    switches = np.zeros((1, 2, 2, 1), "uint8")
    inputs = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        images = MaxUnpooling2D(3, output_size=size)((inputs, switches))
    np.testing.assert_array_equal(images, oracles.unpool(values, switches, 3, size))
    np.testing.assert_array_equal(tape.gradient(images, inputs)[0, :, :, 0], [[0, 0], [0, 1]])


def test_switches_of_any_integer_type_are_understood() -> None:
    values, switches = pooled_example(2, (4, 6))
    expected = oracles.unpool(values, switches, 2, (4, 6))
    for dtype in ("int32", "int64"):
        np.testing.assert_array_equal(MaxUnpooling2D()([values, switches.astype(dtype)]), expected)


def test_switches_that_are_not_whole_numbers_are_refused() -> None:
    values, switches = pooled_example(2, (4, 6))
    with pytest.raises(ValueError, match="`switches` must be integers"):
        MaxUnpooling2D()((values, switches.astype("float32")))


@pytest.mark.parametrize("symbolic", [False, True])
def test_switches_of_another_shape_are_refused(symbolic: bool) -> None:
    inputs = (
        (keras.Input((2, 3, 4)), keras.Input((2, 3, 1), dtype="uint8"))
        if symbolic
        else (np.zeros((1, 2, 3, 4), "float32"), np.zeros((1, 2, 3, 1), "uint8"))
    )
    with pytest.raises(ValueError, match="Values and switches must have one shape"):
        MaxUnpooling2D()(inputs)


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_fixed_unpooling_puts_values_at_multiples_of_the_window(pool_size: int, size: tuple[int, int]) -> None:
    height, width = (-(-n // pool_size) for n in size)
    values = oracles.scrambled((2, height, width, 3), seed=16)
    expected = np.zeros((2, *size, 3), "float32")
    expected[:, ::pool_size, ::pool_size] = values
    np.testing.assert_array_equal(FixedUnpooling2D(pool_size, output_size=size)(values), expected)


def test_unpooling_without_a_size_multiplies_it_by_the_window() -> None:
    values, switches = pooled_example(3, (6, 9))
    expected = oracles.unpool(values, switches, 3, (6, 9))
    np.testing.assert_array_equal(MaxUnpooling2D(3)((values, switches)), expected)
    assert FixedUnpooling2D(3)(values).shape == (2, 6, 9, 3)
