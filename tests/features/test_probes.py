"""The probes themselves: nearest neighbours and the linear classifier."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cae.features import quality
from cae.features.quality import STRENGTHS, find_nearest, run_probe, standardise, vote


def clouds(number, values=6, classes=3, apart=2.0, seed=0):
    """Points around one centre for each class, on scales that differ from value to value."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, values)) * apart
    labels = generator.integers(classes, size=number) * 3 + 5
    points = centres[(labels - 5) // 3] + generator.normal(size=(number, values))
    return (points * 10.0 ** np.arange(-2, values - 2)).astype(np.float32), labels


def test_neighbours_are_those_of_a_search_through_all_distances():
    fitted, asked = (np.random.default_rng(seed).normal(size=(40, 5)).astype(np.float32) for seed in (0, 1))
    distances = ((asked[:, None] - fitted[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(find_nearest(fitted, asked, 4), np.argsort(distances, axis=1)[:, :4])
    assert find_nearest(fitted[:2], asked, 5).shape == (40, 2)


def test_an_image_among_the_fitted_is_its_own_nearest():
    points, _ = clouds(50)
    np.testing.assert_array_equal(find_nearest(points, points, 1)[:, 0], np.arange(50))


def test_the_majority_wins_and_of_equals_the_nearest():
    classes = np.array([[9, 2, 2, 5, 5], [1, 3, 3, 3, 1], [8, 8, 8, 8, 8], [6, 5, 4, 3, 2]])
    assert vote(classes).tolist() == [2, 3, 8, 6]


def test_a_probe_is_scikit_learns_pipeline_at_the_chosen_strength():
    points, labels = clouds(600, apart=0.7)
    asked, truth = clouds(400, apart=0.7, seed=1)
    found = run_probe(points, labels, asked)
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=found.strength, tol=1e-8, max_iter=5000))
    expected.fit(points.astype(np.float64), labels)
    assert np.mean(found.predicted == expected.predict(asked.astype(np.float64))) > 0.99
    assert found.converged
    assert 0.5 < np.mean(found.predicted == truth) < 0.99


def test_classes_that_lie_apart_are_told_and_names_of_classes_are_kept():
    points, labels = clouds(300, apart=30.0)
    asked, truth = clouds(100, apart=30.0, seed=1)
    found = run_probe(points, labels, asked)
    np.testing.assert_array_equal(found.predicted, truth)


def test_many_values_of_noise_call_for_a_strong_penalty_and_few_that_matter_for_a_weak_one():
    generator = np.random.default_rng(0)
    labels = np.arange(100) % 2
    noise = generator.normal(size=(100, 400)).astype(np.float32)
    noise[:, 0] += labels
    assert run_probe(noise, labels, noise).strength < STRENGTHS[-1]
    # A boundary far from the middle between the means takes large weights.
    line = np.linspace(0, 1, 400, dtype=np.float32)[:, np.newaxis]
    assert run_probe(line, (line[:, 0] > 0.9).astype(int), line).strength >= 1.0


def test_the_strength_is_not_chosen_by_the_asked_images():
    points, labels = clouds(200, apart=0.5)
    asked, _ = clouds(100, apart=0.5, seed=1)
    assert run_probe(points, labels, asked).strength == run_probe(points, labels, asked[:1] * 1e6).strength


def test_few_images_of_which_a_class_is_only_in_the_held_out_part_are_fitted_all_the_same():
    points = np.array([[0.0], [0.1], [0.2], [0.3], [5.0]], np.float32)
    labels = np.array([0, 0, 0, 0, 1])
    assert run_probe(points, labels, np.array([[100.0], [0.0]], np.float32)).predicted.tolist() == [1, 0]


def test_values_that_never_change_say_nothing():
    fitted = np.array([[1e8, 3.0, 0.0], [1e8, 5.0, 0.0]], np.float32)
    _, other = standardise(fitted, np.array([[0.0, 4.0, 7.0]], np.float32))
    assert other.tolist() == [[0.0, 0.0, 0.0]]


def test_a_probe_that_was_stopped_says_so(monkeypatch):
    points, labels = clouds(300, apart=0.5)
    monkeypatch.setattr(quality, "_MOST_ITERATIONS", 2)
    monkeypatch.setattr(quality, "_LEAST_ITERATIONS", 1)
    found = run_probe(points, labels, points)
    assert (found.iterations, found.converged) == (2, False)


@pytest.mark.parametrize("order", [1, -1])
def test_the_same_values_give_the_same_answer(order):
    points, labels = clouds(300, apart=0.5)
    first, second = (run_probe(points[:, ::order], labels, points[:, ::order]) for _ in range(2))
    np.testing.assert_array_equal(first.predicted, second.predicted)
