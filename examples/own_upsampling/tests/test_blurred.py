"""What the layer must hold: `python -m pytest` in this folder, once it is installed."""

import numpy as np
from own_upsampling import Blurred

import cae


def test_a_constant_map_stays_constant_inside_of_its_borders():
    made = np.asarray(Blurred()(np.full((1, 3, 4, 2), 0.5, np.float32)))
    assert made.shape == (1, 6, 8, 2)
    np.testing.assert_allclose(made[:, 1:-1, 1:-1], 0.5, rtol=1e-6)


def test_it_is_a_kind_like_the_built_in_ones():
    plan = cae.describe({"model": {"encoder": {"filters": [4]}, "decoder": {"upsampling": "blurred"}}})
    assert "stage_1_blurred" in plan.text
