"""`data.value_range`: which stored values become 0 and 1, in every source; what is cut, and what is nearly black."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from cae.config.data import ArrayData, IdxData, ImageFolderData, TfrecordData
from cae.data.load import load_splits, look_at_values
from cae.data.preparing import prepare
from cae.errors import UserError
from cae.inference.inputs import open_inputs


def stored(dtype, low, high, count=20, seed=0):
    """Random values of a type that reach both ends."""
    generator = np.random.default_rng(seed)
    shape = (count, 6, 5)
    if np.dtype(dtype).kind == "f":
        values = generator.uniform(low, high, shape)
    else:
        values = generator.integers(low, high, shape, endpoint=True)
    values[:, 0, 0], values[:, 0, 1] = low, high
    return values.astype(dtype)


def as_npy(path, values, **keys):
    np.save(path / "a.npy", values)
    return ArrayData(path=str(path / "a.npy"), **keys)


def as_idx(path, values, **keys):
    (path / "idx").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", *values.shape) + values.tobytes())
    return IdxData(path=str(path / "idx"), **keys)


def as_folder(path, values, **keys):
    (path / "pictures").mkdir()
    for number, image in enumerate(values):
        Image.fromarray(image).save(path / "pictures" / f"{number}.png")
    return ImageFolderData(path=str(path / "pictures"), channels=1, **keys)


def as_records(path, values, **keys):
    folder = path / "prepared"
    folder.mkdir()
    prepare(as_folder(path, values), None, folder, 10**6)
    return TfrecordData(path=str(folder), channels=1, **keys)


def row_of(name):
    return int(name.removesuffix(".png"))


def check(splits, values, low, high):
    """Compare everything that is read with what NumPy makes of the stored values in float64."""
    for part in (splits.train, splits.validation, splits.test):
        read = part.read(np.arange(len(part)))
        rows = [row_of(name) for name in part.names]
        expected = np.clip((values[rows].astype(np.float64) - low) / (high - low), 0, 1)
        assert read.dtype == np.float32
        np.testing.assert_allclose(read[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("write", "dtype", "low", "high"),
    [
        (as_npy, "u2", 0, 4095),
        (as_npy, "i2", -1024, 3071),
        (as_npy, "i8", 0, 255),
        (as_npy, "u4", 0, 10**9),
        (as_npy, "f4", 0, 255),
        (as_npy, "f8", -1, 1),
        (as_npy, ">f4", -3.5, 4.25),
        (as_npy, "?", 0, 1),
        (as_npy, "u1", 0, 1),
        (as_idx, "u1", 0, 1),
        (as_folder, "u1", 0, 3),
        (as_folder, "u2", 100, 4095),
        (as_records, "u1", 0, 1),
        (as_records, "u2", 0, 1023),
    ],
)
def test_stored_values_are_read_on_the_range_that_is_given_or_observed(tmp_path, write, dtype, low, high):
    values = stored(dtype, low, high)
    section = write(tmp_path, values, value_range=(low, high))
    splits = load_splits(section)
    check(splits, values, low, high)
    assert splits.warnings == []
    assert splits.value_range == (low, high)
    found = load_splits(section.model_copy(update={"value_range": "observed"}))
    check(found, values, low, high)
    assert found.value_range == (low, high)


@pytest.mark.parametrize("write", [as_npy, as_folder])
def test_observed_are_the_values_of_the_training_part_alone_and_others_are_cut_and_counted(tmp_path, write):
    values = stored("u2", 1000, 3000)
    parts = load_splits(write(tmp_path, values, value_range=(0, 65535)))
    held_out = [row_of(name) for part in (parts.validation, parts.test) for name in part.names]
    values[held_out, 2, 2], values[held_out, 3, 3] = 7, 60000
    (tmp_path / "again").mkdir()
    splits = load_splits(write(tmp_path / "again", values, value_range="observed"))
    assert splits.value_range == (1000, 3000)
    check(splits, values, 1000, 3000)
    (warning,) = splits.warnings
    assert warning.code == "clipped_values"
    assert f"{2 * len(held_out)} values of {len(held_out)} images lie outside" in warning.message
    assert "[1000, 3000] and are cut to it; values go from 7 to 60000" in warning.message


def test_values_of_pictures_are_counted_once_however_often_they_are_read(tmp_path):
    values = stored("u1", 0, 9)
    splits = load_splits(as_folder(tmp_path, values, value_range=(0, 5)))
    for _ in range(3):
        check(splits, values, 0, 5)
    (warning,) = splits.warnings
    assert f"{np.count_nonzero(values > 5)} values of 20 images" in warning.message


@pytest.mark.parametrize(
    ("write", "dtype", "high", "remedy"),
    [
        (as_npy, "u1", 1, "[0, 1]"),
        (as_npy, "u2", 4095, "[0, 4095]"),
        (as_npy, "u2", 255, "[0, 255]"),
        (as_npy, "f4", 0.05, "[0, 0.05], or observed"),
        (as_idx, "u1", 1, "[0, 1]"),
        (as_folder, "u1", 1, "[0, 1]"),
        (as_folder, "u2", 4000, "[0, 4095]"),
        (as_records, "u2", 1000, "[0, 1023]"),
    ],
)
def test_a_sliver_of_the_type_is_warned_of_with_what_was_seen_and_what_to_set(tmp_path, write, dtype, high, remedy):
    splits = load_splits(write(tmp_path, stored(dtype, 0, high)))
    look_at_values(splits)
    (warning,) = splits.warnings
    assert warning.code == "narrow_value_range"
    assert f"values go from 0 to {high}" in warning.message
    assert warning.message.endswith(f"Set data.value_range: {remedy}.")


@pytest.mark.parametrize(
    ("write", "dtype", "high"),
    [(as_npy, "u1", 32), (as_idx, "u1", 32), (as_npy, "u2", 8192), (as_npy, "f4", 0.126), (as_folder, "u2", 8192)],
)
def test_an_eighth_of_the_type_is_enough(tmp_path, write, dtype, high):
    values = np.zeros((20, 6, 5), dtype)
    values[19, 5, 4] = high  # one value of all, in the last image
    splits = load_splits(write(tmp_path, values))
    look_at_values(splits)
    assert splits.warnings == []


def test_a_test_part_that_is_nearly_black_is_warned_of_beside_bright_training_images(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=stored("u2", 0, 65535), x_test=stored("u2", 0, 255))
    (warning,) = load_splits(ArrayData(path=str(tmp_path / "a.npz"))).warnings
    assert (warning.code, "a.npz: x_test: values go from 0 to 255" in warning.message) == ("narrow_value_range", True)


def test_rounding_errors_beyond_the_range_are_cut_without_a_word(tmp_path):
    values = stored("f8", 0, 1)
    values[3, 2, 2], values[4, 2, 2] = -9e-7, 1 + 9e-7
    splits = load_splits(as_npy(tmp_path, values))
    assert splits.warnings == []
    read = splits.train.read(np.arange(len(splits.train)))
    assert (read.min(), read.max()) == (0, 1)
    values[4, 2, 2] = 1 + 2e-6
    with pytest.raises(UserError, match="values from"):
        load_splits(as_npy(tmp_path, values))


@pytest.mark.parametrize(
    ("low", "high", "remedy"),
    [
        (0, 255, "[0, 255]"),
        (-1, 1, "[-1, 1]"),
        (0, 4000, "[0, 4095]"),
        (-3.5, 4, "[-3.5, 4], or observed"),
        (0, 200, "[0, 255]"),
    ],
)
def test_floating_point_on_another_scale_is_refused_with_the_key_to_set(tmp_path, low, high, remedy):
    with pytest.raises(UserError) as caught:
        load_splits(as_npy(tmp_path, stored("f4", low, high)))
    assert f"values from {low} to {high}. Set data.value_range: {remedy}." in str(caught.value)


@pytest.mark.parametrize("value_range", ["type", "observed", (0, 255)])
@pytest.mark.parametrize(("bad", "word"), [(np.nan, "not-a-number"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_the_image_that_is_not_finite_is_named(tmp_path, value_range, bad, word):
    values = stored("f4", 0, 1)
    values[13, 2, 2] = bad
    with pytest.raises(UserError, match=f"{word} in image 13"):
        load_splits(as_npy(tmp_path, values, value_range=value_range))


def test_images_of_one_value_have_no_range_to_observe(tmp_path):
    with pytest.raises(UserError, match=r"different values\. Received: 7 only"):
        load_splits(as_npy(tmp_path, np.full((20, 6, 5), 7, np.uint8), value_range="observed"))


def test_transparent_pixels_stay_on_the_background_whatever_the_range_is(tmp_path):
    values = np.random.default_rng(0).integers(0, 10, (5, 8, 6, 4), np.uint8)
    values[..., 3] = np.where(values[..., 3] < 5, 0, 255)
    for number, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    splits = load_splits(ImageFolderData(path=str(tmp_path), value_range=(0, 9), background=(255, 0, 51)))
    rows = [row_of(name) for name in splits.train.names]
    expected = np.where(values[rows][..., 3:] > 0, values[rows][..., :3] / 9, np.array([1.0, 0.0, 0.2]))
    np.testing.assert_allclose(splits.train.read(np.arange(len(splits.train))), expected, atol=1e-6)


def test_a_cache_on_disk_is_kept_for_each_range(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    values = stored("u1", 0, 9)
    section = as_folder(tmp_path, values, cache="disk")
    for _ in range(2):
        for high in (9, 99):
            check(load_splits(section.model_copy(update={"value_range": (0, high)})), values, 0, high)


def test_a_compressed_idx_file_is_read_on_a_range(tmp_path):
    values = stored("u1", 0, 15)
    section = as_idx(tmp_path, values, value_range=(0, 15))
    (tmp_path / "idx").write_bytes(gzip.compress((tmp_path / "idx").read_bytes()))
    check(load_splits(section), values, 0, 15)


def test_observed_is_offered_where_no_usual_scale_fits(tmp_path):
    np.save(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(20, 8, 8)))
    with pytest.raises(UserError, match=r"Set data\.value_range: \[-[\d.]+, [\d.]+\], or observed\."):
        load_splits(ArrayData(path=str(tmp_path / "z.npy")))
    assert load_splits(ArrayData(path=str(tmp_path / "z.npy"), value_range="observed")).value_range[0] < -2
    with pytest.raises(UserError, match=r"Give --value-range -[\d.]+ [\d.]+\.$"):
        open_inputs(tmp_path / "z.npy", ArrayData(path="x.npy"), 1)
