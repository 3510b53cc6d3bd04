"""The explicit way back through the encoder against automatic differentiation, and what follows from its definition."""

import numpy as np
import pytest
import tensorflow as tf

from cae.visualization.backward import Projector
from cae.visualization.feature_layers import receptive_field
from tests.visualization.encoders import ENCODERS, autodiff, build, images_for, layers_of, telling_layers

RELU = {
    "deconvnet": lambda incoming, x: tf.nn.relu(incoming),
    "gradient": lambda incoming, x: incoming * tf.cast(x > 0, tf.float32),
    "guided": lambda incoming, x: tf.nn.relu(incoming) * tf.cast(x > 0, tf.float32),
}


@pytest.fixture(autouse=True)
def _without_compiling():
    """Every layer of every encoder would be compiled otherwise, for one call each."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def picks(layer, number, seed=1):
    """Maps, positions and values to project, one for each of `number` images."""
    generator = np.random.default_rng(seed)
    maps = generator.integers(layer.num_maps, size=number)
    positions = generator.integers(layer.shape[0] * layer.shape[1], size=number)
    return maps, positions, generator.uniform(0.5, 2.0, number).astype(np.float32)


def assert_equal_to_1e5(actual, expected):
    assert np.abs(expected).max() > 1e-3, "an oracle of nothing but zeros proves nothing"
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ENCODERS)
def test_each_method_is_automatic_differentiation_with_another_rectifier(name):
    autoencoder = build(name)
    images = images_for(autoencoder, 3)
    for layer in telling_layers(autoencoder):
        chosen = picks(layer, 3)
        for method, backward in RELU.items():
            expected = autodiff(autoencoder, layer, backward, images, *chosen)
            assert_equal_to_1e5(Projector(autoencoder.encoder, layer, method).project(images, *chosen), expected)


@pytest.mark.parametrize(
    ("activation", "by_sign", "slope"),
    [
        ("leaky_relu", lambda g: tf.where(g > 0, g, 0.2 * g), lambda x: tf.where(x > 0, 1.0, 0.2)),
        ("elu", tf.nn.relu, lambda x: tf.where(x > 0, 1.0, tf.exp(x))),
        ("silu", tf.nn.relu, lambda x: tf.sigmoid(x) * (1 + x * (1 - tf.sigmoid(x)))),
        ("softplus", tf.nn.relu, tf.sigmoid),
        ("tanh", tf.identity, lambda x: 1 - tf.tanh(x) ** 2),
        ("sigmoid", tf.identity, lambda x: tf.sigmoid(x) * (1 - tf.sigmoid(x))),
    ],
)
def test_other_activations_have_their_own_slope_and_sign_rule(activation, by_sign, slope):
    autoencoder = build("max, group, residual", activation=activation, normalization="none")
    images, layer = images_for(autoencoder, 2), layers_of(autoencoder)["latent"]
    chosen = picks(layer, 2)
    methods = {
        "deconvnet": lambda incoming, x: by_sign(incoming),
        "gradient": lambda incoming, x: incoming * slope(x),
        "guided": lambda incoming, x: by_sign(incoming) * slope(x),
    }
    for method, backward in methods.items():
        expected = autodiff(autoencoder, layer, backward, images, *chosen)
        assert_equal_to_1e5(Projector(autoencoder.encoder, layer, method).project(images, *chosen), expected)


def test_the_three_methods_differ_on_rectified_networks():
    autoencoder = build("max")
    layer = layers_of(autoencoder)["stage_2_pool"]
    images, chosen = images_for(autoencoder, 3), picks(layer, 3)
    deconvnet, gradient, guided = (Projector(autoencoder.encoder, layer, m).project(images, *chosen) for m in RELU)
    assert not np.allclose(deconvnet, gradient)
    assert not np.allclose(gradient, guided)
    assert not np.allclose(guided, deconvnet)


@pytest.mark.parametrize("name", ENCODERS)
def test_with_linear_activations_the_deconvnet_is_the_gradient_exactly(name):
    autoencoder = build(name, activation="linear")
    images, layer = images_for(autoencoder, 2), telling_layers(autoencoder)[-1]
    chosen = picks(layer, 2)
    gradient = Projector(autoencoder.encoder, layer, "gradient").project(images, *chosen)
    assert np.abs(gradient).max() > 0
    for method in ("deconvnet", "guided"):
        np.testing.assert_array_equal(Projector(autoencoder.encoder, layer, method).project(images, *chosen), gradient)
    assert_equal_to_1e5(gradient, autodiff(autoencoder, layer, RELU["gradient"], images, *chosen))


@pytest.mark.parametrize("method", RELU)
def test_a_projection_is_positively_homogeneous_in_its_seed(method):
    autoencoder = build("max, group, residual")
    layer = layers_of(autoencoder)["latent"]
    images = images_for(autoencoder, 2)
    maps, positions, values = picks(layer, 2)
    project = Projector(autoencoder.encoder, layer, method).project
    once = project(images, maps, positions, values)
    np.testing.assert_array_equal(project(images, maps, positions, 4 * values), 4 * once)
    np.testing.assert_allclose(project(images, maps, positions, 2.7 * values), 2.7 * once, rtol=1e-4, atol=1e-6)
    assert not project(images, maps, positions, 0 * values).any()
    backwards = project(images, maps, positions, -values)
    assert np.allclose(backwards, -once, atol=1e-6) == (method == "gradient")


@pytest.mark.parametrize("name", [name for name in ENCODERS if "group" not in name])
@pytest.mark.parametrize("method", RELU)
def test_a_projection_stays_inside_the_receptive_field(name, method):
    autoencoder = build(name)
    for layer in [layers_of(autoencoder)["stage_1_conv_1"], *telling_layers(autoencoder)]:
        positions = np.arange(layer.shape[0] * layer.shape[1])
        images = images_for(autoencoder, len(positions))
        projector = Projector(autoencoder.encoder, layer, method)
        projections = projector.project(images, np.zeros_like(positions), positions, np.ones(len(positions)))
        assert projections.any()
        for position, projection in zip(positions, projections, strict=True):
            rows, columns = receptive_field(layer.path, *divmod(int(position), layer.shape[1]))
            projection[rows.first : rows.last + 1, columns.first : columns.last + 1] = 0
            assert not projection.any()


def test_a_projection_does_not_depend_on_the_images_beside_it_or_on_being_compiled():
    autoencoder = build("max with recorded switches, dense")
    layer = layers_of(autoencoder)["stage_1_pool"]
    images, (maps, positions, values) = images_for(autoencoder, 3), picks(layer, 3)
    projector = Projector(autoencoder.encoder, layer, "deconvnet")
    together = projector.project(images, maps, positions, values)
    tf.config.run_functions_eagerly(False)
    one = slice(1, 2)
    alone = projector.project(images[one], maps[one], positions[one], values[one])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-5 * np.abs(together[1]).max())


def test_under_mixed_precision_the_way_back_is_float32_and_close():
    from cae.model import build_autoencoder

    exact = build("max")
    rough = build_autoencoder(exact.plan, precision="mixed_bfloat16")
    rough.encoder.set_weights(exact.encoder.get_weights())
    layer = layers_of(exact)["stage_1_conv_2"]
    images, chosen = images_for(exact, 3), picks(layer, 3)
    expected = Projector(exact.encoder, layer, "deconvnet").project(images, *chosen)
    projection = Projector(rough.encoder, layer, "deconvnet").project(images, *chosen)
    assert projection.dtype == np.float32
    # Before the first pooling the deconvnet looks at nothing but kernels, which both models share.
    np.testing.assert_allclose(projection, expected, rtol=1e-5, atol=1e-6)


def test_projecting_changes_neither_weights_nor_outputs():
    autoencoder = build("average, batch, dense")
    images = images_for(autoencoder, 4)
    weights, outputs = autoencoder.model.get_weights(), autoencoder.model(images).numpy()
    layer = layers_of(autoencoder)["latent"]
    Projector(autoencoder.encoder, layer, "guided").project(images, *picks(layer, 4))
    for before, after in zip(weights, autoencoder.model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(autoencoder.model(images).numpy(), outputs)
