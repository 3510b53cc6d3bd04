"""Checkpoints on disk."""

import hashlib
import json

import numpy as np
import pytest

from cae.errors import UserError
from cae.training.checkpoints import Checkpoint, CheckpointFolder


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints")


def checkpoint(step):
    values = np.random.default_rng(step).normal(size=(3, 4)).astype(np.float32)
    return Checkpoint(step, {"model/0/kernel": values, "step": np.int64(step)}, {"epoch": step, "best": 0.1 + step})


def save(folder, *steps):
    for step in steps:
        folder.save(checkpoint(step))


def ignore(message):
    pass


def test_what_is_loaded_is_what_was_saved_to_the_bit(folder):
    save(folder, 5)
    loaded = folder.load_newest(pytest.fail)
    assert loaded.step == 5
    assert loaded.counters == {"epoch": 5, "best": 5.1}
    np.testing.assert_array_equal(loaded.arrays["model/0/kernel"], checkpoint(5).arrays["model/0/kernel"])


def test_an_empty_or_missing_folder_has_no_checkpoint(folder):
    assert folder.load_newest(pytest.fail) is None


def test_the_newest_two_are_kept_in_the_order_of_steps(folder):
    save(folder, 2, 9, 10, 100)
    assert folder.steps() == [100, 10]
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "step-0000000010.json",
        "step-0000000010.npz",
        "step-0000000100.json",
        "step-0000000100.npz",
    ]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def remove(path):
    path.unlink()


def claim_another_step(path):
    if path.suffix == ".json":
        path.write_text(json.dumps(json.loads(path.read_text()) | {"step": 1}))
    else:
        path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip_a_bit, cut_in_half, remove, claim_another_step])
@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before_and_says_so(folder, damage, suffix):
    save(folder, 3, 4)
    damage(folder.path / f"step-0000000004{suffix}")
    messages = []
    assert folder.load_newest(messages.append).step == 3
    # Without its record a checkpoint was never finished: nothing is lost, nothing to say.
    if not (damage is remove and suffix == ".json"):
        assert len(messages) == 1
        assert "step-0000000004.npz" in messages[0]


def test_when_none_is_whole_the_error_names_them_all(folder):
    save(folder, 3, 4)
    for path in folder.path.glob("*.npz"):
        flip_a_bit(path)
    with pytest.raises(UserError, match=r"step-0000000004\.npz.*step-0000000003\.npz"):
        folder.load_newest(ignore)


def forge(record, changes):
    """Change a record, and make its checksum anew."""
    content = json.loads(record.read_text()) | changes
    content.pop("seal")
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    record.write_text(json.dumps({**content, "seal": seal}))


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_whichever_bit_flips_the_checkpoint_before_is_used_or_the_bit_did_not_matter(folder, suffix):
    save(folder, 3, 4)
    path = folder.path / f"step-0000000004{suffix}"
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 3):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        loaded = folder.load_newest(ignore)
        # A space may become another one, between words of the record.
        assert loaded.counters == {"epoch": loaded.step, "best": 0.1 + loaded.step}, bit
        assert np.array_equal(loaded.arrays["model/0/kernel"], checkpoint(loaded.step).arrays["model/0/kernel"])
    assert folder.load_newest(ignore).step == 3  # the last of them


def test_a_checkpoint_of_another_version_is_refused_and_not_called_damaged(folder):
    save(folder, 3, 4)
    forge(folder.path / "step-0000000004.json", {"format": 99})
    with pytest.raises(UserError, match="another version"):
        folder.load_newest(ignore)


def test_a_pickle_in_place_of_arrays_is_not_loaded(folder):
    save(folder, 3)
    arrays, record = folder.path / "step-0000000003.npz", folder.path / "step-0000000003.json"
    np.savez(arrays, **{"model/0/kernel": np.array([{"an": "object"}], dtype=object)})
    forge(record, {"arrays": hashlib.sha256(arrays.read_bytes()).hexdigest()})
    messages = []
    with pytest.raises(UserError, match="No whole checkpoint"):
        folder.load_newest(messages.append)
    assert "allow_pickle" in messages[0]


def test_leftovers_of_a_kill_while_writing_are_removed_by_the_next_save(folder):
    save(folder, 1)
    for name in (".writing-abc-step-0000000002.npz", "step-0000000002.npz"):
        (folder.path / name).write_bytes(b"half")
    save(folder, 3)
    assert folder.steps() == [3, 1]
    assert len(list(folder.path.iterdir())) == 4
