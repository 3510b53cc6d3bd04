"""The source `image_folder`: listing, parts, scan, fits, and files that break."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cae.config.data import ImageFolderData
from cae.data import decoded_set
from cae.data.load import load_splits
from cae.data.pixels import crop, stretch
from cae.data.sources import find_image_shape
from cae.errors import UserError
from tests.data.folders import everything, noise, numbered, parts_of, section, write


def all_names(splits):
    return sorted(name for part in parts_of(splits) for name in part.names)


def test_nested_files_are_found_whatever_their_case_and_hidden_ones_are_not(tmp_path):
    wanted = ["a.png", "b.JPG", "deep/er/c.Jpeg", "deep/d.webp", "e.gif", "f.BMP", "deep/g.PNG"]
    images = write(tmp_path, wanted)
    write(tmp_path, [".hidden.png", ".folder/x.png", "deep/._g.png"])
    (tmp_path / "readme.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    splits = load_splits(section(tmp_path))
    assert all_names(splits) == sorted(wanted)
    for part in parts_of(splits):
        for name, image in zip(part.names, everything(part), strict=True):
            assert np.array_equal(image, images[name])


def test_the_order_is_that_of_the_names_and_not_of_the_file_system(tmp_path):
    names = ["b/1.png", "a/2.png", "a.png", "a/10.png", "B/3.png", "a-b/4.png"]
    for root, order in ((tmp_path / "one", names), (tmp_path / "two", names[::-1])):
        write(root / "train", order)
        write(root / "test", order)
    first, second = (load_splits(section(tmp_path / root)) for root in ("one", "two"))
    assert [part.names for part in parts_of(first)] == [part.names for part in parts_of(second)]
    assert first.test.names == sorted(names)


def test_links_to_folders_are_followed_once_and_never_in_circles(tmp_path):
    write(tmp_path / "elsewhere", numbered(4))
    write(tmp_path / "pictures" / "own", numbered(3))
    (tmp_path / "pictures" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pictures" / "twice").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pictures" / "own" / "circle").symlink_to(tmp_path / "pictures")
    assert all_names(load_splits(section(tmp_path / "pictures"))) == numbered(4, "linked/") + numbered(3, "own/")


@pytest.mark.parametrize("validation", [None, "validation", "val"])
def test_train_and_test_folders_are_the_parts(tmp_path, validation):
    write(tmp_path / "train", numbered(10))
    write(tmp_path / "test", numbered(3))
    write(tmp_path, ["beside.png"])
    if validation:
        write(tmp_path / validation, numbered(2))
    splits = load_splits(section(tmp_path))
    assert [len(part) for part in parts_of(splits)] == ([10, 2, 3] if validation else [9, 1, 3])
    assert list(splits.test.names) == numbered(3)


def test_train_and_val_folders_without_test_leave_validation_out_of_training(tmp_path):
    write(tmp_path / "train", numbered(10))
    write(tmp_path / "val", numbered(4, "v"))
    splits = load_splits(section(tmp_path, test_fraction=0.2))
    assert [len(part) for part in parts_of(splits)] == [8, 4, 2]
    assert list(splits.validation.names) == numbered(4, "v")


def test_a_train_folder_alone_is_an_ordinary_sub_folder(tmp_path):
    write(tmp_path / "train", numbered(10))
    assert all_names(load_splits(section(tmp_path))) == numbered(10, "train/")


def test_a_test_path_goes_before_everything_and_stays_out_of_training(tmp_path):
    write(tmp_path / "pictures", numbered(10))
    write(tmp_path / "pictures" / "held" / "out", numbered(4, "h"))
    inside = str(tmp_path / "pictures" / "held")
    splits = load_splits(section(tmp_path / "pictures", test_path=inside))
    assert list(splits.test.names) == numbered(4, "out/h")
    assert sorted([*splits.train.names, *splits.validation.names]) == numbered(10)
    with pytest.raises(UserError, match="same folder"):
        load_splits(section(tmp_path / "pictures", test_path=str(tmp_path / "pictures")))


def test_test_images_do_not_come_into_training_through_a_link(tmp_path):
    write(tmp_path / "train", numbered(10))
    write(tmp_path / "test", numbered(3))
    (tmp_path / "train" / "more").symlink_to(tmp_path / "test")
    splits = load_splits(section(tmp_path))
    assert sorted([*splits.train.names, *splits.validation.names]) == numbered(10)
    assert len(splits.test) == 3


def test_labels_are_the_sub_folders_of_all_parts_in_order(tmp_path):
    write(tmp_path / "train", [*numbered(5, "cat/"), *numbered(5, "emu/x/")])
    write(tmp_path / "test", ["dog/1.png", "emu/2.png", "cat/3.png"])
    splits = load_splits(section(tmp_path))
    assert splits.test.labels.tolist() == [0, 1, 2]
    for part in (splits.train, splits.validation):
        assert part.labels.tolist() == [{"c": 0, "e": 2}[name[0]] for name in part.names]
    write(tmp_path / "train", ["unsorted.png"])
    splits = load_splits(section(tmp_path))
    assert splits.train.labels is None
    assert splits.test.labels is not None


def test_gray_and_colour_files_get_the_wanted_channels(tmp_path):
    images = write(tmp_path, numbered(5))
    Image.fromarray(noise(9)[..., 0]).save(tmp_path / "gray.png")
    gray = load_splits(section(tmp_path, channels=1))
    assert gray.image_shape == find_image_shape(section(tmp_path, channels=1)) == (8, 6, 1)
    for part in parts_of(gray):
        for name, image in zip(part.names, everything(part), strict=True):
            source = Image.fromarray(images[name]) if name in images else Image.fromarray(noise(9)[..., 0])
            assert np.array_equal(image[..., 0], np.asarray(source.convert("L")))
    colour = load_splits(section(tmp_path, channels=3))
    assert colour.image_shape == (8, 6, 3)


@pytest.mark.parametrize("deep", [False, True])
def test_one_deep_file_makes_the_whole_set_float(tmp_path, deep):
    write(tmp_path / "train", numbered(5))
    write(tmp_path / "test", numbered(2))
    values = np.random.default_rng(0).integers(0, 65536, (8, 6), np.uint16)
    if deep:
        Image.fromarray(values).save(tmp_path / "test" / "z.png")
    splits = load_splits(section(tmp_path, channels=3))
    for part in parts_of(splits):
        assert everything(part).dtype == part.read(np.array([], int)).dtype == (np.float32 if deep else np.uint8)
    first = splits.test.read(np.array([0]))[0]
    assert np.array_equal(first, (noise(0) / 255).astype(np.float32) if deep else noise(0))
    if deep:
        last = splits.test.read(np.array([2]))[0]
        assert np.array_equal(np.round(last.astype(float) * 65535), np.stack([values] * 3, axis=-1))


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_files_of_any_size_are_fitted(tmp_path, fit):
    sizes = {"a.png": (5, 9), "b.png": (20, 10), "c.png": (4, 7)}
    for name, size in sizes.items():
        write(tmp_path, [name], *size)
    wanted = section(tmp_path, image_size=(4, 7), fit=fit)
    splits = load_splits(wanted)
    assert splits.image_shape == find_image_shape(wanted) == (4, 7, 3)
    for part in parts_of(splits):
        for name, image in zip(part.names, everything(part), strict=True):
            original = noise(0, *sizes[name])
            assert np.array_equal(image, (stretch if fit == "stretch" else crop)(original, (4, 7)))


def test_random_patches_are_random_only_with_a_seed_and_then_repeatable(tmp_path):
    images = write(tmp_path, numbered(6), 20, 30)
    splits = load_splits(section(tmp_path, image_size=(4, 7), fit="patch", random_patches=True))
    train = splits.train
    again = np.array([1, 1, 1, 0])
    middles = np.stack([images[train.names[index]][8:12, 11:18] for index in again])
    assert np.array_equal(train.read(again), middles)
    patches = train.read(again, (3, 8))
    assert np.array_equal(patches, train.read(again, (3, 8)))
    assert not np.array_equal(patches, train.read(again, (3, 9)))
    assert not np.array_equal(patches, train.read(again, (4, 8)))
    assert not np.array_equal(patches[0], patches[1])  # the same image twice, at two places
    windows = np.lib.stride_tricks.sliding_window_view(images[train.names[1]], (4, 7, 3))
    for patch in patches[:3]:
        assert (windows == patch).all(axis=(-1, -2, -3)).any()


def test_a_picture_gives_as_many_patches_as_asked_for_spread_evenly_and_those_of_training_anywhere(tmp_path):
    images = write(tmp_path, numbered(20), 20, 30)
    keys = {"image_size": (4, 7), "fit": "patch", "patches": 16}
    fixed, free = (load_splits(section(tmp_path, **keys, random_patches=random)) for random in (False, True))
    pictures = {name: number // 16 for name, number in fixed.numbers.items()}
    assert pictures == {"train": 16, "validation": 2, "test": 2}
    assert "each picture gives 16 patches; pictures: train 16, validation 2, test 2." in fixed.notes
    for part in ("validation", "test", "train"):
        of_fixed, of_free = getattr(fixed, part), getattr(free, part)
        patches = everything(of_fixed)
        assert np.array_equal(patches, everything(of_free))  # without a seed
        places = []
        for name, patch in zip(of_fixed.names, patches, strict=True):
            picture = images[name.split(" patch ")[0]]
            windows = np.lib.stride_tricks.sliding_window_view(picture, (4, 7, 3))[:, :, 0]
            places.append(np.argwhere((windows == patch).all(axis=(-1, -2, -3)))[0])
        assert len(set(of_fixed.names)) == len(of_fixed)
        rows, columns = np.array(places).T
        assert len(set(zip(rows[:16], columns[:16], strict=True))) == 16
        quarters = np.bincount(2 * (rows[:16] >= 8) + (columns[:16] >= 12), minlength=4)
        assert quarters.min() >= 3  # four each would be even
    chosen = np.arange(40)
    assert not np.array_equal(free.train.read(chosen, (3, 8)), free.train.read(chosen))
    assert np.array_equal(free.train.read(chosen, (3, 8), slice(9, 30)), free.train.read(chosen, (3, 8))[9:30])
    assert np.array_equal(fixed.train.read(chosen, (3, 8)), fixed.train.read(chosen))
    taken = fixed.train.take(np.array([37, 3]))
    assert np.array_equal(everything(taken), fixed.train.read(np.array([37, 3])))
    assert taken.names == [fixed.train.names[37], fixed.train.names[3]]


def test_patches_are_not_random_when_not_asked_for(tmp_path):
    images = write(tmp_path, numbered(6), 20, 30)
    train = load_splits(section(tmp_path, image_size=(4, 7), fit="patch")).train
    assert np.array_equal(train.read(np.array([2]), (0, 0))[0], images[train.names[2]][8:12, 11:18])


def test_an_image_smaller_than_the_patch_is_named(tmp_path):
    write(tmp_path, numbered(4), 20, 30)
    write(tmp_path, ["exact.png"], 4, 7)
    assert len(load_splits(section(tmp_path, image_size=(4, 7), fit="patch")).train) == 3
    write(tmp_path, ["small.png"], 20, 6)
    with pytest.raises(UserError, match=r"small\.png: its size 20x6 .*smaller than the patch 4x7"):
        load_splits(section(tmp_path, image_size=(4, 7), fit="patch"))
    assert load_splits(section(tmp_path, image_size=(4, 7), fit="patch", on_bad_image="skip")).skipped == 1


def test_different_sizes_without_image_size_are_an_error_that_says_what_to_do(tmp_path):
    write(tmp_path, numbered(4))
    write(tmp_path, ["wide.png"], 8, 9)
    with pytest.raises(UserError, match=r"(?s)data\.image_size.*00\.png 8x6.*wide\.png 8x9"):
        load_splits(section(tmp_path))


def test_sizes_are_compared_after_turning_upright(tmp_path):
    write(tmp_path, numbered(4), 8, 6)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(noise(0, 6, 8)).save(tmp_path / "turned.png", exif=exif)
    assert load_splits(section(tmp_path)).image_shape == (8, 6, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among files")
def test_links_and_pipes_that_lead_nowhere_are_named_or_left_out(tmp_path):
    write(tmp_path, numbered(4))
    os.mkfifo(tmp_path / "pipe.png")  # no file: left out
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert len(load_splits(section(tmp_path)).train) == 2
    (tmp_path / "itself.png").symlink_to(tmp_path / "itself.png")
    (tmp_path / "to_pipe.png").symlink_to(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"(?s)2 of 6.*itself\.png.*to_pipe\.png: not a regular file"):
        load_splits(section(tmp_path))


def break_files(folder):
    """Put files of every kind of damage into a folder; gives name and expected reason."""
    Image.fromarray(noise(0, 60, 50)).save(folder / "whole.jpg")
    content = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.gif").write_text("hello")
    (folder / "gone.bmp").symlink_to(folder / "nowhere.bmp")
    Image.new("L", (400, 300)).save(folder / "huge.png")
    return {
        "cut.jpg": "truncated",
        "empty.png": "empty",
        "text.gif": "not a PNG",
        "gone.bmp": "No such file",
        "huge.png": "max_pixels",
    }


def test_every_bad_file_is_named_with_its_reason_in_one_message(tmp_path):
    write(tmp_path, numbered(5))
    reasons = break_files(tmp_path)
    with pytest.raises(UserError, match="5 of 10 image files") as caught:
        load_splits(section(tmp_path, image_size=(8, 6), max_pixels=100_000))
    lines = str(caught.value).splitlines()
    for name, reason in reasons.items():
        assert any(str(tmp_path / name) in line and reason in line for line in lines)
    assert len(lines) == 6
    assert "on_bad_image: skip" in lines[0]


def test_bad_files_are_left_out_and_counted_on_request(tmp_path):
    write(tmp_path / "train", numbered(5))
    write(tmp_path / "test", numbered(2))
    reasons = break_files(tmp_path / "test")
    splits = load_splits(section(tmp_path, on_bad_image="skip", image_size=(8, 6), max_pixels=100_000))
    assert splits.skipped == len(reasons)
    assert list(splits.test.names) == numbered(2)
    assert np.array_equal(splits.test.read(np.array([1]))[0], noise(1))


def test_twenty_bad_files_are_named_and_the_others_counted(tmp_path):
    for name in numbered(23):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=r"and 3 more") as caught:
        load_splits(section(tmp_path))
    assert len(str(caught.value).splitlines()) == 22


def test_a_folder_of_bad_files_only_is_an_error_even_when_they_are_skipped(tmp_path):
    for name in numbered(3):
        (tmp_path / name).write_bytes(b"x")
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError, match=f"{tmp_path}.*none of the 3"):
            use(section(tmp_path, on_bad_image="skip"))


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "no images", "no path"])
def test_a_folder_without_images_is_an_error_that_names_it(tmp_path, kind):
    path = tmp_path / "pictures"
    if kind == "file":
        path.write_text("no folder")
    elif kind != "missing":
        (path / "sub").mkdir(parents=True)
    if kind == "no images":
        (path / "sub" / "notes.txt").write_text("no image")
    wanted = ImageFolderData(source="image_folder") if kind == "no path" else section(path)
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError, match=r"data\.path" if kind == "no path" else str(path)):
            use(wanted)


def test_a_missing_test_folder_and_too_few_images_are_errors(tmp_path):
    write(tmp_path, numbered(2))
    with pytest.raises(UserError, match=r"nowhere.*data\.test_path"):
        load_splits(section(tmp_path, test_path=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match="at least 3 images"):
        load_splits(section(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_with_newlines_and_bytes_that_are_no_text_work_and_are_escaped_in_messages(tmp_path):
    odd = ["new\nline.png", os.fsdecode(b"latin-\xe9.png"), "tab\there.png", "\u00fc\u4e2d.png"]
    images = write(tmp_path, odd)
    splits = load_splits(section(tmp_path))
    assert all_names(splits) == sorted(odd)
    assert np.array_equal(splits.test.read(np.array([0]))[0], images[splits.test.names[0]])
    for name in odd:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        load_splits(section(tmp_path))
    message = str(caught.value)
    assert len(message.splitlines()) == 5
    assert "new\\nline.png" in message
    assert "\u00fc\u4e2d.png" in message
    message.encode("utf-8")


@pytest.mark.parametrize("damage", ["vanish", "truncate", "resize"])
def test_a_file_that_breaks_after_the_scan_is_an_error_that_names_it(tmp_path, damage):
    write(tmp_path, numbered(6))
    train = load_splits(section(tmp_path)).train
    break_one(tmp_path / train.names[2], damage)
    with pytest.raises(UserError, match=str(tmp_path / train.names[2])):
        everything(train)
    assert train.read(np.array([0, 1])).shape == (2, 8, 6, 3)


@pytest.mark.parametrize("damage", ["vanish", "truncate", "resize"])
def test_with_skip_the_next_image_of_the_same_part_takes_its_place_and_is_noted(tmp_path, damage):
    images = write(tmp_path, numbered(8))
    splits = load_splits(section(tmp_path, on_bad_image="skip"))
    names = splits.train.names
    last = len(names) - 1
    assert splits.replaced == {}
    for index in (1, last):
        break_one(tmp_path / names[index], damage)
    batch = everything(splits.train)
    assert np.array_equal(batch[1], images[names[2]])
    assert np.array_equal(batch[last], images[names[0]])
    assert set(splits.replaced) == {str(tmp_path / names[index]) for index in (1, last)}
    assert np.array_equal(batch, everything(splits.train))


def break_one(path, damage):
    if damage == "vanish":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[:70])
    else:
        write(path.parent, [path.name], 9, 6)


def test_when_no_file_can_be_read_any_more_it_is_an_error_even_with_skip(tmp_path):
    write(tmp_path, numbered(4))
    train = load_splits(section(tmp_path, on_bad_image="skip")).train
    for name in numbered(4):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match="none of the 2 images"):
        everything(train)


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_files_are_decoded_once_with_cache_memory_and_each_time_without(tmp_path, cache, monkeypatch):
    write(tmp_path, numbered(6), 20, 30)
    decoded = []

    def counting_decode(path, *rest):
        decoded.append(path)
        return original(path, *rest)

    original = decoded_set.decode
    monkeypatch.setattr(decoded_set, "decode", counting_decode)
    for keys in ({"fit": "stretch"}, {"fit": "patch", "random_patches": True}):
        train = load_splits(section(tmp_path, image_size=(4, 7), cache=cache, **keys)).train
        decoded.clear()
        epochs = [train.read(np.arange(len(train)), (0, epoch)) for epoch in range(3)]
        assert len(decoded) == (len(train) if cache == "memory" else 3 * len(train))
        # What is kept must not freeze the random places.
        assert np.array_equal(epochs[0], epochs[1]) == (keys["fit"] == "stretch")


def test_a_picture_is_decoded_once_for_all_of_its_patches_in_a_batch(tmp_path, monkeypatch):
    write(tmp_path, numbered(10), 20, 30)
    train = load_splits(section(tmp_path, image_size=(4, 7), fit="patch", random_patches=True, patches=5)).train
    decoded = []
    original = decoded_set.decode
    monkeypatch.setattr(decoded_set, "decode", lambda path, *rest: decoded.append(path) or original(path, *rest))
    mixed = np.array([7, 1, 5, 0, 9, 2, 7])  # of two pictures, in turns
    found = train.read(mixed, (0, 1))
    assert len(decoded) == 2
    assert np.array_equal(found[2:4], train.read(mixed, (0, 1), slice(2, 4)))


def test_the_scan_reports_its_progress(tmp_path):
    write(tmp_path, numbered(5))
    calls = []
    load_splits(section(tmp_path), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (5, 5)


def test_the_shape_is_known_without_files_when_the_section_gives_it(tmp_path):
    assert find_image_shape(section(tmp_path / "nowhere", image_size=(5, 7), channels=1)) == (5, 7, 1)


def test_reading_works_without_tensorflow(tmp_path):
    write(tmp_path, numbered(5))
    program = (
        "import sys; from cae.config.data import BundledData, ImageFolderData; from cae.data.load import *;"
        "from cae.data.sources import find_image_shape;"
        f"f = ImageFolderData(source='image_folder', path={str(tmp_path)!r});"
        "[find_image_shape(s) for s in (f, BundledData())];"
        "[load_splits(s).train.read([0]) for s in (f, BundledData())];"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
