"""A second scan opens only the files that have changed."""

import os

import numpy as np
import pytest
from PIL import Image

from cae.data.formats import image_headers
from cae.data.formats.image_headers import HEADER_TYPE, HeaderCache
from cae.data.load import load_splits
from cae.errors import UserError
from tests.data.folders import everything, noise, numbered, parts_of, section, write


@pytest.fixture
def opened(monkeypatch):
    """The names of the files whose headers were read."""
    names = []
    original = image_headers.read_header

    def counting(path, max_pixels):
        names.append(os.path.basename(path))
        return original(path, max_pixels)

    monkeypatch.setattr(image_headers, "read_header", counting)
    return names


def seen_by_a_scan(opened, *arguments, **keys):
    opened.clear()
    splits = load_splits(section(*arguments, **keys))
    return sorted(opened), splits


def test_files_are_opened_by_the_first_scan_only(tmp_path, opened):
    write(tmp_path / "train", numbered(6))
    write(tmp_path / "test", numbered(4, "t"))
    first, before = seen_by_a_scan(opened, tmp_path)
    assert first == [*numbered(6), *numbered(4, "t")]
    second, after = seen_by_a_scan(opened, tmp_path)
    assert second == []
    for one, other in zip(parts_of(before), parts_of(after), strict=True):
        assert one.names == other.names
        assert np.array_equal(everything(one), everything(other))


def test_changed_and_new_files_are_opened_again_and_removed_ones_forgotten(tmp_path, opened):
    write(tmp_path, numbered(6))
    seen_by_a_scan(opened, tmp_path)
    Image.fromarray(noise(9, 8, 6)).save(tmp_path / "02.png")
    write(tmp_path, ["new.png"])
    (tmp_path / "05.png").unlink()
    again, splits = seen_by_a_scan(opened, tmp_path)
    assert again == ["02.png", "new.png"]
    assert sorted(name for part in parts_of(splits) for name in part.names) == [*numbered(5), "new.png"]
    assert seen_by_a_scan(opened, tmp_path)[0] == []
    assert len(HeaderCache(str(tmp_path))) == 6


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing but its own time tells that a file was replaced")
def test_a_file_of_the_same_size_and_with_the_old_time_put_back_is_seen_to_be_another(tmp_path, opened):
    for name in numbered(5):
        Image.fromarray(noise(0, 8, 6)).save(tmp_path / name.replace("png", "bmp"))
    load_splits(section(tmp_path))
    path = tmp_path / "03.bmp"
    status = path.stat()
    Image.fromarray(noise(0, 6, 8)[:, :8]).save(path)
    path.write_bytes(path.read_bytes().ljust(status.st_size, b"\0")[: status.st_size])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    opened.clear()
    with pytest.raises(UserError, match=r"03\.bmp 6x8"):
        load_splits(section(tmp_path))
    assert opened == ["03.bmp"]


def test_bad_files_are_named_again_by_every_scan(tmp_path, opened):
    write(tmp_path, numbered(5))
    (tmp_path / "bad.png").write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(UserError, match=r"bad\.png: not a PNG"):
            load_splits(section(tmp_path))
    assert opened.count("bad.png") == 2
    assert opened.count("00.png") == 1
    write(tmp_path, ["bad.png"])
    assert seen_by_a_scan(opened, tmp_path)[0] == ["bad.png"]


def test_limits_hold_for_files_that_are_known_too(tmp_path):
    write(tmp_path, numbered(5), 20, 30)
    load_splits(section(tmp_path))
    with pytest.raises(UserError, match="max_pixels"):
        load_splits(section(tmp_path, max_pixels=599))
    load_splits(section(tmp_path, max_pixels=600))
    with pytest.raises(UserError, match="smaller than the patch 20x31"):
        load_splits(section(tmp_path, fit="patch", image_size=(20, 31)))


def test_depth_is_remembered(tmp_path, opened):
    write(tmp_path, numbered(5))
    Image.fromarray(np.random.default_rng(0).integers(0, 65536, (8, 6), np.uint16)).save(tmp_path / "deep.png")
    for expected in (6, 0):
        again, splits = seen_by_a_scan(opened, tmp_path)
        assert len(again) == expected
        assert everything(splits.train).dtype == np.float32


def test_a_file_without_its_end_is_decoded_by_the_first_scan_only(tmp_path, monkeypatch):
    write(tmp_path, numbered(4))
    Image.fromarray(noise(0)).save(tmp_path / "trailing.png")
    with (tmp_path / "trailing.png").open("ab") as file:
        file.write(b"what some camera adds")
    decoded = []
    original = image_headers.decode
    monkeypatch.setattr(
        image_headers, "decode", lambda path, *rest, **keys: decoded.append(path) or original(path, *rest, **keys)
    )
    for _ in range(2):
        load_splits(section(tmp_path))
    assert [os.path.basename(path) for path in decoded] == ["trailing.png"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text", "folder"])
def test_a_damaged_cache_means_that_files_are_opened(tmp_path, opened, cache_home, damage):
    write(tmp_path, numbered(5))
    load_splits(section(tmp_path))
    (path,) = (cache_home / "cae" / "headers").iterdir()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"flip": content, "cut": content[:-30], "empty": b"", "text": b"hello"}[damage])
    assert seen_by_a_scan(opened, tmp_path)[0] == numbered(5)
    if damage != "folder":
        assert seen_by_a_scan(opened, tmp_path)[0] == []


def test_a_scan_works_where_nothing_can_be_kept(tmp_path, opened, monkeypatch):
    write(tmp_path / "pictures", numbered(5))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        assert seen_by_a_scan(opened, tmp_path / "pictures")[0] == numbered(5)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", no_home)
    assert seen_by_a_scan(opened, tmp_path / "pictures")[0] == numbered(5)


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_every_stamp_is_found_and_no_other_even_when_they_end_in_zeros(cache_home):
    stamps = [bytes([a, b]) + bytes(14) for a in (0, 1, 255) for b in (1, 2)] + [bytes(range(16))]
    headers = np.array([(stamp, 7 + number, 9, False, True) for number, stamp in enumerate(stamps)], HEADER_TYPE)
    HeaderCache("somewhere").replace(headers)
    cache = HeaderCache("somewhere")
    assert [cache.find(stamp).height for stamp in stamps] == list(range(7, 7 + len(stamps)))
    assert [cache.find(stamp) for stamp in (b"", bytes([1, 3]) + bytes(14), b"\xff" * 16)] == [None] * 3
    assert len(HeaderCache("elsewhere")) == 0
