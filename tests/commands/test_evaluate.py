"""`evaluate.py` on trained runs."""

import csv
import functools
import json
import math
import re
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from cae import messages
from cae.commands.main import main
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, make_run

MODEL = "model: {encoder: {filters: [4, 8]}, bottleneck: none, decoder: {upsampling: max_unpool}}\n"
# Two things that change what is measured, in one run.
DENOISING = "objective: {reconstruction: {mse: 0.5, mae: 2.0}, corruption: {kind: gaussian, stddev: 0.3}}\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, image_file):
    """Runs of two epochs on tiny images; one for each model."""

    @functools.cache
    def train(text=MODEL):
        folder = tmp_path_factory.mktemp("trained")
        config = folder / "config.yaml"
        config.write_text(f"data: {{source: arrays, path: {image_file}}}\ntraining: {{epochs: 2}}\n{text}")
        assert main(["train", str(config), "--runs-dir", str(folder)]) == 0
        return folder / "default" / "run"

    return train


def evaluate(run_command, *arguments):
    code, out, err = run_command("evaluate", *arguments)
    assert code == 0, err
    return out


def test_an_evaluation_that_was_silent_says_how_far_it_is(trained, run_command, monkeypatch):
    monkeypatch.setattr(messages, "_SILENCE_SECONDS", 0.02)
    code, out, err = run_command("evaluate", trained(), "--again")
    assert code == 0
    shares = [int(share) for share in re.findall(r"^  (\d+)% done, \d+:\d\d so far$", err, re.MULTILINE)]
    assert shares == sorted(shares)
    assert shares[-1] > 50
    assert len(set(shares)) > 2
    assert "% done" not in out


def test_silence_lasts_less_than_two_seconds(capsys):
    with messages.reporting("Waiting"), messages.counting(4) as part_done:
        part_done()
        time.sleep(2)
    assert capsys.readouterr().err == "Waiting\n  25% done, 0:02 so far\n"


def test_in_a_file_lines_of_progress_become_rarer(capsys, monkeypatch):
    monkeypatch.setattr(messages, "_SILENCE_SECONDS", 0.01)
    with messages.reporting("Waiting"):
        time.sleep(1)
    # One each 0.01 seconds would be 100; here 10, and then each waits for a tenth of the time so far: 1.1^24 = 1 / 0.1.
    assert 10 < capsys.readouterr().err.count("% done") < 45


def test_images_that_are_not_those_of_training_are_told_last_in_the_results_and_on_the_page(
    trained, run_command, image_file, tmp_path
):
    run = tmp_path / "e" / "run"
    shutil.copytree(trained(), run)
    np.save(tmp_path / "reversed.npy", np.load(image_file)[::-1])
    for out, path, is_told in (("same", image_file, False), ("others", tmp_path / "reversed.npy", True)):
        said = evaluate(run_command, run, "--set", f"data.path={path}", "--out", tmp_path / out)
        warnings = json.loads((tmp_path / out / "results.json").read_text())["warnings"]
        assert ("other_images" in [warning["code"] for warning in warnings]) == is_told
        assert ("images have changed since the training" in said) == is_told
    shutil.copy(tmp_path / "reversed.npy", tmp_path / "images.npy")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(image_file), str(tmp_path / "images.npy")))
    assert run_command("evaluate", run)[0] == 0
    assert "images have changed since the training" in (run / "index.html").read_text()
    other = run.with_name("other")
    shutil.copytree(run, other)
    (other / "config.yaml").write_text(config.read_text().replace("seed: 0", "seed: 1"))
    code, _, err = run_command("evaluate", run, other)
    assert code == 0, err
    comparison = json.loads((run.parent / "comparison" / "comparison.json").read_text())
    (told,) = [
        warning for warning in comparison["terms"]["warnings"] if "images have changed since the training" in warning
    ]
    assert told.startswith("run and other: ")


def test_the_pictures_show_each_test_image_once_however_few_there_are(run_command, tmp_path):
    pixels = make_images(9, 12, 10)
    np.save(tmp_path / "images.npy", pixels)
    heights = []
    for number in (1, 2, 3):
        np.save(tmp_path / f"test_{number}.npy", pixels[:number])
        data = {"path": str(tmp_path / "images.npy"), "test_path": str(tmp_path / f"test_{number}.npy")}
        run = tmp_path / "runs" / "few" / f"run_{number}"
        make_run(run, (12, 10, 1), CONVOLUTIONAL, data={"source": "arrays", "validation_fraction": 0.4, **data})
        code, _, err = run_command("evaluate", run)
        assert code == 0, err
        assert f"measuring {number} test image{'s' * (number > 1)}\n" in err
        with Image.open(run / "evaluation" / "reconstructions.png") as picture:
            heights.append(picture.height)
    # A block for each image.
    assert heights[1] - heights[0] == heights[2] - heights[1] > 0


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_of_an_evaluation_agree_with_one_another_and_with_numpy(trained, run_command, image_file):
    run = trained()
    out = evaluate(run_command, run)
    folder = run / "evaluation"
    assert out.splitlines()[-1] == str(folder)
    assert f"Next: python -m cae visualize {run}\n" in run_command("evaluate", run)[2]
    err = run_command("evaluate", run, "--projector")[2]
    assert err.splitlines()[-3] == f"Next: tensorboard --logdir {folder / 'projector'}"
    assert err.count("Next: ") == 1
    results = json.loads((folder / "results.json").read_text())
    rows = table(folder / "per_image.csv")
    assert results["images"] == len(rows) == 20
    assert list(rows[0]) == ["image", "mse", "mae", "psnr", "ssim", "high_frequency_ratio"]
    for name in list(rows[0])[1:]:
        assert results[name] == pytest.approx(np.mean([float(row[name]) for row in rows]), rel=1e-6)
    for row in rows:
        assert float(row["psnr"]) == pytest.approx(-10 * math.log10(float(row["mse"])), abs=1e-3)
    summary = json.loads((run / "summary.json").read_text())
    for key in ("parameters", "macs_per_image", "code"):
        assert results[key] == summary[key]
    with Image.open(folder / "reconstructions.png") as picture:
        assert picture.mode == "RGB"


def test_the_reconstructions_that_are_measured_are_those_of_the_best_weights(trained, run_command, image_file):
    from cae.runs import open_run
    from cae.runs.trained import load_trained_run
    from cae.workflows.planning import load_splits_with_progress

    run = trained()
    evaluate(run_command, run)
    restored = load_trained_run(open_run(run), load_splits_with_progress)
    rows = table(run / "evaluation" / "per_image.csv")
    everything = np.load(image_file)[..., 0].astype(np.float32) / 255
    for row in rows[:5]:
        image = everything[int(row["image"])]
        reconstruction = np.asarray(restored.autoencoder.model(image[None, :, :, None]))[0, :, :, 0]
        assert float(row["mse"]) == pytest.approx(np.mean((image - reconstruction) ** 2), rel=1e-4)
        assert float(row["mae"]) == pytest.approx(np.mean(np.abs(image - reconstruction)), rel=1e-4)


def test_validation_figures_are_those_of_the_best_epoch(trained, run_command):
    run = trained()
    evaluate(run_command, run, "--split", "validation")
    results = json.loads((run / "evaluation" / "results.json").read_text())
    best = json.loads((run / "summary.json").read_text())["best"]
    for name in ("mse", "mae", "psnr", "ssim"):
        assert results[name] == pytest.approx(best[f"val_{name}"], rel=1e-5)


def test_a_denoising_run_is_measured_on_corrupted_and_on_clean_inputs(trained, run_command):
    run = trained(MODEL + DENOISING)
    evaluate(run_command, run, "--split", "validation")
    results = json.loads((run / "evaluation" / "results.json").read_text())
    best = json.loads((run / "summary.json").read_text())["best"]
    assert results["mse"] == pytest.approx(best["val_mse"], rel=1e-5)
    assert results["clean_inputs"]["mse"] != results["mse"]
    assert results["corruption"] == {"kind": "gaussian", "stddev": 0.3}


def test_a_linear_output_is_measured_within_the_pixel_range(trained, run_command):
    run = trained("model: {encoder: {filters: [2]}, decoder: {upsampling: resize, output_activation: linear}}\n")
    evaluate(run_command, run)
    assert json.loads((run / "evaluation" / "results.json").read_text())["mae"] <= 1.0


def test_files_are_named_in_per_image_csv(run_command, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, pixels in enumerate(make_images(30, 12, 9, 3)):
        Image.fromarray(pixels).save(folder / f"photo {number},ü.png")
    data = {"source": "image_folder", "path": str(folder), "image_size": [12, 9], "channels": 3}
    run = make_run(tmp_path / "runs" / "default" / "run", (12, 9, 3), {"encoder": {"filters": [4]}}, data=data)
    evaluate(run_command, run)
    names = {row["image"] for row in table(run / "evaluation" / "per_image.csv")}
    assert len(names) == 3
    assert names <= {path.name for path in folder.iterdir()}


def test_what_is_no_run_or_has_no_weights_or_wrong_ones_is_said(trained, run_command, tmp_path):
    code, _, err = run_command("evaluate", tmp_path / "nothing")
    assert code == 1
    assert "is not a run" in err
    run = tmp_path / "runs" / "run"
    shutil.copytree(trained(), run)
    (run / "model.weights.h5").write_bytes(b"not weights")
    code, _, err = run_command("evaluate", run)
    assert code == 1
    assert "model.weights.h5" in err
    (run / "model.weights.h5").unlink()
    code, _, err = run_command("evaluate", run)
    assert code == 1
    assert "model.weights.h5" in err


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_measured(trained, run_command, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", "/proc/self/fdinfo/x"):
        code, _, err = run_command("evaluate", trained(), "--out", out)
        assert code == 1
        assert str(out) in err
        assert "measuring" not in err


def test_a_metric_that_there_is_not_is_refused_for_a_single_run_too(trained, run_command, tmp_path):
    for metric, taken in (("nonsense", "ssim, ms_ssim,"), ("ms_ssim", "ssim,")):  # these images are too small for one
        code, _, err = run_command("evaluate", trained(), "--metric", metric, "--out", tmp_path / "out")
        assert code == 2
        assert f"--metric: must be one of mse, mae, psnr, {taken} high_frequency_ratio; received {metric}" in err
        assert not (tmp_path / "out").exists()
    code, _, err = run_command("evaluate", trained(), "--metric", "ssim")
    assert code == 0
    assert "of one run all figures are in results.json" in err


def test_help_says_that_files_of_another_split_are_replaced(run_command):
    code, out, _ = run_command("evaluate", "--help")
    assert code == 0
    options = " ".join(out.split()).split("--split", 2)[2]  # after the usage
    split, _, rest = options.partition("--out OUT")
    assert "another split in the same folder are replaced" in split
    assert "of any split, left there is replaced" in rest.partition("--metric")[0]


def test_data_that_have_moved_can_be_named_beside_another_out_and_others_are_refused(
    trained, run_command, image_file, tmp_path
):
    np.save(tmp_path / "moved.npy", np.load(image_file))
    np.save(tmp_path / "wider.npy", make_images(30, 15, 12))
    run = shutil.copytree(trained(), tmp_path / "run", ignore=shutil.ignore_patterns("evaluation"))
    evaluate(run_command, run, "--set", f"data.path={tmp_path / 'moved.npy'}", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "results.json").exists()
    assert not (run / "evaluation").exists()
    code, _, err = run_command("evaluate", run, "--set", f"data.path={tmp_path / 'wider.npy'}")
    assert code == 1
    assert "[15, 10, 1]" in err
    assert "[15, 12, 1]" in err
    code, _, err = run_command("evaluate", run, "--set", "model.encoder.filters=[3]")
    assert code == 2


def test_the_loss_is_the_objective_the_run_was_trained_for(trained, run_command):
    run = trained(MODEL + DENOISING)
    evaluate(run_command, run)
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert results["loss"] == pytest.approx(0.5 * results["mse"] + 2.0 * results["mae"], rel=1e-5)


def test_ablations_and_artefacts_stand_beside_a_run_with_switches(trained, run_command, tmp_path):
    run = trained()
    out = evaluate(run_command, run, "--out", tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["ablations"].keys() == {"latent_zeroed", "switches_fixed", "switches_shuffled"}
    sentence = results["ablations_in_words"]
    assert f"{results['ablations']['switches_shuffled']['mse']:.5f} instead of {results['mse']:.5f}" in sentence
    assert sentence in out
    assert results["bits_in_words"] in " ".join(out.split())
    assert results["bits"]["images"] == results["images"]
    assert results["bits"]["switches"]["at_most"] == results["code"]["switch_bits"]
    assert [layer["stage"] for layer in results["artefacts"]["layers"]] == ["stage_2", "stage_1"]
    assert "2" in results["artefacts"]["phase_amplitude"]


def test_a_decoder_trained_with_other_images_switches_is_validated_and_measured_with_them(trained, run_command):
    run = trained(MODEL.replace("max_unpool", "{kind: max_unpool, train_switches: shuffled}"))
    out = evaluate(run_command, run, "--split", "validation")
    results = json.loads((run / "evaluation" / "results.json").read_text())
    best = json.loads((run / "summary.json").read_text())["best"]
    assert results["psnr"] == pytest.approx(best["val_psnr"], abs=1e-3)
    assert results["ablations"].keys() == {"latent_zeroed", "switches_fixed", "switches_own"}
    assert results["ablations"]["switches_own"]["mse"] != pytest.approx(results["mse"], rel=1e-4)
    assert results["ablations_in_words"] in out
    assert "trained with the switches of other images" in out
    assert results["code"]["switch_bits"] == 0
    assert "switches" not in results["bits"]


def test_without_switches_only_the_latent_can_be_taken_away(trained, run_command, tmp_path):
    run = trained("model: {encoder: {filters: [2]}, decoder: {upsampling: resize, output_activation: linear}}\n")
    evaluate(run_command, run, "--out", tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["ablations"].keys() == {"latent_zeroed"}
    assert results["ablations_in_words"] == ""
    # Resize and convolution answer a constant input evenly.
    assert results["artefacts"]["layers"][0]["unevenness"] == pytest.approx(0, abs=1e-6)


def test_a_run_is_measured_again_only_when_something_changed(trained, run_command, tmp_path):
    run = tmp_path / "experiment" / "run"
    shutil.copytree(trained(), run)
    first = evaluate(run_command, run)
    # An experiment with a single run is that run.
    code, out, err = run_command("evaluate", run.parent)
    assert (code, out) == (0, first)
    assert "measured already" in err
    code, _, err = run_command("evaluate", run, "--split", "validation")
    assert code == 0
    assert "measured already" not in err
