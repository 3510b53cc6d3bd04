"""Checkpoints that a stranger made: numbers and nothing else, no more of them than the file is long."""

import hashlib
import io
import json
import pickle
import tracemalloc
import zipfile
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import EncoderSection, ModelSection
from cae.errors import UserError
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.training.checkpoints import Checkpoint, CheckpointFolder
from cae.training.state import Counters, TrainingState
from tests.hostile.trap import Trap

PLAN = make_plan(ModelSection(encoder=EncoderSection(filters=(2,))), (8, 8, 1))


def checkpoint_by_hand(folder, content, record):
    """Write a checkpoint as its format says, with right checksums."""
    folder.save(Checkpoint(3, {"kernel": np.ones(2)}, {"epoch": 1}))
    (arrays,) = folder.path.glob("*.npz")
    (file,) = folder.path.glob("*.json")
    whole = json.loads(file.read_text())
    (place,) = [key for key, value in whole.items() if value == hashlib.sha256(arrays.read_bytes()).hexdigest()]
    content(arrays)
    whole[place] = hashlib.sha256(arrays.read_bytes()).hexdigest()
    whole.update(record)
    if "seal" in whole:
        del whole["seal"]
        whole["seal"] = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    file.write_text(json.dumps(whole))


def npy_bytes(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def test_pickled_objects_in_a_checkpoint_are_not_loaded(tmp_path):
    trapped = np.array([Trap(tmp_path / "canary")], object)
    for number, write in enumerate(
        [
            lambda path: np.savez(path, kernel=trapped),
            lambda path: path.write_bytes(pickle.dumps(Trap(tmp_path / "canary"))),
            lambda path: path.write_bytes(npy_bytes(trapped)),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        folder = CheckpointFolder(tmp_path / str(number) / "checkpoints")
        checkpoint_by_hand(folder, write, {})
        told = []
        with pytest.raises(UserError, match="No whole checkpoint is left"):
            folder.load_newest(told.append)
        assert "passed over" in told[0]
        assert not (tmp_path / "canary").exists()


def zip_of(path, entries, **how):
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)


def claim_of(shape):
    """The header of an array of that shape, with eight bytes behind it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(8)


def overlapping(path):
    """Entries that are all the same megabyte."""
    megabyte = {"0000": npy_bytes(np.zeros(2**20, np.uint8))}
    zip_of(path, megabyte | {f"{number:04}": b"" for number in range(1, 500)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b" "  # lets the directory be written anew
        first = archive.infolist()[0]
        for entry in archive.infolist()[1:]:
            entry.header_offset, entry.CRC = first.header_offset, first.CRC
            entry.file_size = entry.compress_size = first.file_size


BOMBS = {
    "compressed zeros": lambda path: np.savez_compressed(path, kernel=np.zeros((2**26,), np.uint8)),
    "one place many times": overlapping,
    "a petabyte": lambda path: zip_of(path, {"kernel": claim_of((2**50,))}),
    "a gigabyte": lambda path: zip_of(path, {"kernel": claim_of((2**15, 2**15))}),
    "no array": lambda path: zip_of(path, {"kernel": b"text"}),
    "no header": lambda path: zip_of(path, {"kernel": b"\x93NUMPY\x01\x00\x08\x00{'a': (\n "}),
    "another compression": lambda path: zip_of(path, {"kernel": claim_of((8,))}, compression=zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_arrays_that_unfold_to_more_than_their_file_are_not_read(tmp_path, kind):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    checkpoint_by_hand(folder, BOMBS[kind], {})
    told = []
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="No whole checkpoint is left"):
            folder.load_newest(told.append)
        assert tracemalloc.get_traced_memory()[1] < 2**24  # what is asked for and never filled is counted, too
    finally:
        tracemalloc.stop()
    assert "passed over" in told[0]


@pytest.fixture(scope="module")
def state():
    """What a training holds before its first step, and the copy of it that a checkpoint is."""
    autoencoder = build_autoencoder(PLAN)
    steps = SimpleNamespace(
        autoencoder=autoencoder,
        optimizer=SimpleNamespace(variables=[]),
        average=None,
        step=tf.Variable(0, dtype=tf.int64),
        zero_sums=lambda: tf.zeros(4, tf.float64),
        spread_dropout_seeds=lambda: None,
    )
    return TrainingState(steps, num_images=10)


def test_what_a_state_gives_it_takes_back(state):
    kept = state.to_checkpoint()
    changed = {**kept.counters, "epoch": 3, "last_metrics": {"epoch": 3, "step": 9, "val_loss": 0.5}}
    state.restore(Checkpoint(9, kept.arrays | {"step": np.int64(9)}, changed))
    assert (state.step, asdict(state.counters)) == (9, changed)


WRONG_COUNTERS = [
    ("num_images", None),
    ("num_images", True),
    ("epoch", -1),
    ("epoch", "3"),
    ("epoch", 2.5),
    ("sums", None),
    ("sums", [0.0, 0.0, 0.0, []]),
    ("sums", [0.0]),
    ("best_metrics", []),
    ("best_metrics", {"epoch": 1, "step": 1, "val_loss": "low"}),
    ("last_metrics", {"step": "many", "val_loss": 0.5}),
    ("stopping_loss", "low"),
    ("seconds", None),
    ("unknown", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG_COUNTERS)
def test_counters_of_another_kind_are_refused_and_nothing_is_put_back(state, name, value):
    kept, before = state.to_checkpoint(), asdict(state.counters)
    arrays = {key: array + 1 for key, array in kept.arrays.items()}
    with pytest.raises(UserError, match=f"counter.*{name}"):
        state.restore(Checkpoint(0, arrays, kept.counters | {name: value}))
    assert asdict(state.counters) == before
    np.testing.assert_equal(state.to_checkpoint().arrays, kept.arrays)


@pytest.mark.parametrize("name", asdict(Counters()))
def test_a_missing_counter_is_named(state, name):
    kept = state.to_checkpoint()
    counters = {key: value for key, value in kept.counters.items() if key != name}
    with pytest.raises(UserError, match=f"Missing or unknown: .*{name}"):
        state.restore(Checkpoint(0, kept.arrays, counters))


@pytest.mark.parametrize("change", [lambda array: array.astype("S"), lambda array: array[..., None], np.float16])
def test_arrays_of_another_kind_or_shape_are_of_another_model(state, change):
    kept = state.to_checkpoint()
    for name in ("model/0", "best/0"):
        with pytest.raises(UserError, match=f"another model.*{name}"):
            state.restore(Checkpoint(0, kept.arrays | {name: change(kept.arrays[name])}, kept.counters))
