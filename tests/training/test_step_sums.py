"""What a step adds up over the images of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import EncoderSection, ModelSection
from cae.config.objective import ObjectiveSection
from cae.config.training import Sgd, TrainingSection
from cae.model import Autoencoder, build_autoencoder
from cae.plan import make_plan
from cae.training.amount import Amount
from cae.training.objective import Objective
from cae.training.optimizer import make_optimizer
from cae.training.step import IMAGE_METRICS, TRAINING_SAMPLE_EVERY, Steps

SHAPE = (16, 13, 1)


@pytest.fixture(scope="module")
def steps():
    autoencoder = build_autoencoder(make_plan(ModelSection(encoder=EncoderSection(filters=(3,))), SHAPE))
    # So small a rate that the second batch meets the same weights as the first.
    optimizer = make_optimizer(TrainingSection(optimizer=Sgd(learning_rate=1e-30)), Amount(1, 1, 10))
    optimizer.build(autoencoder.model.trainable_variables)
    section = ObjectiveSection()
    strategy = tf.distribute.get_strategy()
    return Steps(autoencoder, optimizer, Objective(section), section.corruption, seed=0, strategy=strategy, xla=False)


@pytest.mark.parametrize("number", [1, 7, 8, 20])
def test_training_sums_ssim_over_every_eighth_image_and_all_else_over_all(steps, number):
    images = tf.constant(np.random.default_rng(number).random((number, *SHAPE), np.float32))
    batches = iter(tf.data.Dataset.from_tensors(images).repeat())
    sums = steps.train(batches, tf.constant(1, tf.int64), steps.zero_sums()).numpy()
    exact = steps.validate(batches, tf.constant(1, tf.int64)).numpy()
    ssim = IMAGE_METRICS.index("ssim")
    others = [place for place in range(len(IMAGE_METRICS) + 1) if place != ssim]
    np.testing.assert_allclose(sums[others], exact[others], rtol=1e-6)

    reconstructions = tf.clip_by_value(steps.autoencoder.model(images), 0.0, 1.0)
    of_each = tf.image.ssim(images, reconstructions, max_val=1.0).numpy()
    assert exact[ssim] == pytest.approx(of_each.sum(), rel=1e-4, abs=1e-4)
    assert sums[ssim] == pytest.approx(of_each[::TRAINING_SAMPLE_EVERY].mean() * number, rel=1e-4, abs=1e-4)


def test_pictures_are_made_by_one_graph_however_many_there_are(steps, monkeypatch):
    """Tracing takes longer than the pictures of a small model."""
    images = np.random.default_rng(0).random((5, *SHAPE), np.float32)
    traced, encode = [], Autoencoder.encode
    monkeypatch.setattr(Autoencoder, "encode", lambda model, images: traced.append(images) or encode(model, images))
    made = [steps.reconstruct(tf.constant(images[:number]), tf.constant(0), tf.constant(5)) for number in (5, 2, 3)]
    assert len(traced) == 1
    for _, _, reconstructions in made:
        expected = np.clip(steps.autoencoder.model(images[: len(reconstructions)]), 0, 1)
        np.testing.assert_allclose(reconstructions, expected, atol=1e-5)
