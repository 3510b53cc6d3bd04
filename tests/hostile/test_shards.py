"""Prepared data sets that a stranger made: every promise of manifest and index is checked, and none leads elsewhere."""

import json
import zlib

import numpy as np
import pytest

from cae.config.data import TfrecordData
from cae.data.formats.shards import INDEX_TYPE, MANIFEST_NAME, Manifest, Shard, write_index
from cae.data.load import load_splits
from cae.errors import UserError
from tests.hostile.pictures import RGB, encoded
from tests.hostile.test_arrays import refused


def shard(folder, change=lambda index, manifest: None):
    """A prepared data set of four pictures, changed by who knows the format."""
    content = encoded(RGB, "png")
    index = np.zeros(4, INDEX_TYPE)
    index["start"], index["length"], index["checksum"] = 0, len(content), zlib.crc32(content)
    index["height"], index["width"], index["label"] = 24, 32, -1
    manifest = {
        "image_size": [24, 32],
        "channels": 3,
        "deep": False,
        "classes": [],
        "features": {},
        "parts": {"train": [{"name": "train-00000", "images": 4, "bytes": len(content), "index_checksum": 0}]},
    }
    change(index, manifest)
    folder.mkdir(exist_ok=True)
    (folder / "train-00000.tfrecord").write_bytes(content)
    checksum = write_index(folder / "train-00000.npy", index)
    manifest["parts"]["train"][0].setdefault("index_checksum", checksum)
    manifest["parts"]["train"][0]["index_checksum"] = checksum
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    return TfrecordData(path=str(folder))


def test_a_prepared_data_set_made_by_hand_is_read(tmp_path):
    splits = load_splits(shard(tmp_path / "a"))
    assert (splits.train.read(np.arange(len(splits.train))) == RGB).all()
    Manifest.model_validate_json((tmp_path / "a" / MANIFEST_NAME).read_text())
    assert Shard(name="train-00000", images=4, bytes=1, index_checksum=1).images == 4


def set_in(row, **values):
    def change(index, manifest):
        for key, value in values.items():
            index[key][row] = value

    return change


def set_shard(**values):
    return lambda index, manifest: manifest["parts"]["train"][0].update(values)


def set_manifest(**values):
    return lambda index, manifest: manifest.update(values)


SHARDS = {
    "start beyond all": set_in(1, start=2**64 - 9),
    "start beyond the end": set_in(1, start=2**40),
    "too long": set_in(1, length=2**32 - 1),
    "more pixels": set_in(1, height=2**32 - 1, width=2**32 - 1),
    "more images": set_shard(images=10**15),
    "most images": set_shard(images=2**63 - 1),
    "too many images": set_shard(images=2**70),
    "fewer images": set_shard(images=3),
    "name out": set_shard(name="../../etc/passwd"),
    "name absolute": set_shard(name="/etc/passwd"),
    "name with a line": set_shard(name="train-00000\n"),
    "part out": lambda index, manifest: manifest["parts"].update({"../x": []}),
    "no shards": lambda index, manifest: manifest["parts"].update({"test": []}),
    "huge pictures": set_manifest(image_size=[2**62, 2**62]),
    "no pictures": set_manifest(image_size=[0, 32]),
    "text": set_manifest(channels="3; rm -rf"),
    "another key": set_manifest(load="os.system"),
}


@pytest.mark.parametrize("kind", SHARDS)
def test_a_hostile_prepared_data_set_is_refused(tmp_path, kind):
    refused(shard(tmp_path / "a", SHARDS[kind]), tmp_path / "a")


@pytest.mark.parametrize(
    "values",
    [{"name_start": 2**64 - 1, "name_length": 9}, {"name_length": 2**32 - 1}, {"checksum": 1}, {"height": 7}],
)
def test_a_hostile_record_is_named_when_it_is_read(tmp_path, values):
    splits = load_splits(shard(tmp_path / "a", set_in(slice(None), **{"checksum": 5, **values})))
    with pytest.raises(UserError, match=r"train-00000\.tfrecord, record \d .*checksum") as caught:
        splits.train.read(np.array([0]))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 20_000


def test_an_index_with_pickled_objects_is_not_loaded(tmp_path):
    section = shard(tmp_path / "a")
    path = tmp_path / "a" / "train-00000.npy"
    np.save(path, np.array([len] * 4, object), allow_pickle=True)
    manifest = json.loads((tmp_path / "a" / MANIFEST_NAME).read_text())
    manifest["parts"]["train"][0]["index_checksum"] = zlib.crc32(path.read_bytes())
    (tmp_path / "a" / MANIFEST_NAME).write_text(json.dumps(manifest))
    refused(section, path)
