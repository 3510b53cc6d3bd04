"""What finds anomalies without a model, and what is said of a model that finds no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from cae.anomaly import Threshold
from cae.anomaly.detection import Scored, report
from cae.anomaly.pixel_baselines import PixelBaselines
from cae.errors import RunWarning


def test_scores_are_those_of_scikit_learn_s_pca_and_nearest_neighbours():
    rng = np.random.default_rng(0)
    training, images = rng.random((60, 8, 6, 1), np.float32), rng.random((20, 8, 6, 1), np.float32)
    found = PixelBaselines([training[:25], training[25:]], size=(8, 6)).score(images)
    rows, others = training.reshape(60, -1), images.reshape(20, -1)
    pca = PCA(12).fit(rows)  # a quarter of 48 values
    errors = np.square(others - pca.inverse_transform(pca.transform(others))).mean(axis=1)
    np.testing.assert_allclose(found["pca_error"], errors, rtol=1e-3)
    distances = NearestNeighbors(n_neighbors=1).fit(rows).kneighbors(others)[0][:, 0]
    np.testing.assert_allclose(found["nearest_neighbour"], distances**2 / 48, rtol=1e-3)


def test_training_images_are_at_no_distance_whatever_their_size_and_type():
    images = np.random.default_rng(0).integers(0, 256, (9, 130, 200, 3), np.uint8)
    baselines = PixelBaselines([images[:4], images[4:]], size=(130, 200))
    assert (baselines.score(images)["nearest_neighbour"] == 0).all()
    as_floats = baselines.score(images.astype(np.float32) / 255)["nearest_neighbour"]
    np.testing.assert_allclose(as_floats, 0, atol=1e-4)


def test_baselines_need_an_image():
    with pytest.raises(ValueError, match="at least one image"):
        PixelBaselines([], size=(8, 8))


def scored(**baselines):
    """Ten normal images and ten of which a model finds seven in ten comparisons."""
    scores = np.array([*range(10), *(range(2, 12))], float)
    names, classes = [str(number) for number in range(20)], ["good"] * 10 + ["bad"] * 10
    return Scored(names, scores, "mse", classes, None, ["good"], baselines)


def test_a_model_that_is_not_above_pixels_is_told_with_what_to_try():
    perfect, useless = np.repeat([0.0, 1.0], 10), np.zeros(20)
    lines, numbers = report(scored(pca_error=perfect, nearest_neighbour=useless))
    assert numbers["baselines"]["pca_error"]["auroc"] == 1.0
    assert numbers["baselines"]["nearest_neighbour"]["auroc"] == 0.5
    (warning,) = numbers["warnings"]
    assert warning["code"] == "below_pixel_baselines"
    assert f"AUROC is {numbers['auroc']:.4f}, PCA error in pixels has 1.0000. Try" in warning["message"]
    assert any(line.startswith("all by PCA error in pixels") and "1.0000" in line for line in lines)
    assert "`python -m cae score RUN INPUT --metric combined`" in warning["message"]
    assert "`python train.py configs/anomaly_surfaces.yaml data.path=FOLDER`" in warning["message"]
    assert lines[-1] == f"Warning: {warning['message']}"
    _, better = report(scored(nearest_neighbour=useless))
    assert better["warnings"] == []
    _, trained_so = report(replace(scored(pca_error=perfect), recipe=""))
    assert "Or train" not in trained_so["warnings"][0]["message"]


def test_where_no_model_is_needed_no_other_one_is_advised():
    perfect = np.repeat([0.0, 1.0], 10)
    _, numbers = report(replace(scored(pca_error=perfect), scores=perfect))
    (warning,) = numbers["warnings"]
    assert warning["code"] == "too_easy"
    assert "Try another" not in warning["message"]
    assert "train.py" not in warning["message"]


def test_one_pair_in_the_wrong_order_makes_images_hardly_less_easy():
    perfect = np.repeat([0.0, 1.0], 20)
    nearly = np.arange(40.0)
    nearly[[19, 20]] = nearly[[20, 19]]  # of 400 pairs of a normal and an anomalous image, one is wrong
    easy = Scored(list(map(str, nearly)), nearly, "mse", ["good"] * 20 + ["bad"] * 20, None, ["good"])
    _, numbers = report(replace(easy, baselines={"pca_error": perfect}))
    (warning,) = numbers["warnings"]
    assert warning["code"] == "too_easy"
    assert "(AUROC 0.9975)" in warning["message"]
    assert report(easy)[1]["warnings"] == []


def test_what_speaks_against_a_threshold_stands_beside_it():
    doubt = RunWarning("calibrated_on_scored", "these images are scored, too.")
    for classes in (None, ["good"] * 10 + ["bad"] * 10):
        found = replace(scored(), classes=classes, threshold=Threshold(3.0, 0.1, 9), doubts=[doubt])
        lines, numbers = report(found)
        assert lines.count(str(doubt)) == 1
        before = lines[: lines.index(str(doubt))]
        assert all("threshold" in line or "above it" in line for line in before[1:])
        assert doubt.code in [one["code"] for one in numbers["warnings"]]


def test_anomalies_that_are_reconstructed_as_well_as_normal_images_are_told():
    scores = np.arange(20.0)
    classes = ["good", "bad"] * 10  # AUROC 0.55
    _, numbers = report(Scored(list(map(str, scores)), scores, "mse", classes, Threshold(3.0, 0.1, 9), ["good"]))
    assert [one["code"] for one in numbers["warnings"]] == ["anomalies_reconstructed"]
    assert "reconstructed about as well" in numbers["warnings"][0]["message"]


def test_what_is_said_of_distances_of_codes_is_not_about_reconstructions():
    for metric, other in (("code_nearest", "--metric combined"), ("combined", "--metric place_nearest")):
        _, numbers = report(Scored(["a", "b"], np.zeros(2), metric, ["good", "bad"], None, ["good"]))
        assert "reconstructed" not in numbers["warnings"][0]["message"]
        assert other in numbers["warnings"][0]["message"]
