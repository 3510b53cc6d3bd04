"""Pooling and unpooling by learned indices against their formula, and against max pooling, which they contain."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import IndexedPooling2D, IndexedUnpooling2D, MaxPooling2DWithSwitches, MaxUnpooling2D

# Every residue of either side by windows of 2 and of 3.
SIZES = [(2, (4, 6)), (2, (5, 6)), (2, (6, 5)), (3, (6, 7)), (3, (8, 9)), (3, (7, 5))]


@pytest.fixture
def uncompiled():
    """Without XLA, which takes a second for each size."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def example(size, channels=3, seed=0):
    """Values of which some in a window are equal."""
    return np.random.default_rng(seed).integers(-6, 7, (2, *size, channels)) / 4


def windows(size, side):
    """Each window's pixels, as (row, column, cell): windows are laid around the middle, the odd pixel behind."""
    for i, j in np.ndindex(*(-(-n // side) for n in size)):
        top, left = ((-(-n // side) * side - n) // 2 for n in size)
        cells = [(i * side - top + k // side, j * side - left + k % side, k) for k in range(side**2)]
        yield i, j, [(y, x, k) for y, x, k in cells if 0 <= y < size[0] and 0 <= x < size[1]]


def pooled_by_formula(maps, kernel, side, indices, switches):
    batch, height, width, channels = maps.shape
    pooled = np.zeros((batch, -(-height // side), -(-width // side), channels))
    shares = np.zeros((batch, height, width, channels if switches == "per_channel" else 1))
    for n, (i, j, cells) in ((n, window) for n in range(batch) for window in windows((height, width), side)):
        scores = np.array(
            [sum(maps[n, y, x] * kernel[a // side, a % side, :, k] for y, x, a in cells) for *_, k in cells]
        )
        if switches == "per_place":
            scores = scores.sum(axis=1, keepdims=True)
        if indices == "soft":
            found = np.exp(scores) / np.exp(scores).sum(axis=0)
        else:
            found = (np.arange(len(cells))[:, None] == scores.argmax(axis=0)).astype(float)
        for (y, x, _), share in zip(cells, found, strict=True):
            shares[n, y, x] = share
            pooled[n, i, j] += share * maps[n, y, x]
    return pooled, shares


@pytest.mark.parametrize("switches", ["per_channel", "per_place"])
@pytest.mark.parametrize("indices", ["soft", "hard"])
@pytest.mark.parametrize(("side", "size"), SIZES)
@pytest.mark.usefixtures("uncompiled")
def test_pooled_values_and_indices_are_the_formulas(side, size, indices, switches):
    layer = IndexedPooling2D(side, indices, switches, dtype="float64")
    maps = np.random.default_rng(1).normal(size=(2, *size, 3))
    layer.build(maps.shape)
    layer.set_weights([np.random.default_rng(2).normal(size=layer.kernel.shape)])
    pooled, shares = layer(maps)
    expected = pooled_by_formula(maps, layer.get_weights()[0], side, indices, switches)
    np.testing.assert_allclose(pooled, expected[0], atol=1e-12)
    np.testing.assert_allclose(shares, expected[1], atol=1e-12)
    # Enlarged again, each pixel has its window's value times its own index.
    image = IndexedUnpooling2D(side, size, dtype="float64")((pooled, shares))
    for n, (i, j, cells) in ((n, window) for n in range(2) for window in windows(size, side)):
        for y, x, _ in cells:
            np.testing.assert_allclose(image[n, y, x], expected[0][n, i, j] * expected[1][n, y, x], atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("side", "size"), SIZES)
@pytest.mark.usefixtures("uncompiled")
def test_max_pooling_and_unpooling_are_the_case_of_indices_that_are_one_at_the_maximum(side, size, dtype):
    assert_max_pooling(side, size, dtype)


def test_compiled_too_they_are_max_pooling_and_unpooling():
    assert_max_pooling(3, (8, 7), "float32")


def assert_max_pooling(side, size, dtype):
    maps = tf.cast(example(size), dtype)
    pooled, indices = IndexedPooling2D(side, "hard", dtype=dtype)(maps)
    maxima, switches = MaxPooling2DWithSwitches(side, dtype=dtype)(maps)
    image = MaxUnpooling2D(side, size, dtype=dtype)((maxima, switches))
    ones = MaxUnpooling2D(side, size, dtype=dtype)((tf.ones_like(maxima), switches))
    for found, expected in (
        (pooled, maxima),
        (pooled, keras.layers.MaxPooling2D(side, padding="same", dtype=dtype)(maps)),
        (indices, ones),
        (IndexedUnpooling2D(side, size, dtype=dtype)((pooled, indices)), image),
    ):
        np.testing.assert_array_equal(tf.cast(found, tf.float64), tf.cast(expected, tf.float64))


@pytest.mark.usefixtures("uncompiled")
def test_soft_indices_come_near_the_hard_ones_as_scores_grow():
    maps = np.random.default_rng(3).permutation(160).reshape(2, 8, 5, 2).astype("float32")
    soft, hard = IndexedPooling2D(2, "soft"), IndexedPooling2D(2, "hard")
    soft.build(maps.shape)
    soft.set_weights([50.0 * soft.get_weights()[0]])
    for found, expected in zip(soft(maps), hard(maps), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("switches", ["per_channel", "per_place"])
@pytest.mark.usefixtures("uncompiled")
def test_gradients_of_soft_indices_are_the_slopes_of_the_formula(switches):
    maps, size = np.random.default_rng(4).normal(size=(1, 5, 4, 2)), (5, 4)
    pool, unpool = (
        IndexedPooling2D(2, "soft", switches, dtype="float64"),
        IndexedUnpooling2D(2, size, dtype="float64"),
    )
    pool.build(maps.shape)
    kernel = np.random.default_rng(5).normal(size=pool.kernel.shape)
    weights = np.random.default_rng(6).normal(size=maps.shape)

    def there_and_back(maps, kernel):
        pooled, shares = pooled_by_formula(maps, kernel, 2, "soft", switches)
        image = np.repeat(np.repeat(pooled, 2, axis=1), 2, axis=2)[:, :5, :4] * shares
        return np.vdot(image, weights)

    pool.set_weights([kernel])
    with tf.GradientTape() as tape:
        inputs = tf.constant(maps)
        tape.watch(inputs)
        loss = tf.reduce_sum(unpool(pool(inputs)) * weights)
    assert loss.numpy() == pytest.approx(there_and_back(maps, kernel))
    of_maps, of_kernel = tape.gradient(loss, [inputs, pool.kernel.value])
    for found, along in (
        (of_maps, lambda step: there_and_back(maps + step, kernel)),
        (of_kernel, lambda step: there_and_back(maps, kernel + step)),
    ):
        for place in [*np.ndindex(*found.shape)][::5]:
            step = np.zeros(found.shape)
            step[place] = 1e-5
            assert found[place].numpy() == pytest.approx((along(step) - along(-step)) / 2e-5, abs=1e-7)


def test_hard_indices_hand_the_kernel_the_gradient_of_soft_ones_and_the_same_bits_each_time():
    maps = tf.constant(np.random.default_rng(7).normal(size=(4, 33, 31, 16)), tf.float32)

    def kernel_gradient(indices):
        layer = IndexedPooling2D(2, indices)
        with tf.GradientTape() as tape:
            pooled, shares = layer(maps)
            loss = tf.reduce_sum(shares * maps**2) + tf.reduce_sum(pooled)
        return tape.gradient(loss, layer.kernel.value)

    hard, soft, again = (kernel_gradient(word) for word in ("hard", "soft", "hard"))
    np.testing.assert_allclose(hard, soft, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(hard, again)
    assert np.any(hard)


def test_indices_that_do_not_fit_the_values_are_refused():
    with pytest.raises(ValueError, match="indices"):
        IndexedUnpooling2D(2)((np.zeros((1, 3, 2, 2), "float32"), np.zeros((1, 7, 4, 2), "float32")))
    for options in ({"indices": "fuzzy"}, {"switches": "per_image"}, {"pool_size": 1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            IndexedPooling2D(**options)
