"""The metrics of an image, on sizes with and without MS-SSIM."""

import numpy as np
import pytest
import tensorflow as tf

from cae.comparison.compare import check_metric
from cae.comparison.report.formatting import metric_text, metric_title
from cae.config.model import ModelSection
from cae.config.objective import NoCorruption, ObjectiveSection
from cae.data.image_set import ArraySet
from cae.evaluation.measure import Measurer
from cae.measures import catalogue
from cae.measures.catalogue import metrics_of, metrics_per_image
from cae.measures.spectrum import high_frequency_ratio
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.training.objective import Objective
from tests.conftest import make_images


@pytest.mark.parametrize(
    ("shape", "has_ms_ssim"), [((160, 400, 3), False), ((400, 160, 1), False), ((161, 161, 1), True)]
)
def test_ms_ssim_is_there_where_both_sides_are_large_enough_for_it(shape, has_ms_ssim):
    names = [metric.name for metric in metrics_of(shape)]
    assert names[0] == "mse"
    assert names[-1] == "high_frequency_ratio"
    assert ("ms_ssim" in names) == has_ms_ssim
    images = make_images(2, *shape).astype(np.float32) / 255
    found = metrics_per_image(images, images)
    assert set(found) == set(names)
    assert all(values.shape == (2,) for values in found.values())


def test_a_run_s_metrics_are_those_of_its_reconstructions_in_numpy_and_tensorflow():
    pixels = make_images(5, 161, 164)
    plan = make_plan(ModelSection.model_validate({"encoder": {"filters": [2]}}), (161, 164, 1))
    autoencoder = build_autoencoder(plan)
    measurer = Measurer(autoencoder, Objective(ObjectiveSection()), NoCorruption(), batch_size=3)
    found = measurer.measure(ArraySet(pixels)).per_image
    images = pixels.astype(np.float32) / 255
    reconstructions = np.clip(np.asarray(autoencoder.model(images)), 0, 1)
    assert tuple(found) == ("loss", *(metric.name for metric in metrics_of((161, 164, 1))))
    np.testing.assert_allclose(found["mse"], np.mean((images - reconstructions) ** 2, axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(found["high_frequency_ratio"], high_frequency_ratio(images, reconstructions), rtol=1e-3)
    expected = tf.image.ssim_multiscale(images, reconstructions, max_val=1.0)
    np.testing.assert_allclose(found["ms_ssim"], expected, atol=1e-4)


def test_a_metric_is_added_by_one_function_and_one_row(monkeypatch):
    def largest_error(images, reconstructions):
        return tf.reduce_max(tf.abs(images - reconstructions), axis=(1, 2, 3))

    added = catalogue.Metric("largest_error", "largest error", "less", ".3f", largest_error, while_training="all")
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, added))
    monkeypatch.setitem(catalogue._BY_NAME, added.name, added)
    pixels = make_images(5, 12, 9)
    plan = make_plan(ModelSection.model_validate({"encoder": {"filters": [2]}}), (12, 9, 1))
    autoencoder = build_autoencoder(plan)
    measurer = Measurer(autoencoder, Objective(ObjectiveSection()), NoCorruption(), batch_size=3)
    measured = measurer.measure(ArraySet(pixels))
    images = pixels.astype(np.float32) / 255
    expected = np.abs(images - np.asarray(autoencoder.model(images))).max(axis=(1, 2, 3))
    np.testing.assert_allclose(measured.per_image["largest_error"], expected, rtol=1e-4)
    assert check_metric("largest_error", (12, 9, 1))
    assert metric_title("val_largest_error") == "validation largest error"
    assert metric_text("largest_error", 0.25) == "0.250"
    assert catalogue.by_importance(["loss", "largest_error", "psnr"]) == ["psnr", "largest_error", "loss"]
    assert catalogue.metrics_while_training()[-1] is added
