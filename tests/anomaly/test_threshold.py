"""The threshold keeps what it promises, for any scores and any number of them."""

from fractions import Fraction

import numpy as np
import pytest

from cae.anomaly import calibrate
from cae.anomaly.calibration import CalibrationImages
from cae.anomaly.detection import least_images
from cae.errors import UserError


@pytest.mark.parametrize("number", [4, 5, 9, 10, 19, 20, 33, 99, 100])
@pytest.mark.parametrize("rate", ["0.01", "0.05", "0.1", "0.2", "0.3", "0.5"])
def test_of_exchangeable_images_no_more_than_the_rate_lie_above(number, rate):
    """Each of n + 1 images is as likely to be the new one: the chance is counted, not estimated."""
    scores = np.random.default_rng(number).lognormal(size=number + 1)
    if number < 1 / Fraction(rate) - 1:
        with pytest.raises(UserError, match=f"needs at least {least_images(float(rate))} normal images.*: {number}"):
            calibrate(scores[:-1], float(rate))
        return
    above = sum(scores[new] > calibrate(np.delete(scores, new), float(rate)).value for new in range(number + 1))
    assert Fraction(above, number + 1) <= Fraction(rate)
    assert Fraction(above + 1, number + 1) > Fraction(rate)  # no more cautious than it must be


def test_ties_never_raise_the_rate():
    scores = np.array([1.0] * 50 + [2.0] * 50)
    above = sum(scores[new] > calibrate(np.delete(scores, new), 0.1).value for new in range(100))
    assert above <= 10


def test_the_rate_is_the_one_that_was_typed():
    # In binary, 100 x (1 - 0.01) is above 99.
    threshold = calibrate(np.arange(99.0), 0.01)
    assert threshold.value == 98.0
    assert (threshold.images, threshold.false_positive_rate) == (99, 0.01)


def test_no_images_at_all_are_too_few():
    with pytest.raises(UserError, match="Received: 0"):
        calibrate(np.empty(0), 0.9)


@pytest.mark.parametrize(
    ("classes", "normal", "is_doubtful"),
    [
        (["good", "hole"], [], False),  # nothing says which of them is normal
        (["good", "hole"], ["good"], True),
        (["good", "crack"], ["good"], True),  # no scored image is of it, and still it is no normal one
        (["good", "hole"], ["good", "hole"], False),
        (["camera1", "camera2"], ["good"], False),  # folders of another kind
    ],
)
def test_classes_of_calibration_images_are_doubtful_where_others_are_known_to_be_normal(classes, normal, is_doubtful):
    images = CalibrationImages(classes, normal, scored=["good", "hole", "scratch"])
    assert [doubt.code for doubt in images.doubts()] == ["calibrated_on_classes"] * is_doubtful
