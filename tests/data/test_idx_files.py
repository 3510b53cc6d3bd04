"""The IDX reader against files written by hand, sound and broken."""

import gzip
import struct

import numpy as np
import pytest

from cae.config.data import IdxData
from cae.data.formats.array_files import read_idx, read_idx_shape
from cae.data.load import load_splits
from cae.data.sources import find_image_shape
from cae.errors import UserError


def idx_bytes(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def some_bytes(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def section(path, **keys):
    return IdxData(source="idx", path=str(path), **keys)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 3), (6, 5, 4, 1), (6,)])
def test_values_come_back_as_they_were_written(tmp_path, shape, compressed):
    values = some_bytes(*shape)
    path = tmp_path / "images"  # compression is told by content
    path.write_bytes(gzip.compress(idx_bytes(values)) if compressed else idx_bytes(values))
    assert read_idx_shape(path) == shape
    read = read_idx(path)
    assert read.dtype == np.uint8
    assert np.array_equal(read, values)
    with pytest.raises(ValueError, match="read-only"):
        read[0] = 0


def test_a_plain_file_is_not_held_in_memory(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(some_bytes(6, 5, 4)))
    assert isinstance(read_idx(path), np.memmap)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\x00\x00\x08", "00 00 08"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\x00\x00\x0d\x03" + struct.pack(">3I", 1, 1, 1) + b"\0\0\0\0", "an IDX file of float32"),
        (b"\x00\x00\x08\x03" + struct.pack(">2I", 1, 1), "within its header"),
        (b"\x00\x00\x08\x03" + struct.pack(">3I", 0, 28, 28), "at least one image"),
        (idx_bytes(some_bytes(6, 5, 4))[:-1], "119 bytes"),
        (idx_bytes(some_bytes(6, 5, 4)) + b"x", "Received"),
        (b"\x00\x00\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31), "Received"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(tmp_path, content, message, compressed):
    path = tmp_path / "broken-idx"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(UserError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_compressed_file_that_breaks_off_is_named(tmp_path):
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx_bytes(some_bytes(60, 5, 4)))
    for content in (whole[: len(whole) // 2], whole[:-8] + b"\0" * 8, whole[:30] + b"\xff" * 40 + whole[70:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"images\.gz"):
            read_idx(path)


def test_the_source_divides_and_resizes_an_idx_file(tmp_path):
    path = tmp_path / "images.gz"
    values = some_bytes(20, 6, 5)
    path.write_bytes(gzip.compress(idx_bytes(values)))
    assert find_image_shape(section(path)) == (6, 5, 1)
    splits = load_splits(section(path))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [16, 2, 2]
    row = int(splits.test.names[0])
    assert np.array_equal(splits.test.read(np.array([0]))[0, ..., 0], values[row])
    wide = section(path, image_size=(3, 9), channels=3)
    assert load_splits(wide).image_shape == find_image_shape(wide) == (3, 9, 3)


def test_a_test_file_is_the_test_part_as_a_whole(tmp_path):
    train, test = tmp_path / "train", tmp_path / "test"
    train.write_bytes(idx_bytes(some_bytes(10, 4, 4)))
    test.write_bytes(idx_bytes(some_bytes(3, 4, 4) // 2))
    splits = load_splits(section(train, test_path=str(test)))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [9, 1, 3]
    assert np.array_equal(splits.test.read(np.arange(3))[..., 0], some_bytes(3, 4, 4) // 2)
    with pytest.raises(UserError, match="same file"):
        load_splits(section(train, test_path=str(train)))


@pytest.mark.parametrize("shape", [(6,), (6, 5, 4, 2)])
def test_an_idx_file_without_images_is_an_error(tmp_path, shape):
    path = tmp_path / "labels"
    path.write_bytes(idx_bytes(some_bytes(*shape)))
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError, match="the shape must be"):
            use(section(path))


def test_a_missing_file_or_a_folder_is_an_error_that_names_it(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            load_splits(section(path))
