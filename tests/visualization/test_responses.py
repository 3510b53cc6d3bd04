"""The strongest responses and the statistics of a stream, against NumPy on all of it at once."""

import itertools

import numpy as np
import pytest

from cae.data.image_set import ArraySet
from cae.visualization.responses import TopResponses, survey
from tests.visualization.encoders import build, images_for, layers_of


def brute_force(values, positions, top):
    """For each map the largest values, found one by one; of equal ones the first image."""
    found = []
    for number in range(values.shape[1]):
        column = values[:, number].astype(np.float64).copy()
        for _ in range(min(top, len(column))):
            image = int(np.argmax(column))  # the first one
            found.append((number, image, values[image, number], positions[image, number]))
            column[image] = -np.inf
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("top", [1, 4, 60])
def test_the_strongest_are_those_of_a_brute_force_search_whatever_the_batches(seed, top):
    generator = np.random.default_rng(seed)
    # Few different values, so that most are ties, within batches and across their borders.
    values = generator.integers(-2, 3, (50, 3)).astype(np.float32)
    positions = generator.integers(0, 99, (50, 3))
    responses = TopResponses(3, top)
    borders = [0, *np.sort(generator.choice(np.arange(1, 50), 7, replace=False)), 50]
    for start, stop in itertools.pairwise(borders):
        responses.add(values[start:stop], positions[start:stop])
    found = [
        (number, responses.images[rank, number], responses.values[rank, number], responses.positions[rank, number])
        for number in range(3)
        for rank in range(len(responses.values))
    ]
    assert found == brute_force(values, positions, top)


def test_memory_does_not_grow_with_the_stream():
    responses = TopResponses(num_maps=2, top=3)
    for _ in range(100):
        responses.add(np.random.default_rng(0).random((10, 2)), np.zeros((10, 2)))
    assert responses.values.shape == responses.images.shape == responses.positions.shape == (3, 2)


def features_of(autoencoder, layer, images):
    """The layer's maps, (images, height, width, maps), by a model of its own."""
    import keras

    output = autoencoder.encoder.get_layer(layer.path[-1].name).output
    model = keras.Model(autoencoder.encoder.input, output[0] if isinstance(output, list | tuple) else output)
    return np.asarray(model(images)).reshape(len(images), *layer.shape)


@pytest.mark.parametrize("name", ["max with recorded switches, dense", "strided, layer, residual"])
def test_a_survey_finds_what_numpy_finds_in_all_features_at_once(name):
    autoencoder = build(name)
    layers = list(layers_of(autoencoder).values())
    pixels = images_for(autoencoder, 23)
    found = survey(autoencoder.encoder, layers, ArraySet(pixels), top=5, batch_size=7)
    assert list(found) == [layer.name for layer in layers]
    for layer in layers:
        features = features_of(autoencoder, layer, pixels)
        flat = features.reshape(23, -1, layer.num_maps)
        top, statistics = found[layer.name].top, found[layer.name].statistics
        strongest = flat.max(axis=1)
        np.testing.assert_allclose(top.values, -np.sort(-strongest, axis=0)[:5], rtol=1e-4, atol=1e-5)
        for number in range(layer.num_maps):
            images, positions = top.images[:, number], top.positions[:, number]
            assert len(set(images)) == 5
            np.testing.assert_allclose(flat[images, positions, number], top.values[:, number], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics.mean, features.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics.maximum, features.max(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics.minimum, features.min(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics.share_positive, (features > 0).mean(axis=(0, 1, 2)), atol=0.002)


def kill(autoencoder, layer, number):
    """Make a map's convolution give -1 everywhere."""
    kernel, bias = layer.get_weights()
    kernel[..., number], bias[number] = 0, -1
    layer.set_weights([kernel, bias])


def test_maps_that_never_respond_are_found_behind_rectifiers_and_in_a_linear_code():
    autoencoder = build("average of even windows")
    for name, number in (("stage_1_conv_1", 2), ("latent", 1)):
        kill(autoencoder, autoencoder.encoder.get_layer(name), number)
    layers = layers_of(autoencoder)
    images = ArraySet(images_for(autoencoder, 9))
    found = survey(autoencoder.encoder, list(layers.values()), images, top=2, batch_size=4)
    dead = {name: np.flatnonzero(found[name].statistics.is_dead).tolist() for name in layers}
    assert dead["stage_1_conv_1"] == dead["stage_1_pool"] == [2]
    # A constant is dead, and a code that only has negative values is not.
    assert dead["latent"] == [1]
    latent = autoencoder.encoder.get_layer("latent")
    latent.set_weights([latent.get_weights()[0], np.full(3, -1000.0)])
    found = survey(autoencoder.encoder, [layers["latent"]], images, top=2, batch_size=4)
    assert found["latent"].statistics.maximum.max() < 0
    assert np.flatnonzero(found["latent"].statistics.is_dead).tolist() == [1]
