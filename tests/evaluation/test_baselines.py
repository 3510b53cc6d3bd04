from __future__ import annotations

import numpy as np
import pytest

from cae.evaluation.baselines import code_image_size, fit_baselines, measure_baselines


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Sums of a few patterns and a little noise, well inside the pixel range so that nothing is clipped."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).standard_normal((6, *shape))
    images = np.tensordot(rng.standard_normal((count, 6)), patterns, 1) + 0.3 * rng.standard_normal((count, *shape))
    return (0.5 + 0.03 * images).astype(np.float32)


def stream(images: np.ndarray, batch_size: int = 7):
    return lambda: (images[start : start + batch_size] for start in range(0, len(images), batch_size))


def optimum(training: np.ndarray, images: np.ndarray, components: int) -> float:
    """Mean squared error of the best linear code, by a full singular value decomposition in float64."""
    rows, others = training.reshape(len(training), -1).astype(float), images.reshape(len(images), -1).astype(float)
    mean = rows.mean(axis=0)
    basis = np.linalg.svd(rows - mean, full_matrices=False)[2][:components]
    centred = others - mean
    return float(np.square(centred - centred @ basis.T @ basis).mean())


@pytest.mark.parametrize("shape", [(6, 5, 1), (9, 7, 3)], ids=["more images than pixels", "fewer images than values"])
@pytest.mark.parametrize("components", [1, 5, 25])
def test_pca_reaches_the_optimum_of_a_full_decomposition(shape, components):
    training, test = pictures(60, shape), pictures(23, shape, seed=1)
    assert training.min() > 0.1
    assert training.max() < 0.9
    for images in (training, test):
        result = measure_baselines(stream(training), stream(images), components)["pca"]
        assert result["mse"] == pytest.approx(optimum(training, images, components), rel=1e-4)
        assert (result["components"], result["values"], result["fitted_on"]) == (components, components, 60)
        assert "note" not in result


def test_pca_with_more_components_is_never_worse():
    training, test = pictures(80, (6, 6, 1)), pictures(30, (6, 6, 1), seed=1)
    errors = [measure_baselines(stream(training), stream(test), n)["pca"]["mse"] for n in (1, 2, 4, 9, 20, 35, 36)]
    assert (np.diff(errors) <= 1e-9).all()


def test_pca_with_a_code_as_large_as_the_image_is_exact_and_says_so():
    images = pictures(10, (5, 4, 1))
    for code_values in (20, 500):
        result = measure_baselines(stream(images), stream(images), code_values)["pca"]
        assert (result["mse"], result["mae"]) == (0.0, 0.0)
        assert result["psnr"] == pytest.approx(100.0, abs=1e-3)
        assert result["components"] == 20
        assert "exact" in result["note"]


def test_pca_says_when_there_are_too_few_images_for_the_code():
    training, test = pictures(9, (8, 8, 1)), pictures(5, (8, 8, 1), seed=1)
    result = measure_baselines(stream(training), stream(test), 30)["pca"]
    # Nine centred images span eight directions.
    assert (result["components"], result["values"], result["fitted_on"]) == (8, 8, 9)
    assert "30 values" in result["note"]
    assert result["mse"] == pytest.approx(optimum(training, test, 8), rel=1e-4)


def test_pca_of_training_images_that_are_all_alike_is_their_mean():
    training = np.repeat(pictures(1, (4, 4, 3)), 5, axis=0)
    results = measure_baselines(stream(training), stream(pictures(6, (4, 4, 3), seed=1)), 3)
    assert results["pca"]["components"] == 0
    assert results["pca"]["mse"] == pytest.approx(results["mean_image"]["mse"], rel=1e-5)


def test_the_mean_image_leaves_the_variance_of_the_pixels():
    images = pictures(40, (6, 9, 3))
    result = measure_baselines(stream(images), stream(images), 5)["mean_image"]
    assert result["mse"] == pytest.approx(float(images.astype(float).var(axis=0).mean()), rel=1e-5)
    assert (result["values"], result["fitted_on"]) == (0, 40)


def test_the_mean_image_is_that_of_training_wherever_it_is_measured():
    training, test = pictures(40, (6, 6, 1)), pictures(40, (6, 6, 1), seed=1) + 0.2
    result = measure_baselines(stream(training), stream(test), 4)["mean_image"]
    assert result["mse"] == pytest.approx(float(np.square(test - training.mean(axis=0)).mean()), rel=1e-4)


@pytest.mark.parametrize("shape", [(12, 12, 1), (9, 17, 3)])
def test_resizing_constant_images_is_exact(shape):
    levels = np.array([0.0, 0.3, 1.0], np.float32)[:, None, None, None]
    images = np.broadcast_to(levels, (3, *shape))
    result = measure_baselines(stream(images), stream(images), 8 * shape[2])["resize"]
    assert result["mse"] < 1e-12
    assert result["ssim"] == pytest.approx(1.0, abs=1e-4)


def test_resizing_loses_stripes_finer_than_the_small_image_and_keeps_coarse_ones():
    rows, columns = np.ones((1, 18, 1, 1), np.float32), np.arange(18)[None, None, :, None]
    fine, coarse = rows * (columns % 2), rows * (columns // 9)
    # Reduced to a third without antialiasing, every third stripe would be taken for its neighbours: an MSE near 0.5.
    lost = measure_baselines(stream(fine), stream(fine), 36)["resize"]
    assert lost["mse"] == pytest.approx(0.25, rel=0.05)
    assert measure_baselines(stream(coarse), stream(coarse), 36)["resize"]["mse"] < 0.05


@pytest.mark.parametrize(
    ("image_shape", "code_values", "size"),
    [
        ((28, 28, 1), 784, (28, 28)),
        ((28, 28, 1), 1568, (28, 28)),
        ((28, 28, 1), 783, (27, 27)),
        ((32, 32, 3), 1024, (18, 18)),  # 18 * 18 * 3 = 972, 19 * 19 * 3 = 1083
        ((30, 60, 1), 50, (5, 10)),
        ((4, 400, 1), 64, (1, 64)),
        ((1, 1, 3), 1, (1, 1)),
        ((20, 20, 3), 2, (1, 1)),
    ],
)
def test_the_small_image_is_the_largest_of_its_proportions_that_fits(image_shape, code_values, size):
    assert code_image_size(image_shape, code_values) == size


def test_the_result_of_resizing_states_size_and_values():
    images = pictures(3, (10, 20, 3))
    result = measure_baselines(stream(images), stream(images), 60)["resize"]
    assert (result["size"], result["values"]) == ([3, 6], 54)


def test_figures_do_not_depend_on_the_batches():
    training, test = pictures(50, (7, 6, 1)), pictures(31, (7, 6, 1), seed=1)
    whole = measure_baselines(stream(training, 50), stream(test, 31), 6)
    pieces = measure_baselines(stream(training, 3), stream(test, 8), 6)
    for name, result in whole.items():
        for metric in ("mse", "mae", "psnr", "ssim"):
            assert pieces[name][metric] == pytest.approx(result[metric], rel=1e-5)


def test_reconstructions_are_clipped_to_the_pixel_range():
    step = np.repeat(np.array([0.0, 1.0], np.float32), 8)[None, None, :, None] * np.ones((1, 16, 1, 1), np.float32)
    overshooting = np.array(fit_baselines(stream(step), 64)["resize"].reconstruct(step))
    assert overshooting.min() < -0.01
    assert overshooting.max() > 1.01
    expected = np.square(np.clip(overshooting, 0, 1) - step).mean()
    assert measure_baselines(stream(step), stream(step), 64)["resize"]["mse"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("which", ["training", "evaluation"])
def test_a_stream_without_images_is_an_error(which):
    some, none = stream(pictures(4, (4, 4, 1))), stream(np.zeros((0, 4, 4, 1), np.float32))
    streams = (none, some) if which == "training" else (some, none)
    with pytest.raises(ValueError, match=f"`{which}` must give at least one image"):
        measure_baselines(*streams, 4)
