"""The tables of `docs/anomaly.md` are those of the results that lie beside it, and the drawn surfaces have defects."""

import numpy as np
import pytest

from docs.anomaly.__main__ import DOCUMENT, with_tables
from docs.anomaly.surfaces import DEFECTS, SURFACES, draw


def test_tables_are_those_of_the_committed_results():
    """Otherwise run: python -m docs.anomaly."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text) == text
    assert text.count("**mean**") == 3


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_changes_a_part_of_its_surface(defect):
    rng = np.random.default_rng(0)
    for surface in SURFACES.values():
        image = surface(rng, (100, 120))
        change = np.abs(DEFECTS[defect](rng, image) - image)
        assert change.max() > 0.03
        assert (change < 0.02).mean() > (0.1 if defect == "uneven" else 0.6)


def test_an_image_is_drawn_from_its_seed():
    assert (draw("metal", None, 3) == draw("metal", None, 3)).all()
    assert draw("metal", None, 3).shape != draw("metal", None, 4).shape
