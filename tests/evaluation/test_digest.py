"""When an evaluation may be taken for that of another time."""

import types

import numpy as np
import pytest

from cae.config import RunConfig
from cae.data.array_set import ArraySet
from cae.evaluation.digest import digest_evaluation, digest_images
from tests.conftest import make_images


@pytest.fixture
def run(tmp_path):
    weights = tmp_path / "model.weights.h5"
    weights.write_bytes(b"numbers")
    return types.SimpleNamespace(weights=weights)


def test_images_are_known_by_their_pixels_and_order_whatever_holds_them():
    pixels = make_images(150, 9, 7)
    whole = digest_images(ArraySet(pixels))
    rows = np.random.default_rng(0).permutation(150)
    assert digest_images(ArraySet(pixels[np.argsort(rows)], rows=rows)) == whole
    assert digest_images(ArraySet(pixels[::-1])) != whole
    assert digest_images(ArraySet(pixels[:-1])) != whole
    one_pixel = pixels.copy()
    one_pixel[149, 8, 6] ^= 1
    assert digest_images(ArraySet(one_pixel)) != whole


def test_what_figures_depend_on_changes_the_digest_and_nothing_else(run):
    def digest(images="i", training=9, **settings):
        return digest_evaluation(run, RunConfig.model_validate(settings), images, training)

    first = digest()
    assert digest(name="other", experiment="other", data={"source": "bundled"}) == first
    changed = [
        digest(images="j"),
        digest(training=8),
        digest(seed=1),
        digest(model={"decoder": {"upsampling": "resize"}}),
        digest(objective={"corruption": {"kind": "gaussian"}}),
        digest(training=9, data={"validation_fraction": 0.2}),
    ]
    run.weights.write_bytes(b"other numbers")
    assert len({first, digest(), *changed}) == len(changed) + 2
