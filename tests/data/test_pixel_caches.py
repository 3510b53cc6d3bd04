"""`data.cache` changes how long reading takes, and nothing else."""

import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cae.config.data import Augmentation
from cae.data import decoded_set, pixel_cache
from cae.data.load import load_splits
from cae.data.patch_set import pictures_of
from cae.data.pixel_cache import DiskCache
from cae.files import PositionedFile
from tests.conftest import ROOT
from tests.data.folders import everything, noise, numbered, parts_of, section, write

WAYS = {
    "as they are": {},
    "stretched gray": {"image_size": (5, 9), "channels": 1},
    "cropped": {"image_size": (7, 4), "fit": "crop"},
    "middles": {"image_size": (4, 5), "fit": "patch"},
    "several patches": {"image_size": (4, 5), "fit": "patch", "patches": 3},
    "random patches": {"image_size": (4, 5), "fit": "patch", "random_patches": True},
}


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded."""
    names = []
    original = decoded_set.decode

    def counting(path, *rest):
        names.append(os.path.basename(path))
        return original(path, *rest)

    monkeypatch.setattr(decoded_set, "decode", counting)
    return names


def pixel_files(cache_home):
    return sorted((cache_home / "cae" / "pixels").iterdir())


def on_disk(path, **keys):
    return load_splits(section(path, cache="disk", **keys))


@pytest.mark.parametrize("cache", ["memory", "disk"])
@pytest.mark.parametrize(
    ("way", "deep"), [*((way, False) for way in WAYS), ("stretched gray", True), ("random patches", True)]
)
def test_pixels_are_the_same_with_every_cache(tmp_path, decoded, way, deep, cache):
    write(tmp_path / "train", numbered(6))
    write(tmp_path / "test", numbered(3, "t"))
    if deep:
        values = np.random.default_rng(0).integers(0, 65536, (8, 6), np.uint16)
        Image.fromarray(values).save(tmp_path / "test" / "deep.png")
    if way != "as they are":
        write(tmp_path / "train", numbered(4, "large"), 15, 11)
    plain = load_splits(section(tmp_path, **WAYS[way]))
    for run in range(2):
        kept = load_splits(section(tmp_path, cache=cache, **WAYS[way]))
        for expected, part in zip(parts_of(plain), parts_of(kept), strict=True):
            wanted = [expected.read(np.array([1, 0, 0]), seed) for seed in (None, (3, 1), (3, 2))]
            wanted.append(everything(expected))
            decoded.clear()
            found = [part.read(np.array([1, 0, 0]), seed) for seed in (None, (3, 1), (3, 2))]
            found.append(everything(part))
            for one, other in zip(wanted, found, strict=True):
                assert one.dtype == other.dtype
                assert np.array_equal(one, other)
            assert len(decoded) == (0 if run and cache == "disk" else len(pictures_of(part)))


def test_training_batches_are_the_same_bits_with_every_cache(tmp_path):
    from cae.data.pipeline import make_training_batches

    write(tmp_path, numbered(14), 12, 10)
    changes = Augmentation(horizontal_flip=True, random_crop=2)
    bits = set()
    for cache in ("none", "memory", "disk", "disk"):
        train = load_splits(section(tmp_path, cache=cache, image_size=(5, 4), fit="patch", random_patches=True)).train
        batches = make_training_batches(train, 5, seed=4, augmentation=changes).take(7).as_numpy_iterator()
        bits.add(b"".join(batch.tobytes() for batch in batches))
    assert len(bits) == 1


def test_the_disk_cache_survives_the_run_but_not_a_change_of_the_data(tmp_path, decoded, cache_home):
    images = write(tmp_path, numbered(8))
    everything(on_disk(tmp_path).train)
    decoded.clear()
    everything(on_disk(tmp_path).train)
    assert decoded == []
    (before,) = pixel_files(cache_home)
    changed = on_disk(tmp_path).train.names[1]
    images[changed] = noise(77)
    Image.fromarray(images[changed]).save(tmp_path / changed)
    train = on_disk(tmp_path).train
    for name, image in zip(train.names, everything(train), strict=True):
        assert np.array_equal(image, images[name])
    (after,) = pixel_files(cache_home)
    assert after != before, "the old data's pixels stay on the disk"


def test_each_way_of_decoding_has_a_cache_of_its_own(tmp_path, decoded, cache_home):
    write(tmp_path, numbered(6))
    # Several patches are cut from the same whole pictures as random ones.
    ways = [way for name, way in WAYS.items() if name != "several patches"]
    ways += [{"background": (0, 0, 0)}, {"channels": 1}]
    for _ in range(2):
        for way in ways:
            everything(on_disk(tmp_path, **way).train)
    assert len(decoded) == len(ways) * len(on_disk(tmp_path).train)
    assert len(pixel_files(cache_home)) == len(ways)


def test_a_file_that_changes_between_scan_and_reading_is_not_kept_for_what_it_was(tmp_path, decoded):
    write(tmp_path, numbered(6))
    train = on_disk(tmp_path).train
    path = tmp_path / train.names[0]
    Image.fromarray(noise(50)).save(path)
    everything(train)
    decoded.clear()
    everything(train)
    assert decoded == [path.name]


def test_looking_at_a_data_set_writes_no_pixels(tmp_path, cache_home):
    write(tmp_path, numbered(6))
    on_disk(tmp_path).train.read(np.array([], int))
    assert not (cache_home / "cae" / "pixels").exists()


@pytest.mark.parametrize("damage", ["flip pixel", "flip head", "cut", "longer"])
def test_a_damaged_cache_is_mended_and_told_once(tmp_path, decoded, cache_home, capsys, damage):
    write(tmp_path, numbered(8))
    expected = everything(on_disk(tmp_path).train)
    (path,) = pixel_files(cache_home)
    content = bytearray(path.read_bytes())
    slot = len(content) // 8
    written = next(start for start in range(0, len(content), slot) if content[start])
    if damage == "flip pixel":
        content[written + 50] ^= 4
    elif damage == "flip head":
        content[written + 5] ^= 4
    path.write_bytes(content[: written + 20] if damage == "cut" else content + b"x" * (damage == "longer"))
    assert capsys.readouterr().err == ""
    decoded.clear()
    train = on_disk(tmp_path).train
    assert np.array_equal(everything(train), expected)
    assert np.array_equal(everything(train), expected)
    told = capsys.readouterr().err
    assert told.count("data.cache: disk: the cache is damaged") == 1
    assert (len(decoded) > 0) == (damage != "longer")
    decoded.clear()
    assert np.array_equal(everything(on_disk(tmp_path).train), expected)
    assert decoded == []
    assert capsys.readouterr().err == ""


def test_training_goes_on_and_the_room_is_given_back_when_the_disk_is_full(
    tmp_path, decoded, cache_home, capsys, monkeypatch
):
    write(tmp_path, numbered(12))
    expected = everything(load_splits(section(tmp_path)).train)
    room = [3 * 2]  # three images, each written in two goes
    original = PositionedFile.write

    def write_while_there_is_room(self, offset, content):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= 1
        original(self, offset, content)

    monkeypatch.setattr(PositionedFile, "write", write_while_there_is_room)
    train = on_disk(tmp_path).train
    decoded.clear()
    for _ in range(2):
        assert np.array_equal(everything(train), expected)
    assert len(decoded) == 2 * len(train)
    assert pixel_files(cache_home) == []
    told = capsys.readouterr().err
    assert told.count("No space left on device") == 1


def test_a_cache_that_the_disk_has_no_room_for_is_not_begun(tmp_path, decoded, cache_home, capsys, monkeypatch):
    write(tmp_path, numbered(12))
    needed = 12 * (8 + 8 * 6 * 3)
    for free in (needed - 1, needed):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        train = on_disk(tmp_path).train
        for _ in range(2):
            everything(train)
        assert len(decoded) == (2 if free < needed else 1) * len(train)
        assert ("GB are free" in capsys.readouterr().err) == (free < needed)
        decoded.clear()


def test_training_goes_on_when_there_is_no_place_for_the_cache(tmp_path, capsys, monkeypatch):
    write(tmp_path / "pictures", numbered(5))
    expected = everything(load_splits(section(tmp_path / "pictures")).train)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    train = on_disk(tmp_path / "pictures").train
    for _ in range(2):
        assert np.array_equal(everything(train), expected)
    assert capsys.readouterr().err.count("cannot be used") == 1


ONE_OF_TWO = """
import hashlib, sys, numpy as np
from cae.config.data import ImageFolderData
from cae.data.load import load_splits
train = load_splits(ImageFolderData(path=sys.argv[1], cache="disk", image_size=(30, 20))).train
order = np.random.default_rng(int(sys.argv[2])).permutation(len(train))
pixels = np.empty((len(train), 30, 20, 3), np.uint8)
pixels[order] = train.read(order)
print(hashlib.sha256(pixels.tobytes()).hexdigest())
"""


def test_two_runs_may_fill_the_same_cache_at_once(tmp_path, cache_home, decoded):
    write(tmp_path, numbered(60), 40, 30)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO, str(tmp_path), str(seed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(2)
    ]
    told = [run.communicate(timeout=60) for run in runs]
    assert [err for _, err in told] == ["", ""]
    assert told[0] == told[1]
    plain = everything(load_splits(section(tmp_path, image_size=(30, 20))).train)
    decoded.clear()
    assert np.array_equal(everything(on_disk(tmp_path, image_size=(30, 20)).train), plain)
    assert decoded == []


def test_an_image_counts_only_once_its_pixels_are_there(cache_home, monkeypatch):
    def make():
        stamps = np.frombuffer(b"a" * 16 + b"b" * 16, "V16")
        return DiskCache(["test"], stamps, (2, 3, 1), np.dtype(np.uint8))

    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    goes = []
    original = PositionedFile.write
    monkeypatch.setattr(
        PositionedFile, "write", lambda self, *what: goes.append(make().get(1)) or original(self, *what)
    )
    cache = make()
    cache.put(1, image, b"a" * 16)
    assert cache.get(1) is None, "kept under another content"
    cache.put(1, image, b"b" * 16)
    assert goes == [None, None]
    assert np.array_equal(make().get(1), image)
    assert make().get(0) is None


@pytest.mark.parametrize("has_positions", [True, False])
def test_bytes_are_read_where_they_were_written(tmp_path, monkeypatch, has_positions):
    if not has_positions:
        for name in ("pread", "pwrite"):
            monkeypatch.delattr(os, name, raising=False)
    file = PositionedFile(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    file.resize(10)
    file.write(4, b"abc")
    file.write(1, b"x")
    assert file.size == 10
    assert file.read(0, 8) == b"\0x\0\0abc\0"
    assert file.read(8, 100) == b"\0\0"
    assert file.read(50, 1) == b""


def test_memory_keeps_as_many_images_as_there_is_room_for_and_says_so(tmp_path, decoded, monkeypatch):
    write(tmp_path, numbered(40), 8, 6)
    plain = load_splits(section(tmp_path))
    # Half of 2 kB is room for 6 images of 8 x 6 x 3 bytes; 40 take 5,760.
    monkeypatch.setattr(pixel_cache, "available_memory", lambda machine, limits: 2000)
    kept = load_splits(section(tmp_path, cache="memory"))
    assert kept.notes == [
        "data.cache: memory: all images decoded take 0.0 GB, and of memory 0.0 GB are available: 17% of them are kept,"
        " the others are decoded each time."
    ]
    assert np.array_equal(everything(kept.train), everything(plain.train))
    decoded.clear()
    assert np.array_equal(everything(kept.train), everything(plain.train))
    assert len(decoded) == len(plain.train) + len(plain.train) - 6
    monkeypatch.setattr(pixel_cache, "available_memory", lambda machine, limits: 20_000_000_000)
    assert load_splits(section(tmp_path, cache="memory")).notes == []


@pytest.mark.parametrize(
    ("count", "size", "channels", "figure"),
    [(40, (16384, 16384), 3, "32.2 GB"), (7, (65536, 65536), 1, "30.1 GB"), (3, (1000000, 1000000), 3, "9,000.0 GB")],
)
def test_the_figure_is_that_of_all_decoded_images(tmp_path, monkeypatch, count, size, channels, figure):
    write(tmp_path, numbered(count))
    monkeypatch.setattr(pixel_cache, "available_memory", lambda machine, limits: 10**9)
    (note,) = load_splits(section(tmp_path, image_size=size, channels=channels, cache="memory")).notes
    assert f"take {figure}" in note
    (note,) = load_splits(section(tmp_path, image_size=(10**6, 10**6), cache="disk")).notes
    assert f"{count * 3000:,}.0 GB" in note
