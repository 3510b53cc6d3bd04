"""Ablations against decoding by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import ModelSection
from cae.config.objective import GaussianCorruption, NoCorruption, ObjectiveSection
from cae.data.image_set import ArraySet
from cae.evaluation.ablations import measure_ablations
from cae.evaluation.measure import Measurer
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.training.objective import Objective
from tests.conftest import make_images


def make_run(images, pool_size, batch_size, **upsampling):
    section = ModelSection.model_validate(
        {
            "encoder": {"filters": [4], "downsampling": {"kind": "max_pool", "pool_size": pool_size}},
            "decoder": {"upsampling": {"kind": "max_unpool", **upsampling}},
        }
    )
    plan = make_plan(section, images.shape[1:])
    training = SimpleNamespace(images_at_once=batch_size)
    return SimpleNamespace(
        plan=plan, autoencoder=build_autoencoder(plan, seed=1), config=SimpleNamespace(training=training)
    )


def mse(images, reconstructions):
    return np.mean((images - np.asarray(reconstructions)) ** 2)


@pytest.mark.parametrize(("number", "batch_size", "pool_size"), [(7, 3, 2), (6, 6, 3), (2, 1, 3)])
def test_ablations_are_what_decoding_by_hand_gives(number, batch_size, pool_size):
    pixels = make_images(number, 11, 8)
    run = make_run(pixels, pool_size, batch_size)
    found = measure_ablations(run, Objective(ObjectiveSection()), NoCorruption(), ArraySet(pixels))
    images = pixels.astype(np.float32) / 255
    latent, (switches,) = run.autoencoder.encode(images)
    zeroed = run.autoencoder.decode(tf.zeros_like(latent), [switches])
    assert found["latent_zeroed"]["mse"] == pytest.approx(mse(images, zeroed), rel=1e-5)

    # The top-left pixel of each window; padding, of which SAME puts half before the image, is none.
    top, left = (((-size) % pool_size) // 2 for size in (11, 8))
    first = np.zeros(switches.shape, np.uint8)
    first[:, 0] += top * pool_size
    first[:, :, 0] += left
    fixed = run.autoencoder.decode(latent, [tf.constant(first)])
    assert found["switches_fixed"]["mse"] == pytest.approx(mse(images, fixed), rel=1e-5)

    # 7 images in batches of 4, since 3 would leave one alone; 6 and 2 in one batch.
    others = [3, 0, 1, 2, 6, 4, 5] if number == 7 else list(np.roll(np.arange(number), 1))
    shuffled = run.autoencoder.decode(latent, [tf.gather(switches, others)])
    assert found["switches_shuffled"]["mse"] == pytest.approx(mse(images, shuffled), rel=1e-5)


def test_a_decoder_trained_with_other_images_switches_is_measured_with_them_and_with_its_own():
    pixels = make_images(6, 8, 8)
    run = make_run(pixels, 2, 6, switches="per_place", train_switches="shuffled")
    found = measure_ablations(run, Objective(ObjectiveSection()), NoCorruption(), ArraySet(pixels))
    images = pixels.astype(np.float32) / 255
    latent, (switches,) = run.autoencoder.encode(images)
    assert found.keys() == {"latent_zeroed", "switches_fixed", "switches_own"}
    own, fixed = (run.autoencoder.decode(latent, [one]) for one in (switches, tf.zeros_like(switches)))
    assert found["switches_own"]["mse"] == pytest.approx(mse(images, own), rel=1e-5)
    assert found["switches_fixed"]["mse"] == pytest.approx(mse(images, fixed), rel=1e-5)
    shuffled = run.autoencoder.decode(latent, [tf.roll(switches, 1, axis=0)])
    measured = Measurer(run.autoencoder, Objective(ObjectiveSection()), NoCorruption(), 6).measure(ArraySet(pixels))
    assert measured.means()["mse"] == pytest.approx(mse(images, shuffled), rel=1e-5)


def test_an_image_is_reconstructed_again_just_as_it_was_measured():
    # Its noise, and whose switches it gets, depend on its place in its batch; the last batch is a smaller one.
    pixels = make_images(8, 12, 8)
    run = make_run(pixels, 2, 3, train_switches="shuffled")
    measurer = Measurer(run.autoencoder, Objective(ObjectiveSection()), GaussianCorruption(stddev=0.2), 3)
    seen = []
    measurer.measure(ArraySet(pixels), lambda batch, reconstructions, *_: seen.append((batch, reconstructions)))
    chosen = [7, 0, 4, 7, 3]
    for again, measured in zip(
        measurer.reconstruct(ArraySet(pixels), chosen), map(np.concatenate, zip(*seen, strict=True)), strict=True
    ):
        np.testing.assert_array_equal(again, measured[chosen])
