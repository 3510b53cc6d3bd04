"""Prepared data sets: what is written, and that it is read as the folder would have been."""

import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from cae.config.data import TfrecordData
from cae.data.formats.shards import FEATURES
from cae.data.load import load_splits
from cae.data.pipeline import make_training_batches
from cae.data.preparing import prepare
from cae.data.sources import find_image_shape, tfrecord
from cae.errors import UserError
from tests.data.folders import everything, noise, numbered, parts_of, section, write


def prepared(tmp_path, name="out", channels=None, shard_bytes=10**9, **keys):
    """Prepare tmp_path/pictures; gives the folder."""
    out = tmp_path / name
    out.mkdir()
    prepare(section(tmp_path / "pictures", **keys), channels, out, shard_bytes)
    return out


def records(path, **keys):
    return TfrecordData(path=str(path), **keys)


def assert_same(splits, others):
    for one, other in zip(parts_of(splits), parts_of(others), strict=True):
        assert list(one.names) == list(other.names)
        assert (one.labels is None) == (other.labels is None)
        assert one.labels is None or np.array_equal(one.labels, other.labels)
        assert one.image_shape == other.image_shape
        assert everything(one).dtype == everything(other).dtype
        assert np.array_equal(everything(one), everything(other))


def write_every_kind(folder):
    """Pictures of every format and depth, upright or not, opaque or not, in class folders."""
    write(folder / "train", numbered(6, "cat/"), 12, 10)
    Image.fromarray(noise(1, 10, 12)).save(folder / "train" / "cat" / "a.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(2, 9, 14)).save(folder / "train" / "cat" / "turned.jpg", exif=exif)
    (folder / "train" / "dog").mkdir()
    for name in ("b.bmp", "c.gif", "d.webp"):
        Image.fromarray(noise(3, 16, 8)[..., 0]).save(folder / "train" / "dog" / name)
    Image.fromarray(noise(4, 9, 9, 4)).save(folder / "train" / "dog" / "clear.png")
    write(folder / "test", numbered(3, "dog/t"), 20, 8)


@pytest.mark.parametrize("shard_bytes", [1, 2000, 10**9])
@pytest.mark.parametrize("deep", [False, True])
def test_a_prepared_folder_is_read_as_the_folder_itself(tmp_path, shard_bytes, deep):
    pictures = tmp_path / "pictures"
    write_every_kind(pictures)
    if deep:
        values = np.random.default_rng(0).integers(0, 65536, (9, 7), np.uint16)
        Image.fromarray(values).save(pictures / "test" / "dog" / "deep.png")
    out = prepared(tmp_path, shard_bytes=shard_bytes)
    for keys in (
        {"image_size": (6, 5)},
        {"image_size": (7, 8), "channels": 1, "fit": "crop", "background": (9, 99, 0)},
        {"image_size": (4, 5), "fit": "patch", "random_patches": True},
    ):
        assert_same(load_splits(section(pictures, **{"channels": 3, **keys})), load_splits(records(out, **keys)))
    shards = list(out.glob("*.tfrecord"))
    assert len(shards) == {1: 15 + deep, 10**9: 2}.get(shard_bytes, len(shards))


def test_training_batches_are_those_of_the_folder_with_every_cache(tmp_path):
    write(tmp_path / "pictures", numbered(15), 12, 10)
    out = prepared(tmp_path, shard_bytes=1500)
    keys = {"image_size": (5, 4), "fit": "patch", "random_patches": True}
    bits = []
    for source in (
        section(tmp_path / "pictures", **keys),
        *(records(out, cache=c, **keys) for c in ("none", "disk", "disk")),
    ):
        stream = make_training_batches(load_splits(source).train, 5, seed=4, first_step=2).take(6)
        bits.append(b"".join(batch.tobytes() for batch in stream.as_numpy_iterator()))
    assert bits == bits[:1] * 4


@pytest.mark.parametrize("fit", ["stretch", "crop"])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_sizes_and_channels_may_be_changed_beforehand(tmp_path, fit, channels):
    write(tmp_path / "pictures", numbered(6), 12, 10)
    out = prepared(tmp_path, channels=channels, image_size=(7, 5), fit=fit)
    source = records(out)
    assert find_image_shape(source) == (7, 5, channels or 3)
    assert_same(
        load_splits(section(tmp_path / "pictures", image_size=(7, 5), fit=fit, channels=channels or 3)),
        load_splits(source),
    )


def test_deep_pictures_keep_their_depth_when_they_are_resized(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in numbered(4):
        values = np.random.default_rng(len(name)).integers(0, 65536, (8, 6), np.uint16)
        Image.fromarray(values).save(tmp_path / "pictures" / name)
    out = prepared(tmp_path, channels=3, image_size=(5, 7))
    wanted = everything(load_splits(section(tmp_path / "pictures", image_size=(5, 7))).train)
    found = everything(load_splits(records(out)).train)
    assert found.dtype == np.float32
    assert np.abs(wanted - found).max() < 0.51 / 65535


def test_tensorflow_reads_the_shards_and_finds_what_is_documented(tmp_path):
    import tensorflow as tf

    pictures = tmp_path / "pictures"
    write_every_kind(pictures)
    out = prepared(tmp_path, shard_bytes=1500)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["features"] == FEATURES
    assert manifest["classes"] == ["cat", "dog"]
    for part, shards in manifest["parts"].items():
        names = sorted(os.path.relpath(path, pictures / part) for path in (pictures / part).rglob("*.*"))
        files = [out / f"{shard['name']}.tfrecord" for shard in shards]
        assert [file.stat().st_size for file in files] == [shard["bytes"] for shard in shards]
        found = []
        for data in tf.data.TFRecordDataset([str(file) for file in files]).as_numpy_iterator():
            features = tf.train.Example.FromString(data).features.feature
            assert set(features) == set(FEATURES)
            value = {key: (*f.bytes_list.value, *f.int64_list.value)[0] for key, f in features.items()}
            name = value["image/filename"].decode()
            found.append(name)
            decoded = tf.io.decode_image(value["image/encoded"]).numpy()
            assert {*decoded.shape[:2]} == {value["image/height"], value["image/width"]}
            if name.endswith((".png", ".jpg")):
                assert value["image/encoded"] == (pictures / part / name).read_bytes()
            assert value["image/format"] == (b"jpeg" if name.endswith("jpg") else b"png")
            assert value["image/class/text"].decode() == name.split("/")[0]
            assert value["image/class/label"] == manifest["classes"].index(name.split("/")[0])
        assert found == names
        assert sum(shard["images"] for shard in shards) == len(names)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_that_are_no_text_are_kept(tmp_path):
    odd = [os.fsdecode(b"caf\xe9/a.png"), "new\nline/b.png", "\u00fc/c.png"]
    write(tmp_path / "pictures", [*odd, *numbered(2, "z/")])
    out = prepared(tmp_path)
    assert_same(load_splits(section(tmp_path / "pictures")), load_splits(records(out)))
    title = damage(out, "train-00000", sorted([*odd, *numbered(2, "z/")]).index(odd[1]))
    with pytest.raises(UserError) as caught:
        [everything(part) for part in parts_of(load_splits(records(out)))]
    assert str(caught.value).startswith(f"{title}(new\\nline/b.png)")


def test_images_without_classes_have_no_labels(tmp_path):
    import tensorflow as tf

    write(tmp_path / "pictures", [*numbered(5, "class/"), "unsorted.png"])
    out = prepared(tmp_path)
    assert load_splits(records(out)).train.labels is None
    data = next(iter(tf.data.TFRecordDataset(str(out / "train-00000.tfrecord")))).numpy()
    assert set(tf.train.Example.FromString(data).features.feature) == {k for k in FEATURES if "class" not in k}


def test_only_the_records_asked_for_are_read_and_few_files_are_open(tmp_path, monkeypatch):
    write(tmp_path / "pictures", numbered(12))
    out = prepared(tmp_path, shard_bytes=1)
    monkeypatch.setattr(tfrecord, "_OPEN_FILES", 2)
    goes = []
    original = tfrecord.PositionedFile.read
    monkeypatch.setattr(
        tfrecord.PositionedFile,
        "read",
        lambda self, offset, length: goes.append(length) or original(self, offset, length),
    )
    train = load_splits(records(out)).train
    assert goes == []
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    train.read(np.array([3, 1]))
    assert len(goes) == 2
    everything(train)
    assert train.names[2].endswith(".png")
    assert not before or len(os.listdir("/proc/self/fd")) <= before + 2


def damage(out, name, record):
    """Change one byte in the middle of an image; gives what an error must say."""
    index = np.load(out / f"{name}.npy")
    path = out / f"{name}.tfrecord"
    content = bytearray(path.read_bytes())
    content[int(index["start"][record]) + int(index["length"][record]) // 2] ^= 16
    path.write_bytes(content)
    return f"{path}, record {record} "


def test_a_damaged_record_is_named_or_left_out(tmp_path):
    write(tmp_path / "pictures" / "train", numbered(6))
    write(tmp_path / "pictures" / "test", numbered(3))
    out = prepared(tmp_path)
    title = damage(out, "test-00000", 1)
    with pytest.raises(UserError) as caught:
        everything(load_splits(records(out)).test)
    assert str(caught.value).startswith(f"{title}(01.png): the image cannot be read: the record is damaged")
    splits = load_splits(records(out, on_bad_image="skip"))
    images = everything(splits.test)
    assert np.array_equal(images[1], noise(2))
    assert np.array_equal(images[2], noise(2))
    assert list(splits.replaced) == [f"{title}(01.png)"]


@pytest.mark.parametrize("loss", ["cut", "gone"])
def test_a_shard_that_is_cut_off_or_gone_is_found_at_once_or_left_out(tmp_path, loss):
    write(tmp_path / "pictures" / "train", numbered(6))
    write(tmp_path / "pictures" / "test", numbered(3))
    out = prepared(tmp_path, shard_bytes=1200)
    victim = out / "train-00001.tfrecord"
    lost = np.load(out / "train-00001.npy")
    if loss == "cut":
        os.truncate(victim, int(lost["start"][1]))
        lost = lost[1:]
    else:
        victim.unlink()
    with pytest.raises(UserError, match=rf"{len(lost)} of 9 .*(?s:.*)train-00001\.tfrecord, record \d+"):
        load_splits(records(out))
    splits = load_splits(records(out, on_bad_image="skip"))
    assert splits.skipped == len(lost) > 0
    assert len(splits.train) + len(splits.validation) == 6 - len(lost)
    everything(splits.train)


def test_limits_of_size_hold(tmp_path):
    write(tmp_path / "pictures", numbered(5), 12, 10)
    write(tmp_path / "pictures", ["small.png"], 5, 6)
    out = prepared(tmp_path)
    with pytest.raises(UserError, match=r"manifest\.json: .*data\.image_size"):
        load_splits(records(out))
    patches = {"fit": "patch", "image_size": (6, 6)}
    with pytest.raises(UserError, match=r"1 of 6(?s:.*)record 5 \(small\.png\): it is smaller than the patch 6x6"):
        load_splits(records(out, **patches))
    assert load_splits(records(out, on_bad_image="skip", **patches)).skipped == 1
    with pytest.raises(UserError, match=r"5 of 6(?s:.*)max_pixels"):
        load_splits(records(out, image_size=(4, 4), max_pixels=119))


def test_a_test_path_is_another_prepared_folder(tmp_path):
    write(tmp_path / "pictures", numbered(8))
    one = prepared(tmp_path, "one", shard_bytes=500)
    write(tmp_path / "pictures", numbered(9, "more"))
    two = prepared(tmp_path, "two")
    splits = load_splits(records(one, test_path=str(two)))
    assert list(splits.test.names) == [*numbered(8), *numbered(9, "more")]
    assert len(splits.train) + len(splits.validation) == 8
    assert np.array_equal(splits.test.read(np.array([3]))[0], noise(3))
    with pytest.raises(UserError, match="same folder"):
        load_splits(records(one, test_path=str(one)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda out: (out / "manifest.json").unlink(), "must be a folder that"),
        (lambda out: (out / "manifest.json").write_text("{"), r"manifest\.json: damaged"),
        (lambda out: (out / "manifest.json").write_text("{}"), r"manifest\.json: damaged, or of another version"),
        (lambda out: (out / "train-00000.npy").write_bytes(b"x"), r"train-00000\.npy: this index is damaged"),
        (lambda out: (out / "train-00000.npy").unlink(), r"train-00000\.npy: cannot be read"),
        (lambda out: leave_the_folder(out), r"manifest\.json: damaged.*parts\.train\.0\.name"),
    ],
)
def test_a_folder_that_is_not_whole_is_an_error_that_names_what_is_wrong(tmp_path, change, words):
    write(tmp_path / "pictures", numbered(5))
    out = prepared(tmp_path)
    change(out)
    with pytest.raises(UserError, match=words):
        load_splits(records(out))


def leave_the_folder(out):
    path = out / "manifest.json"
    path.write_text(path.read_text().replace('"train-00000"', '"../out/train-00000"'))


def test_a_path_that_is_no_folder_is_an_error(tmp_path):
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError, match="nowhere: this must be a folder"):
            use(records(tmp_path / "nowhere"))


def test_files_that_cannot_be_decoded_do_not_go_in(tmp_path):
    write(tmp_path / "pictures", numbered(6), 30, 30)
    path = tmp_path / "pictures" / "03.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # past the header, which alone the scan looks at
    path.write_bytes(content)
    (tmp_path / "pictures" / "04.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"04\.png"):
        prepared(tmp_path, "one")
    (tmp_path / "pictures" / "04.png").unlink()
    with pytest.raises(UserError, match=r"03\.png: the image cannot be read"):
        prepared(tmp_path, "two")
    splits = load_splits(records(prepared(tmp_path, "three", on_bad_image="skip")))
    assert sorted(name for part in parts_of(splits) for name in part.names) == [
        name for name in numbered(6) if name not in ("03.png", "04.png")
    ]
