"""`doctor` as a whole, with TensorFlow's trial shortened."""

import json

import numpy as np
import pytest
from PIL import Image

from cae.doctor import engine
from cae.doctor.engine import EngineTrial
from tests.conftest import make_images

SOUND = (
    "import json; print(json.dumps({'tensorflow': '2', 'keras': '3', 'tensorboard': '2', 'gpus': [], 'value': 36.0}))"
)


@pytest.fixture
def doctor(run_command, tmp_path, monkeypatch):
    """Run it; gives the exit code, what was found by check, and stdout."""

    def run(*arguments, probe=SOUND):
        monkeypatch.setattr("cae.commands.doctor.EngineTrial", lambda: EngineTrial(probe=probe))
        out = tmp_path / "found.json"
        code, text, err = run_command("doctor", *arguments, "--json", out, "--runs-dir", tmp_path / "runs")
        # The next step is to train what is sound, and nothing else is said.
        assert err.startswith("Next: python train.py ") if arguments and code == 0 else err == ""
        found = json.loads(out.read_text())["checks"]
        assert len(text.splitlines()) == len(found)
        return code, {finding["check"]: finding for finding in found}, text

    return run


def statuses(found, *names):
    return [found[name]["status"] for name in names]


def test_a_sound_machine_and_configuration_end_with_0_and_write_nothing_else(doctor, write_config, tmp_path):
    code, found, out = doctor(write_config())
    assert code == 0, out
    assert statuses(found, "configuration", "images", "model", "tensorflow") == ["ok"] * 4
    assert "batch size 8" in found["step memory"]["found"]  # of 162 training images
    assert not (tmp_path / "runs").exists()


def test_without_a_configuration_the_machine_alone_is_checked(doctor):
    code, found, _ = doctor()
    assert code == 0
    assert "configuration" not in found
    assert "step memory" not in found
    assert {"python", "packages", "cores", "memory", "disk", "gpus"} <= found.keys()


def test_a_broken_tensorflow_ends_with_1_after_every_other_check(doctor, write_config):
    code, found, _ = doctor(write_config(), probe="import no_such_engine")
    assert code == 1
    assert statuses(found, "tensorflow", "images", "step memory") == ["problem", "ok", "ok"]
    assert "no_such_engine" in found["tensorflow"]["found"]


def test_a_wrong_configuration_ends_with_2_and_names_the_key_beside_the_other_checks(doctor, write_config):
    code, found, _ = doctor(write_config("training: {epochs: 0}"))
    assert code == 2
    assert "training.epochs" in found["configuration"]["found"]
    assert found["tensorflow"]["status"] == "ok"


def test_images_too_small_for_the_model_end_with_2(doctor, write_config):
    code, found, _ = doctor(write_config("model: {encoder: {filters: [2, 2, 2, 2, 2, 2]}}"))
    assert (code, found["model"]["status"]) == (2, "problem")


def test_missing_and_broken_images_end_with_1(doctor, tmp_path):
    folder, config = tmp_path / "photos", tmp_path / "photos.yaml"
    config.write_text("data: {source: image_folder, path: photos, image_size: [16, 16]}")
    code, found, _ = doctor(config)
    assert (code, found["images"]["status"]) == (1, "problem")
    assert str(folder) in found["images"]["found"]
    folder.mkdir()
    for number, pixels in enumerate(make_images(40, 16, 16, 3)):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    code, found, _ = doctor(config)
    assert (code, "train 40" in found["images"]["found"]) == (0, True)
    (folder / "00.png").write_bytes(b"no image")
    code, found, _ = doctor(config)
    assert code == 1
    assert "00.png" in found["images"]["found"]
    code, found, _ = doctor(config, "--set", "data.on_bad_image=skip")
    assert (code, found["images"]["status"]) == (0, "ok")


def test_a_public_data_set_that_is_not_here_is_not_downloaded(doctor, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    config = tmp_path / "c.yaml"
    config.write_text("data: {source: cifar100}")
    code, found, _ = doctor(config)
    assert code == 0
    assert "will download" in found["images"]["found"]
    assert not (tmp_path / "keras").exists()


def test_a_step_that_no_machine_can_hold_ends_with_1_before_it_is_tried(doctor, tmp_path):
    np.save(tmp_path / "large.npy", np.zeros((40, 512, 512, 3), np.uint8))
    config = tmp_path / "c.yaml"
    config.write_text("data: {source: arrays, path: large.npy}\ntraining: {batch_size: 100000}")
    code, found, _ = doctor(config)
    assert (code, found["step memory"]["status"]) == (1, "problem")
    assert "training.batch_size" in found["step memory"]["remedy"]


def test_workers_share_a_batch(doctor, write_config, monkeypatch):
    def activations(strategy):
        _, found, _ = doctor(write_config(f"training: {{batch_size: 4096, strategy: {strategy}}}"))
        words = found["step memory"]["found"].split()
        return float(words[1].replace(",", ""))

    workers = [f"host{number}:2222" for number in range(4)]
    config = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": 2}})
    monkeypatch.setenv("TF_CONFIG", config)
    alone = activations("one_device")
    assert activations("multi_worker") == pytest.approx(alone / 4, rel=0.05)
    monkeypatch.setenv("TF_CONFIG", "{")  # whose own check tells what is wrong with it
    assert activations("multi_worker") == alone


def test_of_a_grid_the_first_combination_is_checked(doctor, write_config):
    code, found, _ = doctor(write_config("grid: {seed: [1, 2, 3]}"))
    assert code == 0
    assert "3 combinations" in found["configuration"]["found"]


def test_the_real_trial_starts_tensorflow():
    found = EngineTrial().result()
    assert found.report is not None, found.error
    assert engine.check_engine(found).status == "ok"


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_a_cache_that_the_machine_has_no_room_for_is_named_with_the_figure(doctor, tmp_path, monkeypatch, cache):
    folder, config = tmp_path / "photos", tmp_path / "photos.yaml"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number, pixels in enumerate(make_images(40, 16, 16, 3)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    # 40 images of 1e10 pixels in three channels of a byte.
    sizes = {"[16, 16]": ("ok", "0.0 GB"), "[100000, 100000]": ("warning", "1,200.0 GB")}
    for size, (status, figure) in sizes.items():
        config.write_text(f"data: {{source: image_folder, path: photos, image_size: {size}, cache: {cache}}}")
        _, found, _ = doctor(config)
        assert found["cache"]["status"] == status
        assert figure in found["cache"]["found"]
    assert not (tmp_path / "cache" / "cae" / "pixels").exists()
