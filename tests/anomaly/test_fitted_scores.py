"""Scores that know what is normal, on pictures whose anomalies are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import roc_auc_score

from cae.anomaly.fitted_scores import (
    FITTED_METRICS,
    Seen,
    combine,
    fit_code_mahalanobis,
    fit_code_nearest,
    fit_place,
    fit_scales,
    fit_score,
    fit_whitened,
)
from cae.anomaly.nearest import spread_out
from cae.anomaly.scores import top_share


def seen(residuals: np.ndarray, codes: np.ndarray | None = None) -> Seen:
    """What a model made of gray images, with these errors."""
    images = np.full(residuals.shape, 0.5, np.float32) + residuals.astype(np.float32)
    made = np.full(residuals.shape, 0.5, np.float32)
    return Seen(images, made, np.zeros((len(residuals), 4, 4, 1), np.float32) if codes is None else codes)


def brushed(number: int, seed: int) -> np.ndarray:
    """Errors on a brushed texture: noise drawn out along rows."""
    noise = np.random.default_rng(seed).standard_normal((number, 32, 32, 1))
    drawn = ndimage.gaussian_filter(noise, (0, 0.7, 4, 0))
    return 0.05 * drawn / drawn.std()


def scratched(number: int, seed: int) -> np.ndarray:
    """The same with a thin scratch down three quarters of the rows, no stronger than the texture."""
    errors = brushed(number, seed)
    for one, column in zip(errors, np.random.default_rng(seed).integers(4, 28, number), strict=True):
        one[4:28, column] += 0.06
    return errors


def auroc(score, normal: Seen, others: Seen) -> float:
    found = np.concatenate([score(normal), score(others)])
    return float(roc_auc_score(np.repeat([0, 1], [len(normal.images), len(others.images)]), found))


def test_a_scratch_across_a_texture_is_found_by_its_pattern_and_not_by_its_strength():
    training, normal, others = seen(brushed(60, 0)), seen(brushed(40, 1)), seen(scratched(40, 2))
    assert auroc(lambda one: np.square(one.residuals).mean(axis=(1, 2, 3)), normal, others) < 0.9
    assert auroc(fit_whitened(training), normal, others) > 0.99
    assert auroc(fit_score("combined", training), normal, others) > 0.9


def test_whitened_errors_are_mahalanobis_distances_of_patches():
    rng = np.random.default_rng(0)
    training, others = rng.standard_normal((50, 12, 12, 1)), rng.standard_normal((1, 5, 5, 1))
    patches = np.lib.stride_tricks.sliding_window_view(training[..., 0], (5, 5), (1, 2)).reshape(-1, 25)
    inverse = np.linalg.inv(np.cov(patches, rowvar=False))
    expected = mahalanobis(others.ravel(), patches.mean(axis=0), inverse) ** 2 / 25
    assert fit_whitened(seen(training))(seen(others))[0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("fit", [fit_place, fit_scales])
def test_an_error_that_is_usual_at_its_place_counts_little(fit):
    rng = np.random.default_rng(0)
    strength = np.where(np.arange(32) < 16, 0.01, 0.1)[None, :, None, None]
    training, normal = (seen(rng.standard_normal((50, 32, 32, 1)) * strength) for _ in range(2))
    errors = rng.standard_normal((50, 32, 32, 1)) * strength
    errors[:, 5:9, 5:9] = 0.06 * np.sign(rng.standard_normal((50, 1, 1, 1)))  # less than what is usual below
    assert auroc(fit(training), normal, seen(errors)) > 0.99
    assert auroc(lambda one: np.square(one.residuals).mean(axis=(1, 2, 3)), normal, seen(errors)) < 0.9


def test_codes_far_from_normal_codes_are_found():
    rng = np.random.default_rng(0)
    errors = np.zeros((60, 16, 16, 1))
    spread = np.array([1.0, 0.1, 1.0])
    training, normal = (seen(errors, (rng.standard_normal((60, 4, 4, 3)) * spread).astype(np.float32)) for _ in "ab")
    odd = rng.standard_normal((60, 4, 4, 3)) * spread
    odd[:, 1, 2, 1] += 1.0  # ten deviations of this channel at one place
    others = seen(errors, odd.astype(np.float32))
    assert auroc(fit_code_mahalanobis(training), normal, others) > 0.99
    far = seen(errors, others.codes + 3)
    assert auroc(fit_code_nearest(training), normal, far) == 1.0
    assert fit_code_nearest(training)(training).max() < fit_code_nearest(training)(far).min()


def test_the_top_share_is_the_mean_of_the_largest_values():
    maps = np.random.default_rng(0).permutation(1000.0 * np.arange(400)).reshape(1, 20, 20)
    assert top_share(maps)[0] == np.mean(1000.0 * np.arange(396, 400))
    assert top_share(np.arange(6.0).reshape(2, 1, 3)).tolist() == [2.0, 5.0]


def test_scores_are_combined_by_the_logarithms_of_their_p_values():
    held_out, one = seen(brushed(30, 0)), seen(brushed(1, 1))
    scorers = [lambda found: found.images.max(axis=(1, 2, 3)), lambda found: found.images.mean(axis=(1, 2)) + 1]
    expected = 0.0
    for scorer in scorers:
        known = np.log(scorer(held_out))
        expected -= np.log(stats.norm.sf(np.log(scorer(one)), known.mean(), known.std())).item()
    assert combine(scorers, held_out)(one)[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("metric", FITTED_METRICS)
@pytest.mark.parametrize(
    ("shape", "code"), [((9, 7, 3), (3, 2, 4)), ((3, 4, 1), (6,)), ((20, 16, 1), (1, 1, 5)), ((16, 16, 1), (4, 4, 1))]
)
def test_every_score_takes_images_and_codes_of_any_shape_and_gives_finite_numbers(metric, shape, code):
    rng = np.random.default_rng(0)
    normal = Seen(*(rng.random((20, *one), np.float32) for one in (shape, shape, code)))
    score = fit_score(metric, normal)
    found = score(Seen(*(one[:7] for one in normal)))
    assert found.shape == (7,)
    assert np.isfinite(found).all()
    # Images that are all alike and reconstructed without an error leave nothing to divide by.
    same = Seen(np.zeros((9, *shape), np.float32), np.zeros((9, *shape), np.float32), np.zeros((9, *code), np.float32))
    assert np.isfinite(fit_score(metric, same)(same)).all()


def test_a_defect_stands_out_of_its_own_image_though_others_have_more_contrast():
    def with_contrasts(errors: np.ndarray, seed: int) -> Seen:
        strength = 10 ** np.random.default_rng(seed).uniform(-1, 0.5, (len(errors), 1, 1, 1))
        return seen(errors * strength)

    faint = 0.35 * scratched(40, 2) + 0.65 * brushed(40, 2)
    training, normal, others = map(with_contrasts, (brushed(60, 0), brushed(40, 1), faint), (0, 1, 2))
    assert auroc(fit_whitened(training), normal, others) < 0.9
    assert auroc(fit_score("patches", training), normal, others) > 0.99


def test_no_row_is_twice_as_far_from_those_kept_as_it_must_be():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(middle, 0.1, (30, 2)) for middle in ((0, 0), (5, 0), (0, 5), (5, 5))])
    kept = spread_out(rows, most=4)
    distances = np.linalg.norm(rows[:, np.newaxis] - kept, axis=-1).min(axis=1)
    # One in each heap is best: no row is farther from one in its own heap than the heap is wide.
    assert distances.max() < 1
    assert {tuple(row) for row in kept} <= {tuple(row) for row in rows}
    assert spread_out(rows, most=120) is rows
    assert len(spread_out(np.zeros((50, 3)), most=7)) == 7
