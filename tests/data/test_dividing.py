"""Which image goes into which part."""

from itertools import chain

import numpy as np
import pytest

from cae.data.dividing import Parts, divide
from cae.data.image_set import ArraySet
from cae.errors import UserError


def numbered(count, first=0):
    """Images whose only pixel tells their number; labels too."""
    numbers = np.arange(first, first + count)
    return ArraySet((numbers % 65536).astype(np.uint16).reshape(-1, 1, 1), labels=numbers)


def numbers_of(images):
    assert np.array_equal(np.round(images.read(np.arange(len(images))).ravel() * 65535), images.labels)
    return images.labels.tolist()


@pytest.mark.parametrize("count", [3, 4, 11, 1000])
@pytest.mark.parametrize("fractions", [(0.1, 0.1), (0.5, 0.25), (0.9, 0.9), (0.001, 0.001)])
def test_every_image_is_in_exactly_one_part_and_no_part_is_empty(count, fractions):
    splits = divide(Parts(numbered(count)), *fractions)
    parts = [numbers_of(part) for part in (splits.train, splits.validation, splits.test)]
    assert all(parts)
    assert sorted(chain(*parts)) == list(range(count))


def test_fractions_are_of_all_images_for_test_and_of_the_rest_for_validation():
    splits = divide(Parts(numbered(1000)), validation_fraction=0.2, test_fraction=0.1)
    assert (len(splits.test), len(splits.validation), len(splits.train)) == (100, 180, 720)


def test_the_sources_own_test_part_is_kept_whole_and_out_of_training():
    splits = divide(Parts(numbered(50), test=numbered(7, first=100)), 0.1, 0.9)
    assert numbers_of(splits.test) == list(range(100, 107))
    assert sorted(numbers_of(splits.train) + numbers_of(splits.validation)) == list(range(50))
    assert len(splits.validation) == 5


def test_the_sources_own_validation_part_is_kept_whole():
    splits = divide(Parts(numbered(50), validation=numbered(4, first=100)), 0.5, 0.1)
    assert numbers_of(splits.validation) == list(range(100, 104))
    assert sorted(numbers_of(splits.train) + numbers_of(splits.test)) == list(range(50))


def test_the_same_images_are_held_out_every_time():
    first, second = (divide(Parts(numbered(200)), 0.1, 0.1) for _ in range(2))
    assert numbers_of(first.validation) == numbers_of(second.validation)
    assert numbers_of(first.test) == numbers_of(second.test)


def test_the_choice_is_the_one_that_earlier_versions_made():
    # Another choice would mix training and test images of models that were trained before.
    splits = divide(Parts(numbered(20)), 0.1, 0.1)
    assert numbers_of(splits.test) == [9, 16]
    assert numbers_of(splits.validation) == [7, 3]


def test_held_out_images_are_a_sample_of_the_whole_and_not_its_end():
    # Sources are often sorted by class; the first few held-out images must not all be of one.
    validation = numbers_of(divide(Parts(numbered(1000)), 0.1, 0.1).validation)
    assert len({number // 100 for number in validation[:16]}) > 4
    assert 400 < np.mean(validation) < 600


@pytest.mark.parametrize(
    ("train", "others", "needed"),
    [(2, {}, 3), (1, {"test": 5}, 2), (1, {"validation": 5}, 2), (0, {"validation": 5, "test": 5}, 1)],
)
def test_too_few_images_are_an_error_that_tells_how_many_are_needed(train, others, needed):
    parts = {name: numbered(count) for name, count in others.items()}
    with pytest.raises(UserError, match=rf"at least {needed} images .* Received: {train}"):
        divide(Parts(numbered(train), **parts), 0.1, 0.1)


def test_parts_of_different_shapes_are_an_error():
    with pytest.raises(UserError, match=r"\(4, 4, 1\), \(4, 5, 1\)"):
        divide(Parts(ArraySet(np.zeros((9, 4, 4), np.uint8)), test=ArraySet(np.zeros((9, 4, 5), np.uint8))), 0.1, 0.1)
