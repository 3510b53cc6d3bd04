"""Generalised divisive normalisation against its formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cae.layers import DivisiveNormalization2D


@pytest.mark.parametrize("inverse", [False, True])
def test_each_channel_is_divided_by_the_norm_of_all_or_multiplied(inverse: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 3, 4, 5))
    layer = DivisiveNormalization2D(inverse, dtype="float64")
    layer(x)
    beta, gamma = generator.uniform(0.5, 2.0, 5), generator.uniform(0.0, 1.0, (5, 5))
    layer.set_weights([np.sqrt(beta), np.sqrt(gamma)])
    root = np.sqrt(beta + np.square(x) @ gamma)
    np.testing.assert_allclose(layer(x), x * root if inverse else x / root, rtol=1e-7)


def test_weights_cannot_fall_below_their_bounds_but_can_rise_again() -> None:
    layer = DivisiveNormalization2D()
    x = tf.constant([[[[1.0, 2.0]]]])
    layer(x)
    layer.set_weights([np.full(2, -1.0), np.full((2, 2), -1.0)])
    for sign, moves in ((1.0, True), (-1.0, False)):
        with tf.GradientTape() as tape:
            loss = sign * tf.reduce_sum(layer(x))
        assert np.isfinite(loss)
        # A larger beta makes outputs smaller: it rises only where the loss asks for that.
        assert bool(np.any(tape.gradient(loss, layer.beta.value))) == moves
