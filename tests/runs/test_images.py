"""Whether images are those that a run was begun with."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from cae.config import check_config
from cae.data import image_set
from cae.data.dividing import keep_classes
from cae.data.formats import array_files
from cae.data.identity import identify, is_same
from cae.data.image_set import ArraySet, Splits
from cae.data.load import load_splits
from cae.data.preparing import prepare
from cae.errors import UserError
from cae.runs.directory import RunDirectory
from cae.runs.images import check_same_images, check_same_number, warn_of_other_images
from tests.conftest import make_images

FITTED = "Baselines and fitted scores use the images of now"
MAY_BE_TRAINED_ON = "Test images may have been trained on, if they were among the data then"


def write(folder, number=30):
    folder.mkdir(parents=True)
    for place, image in enumerate(make_images(number, 8, 8)[..., 0]):
        Image.fromarray(image).save(folder / f"{place:02}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "photos")


def section_of(folder, **keys):
    return check_config({"data": {"source": "image_folder", "path": str(folder), **keys}}).data


def splits_of(folder, **keys):
    return load_splits(section_of(folder, **keys))


def begin(directory, folder, **keys):
    """A run that was begun with what a folder holds."""
    directory = RunDirectory(directory)
    directory.path.mkdir(parents=True)
    directory.environment.write_text(json.dumps({"images": splits_of(folder, **keys).identities}))
    data = {"source": "image_folder", "path": str(folder), **keys}
    directory.config.write_text(json.dumps({"data": data}))
    return directory


@pytest.fixture
def run(folder, tmp_path):
    return begin(tmp_path / "e" / "run", folder)


def warnings_of(run, folder, used=("test",), fits=True, **keys):
    splits, section = splits_of(folder, **keys), section_of(folder, **keys)
    return warn_of_other_images(run, splits, section, used, fits=fits)


def swap(folder):
    (folder / "00.png").rename(folder / "zz.png")


def replace_content(folder):
    for path in folder.iterdir():
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)


@pytest.mark.parametrize("change", [swap, replace_content])
def test_as_many_other_images_are_told(folder, run, change):
    check_same_images(run, splits_of(folder))
    assert warnings_of(run, folder) == []
    change(folder)
    with pytest.raises(UserError, match=r"24 training images, as before, but other ones .*--overwrite"):
        check_same_images(run, splits_of(folder))
    (warning,) = warnings_of(run, folder)
    assert warning.code == "other_images"


def test_a_file_more_divides_the_folder_in_another_way_and_is_told(folder, run):
    shutil.copy(folder / "01.png", folder / "0.png")  # first of all
    with pytest.raises(UserError, match="begun: 24 training images then, 25 now; 3 validation images, as before, but"):
        check_same_images(run, splits_of(folder))
    (warning,) = warnings_of(run, folder)
    assert "24 training images then, 25 now" in warning.message
    assert FITTED in warning.message
    assert MAY_BE_TRAINED_ON in warning.message


def test_a_folder_may_move(folder, run):
    folder = folder.rename(folder.with_name("moved"))
    check_same_images(run, splits_of(folder))
    assert warnings_of(run, folder) == []


def test_test_images_that_are_those_of_then_were_held_out(tmp_path):
    write(tmp_path / "in" / "test", 5)
    shutil.copy(write(tmp_path / "in" / "train") / "00.png", tmp_path / "more.png")
    run = begin(tmp_path / "e" / "run", tmp_path / "in")
    shutil.copy(tmp_path / "more.png", tmp_path / "in" / "train")
    (warning,) = warnings_of(run, tmp_path / "in")
    assert FITTED in warning.message
    assert "trained on, if" not in warning.message
    assert warnings_of(run, tmp_path / "in", fits=False) == []
    (warning,) = warnings_of(run, tmp_path / "in", ["train"], fits=False)
    assert warning.message == "The training images have changed since the training: 27 training images then, 28 now."


def test_without_baselines_nothing_is_said_of_them(folder, run):
    swap(folder)
    (warning,) = warnings_of(run, folder, fits=False)
    assert FITTED not in warning.message
    assert MAY_BE_TRAINED_ON in warning.message


@pytest.fixture
def classes(tmp_path):
    for name in ("good", "bad"):
        write(tmp_path / "parts" / name)
    return tmp_path / "parts"


def test_another_class_was_held_out_with_the_one_that_was_trained_on(classes, tmp_path):
    run = begin(tmp_path / "e" / "run", classes, classes=["good"])
    assert warnings_of(run, classes, classes=["good"]) == []
    (warning,) = warnings_of(run, classes, classes=["bad"])
    assert FITTED in warning.message
    assert "trained on, if" not in warning.message


@pytest.mark.parametrize("patches", [1, 3])
def test_images_of_a_class_are_known_again_among_all_classes(classes, tmp_path, patches):
    keys = {"image_size": [4, 4], "fit": "patch", "patches": patches}
    begun = splits_of(classes, classes=["good"], **keys).identities
    opened = splits_of(classes, **keys)
    assert keep_classes(opened, ["good"]).identities == begun
    write(tmp_path / "defects" / "bad", 4)
    defects = splits_of(classes, test_path=str(tmp_path / "defects"), **keys)
    with pytest.raises(UserError, match="must leave an image in every part"):
        keep_classes(defects, ["good"])
    assert keep_classes(defects, ["good"], needed=["train"]).identities["test"]["number"] == 0


def test_other_test_images_are_no_reason_to_end_a_training(run):
    images = ArraySet(make_images(12, 4, 4))
    parts = [images.take(np.arange(first, first + 3)) for first in (0, 3, 6, 9)]
    before, after = (Splits(parts[0], parts[1], test) for test in parts[2:])
    run.environment.write_text(json.dumps({"images": before.identities}))
    assert is_same(before.identities["test"], after.identities["test"]) is False
    check_same_images(run, after)
    with pytest.raises(UserError, match="3 validation images, as before, but"):
        check_same_images(run, Splits(parts[0], parts[2], parts[3]))


def without_looks(run):
    found = json.loads(run.environment.read_text())["images"]
    for part in found.values():
        del part["look"]
    return json.dumps({"images": found})


@pytest.mark.parametrize("environment", ["{}", "{", '{"images": {"train": 3}}', without_looks])
def test_a_run_that_says_nothing_of_its_images_goes_on(folder, run, environment):
    run.environment.write_text(environment(run) if callable(environment) else environment)
    swap(folder)
    check_same_images(run, splits_of(folder))
    assert warnings_of(run, folder) == []


def test_of_runs_of_earlier_versions_numbers_are_compared(folder, run):
    run.environment.unlink()
    run.summary.write_text(json.dumps({"images": {"train": 25, "validation": 2, "test": 3, "skipped": {}}}))
    with pytest.raises(UserError, match="25 training images then, 24 now"):
        check_same_images(run, splits_of(folder))


def test_a_checkpoint_of_more_or_fewer_images_is_refused_in_the_same_words():
    check_same_number("The checkpoint", 20, 20)
    with pytest.raises(UserError, match=r"^The checkpoint: the data have changed .*: 20 training images then, 18"):
        check_same_number("The checkpoint", 20, 18)


def test_where_images_come_in_another_form_their_numbers_alone_are_compared(folder, run, tmp_path):
    out = tmp_path / "prepared"
    out.mkdir()
    prepare(section_of(folder), None, out, 10**9)
    splits = load_splits(check_config({"data": {"source": "tfrecord", "path": str(out)}}).data)
    assert [one["look"] for one in splits.identities.values()] == ["records"] * 3
    check_same_images(run, splits)
    swap(folder)
    shutil.rmtree(out)
    out.mkdir()
    prepare(section_of(folder), None, out, 10**9)
    others = load_splits(check_config({"data": {"source": "tfrecord", "path": str(out)}}).data)
    assert is_same(splits.identities["train"], others.identities["train"]) is False


def test_of_large_hdf5_arrays_numbers_alone_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "_IN_MEMORY_BYTES", 0)
    found = []
    for name, number in (("a", 20), ("b", 20), ("c", 19)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x_train"] = make_images(number, 8, 6, seed=len(found))
        data = {"source": "arrays", "path": str(tmp_path / f"{name}.h5")}
        found.append(load_splits(check_config({"data": data}).data).identities["train"])
    assert found[0] == {"number": 16, "look": "none", "digest": ""}
    assert (is_same(found[0], found[1]), is_same(found[0], found[2])) == (None, False)


def test_of_many_images_in_an_array_some_are_looked_at_all_over_it(monkeypatch):
    monkeypatch.setattr(image_set, "_MOST_LOOKED_AT", 3)
    images = make_images(9, 4, 4)
    begun = identify(ArraySet(images.copy()))
    for changed, expected in ((2, True), (4, False), (8, False)):
        others = images.copy()
        others[changed] = 255 - others[changed]
        assert is_same(begun, identify(ArraySet(others))) is expected


def test_prepared_images_are_known_without_their_shards(folder, tmp_path):
    out = tmp_path / "prepared"
    out.mkdir()
    prepare(section_of(folder), None, out, 10**9)
    splits = load_splits(check_config({"data": {"source": "tfrecord", "path": str(out)}}).data)
    begun = splits.identities
    for shard in out.glob("*.tfrecord"):
        shard.write_bytes(b"")
    assert Splits(splits.train, splits.validation, splits.test).identities == begun


def test_files_are_known_by_the_bytes_of_their_names_whatever_a_python_calls_them(folder):
    """A name that one Python's Unicode knows and another's does not must not be another name."""
    name = os.fsdecode(b"\xff\xf0\x9f\xab\xa8.png")
    (folder / "00.png").rename(folder / name)
    length = os.path.getsize(folder / name)
    parts = splits_of(folder)
    seen = b"".join(b"".join(getattr(parts, part).first_look().content) for part in parts.numbers)
    assert b"\xff\xf0\x9f\xab\xa8.png\0%d\0" % length in seen


def test_images_are_looked_at_once():
    class Watched(ArraySet):
        looks = 0

        def first_look(self):
            self.looks += 1
            return super().first_look()

    splits = Splits(*(Watched(make_images(3, 4, 4)) for _ in range(3)))
    assert splits.identities == splits.identities
    assert [part.looks for part in (splits.train, splits.validation, splits.test)] == [1, 1, 1]


def test_patches_are_known_by_their_pictures(folder):
    whole, patches = (
        splits_of(folder, **keys).identities for keys in ({}, {"image_size": [4, 4], "fit": "patch", "patches": 3})
    )
    for part, found in whole.items():
        assert patches[part] == {**found, "number": 3 * found["number"]}
