"""`prepare` on the command line: what it prints, refuses and leaves behind."""

import os
import time

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_images, start_process


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    for number, image in enumerate(make_images(16, 20, 14, 3)):
        path = folder / ("train" if number < 12 else "test") / f"class{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_prepared_folder_can_be_trained_on(run_command, tmp_path, pictures):
    out = tmp_path / "new" / "shards"
    code, stdout, stderr = run_command("prepare", pictures, out, "--shard-megabytes", "0.002")
    assert (code, stdout) == (0, f"{out}\n"), stderr
    assert "train: 12 images in" in stderr
    assert "test: 4 images in" in stderr
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: {{source: tfrecord, path: {out}, cache: disk}}\n"
        "model: {encoder: {filters: [4]}, bottleneck: none}\n"
        "training: {epochs: 1, batch_size: 5}\n"
    )
    code, stdout, stderr = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 0, stderr
    assert "data.cache" not in stderr


def test_the_same_folder_gives_the_same_bytes_and_is_not_replaced_unasked(run_command, tmp_path, pictures):
    out = tmp_path / "out"
    assert run_command("prepare", pictures, out)[0] == 0
    first = contents(out)
    code, stdout, stderr = run_command("prepare", pictures, out, "--image-size", "8", "6")
    assert (code, stdout) == (1, "")
    assert "--overwrite" in stderr
    assert contents(out) == first
    assert run_command("prepare", pictures, out, "--overwrite")[0] == 0
    assert contents(out) == first
    assert run_command("prepare", pictures, out, "--overwrite", "--image-size", "8", "6", "--channels", "1")[0] == 0
    assert contents(out) != first
    assert b'"channels": 1' in contents(out)["manifest.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures"]


def test_a_folder_of_something_else_is_never_replaced(run_command, tmp_path, pictures):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter.txt").write_text("dear")
    for arguments in ((), ("--overwrite",)):
        code, _, stderr = run_command("prepare", pictures, precious, *arguments)
        assert code == 1
        assert "new folder" in stderr
        assert contents(precious) == {"letter.txt": b"dear"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image-size", "0", "4"], "--image-size must be"),
        (["--image-size", "four", "4"], "--image-size"),
        (["--channels", "2"], "--channels"),
        (["--shard-megabytes", "0"], "--shard-megabytes must be above 0"),
        (["--shard-megabytes", "nan"], "--shard-megabytes must be above 0"),
        (["--max-pixels", "0"], "--max-pixels must be at least 1"),
        (["--fit", "crop"], "without --image-size"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(run_command, tmp_path, pictures, arguments, words):
    code, _, stderr = run_command("prepare", pictures, tmp_path / "out", *arguments)
    assert code == 2
    assert words in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_bad_files_leave_nothing_behind_or_are_left_out_and_named(run_command, tmp_path, pictures):
    (pictures / "train" / "class0" / "bad.png").write_bytes(b"no image")
    code, stdout, stderr = run_command("prepare", pictures, tmp_path / "out")
    assert (code, stdout) == (1, "")
    assert "bad.png" in stderr
    assert "`--on-bad-image skip` would leave" in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    code, stdout, stderr = run_command("prepare", pictures, tmp_path / "out", "--on-bad-image", "skip")
    assert code == 0
    assert "bad.png: left out" in stderr
    assert "train: 12 images" in stderr


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_killed_prepare_leaves_no_data_set_and_can_be_repeated(run_command, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    Image.fromarray(pixels).save(pictures / "picture.png", compress_level=1)
    for copy in range(150):
        os.link(pictures / "picture.png", pictures / f"{copy}.png")
    out = tmp_path / "out"
    process = start_process("-m", "cae", "prepare", pictures, out, "--shard-megabytes", "1")
    limit = time.monotonic() + 60
    while not list(tmp_path.glob(".writing-*-out/train-00001.tfrecord")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)
    assert not out.exists()
    assert len(list(tmp_path.iterdir())) == 2, "the kill left nothing to get over"
    for copy in range(3, 150):
        (pictures / f"{copy}.png").unlink()
    code, stdout, stderr = run_command("prepare", pictures, out)
    assert (code, stdout) == (0, f"{out}\n")
    assert "train: 4 images" in stderr
    assert (out / "manifest.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures"]


@pytest.mark.parametrize(("interruption", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_an_interrupted_prepare_leaves_nothing_behind(run_command, tmp_path, pictures, monkeypatch, interruption, code):
    from cae.data import preparing

    written = []
    original = preparing.ShardWriter.write

    def write(self, *what):
        if len(written) == 5:
            raise interruption
        written.append(what)
        original(self, *what)

    monkeypatch.setattr(preparing.ShardWriter, "write", write)
    assert run_command("prepare", pictures, tmp_path / "out", "--shard-megabytes", "0.001")[:2] == (code, "")
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_a_full_disk_is_told_and_leaves_nothing_behind(run_command, tmp_path, pictures, monkeypatch):
    import tensorflow as tf

    class FullDisk:
        def __init__(self, path):
            pass

        def write(self, data):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(tf.io, "TFRecordWriter", FullDisk)
    code, stdout, stderr = run_command("prepare", pictures, tmp_path / "out")
    assert (code, stdout) == (1, "")
    assert "train-00000.tfrecord: cannot be written: No space left on device" in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
