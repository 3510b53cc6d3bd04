"""Interpolation and traversal: what is decoded, and how it is drawn."""

import numpy as np
import pytest

from cae.config.model import ModelSection
from cae.features.exhibits import (
    STEPS,
    Traversal,
    draw_interpolation,
    draw_neighbours,
    draw_traversal,
    interpolate,
    traverse,
)
from cae.model import build_autoencoder
from cae.plan import make_plan


def build(bottleneck, upsampling="conv_transpose", precision="float32"):
    section = ModelSection.model_validate(
        {"encoder": {"filters": [3]}, "bottleneck": bottleneck, "decoder": {"upsampling": upsampling}}
    )
    return build_autoencoder(make_plan(section, (9, 7, 1)), precision=precision)


def images(number, seed=0):
    return np.random.default_rng(seed).random((number, 9, 7, 1)).astype(np.float32)


MODELS = [{"kind": "spatial", "channels": 2}, {"kind": "dense", "units": 5}]


@pytest.mark.parametrize("bottleneck", MODELS, ids=["spatial", "dense"])
def test_a_line_begins_and_ends_with_the_images_own_reconstructions(bottleneck):
    autoencoder = build(bottleneck)
    first, last = images(2)
    line = interpolate(autoencoder, first, last)
    assert line.shape == (STEPS, 9, 7, 1)
    expected = np.clip(autoencoder.model(np.stack([first, last])), 0, 1)
    np.testing.assert_allclose(line[[0, -1]], expected, atol=1e-5)


def test_the_middle_of_a_line_is_the_mean_code():
    autoencoder = build({"kind": "dense", "units": 5})
    first, last = images(2)
    codes, _ = autoencoder.encode(np.stack([first, last]))
    expected = np.clip(autoencoder.decode(np.mean(codes, axis=0, keepdims=True), []), 0, 1)
    np.testing.assert_allclose(interpolate(autoencoder, first, last)[STEPS // 2], expected[0], atol=1e-5)


def test_with_switches_the_first_images_are_used_all_the_way():
    autoencoder = build({"kind": "spatial", "channels": 2}, "max_unpool")
    first, last = images(2)
    codes, switches = autoencoder.encode(np.stack([first, last]))
    expected = autoencoder.decode(codes[1:], [one[:1] for one in switches])
    line = interpolate(autoencoder, first, last)
    np.testing.assert_allclose(line[-1], np.clip(expected[0], 0, 1), atol=1e-5)
    np.testing.assert_allclose(line[0], np.clip(autoencoder.model(first[np.newaxis])[0], 0, 1), atol=1e-5)


@pytest.mark.parametrize("bottleneck", MODELS, ids=["spatial", "dense"])
def test_a_traversal_goes_along_the_singular_vectors_of_the_codes(bottleneck):
    autoencoder = build(bottleneck)
    shape = autoencoder.decoder.inputs[0].shape[1:]
    codes = (np.random.default_rng(3).normal(size=(50, *shape)) * np.linspace(0.1, 1, shape[-1])).astype(np.float32)
    found = traverse(autoencoder, codes)
    rows = codes.reshape(50, -1).astype(np.float64)
    _, sizes, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.shares, (sizes**2 / (sizes**2).sum())[: len(found.shares)], rtol=1e-4)
    assert found.pictures.shape == (min(8, rows.shape[1]), 7, 9, 7, 1)
    step = 2 * sizes[0] / np.sqrt(50) * vectors[0]
    ends = [(rows.mean(axis=0) + sign * step).reshape(1, *shape).astype(np.float32) for sign in (-1, 1)]
    expected = [np.clip(autoencoder.decode(end, [])[0], 0, 1) for end in ends]
    shown = [found.pictures[0, place] for place in (1, 5)]
    # A component's sign is open.
    assert any(
        all(np.allclose(a, b, atol=1e-4) for a, b in zip(shown, order, strict=True))
        for order in (expected, expected[::-1])
    )
    centre = autoencoder.decode(rows.mean(axis=0).reshape(1, *shape).astype(np.float32), [])
    for component in found.pictures:
        np.testing.assert_allclose(component[3], np.clip(centre[0], 0, 1), atol=1e-5)


def test_codes_are_left_as_they_were_and_codes_that_are_all_alike_have_no_traversal():
    autoencoder = build({"kind": "dense", "units": 5}, precision="mixed_bfloat16")
    codes = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    before = codes.copy()
    assert traverse(autoencoder, codes).pictures.dtype == np.float32
    np.testing.assert_array_equal(codes, before)
    assert traverse(autoencoder, np.full((20, 5), 0.3, np.float32)) is None


def count(picture, color):
    return int((picture == color).all(axis=-1).sum())


def test_a_neighbour_of_another_class_has_another_frame_and_its_class_in_words():
    queries, found = images(2), np.stack([images(3, 1), images(3, 2)])
    alike = draw_neighbours(queries, found, ["a", "b"], [["a"] * 3, ["b"] * 3])
    mixed = draw_neighbours(queries, found, ["a", "b"], [["a", "b", "a"], ["b"] * 3])
    blue, orange = (0, 114, 178), (213, 94, 0)
    legend = count(alike, orange)
    assert alike.shape == mixed.shape
    frames = count(alike, blue) - legend
    assert count(mixed, orange) - legend == frames / 6
    assert count(mixed, blue) - legend == frames * 5 / 6
    plain = draw_neighbours(queries, found, [], [])
    assert count(plain, blue) == count(plain, orange) == 0


@pytest.mark.parametrize("shape", [(28, 28, 1), (5, 90, 3), (300, 20, 3)])
def test_pictures_fit_images_of_any_size(shape):
    generator = np.random.default_rng(0)
    line = generator.random((2, STEPS, *shape))
    for picture in (
        draw_interpolation(line[:, :2], line, ["a to b", "an endless name of a class to another one"], "note"),
        draw_traversal(Traversal(line, np.array([0.7, 0.2]))),
        draw_neighbours(line[:, 0], line[:, 1:], ["x", "y"], [["x"] * (STEPS - 1)] * 2),
    ):
        assert picture.dtype == np.uint8
        assert picture.shape[1] <= 2100
