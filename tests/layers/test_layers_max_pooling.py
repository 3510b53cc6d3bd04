"""Max pooling with switches, held against plain loops and against Keras' pooling."""

from __future__ import annotations

import keras
import layer_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import MaxPooling2DWithSwitches, MaxUnpooling2D

SIZES = [(2, (6, 4)), (2, (5, 7)), (3, (9, 6)), (3, (7, 5)), (3, (4, 8)), (4, (5, 6)), (2, (1, 1)), (5, (3, 11))]


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_pooling_finds_each_windows_first_maximum(pool_size: int, size: tuple[int, int]) -> None:
    images = oracles.scrambled((2, *size, 3), seed=pool_size)
    pooled, switches = MaxPooling2DWithSwitches(pool_size)(images)
    expected_pooled, expected_switches = oracles.max_pool(images, pool_size)
    np.testing.assert_array_equal(pooled, expected_pooled)
    np.testing.assert_array_equal(switches, expected_switches)
    assert switches.dtype == tf.uint8


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_pooled_values_are_those_of_keras(pool_size: int, size: tuple[int, int]) -> None:
    images = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
    pooled, _ = MaxPooling2DWithSwitches(pool_size)(images)
    np.testing.assert_array_equal(pooled, keras.layers.MaxPooling2D(pool_size, padding="same")(images))


def test_the_largest_window_numbers_256_cells() -> None:
    images = np.zeros((1, 16, 16, 2), "float32")
    images[0, 15, 15, 0] = images[0, 9, 4, 1] = 1.0
    _, switches = MaxPooling2DWithSwitches(16)(images)
    assert np.array(switches).ravel().tolist() == [255, 9 * 16 + 4]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("value", [0.0, -3.0, -np.inf, np.inf, np.nan])
@pytest.mark.parametrize(("pool_size", "size"), [(2, (5, 3)), (3, (7, 4))])
def test_among_equals_the_first_real_cell_wins(
    pool_size: int, size: tuple[int, int], value: float, compiled: bool
) -> None:
    images = np.full((1, *size, 1), value, "float32")
    pool = tf.function(MaxPooling2DWithSwitches(pool_size), jit_compile=compiled)
    pooled, switches = pool(tf.constant(images))
    np.testing.assert_array_equal(switches, oracles.max_pool(images, pool_size)[1])
    np.testing.assert_array_equal(np.unique(pooled), [value])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("pool_size", [2, 3])
def test_the_first_nan_of_a_window_is_its_maximum(pool_size: int, dtype: str) -> None:
    generator = np.random.default_rng(7)
    images = generator.integers(-9, 9, (3, 7, 8, 2)).astype("float32")
    images[generator.random(images.shape) < 0.2] = np.nan
    images[generator.random(images.shape) < 0.2] = -np.inf
    images[generator.random(images.shape) < 0.1] = np.inf
    pooled, switches = MaxPooling2DWithSwitches(pool_size, dtype=dtype)(images)
    expected_pooled, expected_switches = oracles.max_pool(images, pool_size)
    np.testing.assert_array_equal(tf.cast(pooled, tf.float32), expected_pooled)
    np.testing.assert_array_equal(switches, expected_switches)


@pytest.mark.parametrize(("pool_size", "size"), SIZES)
def test_a_gradient_goes_to_the_first_maximum_alone(pool_size: int, size: tuple[int, int]) -> None:
    images = oracles.scrambled((2, *size, 3), seed=3)
    images[0, :, :, 0] = 0.5  # all of one image and channel are ties
    _, switches = oracles.max_pool(images, pool_size)
    weights = np.random.default_rng(4).normal(size=switches.shape).astype("float32")
    inputs = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        pooled, _ = MaxPooling2DWithSwitches(pool_size)(inputs)
    gradient = tape.gradient(pooled, inputs, weights)
    np.testing.assert_array_equal(gradient, oracles.unpool(weights, switches, pool_size, size))


def test_the_gradient_can_be_differentiated_again() -> None:
    images = tf.constant(oracles.scrambled((1, 5, 4, 1), seed=5))
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as inner:
            inner.watch(images)
            pooled, _ = MaxPooling2DWithSwitches()(images)
            cubes = tf.reduce_sum(pooled**3)
        gradient = inner.gradient(cubes, images)
    pooled, switches = oracles.max_pool(images.numpy(), 2)
    expected = oracles.unpool(6 * pooled, switches, 2, (5, 4))  # (v^3)'' = 6 v at each maximum
    np.testing.assert_array_equal(outer.gradient(gradient, images), expected)


@pytest.mark.parametrize(("dtype", "compiled"), [("float32", True), ("bfloat16", False), ("float16", False)])
@pytest.mark.parametrize(("pool_size", "size"), [(2, (5, 7)), (3, (7, 5))])
def test_channels_that_share_a_switch_take_that_of_their_largest_sum(
    pool_size: int, size: tuple[int, int], dtype: str, compiled: bool
) -> None:
    # Few different whole numbers, so that sums are exact in every type and often tie.
    images = np.random.default_rng(8).integers(-3, 4, (3, *size, 4)).astype("float32")
    images[0] = 1.0
    pool = tf.function(MaxPooling2DWithSwitches(pool_size, "per_place", dtype=dtype), jit_compile=compiled)
    pooled, switches = pool(tf.constant(images))
    np.testing.assert_array_equal(tf.cast(pooled, tf.float32), oracles.max_pool(images, pool_size)[0])
    np.testing.assert_array_equal(switches, oracles.shared_switches(images, pool_size))
    assert switches.dtype == tf.uint8


def test_a_shared_switch_leaves_gradients_at_each_channels_own_maximum() -> None:
    images = oracles.scrambled((2, 7, 5, 3), seed=9)
    inputs = tf.constant(images)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        own, shared = (MaxPooling2DWithSwitches(3, kind)(inputs)[0] for kind in ("per_channel", "per_place"))
    np.testing.assert_array_equal(tape.gradient(shared, inputs), tape.gradient(own, inputs))


@pytest.mark.parametrize("layer", [MaxPooling2DWithSwitches, MaxUnpooling2D])
def test_switches_of_an_unknown_kind_are_refused(layer: type) -> None:
    with pytest.raises(ValueError, match=r"`switches` must be one of .* Received: switches='per_pixel'"):
        layer(switches="per_pixel")


@pytest.mark.parametrize("pool_size", [1, 17, 2.0, "2", True, None, (2, 2)])
def test_a_window_that_no_byte_can_number_is_refused(pool_size: object) -> None:
    with pytest.raises(ValueError, match=r"`pool_size` must be a whole number from 2 to 16\. Received: pool_size="):
        MaxPooling2DWithSwitches(pool_size)
