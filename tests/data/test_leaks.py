"""Training images that come into validation or test a second time are found, wherever images are kept."""

import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from cae.config.data import ArrayData, TfrecordData
from cae.data import dividing
from cae.data.dividing import are_comparable, find_shared, warn_of_leaks
from cae.data.formats import array_files
from cae.data.image_set import ArraySet
from cae.data.load import load_splits
from cae.data.sources.folder import StoredFiles
from tests.data.folders import noise, numbered, section, write


def messages(splits):
    found = warn_of_leaks(splits)
    assert all(warning.code == "leaking_parts" for warning in found)
    return [warning.message for warning in found]


def make_leaking_folder(folder):
    """BMP files, which are all of one length: three test images and a validation image are training images, too."""
    for part, names in (("train", numbered(20)), ("val", numbered(4)), ("test", numbered(6))):
        for number, name in enumerate(names):
            path = folder / part / "cat" / name.replace(".png", ".bmp")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(len(part) * 100 + number)).save(path)
    for number in range(3):
        shutil.copy(folder / "train" / "cat" / f"{number + 7:02}.bmp", folder / "test" / "cat" / f"copy{number}.bmp")
    shutil.copy(folder / "train" / "cat" / "03.bmp", folder / "val" / "cat" / "02.bmp")


def test_files_that_are_in_two_parts_are_counted(tmp_path):
    make_leaking_folder(tmp_path)
    (message,) = messages(load_splits(section(tmp_path)))
    assert "1 of 4 validation images (the first is cat/02.bmp)" in message
    assert "3 of 9 test images (the first is cat/copy0.bmp)" in message


def test_files_that_differ_in_one_byte_are_other_images(tmp_path):
    write(tmp_path / "train", numbered(9), 60, 60)
    (tmp_path / "test").mkdir()
    pixels = noise(3, 60, 60)
    for place in (0, 59):
        changed = pixels.copy()
        changed[place, 0, 0] ^= 1
        Image.fromarray(changed).save(tmp_path / "test" / f"{place}.bmp")
    Image.fromarray(pixels).save(tmp_path / "train" / "last.bmp")
    splits = load_splits(section(tmp_path))
    assert messages(splits) == []
    Image.fromarray(pixels).save(tmp_path / "test" / "0.bmp")
    assert "1 of 2 test images (the first is 0.bmp)" in messages(splits)[0]


def test_copies_in_a_folder_without_parts_are_found_after_dividing(tmp_path):
    write(tmp_path, numbered(10, "a/"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    splits = load_splits(section(tmp_path))
    trained = {name[2:] for name in splits.train.names}
    leaking = [sum(name[2:] in trained for name in part.names) for part in (splits.validation, splits.test)]
    (message,) = messages(splits)
    for part, number in zip(("validation", "test"), leaking, strict=True):
        assert (f"{number} of 2 {part} images" in message) == bool(number)


def test_prepared_images_that_are_in_two_parts_are_counted(tmp_path, run_command):
    make_leaking_folder(tmp_path / "in")
    code, _, stderr = run_command("prepare", tmp_path / "in", tmp_path / "out")
    assert code == 0, stderr
    (message,) = messages(load_splits(TfrecordData(path=str(tmp_path / "out"))))
    assert "1 of 4 validation images" in message
    assert "3 of 9 test images" in message


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_array_images_that_are_in_two_parts_are_counted(tmp_path, shape, ending):
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    test = images[30:].copy()
    test[[2, 5]] = images[[4, 29]]
    test[7] = images[11]
    test[7, 0, 0] ^= 1  # another one, though half of it is the same
    path = tmp_path / f"a{ending}"
    if ending == ".npz":
        np.savez(path, x_train=images[:30], x_test=test)
    else:
        with h5py.File(path, "w") as file:
            file.update({"x_train": images[:30], "x_test": test})
    splits = load_splits(ArrayData(path=str(path)))
    trained = set(splits.train.names)
    (message,) = messages(splits)
    assert f"{len({'4', '29'} & trained)} of 10 test images" in message


def test_files_are_compared_with_a_folder_s_and_arrays_with_those_of_their_type_and_shape(tmp_path):
    write(tmp_path / "train", numbered(9))
    train = load_splits(section(tmp_path / "train")).train
    write(tmp_path / "other", ["1.png"], 9, 9)
    for number in (0, 2):
        shutil.copy(tmp_path / "train" / train.names[number], tmp_path / "other" / f"{number}.png")
    files = StoredFiles(tmp_path / "other", ["0.png", "1.png", "2.png"])
    assert are_comparable(train, files)
    assert find_shared(train, [(files, np.arange(3))]) == [[0, 2]]
    gray, colored = np.zeros((4, 8, 6), np.uint8), np.zeros((4, 8, 6, 3), np.uint8)
    assert are_comparable(ArraySet(gray), ArraySet(gray[:2, ..., np.newaxis]))
    for other in (train, ArraySet(colored), ArraySet(gray.astype(bool)), ArraySet(gray[:, :4])):
        assert not are_comparable(ArraySet(gray), other)


def test_it_is_said_where_arrays_are_too_large_to_be_compared(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.update({"x_train": np.zeros((40, 8, 6), np.uint8), "x_test": np.zeros((9, 8, 6), np.uint8)})
    section = ArrayData(path=str(tmp_path / "a.h5"))
    assert not any("not looked for" in note for note in load_splits(section).notes)
    monkeypatch.setattr(array_files, "_IN_MEMORY_BYTES", 0)
    splits = load_splits(section)
    assert not messages(splits)
    (note,) = (note for note in splits.notes if "not looked for" in note)
    assert note.startswith(str(tmp_path / "a.h5"))


def test_of_many_held_out_images_a_spread_sample_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(dividing, "_MOST_LOOKED_FOR", 5)
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 6), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=images[:20], x_test=images)
    assert "of 5 test images" in messages(load_splits(ArrayData(path=str(tmp_path / "a.npz"))))[0]


def test_training_says_and_writes_down_that_parts_leak(tmp_path, run_command):
    import json

    make_leaking_folder(tmp_path / "in")
    (tmp_path / "in" / "scan.tif").write_bytes(b"II*\0")
    config = tmp_path / "leak.yaml"
    config.write_text(
        "data: {source: image_folder, path: in}\ntraining: {epochs: 1}\nmodel: {encoder: {filters: [2]}}\n"
    )
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs", "--dry-run")
    assert code == 0, err
    assert "train 20, validation 4 (folder val), test 9 (folder test); 1 file of other kinds left out: .tif" in err
    assert "3 of 9 test images" in err
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 0, err
    assert "train 20, validation 4 (folder val), test 9 (folder test); 1 file of other kinds left out: .tif" in err
    summary = json.loads((tmp_path / "runs/default/run/summary.json").read_text())
    assert summary["images"] == {"train": 20, "validation": 4, "test": 9, "skipped": {".tif": 1}}
    assert summary["skipped_images"] == 1
    assert "3 of 9 test images" in next(w["message"] for w in summary["warnings"] if w["code"] == "leaking_parts")
    code, out, err = run_command("evaluate", tmp_path / "runs/default/run")
    assert code == 0, err
    assert "3 of 9 test images" in out
    assert "test 9 (folder test); 1 file of other kinds left out: .tif" in err
    assert "images have changed" not in out
    (tmp_path / "in" / "val").rename(tmp_path / "in" / "more")
    code, out, err = run_command("evaluate", tmp_path / "runs/default/run")
    assert code == 0, err
    assert "images have changed since the training: 20 training images then, 18 now" in out
