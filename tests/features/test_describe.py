"""`evaluate.py` and the codes of a run: with labels, without, again, and in TensorBoard's projector."""

import contextlib
import io
import itertools
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from cae.commands.main import main
from cae.errors import UserError
from cae.features import describe
from cae.inference import TrainedAutoencoder
from tests.comparison.events.conftest import serve
from tests.conftest import make_images

MODEL = "model: {encoder: {filters: [4]}, bottleneck: {kind: dense, units: 6}, decoder: {upsampling: conv_transpose}}\n"
UNPOOLING = "model: {encoder: {filters: [4]}, decoder: {upsampling: max_unpool}}\n"
PICTURES = ("neighbours.png", "interpolation.png", "traversal.png")


def striped(number, seed):
    """Pictures of two classes that are easily told apart: bright above, or bright below."""
    labels = np.random.default_rng(seed).integers(2, size=number)
    pictures = make_images(number, 12, 10, seed=seed)[..., 0] // 2
    for picture, label in zip(pictures, labels, strict=True):
        picture[6 * label : 6 * label + 6] += 120
    return pictures, labels


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a run on labelled or unlabelled arrays, once each."""
    made = {}

    def train(model=MODEL, has_labels=True):
        key = model, has_labels
        if key not in made:
            folder = tmp_path_factory.mktemp("trained")
            (x_train, y_train), (x_test, y_test) = striped(120, 0), striped(40, 1)
            labels = {"y_train": y_train, "y_test": y_test} if has_labels else {}
            np.savez(folder / "images.npz", x_train=x_train, x_test=x_test, **labels)
            config = folder / "config.yaml"
            config.write_text(
                "data: {source: arrays, path: images.npz}\ntraining: {epochs: 1}\nlogging: {tensorboard: false}\n"
                + model
            )
            assert main(["train", str(config), "--runs-dir", str(folder / "runs")]) == 0
            made[key] = folder / "runs" / "default" / "run"
        return made[key]

    return train


@pytest.fixture
def evaluate(run_command):
    def run(*arguments):
        code, out, err = run_command("evaluate", *arguments)
        assert code == 0, err
        return out, err

    return run


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    """An evaluation of the labelled run: its folder, and what the command printed and said."""
    folder = tmp_path_factory.mktemp("evaluated")
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as told:
        assert main(["evaluate", str(trained()), "--out", str(folder)]) == 0
    return folder, out.getvalue(), told.getvalue()


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def test_labelled_test_images_get_probes_and_pictures(evaluated):
    folder, out, told = evaluated
    features = results_of(folder)["features"]
    assert (features["fitted_on"], features["scored_on"], features["classes"]) == (108, 40, 2)
    assert list(features["representations"]) == ["codes", "pca", "pixels"]
    assert features["representations"]["codes"]["values"] == features["representations"]["pca"]["values"] == 6
    assert features["representations"]["pixels"]["linear_probe"]["accuracy"] > 0.95
    assert features["pictures"] == {name.removesuffix(".png"): name for name in PICTURES}
    for name in PICTURES:
        with Image.open(folder / name) as picture:
            assert picture.mode == "RGB"
        assert str(folder / name) in told
    assert "linear probe: codes minus PCA" in out
    assert out.splitlines()[-1] == str(folder)


def test_codes_are_measured_once_and_again_when_something_changed(trained, evaluated, evaluate, tmp_path):
    folder, _, told = evaluated
    assert "linear probe on" in told
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    first = results_of(tmp_path)
    out, told = evaluate(trained(), "--out", tmp_path)
    assert "linear probe on" not in told
    assert "codes minus PCA" in out
    for name in PICTURES:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "traversal.png").unlink()
    _, told = evaluate(trained(), "--out", tmp_path)
    assert "linear probe on" in told
    assert results_of(tmp_path) == first
    for name in PICTURES:  # the same run gives the same pictures
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    evaluate(trained(), "--out", tmp_path, "--feature-images", 50)
    assert results_of(tmp_path)["features"]["fitted_on"] == 50
    # --no-features shows nothing and keeps what is still true, and an evaluation of other images does not.
    out, _ = evaluate(trained(), "--out", tmp_path, "--no-features")
    assert "codes minus PCA" not in out
    assert results_of(tmp_path)["features"]["fitted_on"] == 50
    evaluate(trained(), "--out", tmp_path, "--no-features", "--split", "validation")
    assert results_of(tmp_path)["features_note"] == "not asked for"
    assert not any((tmp_path / name).exists() for name in PICTURES)


def test_without_labels_nothing_is_done_unless_pictures_are_asked_for(trained, evaluate, tmp_path):
    run = trained(has_labels=False)
    _, told = evaluate(run, "--out", tmp_path)
    assert "codes are worth" not in told
    assert "probe" not in told
    results = results_of(tmp_path)
    assert "features" not in results
    assert results["features_note"] == "the images have no labels"
    out, _ = evaluate(run, "--out", tmp_path, "--features")
    results = results_of(tmp_path)
    assert "features_note" not in results
    assert results["features"]["note"] == "the images have no labels"
    assert all((tmp_path / name).exists() for name in PICTURES)
    assert "codes: no probes: the images have no labels" in out


def test_training_images_are_not_scored_by_probes_that_were_fitted_on_them(trained, evaluate, tmp_path):
    evaluate(trained(), "--out", tmp_path, "--split", "train")
    assert "fitted on the training images" in results_of(tmp_path)["features_note"]


def test_an_evaluation_in_a_folder_for_reading_only_is_given_as_it_is(trained, run_command, monkeypatch, tmp_path):
    def refuse(folder):
        raise UserError(f"{folder}: cannot be written: Read-only file system.")

    arguments = ["evaluate", trained(), "--out", tmp_path]
    assert run_command(*arguments, "--no-features")[0] == 0
    monkeypatch.setattr(describe, "check_is_writable", refuse)
    assert "Read-only" not in run_command(*arguments, "--no-features")[2]
    code, _, err = run_command(*arguments)
    assert code == 0
    assert "Read-only file system. Nothing is added on its codes." in err
    code, _, err = run_command(*arguments, "--features")
    assert code == 1
    assert "Read-only" in err
    assert results_of(tmp_path)["features_note"] == "not asked for"


def test_a_decoder_with_switches_has_no_traversal_and_says_why(trained, evaluate, tmp_path):
    evaluate(trained(UNPOOLING), "--out", tmp_path)
    features = results_of(tmp_path)["features"]
    assert "needs an image's switches" in features["pictures"]["traversal"]
    assert not (tmp_path / "traversal.png").exists()
    assert (tmp_path / "interpolation.png").exists()
    assert "codes_mean" in features["representations"]


@pytest.mark.parametrize("option", ["--features", "--projector", "--feature-images=9"])
def test_several_runs_at_a_time_are_refused(trained, run_command, option, tmp_path):
    shutil.copytree(trained(), tmp_path / "a" / "other")
    code, _, err = run_command("evaluate", trained(), tmp_path / "a" / "other", option)
    assert code == 2
    assert f"{option.split('=')[0]}: is for one run at a time" in err


def test_a_number_of_images_without_probes_is_refused(run_command, tmp_path):
    code, _, err = run_command("evaluate", tmp_path, "--no-features", "--feature-images=9")
    assert code == 2
    assert "--feature-images has no effect with --no-features" in err


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_number_of_images_must_be_one(trained, run_command, number):
    code, _, err = run_command("evaluate", trained(), f"--feature-images={number}")
    assert code == 2
    assert "must be a whole number of at least 1" in err


@pytest.fixture(scope="module")
def board(trained, tmp_path_factory):
    """A TensorBoard on loopback that shows a folder of runs, one of them with codes."""
    runs = tmp_path_factory.mktemp("projector")
    shutil.copytree(trained(), runs / "some run")
    assert main(["evaluate", str(runs / "some run"), "--projector", "--no-features"]) == 0
    with serve(runs) as found:
        found.wait_for([os.path.join("some run", "evaluation", "projector")])
        yield found


def test_tensorboard_serves_codes_names_classes_and_thumbnails(board, trained):
    (run,) = board.ask("plugin/projector/runs")
    assert run == "some run/evaluation/projector"
    (embedding,) = board.ask("plugin/projector/info", run=run)["embeddings"]
    assert embedding["tensorName"] == "codes"
    assert embedding["tensorShape"] == [40, 6]
    pictures, labels = striped(40, 1)
    expected = TrainedAutoencoder.load(trained()).encode(pictures)
    served = np.frombuffer(board.read("plugin/projector/tensor", run=run, name="codes"), np.float32)
    np.testing.assert_allclose(served.reshape(40, 6), expected, rtol=1e-4, atol=1e-6)
    rows = board.read("plugin/projector/metadata", run=run, name="codes").decode().splitlines()
    assert rows[0].split("\t") == ["class", "image", "psnr_db"]
    assert [row.split("\t")[:2] for row in rows[1:]] == [[str(label), str(i)] for i, label in enumerate(labels)]
    with Image.open(io.BytesIO(board.read("plugin/projector/sprite_image", run=run, name="codes"))) as sprite:
        pixels = np.asarray(sprite)
    width, height = embedding["sprite"]["singleImageDim"]
    assert (width, height) == (10, 12)
    assert pixels.shape == (7 * height, 7 * width, 3)
    colors = {}
    for number in (0, 8, 39):
        top, left = number // 7 * height, number % 7 * width
        # Half the picture, half the colour of its class.
        color = 2 * pixels[top : top + height, left : left + width].astype(int) - pictures[number][..., None]
        assert np.ptp(color, axis=(0, 1)).max() <= 2
        colors.setdefault(labels[number], []).append(color.mean(axis=(0, 1)))
    means = [np.mean(found, axis=0) for found in colors.values()]
    assert all(np.ptp(found, axis=0).max() < 2 for found in colors.values())
    assert all(np.abs(one - other).max() > 50 for one, other in itertools.pairwise(means))
