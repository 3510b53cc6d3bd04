"""Reference curves against Pillow and NumPy by hand."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from cae.data.image_set import ArraySet
from cae.evaluation import rate_curves
from cae.evaluation.rate_curves import measure_rate_curves


def smooth_images(number, height, width, channels, seed):
    """Waves: neighbours are alike, as in pictures."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    turns = rng.uniform(1, 9, (number, 2, channels))
    waves = np.sin(turns[:, 0, None, None] * x[..., None]) * np.cos(turns[:, 1, None, None] * y[..., None])
    return np.rint(127.5 + 120 * waves).astype(np.uint8)


def psnr(image, decoded):
    return -10 * np.log10(max(np.mean((image / 255.0 - decoded / 255.0) ** 2), 1e-10))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_and_webp_are_counted_without_what_a_grey_file_has_too(channels):
    pixels = smooth_images(5, 24, 17, channels, seed=1)
    curves, number = measure_rate_curves(ArraySet(smooth_images(9, 24, 17, channels, seed=2)), ArraySet(pixels))
    assert number == 5
    mode = "L" if channels == 1 else "RGB"
    for name, curve in (("JPEG", curves["JPEG"]), ("WebP", curves["WebP"])):
        expected = []
        for quality in (5, 15, 35, 65, 90):
            sizes, levels = [], []
            for image in [*pixels, np.full((24, 17, channels), 128, np.uint8)]:
                file = io.BytesIO()
                Image.fromarray(image.squeeze(), mode).save(file, name, quality=quality)
                sizes.append(8 * file.tell())
                levels.append(psnr(image, np.asarray(Image.open(file).convert(mode), float).reshape(image.shape)))
            expected.append((np.mean(sizes[:-1]) - sizes[-1], np.mean(levels[:-1])))
        np.testing.assert_allclose(curve, sorted(expected), rtol=1e-5)


def test_pca_loses_a_twelfth_of_the_squared_step_and_costs_the_entropy_of_its_levels():
    rng = np.random.default_rng(3)
    training, pixels = (rng.integers(0, 256, (200, 4, 3, 1), np.uint8) for _ in range(2))
    curves, _ = measure_rate_curves(ArraySet(training), ArraySet(pixels))
    bits, reached = curves["PCA"][-1]  # steps of 1/32, all twelve components
    images, fitted = pixels.reshape(200, 12) / 255, training.reshape(200, 12) / 255
    _, _, axes = np.linalg.svd(fitted - fitted.mean(0), full_matrices=False)
    levels = np.rint((images - fitted.mean(0)) @ axes.T * 32)
    by_hand = sum(stats.entropy(np.unique(column, return_counts=True)[1], base=2) for column in levels.T)
    assert bits == pytest.approx(by_hand, rel=0.01)
    assert reached == pytest.approx(-10 * np.log10(1 / 12 / 32**2), abs=0.3)


def test_more_bits_give_a_higher_psnr_and_large_images_are_cut_into_squares():
    pixels = smooth_images(6, 70, 50, 1, seed=4)
    curves, _ = measure_rate_curves(ArraySet(smooth_images(6, 70, 50, 1, seed=5)), ArraySet(pixels))
    for name in ("JPEG", "WebP", "PCA"):
        assert np.all(np.diff(curves[name], axis=0) > 0), name


def test_of_many_images_an_even_sample_is_looked_at(monkeypatch):
    monkeypatch.setattr(rate_curves, "_MOST_IMAGES", 3)
    pixels = smooth_images(5, 16, 16, 1, seed=6)
    training = ArraySet(smooth_images(9, 16, 16, 1, seed=7)[::4])
    curves, number = rate_curves.measure_rate_curves(training, ArraySet(pixels))
    assert number == 3
    assert curves == measure_rate_curves(training, ArraySet(pixels[::2]))[0]


def test_constant_images_have_no_components_and_take_no_bits():
    pixels = np.full((3, 16, 16, 1), 128, np.uint8)
    curves, _ = measure_rate_curves(ArraySet(pixels), ArraySet(pixels))
    assert curves.keys() == {"JPEG", "WebP"}
    assert all(bits == 0 for bits, _ in curves["JPEG"])
