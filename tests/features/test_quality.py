"""What is compared with what, and what is said of it."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from cae.data.image_set import ArraySet
from cae.features.quality import format_features, measure_quality
from cae.features.representations import Sample, even_positions, represent


def make_sample(number, code_shape=(2, 3, 4), size=(6, 5), seed=0, source_size=None):
    """Images whose codes tell their two classes, and whose pixels do so less well."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=number)
    codes = generator.normal(size=(number, *code_shape)) + 2 * labels.reshape(-1, *[1] * len(code_shape))
    pixels = np.clip(0.5 + 0.2 * generator.normal(size=(number, *size, 1)), 0, 1)
    pixels[:, 0, 0, 0] = np.clip(pixels[:, 0, 0, 0] + 0.2 * labels, 0, 1)
    images = ArraySet(np.zeros((number, *(source_size or size)), np.uint8))
    return Sample(images, np.arange(number), codes.astype(np.float32), pixels.astype(np.float32), labels)


def test_positions_are_evenly_spread_without_repetition():
    for number in (1, 7, 100, 60_000):
        for most in (1, 2, 7, 99, 10_000):
            found = even_positions(number, most)
            assert len(found) == min(number, most)
            assert np.all(np.diff(found) > 0)
            if len(found) > 1:
                assert np.ptp(np.diff(found)) <= 1


def test_maps_are_flattened_and_pooled_and_pca_is_scikit_learns():
    fitted, scored = make_sample(80), make_sample(30, seed=1)
    found = {one.name: one for one in represent(fitted, scored)}
    assert list(found) == ["codes", "codes_mean", "pca", "pixels"]
    np.testing.assert_array_equal(found["codes"].scored, scored.codes.reshape(30, 24))
    np.testing.assert_allclose(found["codes_mean"].fitted, fitted.codes.mean(axis=(1, 2)))
    np.testing.assert_array_equal(found["pixels"].fitted, fitted.pixels.reshape(80, 30))
    expected = PCA(24).fit(fitted.pixels.reshape(80, 30)).transform(scored.pixels.reshape(30, 30))
    np.testing.assert_allclose(np.abs(found["pca"].scored), np.abs(expected), atol=1e-4)
    assert all(one.notes == {} for one in found.values())


def test_vectors_and_single_places_are_not_pooled():
    for code_shape in ((7,), (1, 1, 7)):
        names = [one.name for one in represent(make_sample(40, code_shape), make_sample(9, code_shape))]
        assert names == ["codes", "pca", "pixels"]


def test_what_is_not_equal_is_said():
    larger = list(represent(make_sample(80, (40,)), make_sample(9, (40,))))
    assert larger[1].notes["note"] == "the code has 40 values, an image 30: no component is left out"
    few = list(represent(make_sample(11, (20,)), make_sample(9, (20,))))
    assert few[1].fitted.shape[1] == 10
    assert "vary in no more directions" in few[1].notes["note"]
    reduced = list(represent(*(make_sample(40, (5,), source_size=(60, 50), seed=seed) for seed in (0, 1))))
    assert [one.notes for one in reduced] == [{}, {"images_reduced_to": [6, 5]}, {"images_reduced_to": [6, 5]}]


@pytest.fixture(scope="module")
def quality():
    return measure_quality(make_sample(200), make_sample(150, seed=1), lambda line: None)


def test_codes_that_tell_classes_score_above_pixels_that_hardly_do(quality):
    found = quality["representations"]
    assert found["codes"]["linear_probe"]["accuracy"] > 0.97
    assert found["codes"]["knn"]["accuracy"] > 0.97
    assert found["pixels"]["linear_probe"]["accuracy"] < 0.85
    for one in found.values():
        for way in ("knn", "linear_probe"):
            low, high = one[way]["interval"]
            assert 0 <= low <= one[way]["accuracy"] <= high <= 1
    gain = quality["codes_minus"]["pixels"]["linear_probe"]
    expected = found["codes"]["linear_probe"]["accuracy"] - found["pixels"]["linear_probe"]["accuracy"]
    assert gain["difference"] == pytest.approx(expected)
    assert gain["interval"][0] > 0


def test_chance_is_the_class_that_training_images_have_most(quality):
    assert quality["classes"] == 2
    fitted, scored = make_sample(200), make_sample(150, seed=1)
    most = np.bincount(fitted.labels).argmax()
    assert quality["most_frequent_class"] == pytest.approx(np.mean(scored.labels == most))


def test_the_table_has_the_figures_and_the_verdict(quality):
    text = format_features({"fitted_on": 200, "scored_on": 150, **quality}, "test")
    assert "fitted on 200 training images, scored on 150 test images" in text
    accuracy = quality["representations"]["pca"]["linear_probe"]["accuracy"]
    (line,) = (line for line in text.splitlines() if line.startswith("PCA of pixels"))
    assert f"{accuracy:.1%}" in line
    assert text.endswith("(better than PCA)")
    assert "not converged" not in text
    assert format_features({"note": "why"}, "test") == "codes: no probes: why"
