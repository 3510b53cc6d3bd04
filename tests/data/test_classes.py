"""`data.classes` keeps some classes, in every part, without moving an image from one part to another."""

import numpy as np
import pytest

from cae.config.data import ArrayData, BundledData
from cae.data.dividing import class_name
from cae.data.load import load_splits
from cae.errors import UserError
from tests.data.folders import numbered, parts_of, section, write


def test_kept_images_are_in_the_part_that_they_were_in():
    everything = load_splits(BundledData())
    kept = load_splits(BundledData(classes=(3, 7)))
    assert kept.image_shape == everything.image_shape
    for part, whole in zip(parts_of(kept), parts_of(everything), strict=True):
        assert whole.labels is not None
        rows = np.flatnonzero(np.isin(whole.labels, [3, 7]))
        assert list(part.names) == [whole.names[row] for row in rows]
        np.testing.assert_array_equal(part.labels, whole.labels[rows])
        np.testing.assert_array_equal(part.read(np.array([0])), whole.read(rows[:1]))


def test_folders_are_called_by_name_even_when_it_is_a_number(tmp_path):
    write(tmp_path, numbered(30, "cat/") + numbered(30, "7/") + numbered(30, "dog/"))
    for wanted, names in [(("dog",), {"dog"}), ((7, "cat"), {"7", "cat"})]:
        splits = load_splits(section(tmp_path, classes=wanted))
        assert list(splits.class_names) == ["7", "cat", "dog"]
        found = {name.split("/")[0] for part in parts_of(splits) for name in part.names}
        assert found == names
        assert sum(map(len, parts_of(splits))) == 30 * len(names)


@pytest.mark.parametrize(
    ("classes", "message"), [(("bird",), "Received: bird. The data have: cat, dog"), ((0,), "Received: 0. The data")]
)
def test_unknown_class_folders_are_told(tmp_path, classes, message):
    write(tmp_path, numbered(10, "cat/") + numbered(10, "dog/"))
    with pytest.raises(UserError, match=message):
        load_splits(section(tmp_path, classes=classes))


def test_unknown_labels_and_images_without_labels_are_told(tmp_path):
    with pytest.raises(UserError, match=r"must leave an image in every part.*The data have: T-shirt/top, Trouser, "):
        load_splits(BundledData(classes=(12,)))
    with pytest.raises(UserError, match="Received: shirt"):
        load_splits(BundledData(classes=("shirt",)))
    np.save(tmp_path / "images.npy", np.zeros((30, 4, 4), np.uint8))
    with pytest.raises(UserError, match="needs images with labels"):
        load_splits(ArrayData(path=str(tmp_path / "images.npy"), classes=(0,)))


def test_classes_of_a_known_data_set_go_by_name_and_by_number():
    by_number, by_name = (load_splits(BundledData(classes=(one,))) for one in (9, "Ankle boot"))
    assert list(by_number.test.names) == list(by_name.test.names)
    assert class_name(9, by_name.class_names) == "Ankle boot"
