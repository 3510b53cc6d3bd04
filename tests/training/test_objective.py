from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config.objective import MaskedPatchesCorruption, ObjectiveSection, Reconstruction
from cae.errors import ConfigError
from cae.training.objective import Objective

TERMS = ["mse", "psnr", "mae", "bce", "huber", "ssim", "ms_ssim"]


def objective_of(delta: float | None = None, latent_l1: float = 0.0, **weights: float) -> Objective:
    section = ObjectiveSection(reconstruction=Reconstruction(**weights), huber_delta=delta, latent_l1=latent_l1)
    return Objective(section)


def a_pair(shape: tuple[int, ...] = (3, 12, 13, 2), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = rng.random(shape, np.float32)
    return images, np.clip(images + 0.2 * rng.standard_normal(shape), 0.01, 0.99).astype(np.float32)


def bce_in_numpy(images, reconstructions):
    p, t = reconstructions.astype(float), images.astype(float)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(axis=(1, 2, 3))


def huber_in_numpy(images, reconstructions, delta):
    errors = abs(images.astype(float) - reconstructions)
    return np.where(errors <= delta, errors**2 / 2, delta * (errors - delta / 2)).mean(axis=(1, 2, 3))


def gradient(objective, images, reconstructions, latent=None):
    reconstructions = tf.convert_to_tensor(reconstructions)
    with tf.GradientTape() as tape:
        tape.watch(reconstructions)
        loss = tf.reduce_sum(objective.per_image(images, reconstructions, latent))
    return tape.gradient(loss, reconstructions).numpy()


def test_each_term_is_a_mean_over_the_pixels_of_its_image():
    images, reconstructions = a_pair()
    errors = images.astype(float) - reconstructions
    expected = {
        "mse": (errors**2).mean(axis=(1, 2, 3)),
        "psnr": 10 * np.log10((errors**2).mean(axis=(1, 2, 3)) + 1e-6),
        "mae": abs(errors).mean(axis=(1, 2, 3)),
        "bce": bce_in_numpy(images, reconstructions),
        "huber": huber_in_numpy(images, reconstructions, 0.1),
        "ssim": 1 - tf.image.ssim(images, reconstructions, max_val=1.0).numpy(),
    }
    for name, values in expected.items():
        losses = objective_of(**{name: 1.0}).per_image(images, reconstructions, None)
        assert losses.dtype == tf.float32
        np.testing.assert_allclose(losses, values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_ms_ssim_counts_down_from_one():
    images, reconstructions = a_pair((2, 161, 165, 1))
    losses = objective_of(ms_ssim=1.0).per_image(images, reconstructions, None)
    expected = 1 - tf.image.ssim_multiscale(images, reconstructions, max_val=1.0).numpy()
    np.testing.assert_allclose(losses, expected, atol=1e-5)


def test_terms_are_weighted_and_added():
    images, reconstructions = a_pair()
    latent = np.random.default_rng(1).standard_normal((3, 2, 2, 4)).astype(np.float32)
    losses = objective_of(mse=0.5, mae=3.0, huber=2.0, delta=0.25, latent_l1=0.7).per_image(
        images, reconstructions, latent
    )
    errors = images.astype(float) - reconstructions
    expected = (
        0.5 * (errors**2).mean(axis=(1, 2, 3))
        + 3.0 * abs(errors).mean(axis=(1, 2, 3))
        + 2.0 * huber_in_numpy(images, reconstructions, 0.25)
        + 0.7 * abs(latent).mean(axis=(1, 2, 3))
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 8), (3, 4, 5, 2)])
def test_the_latent_penalty_is_a_mean_over_the_values_of_each_code(shape):
    images = np.zeros((3, 4, 4, 1), np.float32)
    latent = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    losses = objective_of(mse=1.0, latent_l1=2.0).per_image(images, images, latent)
    np.testing.assert_allclose(losses, 2.0 * abs(latent).reshape(3, -1).mean(axis=1), rtol=1e-6)


def test_bce_is_keras_binary_crossentropy():
    images, reconstructions = a_pair()
    expected = keras.losses.binary_crossentropy(images, reconstructions).numpy().mean(axis=(1, 2))
    losses = objective_of(bce=1.0).per_image(images, reconstructions, None)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


@pytest.mark.parametrize("in_a_graph", [False, True])
def test_bce_uses_the_logits_behind_a_sigmoid(in_a_graph):
    """Logits of -200: the probability underflows to 0, but the loss is exactly 200 for white pixels."""
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(inputs))
    images, logits = tf.ones((1, 4, 4, 1)), tf.fill((1, 4, 4, 1), -200.0)
    objective = objective_of(bce=1.0)

    def loss_and_gradient():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = objective.per_image(images, model(logits), None)
        return loss, tape.gradient(loss, logits)

    loss, slope = (tf.function(loss_and_gradient) if in_a_graph else loss_and_gradient)()
    np.testing.assert_allclose(loss, [200.0], rtol=1e-6)
    np.testing.assert_allclose(slope, np.full((1, 4, 4, 1), -1 / 16), rtol=1e-5)


def test_linear_outputs_are_not_clipped():
    images, outside = np.zeros((1, 12, 12, 1), np.float32), np.full((1, 12, 12, 1), -2.0, np.float32)
    for name, expected in {"mse": 4.0, "mae": 2.0, "huber": 0.1 * (2.0 - 0.05)}.items():
        losses = objective_of(**{name: 1.0}).per_image(images, outside, None)
        np.testing.assert_allclose(losses, [expected], rtol=1e-5)
        assert (gradient(objective_of(**{name: 1.0}), images, outside) < 0).all()


@pytest.mark.parametrize("term", TERMS)
def test_every_gradient_is_finite(term):
    shape = (1, 161, 161, 1) if term == "ms_ssim" else (2, 14, 12, 3)
    objective = objective_of(**{term: 1.0})
    images, near = a_pair(shape)
    black, white = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    pairs = [
        (images, images), (images, near), (images, 1 - images), (black, black), (white, white),
        (black, white), (white, black), (images, white), (images, black), (0.5 * white, 0.5 * white),
        (images, 3 * images - 1),
    ]  # fmt: skip
    for target, reconstruction in pairs:
        assert np.isfinite(objective.per_image(target, reconstruction, None)).all()
        assert np.isfinite(gradient(objective, target, reconstruction)).all()


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_losses_of_low_precision_outputs_are_float32(dtype):
    images, reconstructions = a_pair()
    objective = objective_of(mse=1.0, mae=1.0, bce=1.0, huber=1.0, ssim=1.0, latent_l1=1.0)
    latent = tf.ones((3, 5))
    losses = objective.per_image(images, tf.cast(reconstructions, dtype), tf.cast(latent, dtype))
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, objective.per_image(images, reconstructions, latent), rtol=0.02)


def test_it_compiles_for_any_batch_size():
    objective = objective_of(mse=1.0, mae=1.0, bce=1.0, huber=1.0, ssim=1.0, latent_l1=1.0)
    signature = [tf.TensorSpec((None, 12, 13, 2)), tf.TensorSpec((None, 12, 13, 2)), tf.TensorSpec((None, 5))]
    compiled = tf.function(objective.per_image, signature, jit_compile=True)
    for batch in (1, 3):
        arguments = [*a_pair((batch, 12, 13, 2)), np.ones((batch, 5), np.float32)]
        np.testing.assert_allclose(compiled(*arguments), objective.per_image(*arguments), rtol=1e-4)


@pytest.mark.parametrize("shape", [(160, 161, 1), (161, 28, 3)])
def test_ms_ssim_on_small_images_is_a_configuration_error(shape):
    with pytest.raises(ConfigError, match=rf"ms_ssim.*161 pixels a side.*Received: {shape[0]}x{shape[1]}"):
        objective_of(ms_ssim=1.0).check_image_shape(shape)
    objective_of(ms_ssim=1.0).check_image_shape((161, 161, 1))
    objective_of(ssim=1.0).check_image_shape(shape)


def test_patches_larger_than_the_image_are_a_configuration_error():
    objective = Objective(ObjectiveSection(corruption=MaskedPatchesCorruption(patch_size=8)))
    objective.check_image_shape((8, 20, 3))
    with pytest.raises(ConfigError, match=r"patch_size=8, images of 20x7"):
        objective.check_image_shape((20, 7, 3))


def test_all_misfits_are_named_at_once():
    section = ObjectiveSection(
        reconstruction=Reconstruction(ms_ssim=1.0), corruption=MaskedPatchesCorruption(patch_size=30)
    )
    with pytest.raises(ConfigError) as error:
        Objective(section).check_image_shape((28, 28, 1))
    assert len(str(error.value).splitlines()) == 2
