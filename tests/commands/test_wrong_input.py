"""What users get wrong ends with exit code 1 or 2 and one message, before any long work and without a traceback."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, make_images


@pytest.fixture
def fails(run_command, tmp_path):
    """Train a configuration text that must fail; gives the exit code and the message."""

    def run(text, *arguments):
        config = tmp_path / "wrong.yaml"
        config.write_text(text)
        code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs", *arguments)
        assert code in (1, 2), err
        assert out == ""
        assert "Traceback" not in err
        assert not (tmp_path / "runs").exists(), "something was written before the error"
        return code, err

    return run


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: {decoder: {upsamplng: resize}}", ["wrong.yaml:1:19: model.decoder.upsamplng", "upsampling"]),
        ("training:\n  epochs: many", ["wrong.yaml:2:11", "training.epochs", "many"]),
        ("training: {optimizer: {name: adam, learning_rate: .nan}}", ["training.optimizer.learning_rate", "nan"]),
        ("training: {optimizer: {name: adam, learning_rate: -1.0}}", ["training.optimizer.learning_rate", "-1"]),
        ("training: {batch_size: 0}", ["training.batch_size", "0"]),
        ("seed: 1\nseed: 2", ["wrong.yaml:2:1", "seed"]),
        ("model: {decoder: {upsampling: unpooling}}", ["model.decoder.upsampling", "max_unpool"]),
        (
            "model: {encoder: {downsampling: strided_conv}, decoder: {upsampling: max_unpool}}",
            ["model.decoder.upsampling", "max_pool"],
        ),
        (
            "model: {decoder: {upsampling: {kind: conv_transpose, interpolation: nearest}}}",
            ["interpolation", "resize"],
        ),
        ("model: {decoder: {upsampling: [resize]}}", ["model.decoder.upsampling", "2"]),
        ("model: {decoder: {output_activation: linear}}\nobjective: {reconstruction: {bce: 1.0}}", ["bce", "sigmoid"]),
        ("model: {encoder: {filters: [2, 2, 2, 2, 2, 2]}}", ["28x28", "model.encoder.filters"]),
        ("objective: {reconstruction: {ms_ssim: 1.0}}", ["ms_ssim", "161"]),
        ("experiment: ../elsewhere", ["experiment"]),
        ("data: {source: bundled, test_fraction: 0.3}", ["data.test_fraction"]),
        ("training: {epochs: 3", ["wrong.yaml:"]),
        ("- a\n- b", ["wrong.yaml"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_configuration_ends_with_2_and_names_the_key(fails, text, words):
    code, err = fails(text)
    assert code == 2
    for word in words:
        assert word in err


def test_all_mistakes_are_told_at_once(fails):
    _, err = fails("seed: x\nmodel: {encoder: {filter: [1]}}\ntraining: {epochs: 0}\n")
    assert [word in err for word in ("seed", "filters", "training.epochs")] == [True] * 3


def test_a_wrong_override_is_named_as_it_was_typed(fails):
    code, err = fails("", "--set", "training.epoch=3")
    assert code == 2
    assert "--set training.epoch=3" in err
    assert "epochs" in err


def test_a_missing_configuration_names_those_that_there_are(run_command):
    code, _, err = run_command("train", ROOT / "configs" / "quikstart.yaml")
    assert code == 2
    assert "quickstart.yaml" in err


def test_missing_empty_and_imageless_folders_are_named(fails, tmp_path):
    text = "data: {source: image_folder, path: photos, image_size: [16, 16]}"
    code, err = fails(text)
    assert code == 1
    assert str(tmp_path / "photos") in err
    (tmp_path / "photos").mkdir()
    code, err = fails(text)
    assert code == 1
    assert str(tmp_path / "photos") in err


def test_every_unreadable_image_is_named(fails, tmp_path):
    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(make_images(10, 16, 16, 3)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "zero.png").write_bytes(b"")
    (tmp_path / "photos" / "text.jpg").write_text("no picture")
    code, err = fails("data: {source: image_folder, path: photos, image_size: [16, 16]}")
    assert code == 1
    assert "zero.png" in err
    assert "text.jpg" in err


def test_bad_images_can_be_skipped_and_are_counted(run_command, tmp_path):
    import json

    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(make_images(20, 16, 16, 3)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "zero.png").write_bytes(b"")
    config = tmp_path / "skip.yaml"
    config.write_text(
        "data: {source: image_folder, path: photos, image_size: [16, 16], on_bad_image: skip}\n"
        "training: {epochs: 1}\nmodel: {encoder: {filters: [2]}}\n"
    )
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 0, err
    summary = json.loads((tmp_path / "runs/default/run/summary.json").read_text())
    assert summary["skipped_images"] == 1
    assert summary["images"].pop("skipped") == {"unreadable": 1}
    assert sum(summary["images"].values()) == 20
    assert "1 file that cannot be read left out" in err


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that nobody can write to")
def test_a_runs_folder_that_cannot_be_written_is_named(run_command, write_config):
    code, _, err = run_command("train", write_config(), "--runs-dir", "/proc/self/fdinfo")
    assert code == 1
    assert "/proc/self/fdinfo" in err
    assert "written" in err


def test_a_file_in_place_of_a_run_folder_and_foreign_files_in_it_are_refused(run_command, write_config, tmp_path):
    (tmp_path / "runs").write_text("a file")
    code, _, err = run_command("train", write_config(), "--runs-dir", tmp_path / "runs")
    assert code == 1
    assert str(tmp_path / "runs") in err
    precious = tmp_path / "other" / "default" / "run" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    code, _, err = run_command("train", write_config(), "--runs-dir", tmp_path / "other", "--overwrite")
    assert code == 1
    assert precious.read_text() == "years of work"


def test_pickled_arrays_are_refused(fails, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    code, err = fails("data: {source: arrays, path: objects.npy}")
    assert code == 1
    assert "objects.npy" in err


def test_debug_shows_the_traceback_and_help_lists_the_commands(run_command):
    code, _, err = run_command("train", "nothing.yaml", "--debug")
    assert code == 2
    assert "Traceback" in err
    code, out, _ = run_command("--help")
    assert code == 0
    for name in ("train", "evaluate", "describe"):
        assert name in out
    assert run_command("trian")[0] == 2
    assert run_command("train", "--nothing")[0] == 2
