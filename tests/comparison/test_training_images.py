"""Which runs were trained on the same images, by their pixels."""

from dataclasses import replace

import numpy as np
import pytest

from cae.comparison.contenders import group_runs
from cae.comparison.measuring import Measuring
from cae.data.image_set import ArraySet, Splits
from tests.comparison.runs import make_run


class CountingSet(ArraySet):
    """Counts how often it is read."""

    reads = 0

    def read(self, indices, seed=None):
        self.reads += 1
        return super().read(indices, seed)


def pixels(number, seed):
    return np.random.default_rng(seed).integers(0, 256, (number, 8, 8, 1), np.uint8)


def splits(train=0, validation=1):
    return Splits(CountingSet(pixels(6, train)), CountingSet(pixels(3, validation)), ArraySet(pixels(4, 9)))


def number(places, *, changes=()):
    """Numbers of runs, one for each place of images, in order; and the runs with these numbers."""
    runs = [
        make_run(seed=seed, data__source="arrays", data__path=path, data__test_path="test.npy", **dict(changes))
        for seed, path in enumerate(path for path, _ in places)
    ]
    by_path = dict(places)
    measuring = Measuring(runs, "test", lambda section: by_path[section.path], ())
    numbers = measuring.number_training_images(lambda line: None)
    return [replace(run, training_images=numbers[run.directory.path]) for run in runs]


@pytest.mark.parametrize("other", [splits(train=7), splits(validation=7)])
def test_runs_on_other_images_are_two_contenders_though_the_test_images_are_the_same(other):
    runs = number([("/a.npy", splits()), ("/b.npy", other), ("/copy.npy", splits())])
    assert [run.training_images for run in runs] == [1, 2, 1]
    assert [group.seeds for group in group_runs(runs)] == [{0, 2}, {1}]


def test_images_are_read_once_for_each_section_and_not_at_all_for_a_single_one():
    one, other = splits(), splits()
    number([("/a.npy", one), ("/b.npy", other), ("/a.npy", one), ("/b.npy", other)])
    assert [part.reads for part in (one.train, one.validation, other.train, other.validation)] == [1] * 4
    alone = splits()
    number([("/a.npy", alone), ("/a.npy", alone)])
    assert alone.train.reads == alone.validation.reads == 0


def test_what_is_done_to_images_while_training_does_not_make_them_others():
    images = splits()
    runs = [
        make_run(seed=0, data__augmentation={"horizontal_flip": True}),
        make_run(seed=1),
    ]
    measuring = Measuring(runs, "test", lambda section: images, ())
    assert set(measuring.number_training_images(lambda line: None).values()) == {1}
    assert images.train.reads == 0
