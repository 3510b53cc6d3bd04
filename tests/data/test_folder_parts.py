"""Which folders are the parts of a data set, and what is said of everything else that lies there."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from cae.config.data import TfrecordData
from cae.data.dividing import parts_in_words
from cae.data.load import load_splits
from cae.data.part_names import part_of
from cae.errors import UserError
from tests.data.folders import noise, numbered, parts_of, section, write


def told(splits):
    return parts_in_words(splits.numbers, splits.origins, splits.all_left_out)


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "valid", None),
        ("train", "dev", None),
        ("Train", None, "Test"),
        ("training", None, "testing"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("trn", "val", "tst"),
        ("train_images", "valid_images", "test_images"),
        ("train2017", "val2017", "test2017"),
        ("trainset", "valset", "testset"),
        ("Training Set", "Validation Set", "Test Set"),
        ("DIV2K_train_HR", "DIV2K_valid_HR", None),
        ("seg_train", None, "seg_test"),
        ("train", None, "eval"),
        ("train", "eval", "test"),
        ("train", None, "holdout"),
        ("train", "dev", "held-out"),
    ],
)
@pytest.mark.parametrize("above", ["", "archive", "dataset/images"])
def test_folders_with_usual_names_are_the_parts_wherever_they_lie(tmp_path, train, validation, test, above):
    home = tmp_path / above
    write(home / train, numbered(20, "t"))
    for part, prefix in ((validation, "v"), (test, "x")):
        if part:
            write(home / part, numbered(4, prefix))
    splits, prefix = load_splits(section(tmp_path)), f"{above}/" if above else ""
    assert {name[0] for name in splits.train.names} == {"t"}
    assert {name[0] for name in splits.validation.names} == ({"v"} if validation else {"t"})
    assert {name[0] for name in splits.test.names} == ({"x"} if test else {"t"})
    assert f"validation 4 (folder {prefix}{validation})" in told(splits) if validation else "(held out)" in told(splits)
    assert sum(map(len, parts_of(splits))) == 20 + 4 * bool(validation) + 4 * bool(test)


@pytest.mark.parametrize(
    "name", ["trains", "test_tube", "device", "latest", "value", "contest", "evalyn", "images", "x"]
)
def test_other_names_are_no_parts(name):
    assert part_of(name) is None


@pytest.mark.parametrize("beside", ["extra", "unlabeled", "cat"])
def test_what_lies_beside_the_parts_is_counted_and_named(tmp_path, beside):
    write(tmp_path / "train", numbered(10))
    write(tmp_path / "test", numbered(3))
    write(tmp_path / beside / "deep", numbered(4))
    write(tmp_path, ["loose.png"])
    splits = load_splits(section(tmp_path))
    assert splits.numbers == {"train": 9, "validation": 1, "test": 3}
    assert splits.left_out == {f"{beside}/": 4, "beside the parts": 1}
    assert told(splits).endswith(f"5 files in other places left out: {beside}/ (4), beside the parts (1)")


@pytest.mark.parametrize("beside", ["", "bus/"])
def test_a_train_folder_beside_images_or_classes_is_pooled_with_a_warning(tmp_path, beside):
    write(tmp_path / "train", numbered(6))
    write(tmp_path, numbered(6, f"{beside}b"))
    splits = load_splits(section(tmp_path))
    assert sum(map(len, parts_of(splits))) == 12
    (note,) = splits.notes
    assert str(tmp_path / "train") in note
    assert "data.path" in note


@pytest.mark.parametrize("name", ["test", "Validation", "holdout", "dev"])
@pytest.mark.parametrize("others", [["cat/1.png", "dog/1.png"], ["1.png"], ["cat/1.png"]])
def test_a_test_folder_without_a_training_folder_is_not_trained_on(tmp_path, name, others):
    write(tmp_path, [*others, *numbered(9, f"{name}/")])
    with pytest.raises(UserError, match=rf"{name}: by its name this folder is for .*data\.(test|validation)_path"):
        load_splits(section(tmp_path))
    key = "test_path" if part_of(name) == "test" else "validation_path"
    write(tmp_path, numbered(9, "cat/c"))
    splits = load_splits(section(tmp_path, **{key: str(tmp_path / name)}))
    assert len(getattr(splits, key[:-5])) == 9
    assert not any(file.startswith(name) for file in splits.train.names)


@pytest.mark.parametrize(
    ("train", "other"),
    [
        ("a/train", "b/test"),
        ("a/b/c/train", "a/b/c/Testing"),
        ("train/a", "train/x/val"),
        ("0", "deep/er/validation"),
        ("cat/train", "dog/dev"),
    ],
)
def test_test_images_are_not_trained_on_however_deep_they_lie(tmp_path, train, other):
    write(tmp_path, [*numbered(9, f"{train}/"), *numbered(4, f"{other}/deep/")])
    with pytest.raises(UserError, match=rf"{other}: by its name .* would be trained on.*data\.(test|validation)_path"):
        load_splits(section(tmp_path))
    key = "test_path" if part_of(other.split("/")[-1]) == "test" else "validation_path"
    splits = load_splits(section(tmp_path, **{key: str(tmp_path / other)}))
    assert len(getattr(splits, key[:-5])) == 4
    home = (tmp_path / train).parent
    if home == (tmp_path / other).parent:
        with pytest.raises(UserError, match=rf"set `data\.path` to {home}, or"):
            load_splits(section(tmp_path))
        assert len(getattr(load_splits(section(home)), key[:-5])) == 4


@pytest.mark.parametrize("names", [("val", "validation"), ("Val", "dev")])
def test_two_folders_for_one_part_are_refused_unless_one_is_named(tmp_path, names):
    for name in ("train", *names):
        write(tmp_path / name, numbered(5, name[:3]))
    with pytest.raises(UserError, match=rf"one folder\. Received: .*{names[0]}"):
        load_splits(section(tmp_path))
    splits = load_splits(section(tmp_path, validation_path=str(tmp_path / names[1])))
    assert sorted(splits.validation.names) == numbered(5, names[1][:3])
    assert splits.left_out == {f"{names[0]}/": 5}


def test_two_pairs_of_parts_are_refused(tmp_path):
    for name in ("trainA", "testA", "trainB", "testB"):
        write(tmp_path / name, numbered(5))
    with pytest.raises(UserError, match=r"data\.path`, `data\.validation_path"):
        load_splits(section(tmp_path))


def make_category(folder):
    """A category as MVTec AD has it: normal images to train on, defects to test on, and masks of these."""
    write(folder, [*numbered(9, "train/good/"), *numbered(2, "test/good/"), *numbered(3, "test/crack/")])
    write(folder, [f"ground_truth/crack/{number:02}_mask.png" for number in range(3)])
    (folder / "readme.txt").write_text("about")


def test_of_an_mvtec_category_masks_and_defects_are_not_trained_on(tmp_path):
    make_category(tmp_path / "bottle")
    splits = load_splits(section(tmp_path / "bottle"))
    assert told(splits) == (
        "train 8, validation 1 (held out), test 5 (folder test); 1 file of other kinds left out: .txt;"
        " 3 files in other places left out: ground_truth/"
    )
    assert splits.class_names == ["crack", "good"]
    assert splits.train.labels.tolist() == [1] * 8


def test_several_data_sets_in_one_folder_are_refused_and_named(tmp_path):
    make_category(tmp_path / "bottle")
    make_category(tmp_path / "cable")
    (tmp_path / "license.txt").write_text("free")
    with pytest.raises(UserError, match=r"holds 2 data sets.*`data\.path` to one.*Received: bottle, cable"):
        load_splits(section(tmp_path))


@pytest.mark.parametrize("masks", ["masks", "labels", "Annotations", "SegmentationClass", "ground-truth"])
def test_masks_beside_images_are_left_out(tmp_path, masks):
    write(tmp_path, [*numbered(9, "train/images/"), *numbered(3, "test/images/")])
    write(tmp_path, [*numbered(9, f"train/{masks}/"), *numbered(3, f"test/{masks}/")])
    splits = load_splits(section(tmp_path))
    assert splits.numbers == {"train": 8, "validation": 1, "test": 3}
    assert splits.left_out == {f"{masks}/": 12}


def test_pictures_and_labels_each_with_parts_are_no_two_data_sets(tmp_path):
    write(tmp_path, [*numbered(9, "images/train/"), *numbered(3, "images/val/")])
    for name in (*numbered(9, "labels/train/"), *numbered(3, "labels/val/")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).with_suffix(".txt").write_text("0 0.5 0.5 1 1")
    splits = load_splits(section(tmp_path))
    assert len(splits.validation) == 3
    assert splits.left_out == {"labels/": 12}


def test_a_folder_of_masks_alone_is_taken_as_it_is(tmp_path):
    write(tmp_path, [*numbered(9, "ground_truth/"), *numbered(9, "mask/"), *numbered(9, "no_mask/")])
    assert load_splits(section(tmp_path / "ground_truth")).numbers["train"] == 7
    splits = load_splits(section(tmp_path))
    assert splits.class_names == ["mask", "no_mask"]


SYSTEM = ["@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", ".Trash-1000", "__MACOSX", "thumbnails"]


@pytest.mark.parametrize("name", [*SYSTEM, ".thumbnails", "lost+found", "Thumbnails"])
def test_system_folders_are_left_out_and_named(tmp_path, name):
    write(tmp_path, [*numbered(9, "cat/"), *numbered(2, f"{name}/"), *numbered(3, f"cat/{name}/deep/")])
    splits = load_splits(section(tmp_path))
    assert sum(map(len, parts_of(splits))) == 9
    assert splits.left_out == {f"{name}/": 5}
    assert splits.skipped == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among files")
def test_every_file_that_is_left_out_is_counted_by_kind(tmp_path):
    write(tmp_path, numbered(9))
    for name in ("a.tif", "b.TIF", "c.pgm", "d.npy", "e.dcm", "README", "._x.jpg", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"something")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "more").symlink_to(tmp_path / "gone")
    (tmp_path / "device").symlink_to("/dev/null")
    Image.fromarray(noise(0)).save(tmp_path / "g.tiff")
    splits = load_splits(section(tmp_path))
    assert splits.left_out == {
        ".tif": 2,
        ".tiff": 1,
        ".pgm": 1,
        ".npy": 1,
        ".dcm": 1,
        ".db": 1,
        "no ending": 1,
        "hidden file": 2,
        "pipe": 1,
        "lost link": 1,
        "device": 1,
    }
    assert "13 files of other kinds left out: .tif (2), hidden file (2), .db (1), .dcm (1), .npy (1)" in told(splits)


def test_a_folder_of_other_files_only_says_which(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    with pytest.raises(UserError, match=r"no image file.*1 file of other kinds left out: \.tif"):
        load_splits(section(tmp_path))


def test_a_validation_path_is_validation_and_stays_out_of_training(tmp_path):
    write(tmp_path / "pictures", [*numbered(20), *numbered(3, "in/v")])
    splits = load_splits(section(tmp_path / "pictures", validation_path=str(tmp_path / "pictures" / "in")))
    assert splits.numbers == {"train": 18, "validation": 3, "test": 2}
    assert sorted([*splits.train.names, *splits.test.names]) == numbered(20)
    assert splits.origins == {"validation": "data.validation_path", "test": "held out"}
    with pytest.raises(UserError, match=r"nowhere.*data\.validation_path"):
        load_splits(section(tmp_path / "pictures", validation_path=str(tmp_path / "nowhere")))


def test_a_share_that_is_asked_for_in_vain_is_said(tmp_path):
    write(tmp_path, [*numbered(20, "train/"), *numbered(3, "val/"), *numbered(3, "test/")])
    assert load_splits(section(tmp_path)).notes == []
    assert load_splits(section(tmp_path, validation_fraction=0.3, test_fraction=0.2)).notes == [
        "data.validation_fraction has no effect: the validation part is there (folder val).",
        "data.test_fraction has no effect: the test part is there (folder test).",
    ]


def test_a_prepared_data_set_has_the_folders_parts(tmp_path, run_command):
    make_category(tmp_path / "bottle")
    write(tmp_path / "more", numbered(4))
    for name in ("bottle", "more"):
        code, _, stderr = run_command("prepare", tmp_path / name, tmp_path / f"{name}.out")
        assert code == 0, stderr
    assert "train 4" in stderr
    code, _, stderr = run_command("prepare", tmp_path / "bottle", tmp_path / "bottle.out", "--overwrite")
    assert "train 9, test 5 (folder test); 1 file of other kinds left out: .txt; 3 files in other places" in stderr
    prepared = TfrecordData(path=str(tmp_path / "bottle.out"), validation_path=str(tmp_path / "more.out"))
    splits = load_splits(prepared)
    assert splits.numbers == {"train": 9, "validation": 4, "test": 5}
    assert splits.origins == {"validation": "data.validation_path", "test": "prepared"}
    assert np.array_equal(splits.validation.read(np.arange(4)), np.stack([noise(number) for number in range(4)]))
