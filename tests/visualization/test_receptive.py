"""Receptive fields, exact to the pixel."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.visualization.feature_layers import Span, crop_to_field, receptive_field
from tests.visualization.encoders import ENCODERS, build, telling_layers

LINEAR = [name for name in ENCODERS if "max" not in name and "strides beyond" not in name]


@pytest.mark.parametrize("name", LINEAR)
def test_a_field_is_what_a_network_of_positive_weights_depends_on(name):
    autoencoder = build(name, activation="linear", normalization="none")
    for weight in autoencoder.encoder.weights:
        weight.assign(tf.abs(weight) + 0.1)
    image = tf.zeros((1, *autoencoder.plan.image_shape))
    for layer in telling_layers(autoencoder):
        features = keras.Model(autoencoder.encoder.input, autoencoder.encoder.get_layer(layer.path[-1].name).output)
        with tf.GradientTape() as tape:
            tape.watch(image)
            first_map = tf.reshape(features(image), (-1, layer.num_maps))[:, 0]
        jacobian = tape.jacobian(first_map, image).numpy()[:, 0, :, :, 0]  # [positions, H, W]
        for position, seen in enumerate(jacobian > 0):
            rows, columns = receptive_field(layer.path, *divmod(position, layer.shape[1]))
            expected = np.zeros_like(seen)
            expected[rows.first : rows.last + 1, columns.first : columns.last + 1] = True
            np.testing.assert_array_equal(seen, expected, err_msg=f"{layer.name} at {position}")


@pytest.mark.parametrize("name", ENCODERS)
def test_the_side_of_a_field_is_the_plans(name):
    plan = build(name).plan
    for operation, field in zip(plan.encoder, plan.receptive_fields(), strict=False):
        path = plan.encoder[: plan.encoder.index(operation) + 1]
        for span, length in zip(receptive_field(path, 0, 0), plan.image_shape[:2], strict=True):
            assert span.side == (length if math.isinf(field) else min(field, length))


def test_crops_of_one_layer_have_one_size_and_keep_their_place():
    image = np.arange(20.0).reshape(4, 5, 1)
    corner = (Span(first=0, last=1, before=1, side=3), Span(first=3, last=4, before=0, side=3))
    crop = crop_to_field(image, corner, outside=[-1.0])[:, :, 0]
    assert crop.tolist() == [[-1, -1, -1], [3, 4, -1], [8, 9, -1]]


def test_a_field_larger_than_the_image_is_cropped_in_the_images_own_place():
    image = np.arange(4.0).reshape(1, 4, 1)
    crop = crop_to_field(image, (Span(0, 0, 0, 1), Span(first=1, last=3, before=1, side=4)), outside=[-1.0])
    assert crop.ravel().tolist() == [-1, 1, 2, 3]
