"""`python -m cae score`: scores, thresholds, heat maps and what labels say of them."""

import base64
import csv
import html
import io
import json
import re
import shutil
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import cae
from cae.anomaly.fitted_scores import Seen, fit_score
from cae.commands.arguments.images import open_split
from cae.commands.score import _normal_classes
from cae.config import check_config
from cae.data.load import load_splits
from cae.data.pixels import crop, cut_patch, stretch, to_float
from cae.inference import TrainedAutoencoder
from cae.workflows.planning import load_splits_with_progress
from tests.comparison.report.parsed import Page
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, make_run


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """120 smooth pictures of class 1, and of classes 0 and 2 some with noise, as an .npz with labels."""
    path = tmp_path_factory.mktemp("data") / "labelled.npz"
    images = make_images(240, 15, 10)
    labels = np.tile([1, 1, 0, 2], 60)
    noise = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    images[labels == 2] = noise[labels == 2]
    np.savez(path, x_train=images, y_train=labels)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, labelled):
    """A run on class 1 alone, as the configuration says."""
    return make_run(
        tmp_path_factory.mktemp("runs") / "run",
        (15, 10, 1),
        CONVOLUTIONAL,
        data={"source": "arrays", "path": str(labelled), "classes": [1], "test_fraction": 0.5},
    )


@pytest.fixture
def folders(tmp_path):
    """good/ and bad/ pictures of another size than the model's."""
    for name, images in {"good": make_images(4, 30, 20, seed=5), "bad": 255 - make_images(3, 30, 20, seed=6)}.items():
        (tmp_path / "parts" / name).mkdir(parents=True)
        for number, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(tmp_path / "parts" / name / f"{number}.png")
    return tmp_path / "parts"


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def pair_share(normal, others):
    return np.mean([(other > one) + 0.5 * (other == one) for other in others for one in normal])


def test_classes_that_were_not_trained_on_are_told_from_the_one_that_was(run, labelled, run_command, tmp_path):
    out = tmp_path / "out"
    code, stdout, stderr = run_command("score", run, "--split", "test", "--out", out, "--no-heat-maps")
    assert code == 0, stderr
    rows = rows_of(out / "scores.csv")
    assert len(rows) == 120  # of every class, trained on or not
    with np.load(labelled) as data:
        images, labels = data["x_train"], data["y_train"]
    indices = [int(row["file"]) for row in rows]
    assert [int(row["class"]) for row in rows] == labels[indices].tolist()
    scores = TrainedAutoencoder.load(run).score(images[indices])
    np.testing.assert_allclose([float(row["score"]) for row in rows], scores, rtol=1e-5)
    results = json.loads((out / "results.json").read_text())
    normal = scores[labels[indices] == 1]
    for name in ("0", "2"):
        share = pair_share(normal, scores[labels[indices] == int(name)])
        assert results["classes"][name]["auroc"] == pytest.approx(share)
        assert f"{share:.4f}" in stdout
    assert results["auroc"] == pytest.approx(pair_share(normal, scores[labels[indices] != 1]))
    # Beside it stands what needs no model: here noise is far from every smooth picture, as it must be.
    assert results["baselines"]["nearest_neighbour"]["auroc"] > 0.6
    assert f"{results['baselines']['pca_error']['auroc']:.4f}" in stdout
    assert stdout.splitlines()[-1] == str(out)
    assert not (out / "heat_maps").exists()


def test_the_threshold_is_a_score_of_a_validation_image(run, labelled, run_command):
    from cae.config import load_config
    from cae.data.load import load_splits

    code, stdout, stderr = run_command("score", run, "--split", "test", "--fpr", "0.25")
    assert code == 0, stderr
    validation = load_splits(load_config(run / "config.yaml").data).validation
    assert set(validation.labels) == {1}
    scores = np.sort(TrainedAutoencoder.load(run).score(validation.read(np.arange(len(validation)))))
    rank = int(np.ceil((len(scores) + 1) * 0.75))
    assert f"threshold {scores[rank - 1]:.4g}: " in stdout
    assert f"found on {len(scores)} normal images" in stdout


def test_images_are_told_once_and_that_they_are_not_those_of_training_any_more(tmp_path, run_command):
    np.save(tmp_path / "images.npy", make_images(40, 15, 10))
    data = {"source": "arrays", "path": str(tmp_path / "images.npy")}
    run = make_run(tmp_path / "run", (15, 10, 1), CONVOLUTIONAL, data=data)
    parts = load_splits(check_config({"data": data}).data).identities
    (run / "environment.json").write_text(json.dumps({"images": parts}))
    arguments = ["--split", "test", "--fpr", "0.5", "--out", tmp_path / "out", "--overwrite"]
    for is_told in (False, True):
        with mock.patch(
            "cae.commands.arguments.images.load_splits_with_progress", wraps=load_splits_with_progress
        ) as loaded:
            code, stdout, stderr = run_command("score", run, *arguments)
        assert code == 0, stderr
        assert stderr.count("Images: train ") == loaded.call_count == 1
        assert (stdout + stderr).count("The training images have changed since the training") == is_told
        codes = [warning["code"] for warning in json.loads((tmp_path / "out/results.json").read_text())["warnings"]]
        assert codes == ["other_images"] * is_told
        assert ("fitted scores use the images of now" in stdout) == is_told
        np.save(tmp_path / "images.npy", make_images(40, 15, 10)[::-1])
    # Nothing is fitted for the error alone.
    _, stdout, _ = run_command("score", run, "--split", "test", "--metric", "mse")
    assert "The training images have changed since the training" in stdout
    assert "fitted" not in stdout
    code, _, stderr = run_command("encode", run, "--split", "test", "--out", tmp_path / "codes.npz")
    assert code == 0, stderr
    assert stderr.count("The training images have changed since the training") == 1
    assert "Baselines" not in stderr


def test_defects_alone_are_scored_by_a_run_on_patches_of_good_pictures(tmp_path, run_command):
    for number, image in enumerate(make_images(24, 12, 10)[..., 0]):
        for place in ("parts/good", "parts/bad", *(["defects/bad"] if number < 4 else [])):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / place / f"{number}.png")
    data = {"source": "image_folder", "path": str(tmp_path / "parts"), "channels": 1, "classes": ["good"]}
    data |= {"fit": "patch", "patches": 2, "image_size": [8, 8]}
    run = make_run(tmp_path / "run", (8, 8, 1), CONVOLUTIONAL, data=data)
    parts = load_splits(check_config({"data": data}).data).identities
    (run / "environment.json").write_text(json.dumps({"images": parts}))
    code, stdout, stderr = run_command("score", run, "--split", "test", "--metric", "mse")
    assert code == 0, stderr
    assert "have changed" not in stdout + stderr
    defects = ["--set", f"data.test_path={tmp_path / 'defects'}"]
    code, stdout, stderr = run_command("score", run, "--split", "test", "--metric", "mse", *defects)
    assert code == 0, stderr
    assert stdout.startswith("8 images")
    assert "Nothing to compare" not in stderr


def test_colours_that_a_model_of_gray_images_does_not_see_are_told_once(run, folders, run_command):
    assert "in gray" not in run_command("score", run, folders)[2]
    for name in ("1.png", "2.png"):
        Image.fromarray(make_images(1, 15, 10, 3)[0]).save(folders / "bad" / name)
    _, _, stderr = run_command("score", run, folders)
    assert stderr.count("bad/1.png has colours, perhaps others too, and this model was trained on gray images") == 1
    assert stderr.count("in gray") == 1


@pytest.mark.parametrize("fit", ["patch", "crop", "stretch"])
def test_a_threshold_is_found_on_images_that_reach_the_model_as_those_it_is_for(tmp_path, run_command, fit):
    """Else normal images would lie above it more often, or less, than was promised."""
    images = make_images(10, 30, 20, seed=8)
    for number, image in enumerate(images):
        place = tmp_path / "all" / ("val" if number < 5 else "train") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place)
    data = {"source": "image_folder", "path": str(tmp_path / "all"), "channels": 1, "image_size": [15, 10], "fit": fit}
    run = make_run(tmp_path / "run", (15, 10, 1), CONVOLUTIONAL, data=data)
    model, validation = TrainedAutoencoder.load(run), images[:5]
    arguments = ["--fpr", "0.5", "--out", tmp_path / "out", "--overwrite", "--no-heat-maps"]

    def threshold_of(*others):
        code, stdout, stderr = run_command("score", run, *others, *arguments)
        assert code == 0, stderr
        results = json.loads((tmp_path / "out" / "results.json").read_text())
        codes = [warning["code"] for warning in results["warnings"]]
        assert all(f"Warning: {warning['message']}" in stdout for warning in results["warnings"])
        return results["threshold"]["value"], codes

    whole = np.median(model.score(validation))  # the 3rd of 5
    for way in ("native", "resize"):
        expected = np.median(model.score(validation, size=way))
        found, doubts = threshold_of(tmp_path / "all" / "val", f"--{way}")
        assert found == pytest.approx(expected, rel=1e-5)
        assert doubts == ["calibrated_on_scored"]
    found, doubts = threshold_of(tmp_path / "all" / "train")
    assert (found, doubts) == (pytest.approx(whole, rel=1e-5), [])
    # Images that were trained on, as files and as training has them.
    for others in ([tmp_path / "all" / "val"], ["--split", "validation"]):
        assert threshold_of(*others, "--calibrate", tmp_path / "all" / "train")[1] == ["calibrated_on_trained"]
    changes = {"patch": cut_patch, "crop": crop, "stretch": stretch}
    fitted = np.median(model.score(np.stack([changes[fit](image, (15, 10)) for image in validation])))
    for others in ([], ["--calibrate", tmp_path / "all" / "val"]):
        found, doubts = threshold_of("--split", "test", *others)
        assert (found, doubts) == (pytest.approx(fitted, rel=1e-5), [])


def test_class_folders_are_scored_against_a_normal_folder_with_heat_maps(run, folders, run_command, tmp_path):
    out = tmp_path / "out"
    code, stdout, stderr = run_command(
        "score", run, folders, "--normal-classes", "good", "--calibrate", folders / "good", "--fpr", "0.2", "--out", out
    )
    assert code == 0, stderr
    rows = rows_of(out / "scores.csv")
    assert [(row["file"], row["class"]) for row in rows][:2] == [("bad/0.png", "bad"), ("bad/1.png", "bad")]
    good = [float(row["score"]) for row in rows if row["class"] == "good"]
    threshold = json.loads((out / "results.json").read_text())["threshold"]
    assert threshold == {"value": max(good), "false_positive_rate": 0.2, "images": 4}  # the 4th of 4
    assert all(int(row["anomalous"]) == (float(row["score"]) > max(good)) for row in rows)
    assert "resized to the model's 15x10" in stderr
    for row in rows:
        with Image.open(out / "heat_maps" / row["file"]) as picture:
            assert (picture.mode, picture.size) == ("RGB", (20, 30))
    assert "above it: 0 of 4 (0.00%) normal images, " in stdout


@pytest.mark.parametrize("metric", ["whitened", "combined"])
def test_scores_fitted_to_training_images_see_images_as_training_did(run, folders, run_command, tmp_path, metric):
    arguments = ["--normal-classes", "good", "--metric", metric, "--out", tmp_path / "out", "--fpr", "0.2"]
    code, _, stderr = run_command("score", run, folders, *arguments)
    assert code == 0, stderr
    model = TrainedAutoencoder.load(run)
    training = open_split(model, "train", [])
    normal = np.stack([training.read(index) for index in range(len(training.names))])
    paths = [folders / row["file"] for row in rows_of(tmp_path / "out" / "scores.csv")]
    images = np.stack([stretch(np.asarray(Image.open(path))[..., np.newaxis], (15, 10)) for path in paths])
    fitted, given = (Seen(to_float(one), model.reconstruct(one), model.encode(one)) for one in (normal, images))
    expected = fit_score(metric, fitted)(given)
    whole = np.stack([np.asarray(Image.open(path)) for path in paths])
    np.testing.assert_allclose(model.score(whole, metric=metric), expected, rtol=1e-3)
    np.testing.assert_allclose(model.score(whole[0], metric=metric), expected[0], rtol=1e-3)
    found = [float(row["score"]) for row in rows_of(tmp_path / "out" / "scores.csv")]
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["metric"] == metric
    assert results["baselines"].keys() == {"pca_error", "nearest_neighbour"}
    for way in ("--native", "--tile"):
        code, _, stderr = run_command("score", run, folders, "--metric", metric, way)
        assert (code, f"--metric {metric} compares with training images" in stderr) == (2, True)


def test_without_a_metric_the_combined_score_is_taken_in_python_as_on_the_command_line(run, folders, run_command):
    said = []
    model = TrainedAutoencoder.load(run, tell=said.append)
    code, stdout, stderr = run_command("score", run, folders / "bad")
    assert code == 0, stderr
    images = np.stack([np.asarray(Image.open(folders / "bad" / f"{number}.png")) for number in range(3)])
    scores = model.score(images)
    assert (scores == model.score(images, metric="combined")).all()
    assert stdout.startswith(f"3 images, combined from {scores.min():.4g} to {scores.max():.4g}\n")
    assert "Scored by combined, fitted to 54 training images\n" in stderr
    assert not any("Scored by" in line for line in said)


@pytest.mark.parametrize(("size", "metric"), [("native", "combined"), ("tile", "place")])
def test_fitted_scores_refuse_images_at_their_own_size_in_python_too(run, size, metric):
    images, model = np.zeros((1, 30, 20), np.uint8), TrainedAutoencoder.load(run, tell=lambda _: None)
    with pytest.raises(ValueError, match=f"{metric} compares with training images, at their size"):
        model.score(images, metric=metric, size=size)
    assert (model.score(images, size=size) == model.score(images, metric="mse", size=size)).all()
    with pytest.raises(ValueError, match="`metric` must be one of auto, mse"):
        model.score(images, metric="psnr")


def test_where_training_images_have_gone_the_error_is_taken_and_said(labelled, run_command, tmp_path):
    gone = tmp_path / "gone.npz"
    gone.write_bytes(labelled.read_bytes())
    run = make_run(tmp_path / "run", (15, 10, 1), CONVOLUTIONAL, data={"source": "arrays", "path": str(gone)})
    gone.unlink()
    images, said = make_images(3, 15, 10), []
    np.save(tmp_path / "some.npy", images)
    code, stdout, stderr = run_command("score", run, tmp_path / "some.npy")
    assert (code, stdout.startswith("3 images, mse from ")) == (0, True), stderr
    model = TrainedAutoencoder.load(run, tell=said.append)
    assert (model.score(images) == model.score(images, metric="mse")).all()
    assert "Scored by mse, the mean squared error, which often finds little" in said[0]
    assert said[0] in stderr
    with pytest.raises(cae.UserError, match=r"gone\.npz"):
        model.score(images, metric="combined")
    assert run_command("score", run, tmp_path / "some.npy", "--metric", "combined")[0] == 1
    calibrated = "--calibrate", tmp_path / "some.npy", "--fpr", "0.5"
    code, _, stderr = run_command("score", run, tmp_path / "some.npy", *calibrated)
    assert code == 0, stderr
    assert "Whether images to find the threshold with were trained on is not known: " in stderr


@pytest.mark.parametrize(
    ("classes", "normal"),
    [(["a", "b", "c"], ["a", "b"]), (["a", "c"], ["a"]), (["a", "b"], []), (["c"], []), (None, [])],
)
def test_normal_are_a_run_s_own_classes_where_there_are_others_to_tell_from_them(classes, normal):
    model = mock.Mock()
    model.config.data = check_config({"data": {"source": "image_folder", "path": ".", "classes": ["a", "b"]}}).data
    options = mock.Mock(normal_classes=None, split="test", labels=None)
    assert _normal_classes(model, options, classes) == normal


def test_too_few_normal_images_for_a_rate_are_told(run, folders, run_command):
    code, _, stderr = run_command("score", run, folders, "--calibrate", folders / "good")
    assert code == 1
    assert "rate of 0.01 needs at least 99 normal images" in stderr


@pytest.mark.parametrize(("normal", "is_told"), [(None, False), ("good", True), ("good,bad", False)])
def test_a_threshold_that_was_found_on_a_class_that_is_not_normal_is_doubtful(
    run, folders, run_command, normal, is_told
):
    (folders / "odd").mkdir()
    shutil.copy(folders / "bad" / "2.png", folders / "odd" / "9.png")
    calibration = folders.with_name("calibration")
    for name in ("good", "bad"):
        shutil.copytree(folders / name, calibration / name)
    arguments = [] if normal is None else ["--normal-classes", normal]
    code, stdout, stderr = run_command("score", run, folders, "--calibrate", calibration, "--fpr", "0.2", *arguments)
    assert code == 0, stderr
    assert ("of classes that do not count as normal: bad 3 (normal: good)" in stdout) == is_told
    assert ("do not count as normal" in stdout) == is_told


def test_it_is_said_how_many_calibration_images_were_trained_on(run, labelled, run_command, monkeypatch, tmp_path):
    monkeypatch.setattr("cae.commands.score._MOST_COMPARED", 18)
    trained = open_split(TrainedAutoencoder.load(run), "train", [])
    images = np.stack([trained.read(index) for index in range(len(trained.names))])
    np.save(tmp_path / "as_stored.npy", images)
    (tmp_path / "as_files").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / "as_files" / f"{number}.png")
    np.save(tmp_path / "others.npy", make_images(4, 15, 10, seed=9))
    for name, said in (
        ("as_stored.npy", f"Warning: {len(images)} of {len(images)} images that the threshold was found on were"),
        (
            "as_files",
            f"Warning: at least 18 of {len(images)} images that the threshold was found on were trained on (18",
        ),
        ("others.npy", ""),
    ):
        arguments = ["--calibrate", tmp_path / name, "--fpr", "0.25", "--metric", "mse"]
        code, stdout, stderr = run_command("score", run, tmp_path / "others.npy", *arguments)
        assert (code, said in stdout, "trained on" in stdout) == (0, True, bool(said)), stdout + stderr


def test_classes_of_a_known_data_set_count_as_normal_by_number_and_by_name(run_command, tmp_path):
    run = make_run(tmp_path / "run", (28, 28, 1), CONVOLUTIONAL, data={"source": "bundled", "classes": [0]})
    for labels, told in (([0] * 4, ""), ([0, 0, 0, 9], "do not count as normal: Ankle boot 1 (normal: T-shirt/top)")):
        np.savez(tmp_path / "normal.npz", images=make_images(4, 28, 28, seed=7), labels=labels)
        arguments = ["--calibrate", tmp_path / "normal.npz", "--fpr", "0.25", "--metric", "mse"]
        code, stdout, stderr = run_command("score", run, "--split", "test", *arguments)
        assert (code, "do not count" in stdout, told in stdout) == (0, bool(told), True), stdout + stderr


def test_labels_may_stand_in_a_table(run, folders, run_command, tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\n0.png,ok\n1.png,ok\n2.png,odd\n3.png,odd\n")
    arguments = ["score", run, folders / "good", "--labels", tmp_path / "labels.csv", "--normal-classes", "ok"]
    code, stdout, stderr = run_command(*arguments, "--metric", "ssim")
    assert code == 0, stderr
    assert stdout.splitlines()[1].startswith("against normal ok")
    assert stdout.splitlines()[2].split()[:2] == ["odd", "2"]


def test_labels_of_another_array_do_not_turn_the_result_upside_down(run, run_command, tmp_path):
    flat, busy = np.full((10, 15, 10), 128, np.uint8), np.random.default_rng(0).integers(0, 256, (10, 15, 10), np.uint8)
    order = np.random.default_rng(1).permutation(20)
    images, labels = np.concatenate([flat, busy])[order], np.repeat([0, 1], 10)[order]
    np.savez(tmp_path / "a.npz", x_train=images[::-1], y_train=1 - labels, x_test=images, y_test=labels)
    _, expected, _ = run_command("score", run, tmp_path / "a.npz", "--array", "x_test", "--normal-classes", "0")
    model = TrainedAutoencoder.load(run)
    scores = model.score(images)
    share = pair_share(scores[labels == 0], scores[labels == 1])
    assert f"{share:.4f}" in expected.splitlines()[2].split()
    np.savez(tmp_path / "b.npz", x_test=images, y_train=1 - labels)
    code, _, stderr = run_command("score", run, tmp_path / "b.npz", "--array", "x_test", "--normal-classes", "0")
    assert (code, "x_test: no labels, since no array of labels has a matching name" in stderr) == (2, True)


def test_without_labels_the_highest_scores_are_named(run, folders, run_command):
    code, stdout, _ = run_command("score", run, folders / "bad", "--metric", "peak")
    assert code == 0
    assert stdout.splitlines()[0].startswith("3 images, peak from ")
    assert stdout.splitlines()[1].startswith("highest: ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--fpr", "1.5"], 2, "--fpr must be between 0 and 1. Received: 1.5"),
        (["--calibrate", "nowhere"], 1, "there is no such file or folder"),
        (["--overwrite"], 2, "no effect without --out"),
        (["--save-maps"], 2, "no effect without --out"),
        (["--masks", "nowhere"], 1, "there is no such folder"),
        (["--normal-classes", "fine"], 1, "must be classes of the images: bad, good. Received: fine"),
        (["--metric", "psnr"], 2, "received psnr"),
        (["--labels", __file__], 1, "test_score.py: labels must be in a .csv with the columns file and label, "),
    ],
)
def test_mistakes_are_told(run, folders, run_command, arguments, code, message):
    found, _, stderr = run_command("score", run, folders, *arguments)
    assert (found, message in stderr) == (code, True), stderr


def test_the_page_shows_every_rank_with_its_pictures_and_needs_no_other_file(run, folders, run_command, tmp_path):
    (folders / "bad" / "0.png").rename(folders / "bad" / "<b>&.png")
    out = tmp_path / "out"
    code, _, stderr = run_command(
        "score", run, folders, "--normal-classes", "good", "--calibrate", folders / "good", "--fpr", "0.2", "--out", out
    )
    assert (code, f"In a browser: {out / 'index.html'}" in stderr) == (0, True), stderr
    text = (out / "index.html").read_text()
    page = Page(text)
    rows = sorted(rows_of(out / "scores.csv"), key=lambda row: -float(row["score"]))
    captions = re.findall(r"<figcaption>(\d+)\. <strong>(.*?)</strong>, (\w+): ", text)
    expected = [(str(place), html.escape(row["file"]), row["class"]) for place, row in enumerate(rows, start=1)]
    assert captions == expected
    assert text.count("above the threshold</span>") == sum(int(row["anomalous"]) for row in rows)
    images = [image["src"] for image in page.every("img")]
    assert len(images) == 3 * len(rows)
    assert all(source.startswith("data:image/png;base64,") for source in images)
    shown = Image.open(io.BytesIO(base64.b64decode(images[0].split(",")[1])))
    first = Image.open(folders / rows[0]["file"]).convert("L")
    np.testing.assert_allclose(
        np.asarray(shown)[..., 0], stretch(np.asarray(first)[..., np.newaxis], (15, 10))[..., 0], atol=1
    )
    bars = re.findall(r'<g class="bar-(\d)">(.*?)</g>', text, re.DOTALL)
    assert [number for number, _ in bars] == ["0", "1"]  # normal and anomalous apart
    assert 'class="mark"' in text
    assert not any(
        "://" in part.get(key, "") for name in ("a", "img", "link") for part in page.every(name) for key in part
    )


def test_masks_beside_the_test_images_are_found_and_maps_are_kept_as_numbers(run, run_command, tmp_path):
    test = tmp_path / "test"
    masks = {}
    for kind, images in (("good", make_images(3, 30, 20, seed=5)), ("hole", make_images(3, 30, 20, seed=6))):
        (test / kind).mkdir(parents=True)
        for number, image in enumerate(images):
            if kind == "hole":
                mask = np.zeros((30, 20), np.uint8)
                mask[4 * number + 2 : 4 * number + 8, 5:9] = 255
                image[mask > 0] = 255 - image[mask > 0]
                masks[f"hole/{number}.png"] = mask > 0
                (tmp_path / "ground_truth" / "hole").mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(tmp_path / "ground_truth" / "hole" / f"{number}_mask.png")
            Image.fromarray(image[..., 0]).save(test / kind / f"{number}.png")
    out = tmp_path / "out"
    code, stdout, stderr = run_command("score", run, test, "--out", out, "--save-maps", "--no-heat-maps")
    assert code == 0, stderr
    names = [row["file"] for row in rows_of(out / "scores.csv")]
    maps = [np.load(out / "maps" / name.replace(".png", ".npy")) for name in names]
    assert {(one.shape, one.dtype.name) for one in maps} == {((30, 20), "float32")}
    truth = np.stack([masks.get(name, np.zeros((30, 20), bool)) for name in names])
    results = json.loads((out / "results.json").read_text())
    assert results["pixel_auroc"] == pytest.approx(roc_auc_score(truth.ravel(), np.ravel(maps)), abs=1e-3)
    assert (results["masks"], results["regions"]) == (3, 3)
    assert f"pixels: AUROC {results['pixel_auroc']:.4f}, per-region overlap {results['pro']:.4f}" in stdout
    # A score that sees images as training did is told from masks as training would have seen them.
    code, stdout, stderr = run_command("score", run, test, "--metric", "place")
    assert (code, "3 masks" in stdout) == (0, True), stderr
    (tmp_path / "ground_truth" / "hole" / "1_mask.png").unlink()
    code, stdout, stderr = run_command("score", run, test)
    assert (code, "not used" in stderr, "pixels:" in stdout) == (0, True, False)
    code, _, stderr = run_command("score", run, test, "--masks", tmp_path / "ground_truth")
    assert (code, "Received none for 1 of 6: hole/1.png" in stderr) == (1, True)


def test_normal_classes_need_classes(run, folders, run_command):
    code, _, stderr = run_command("score", run, folders / "good", "--normal-classes", "good")
    assert code == 2
    assert "needs images in class folders, or --labels" in stderr


def test_colours_of_arrays_and_of_calibration_images_are_told_too_and_in_python(run, run_command, tmp_path):
    colored, gray = make_images(2, 15, 10, channels=3, seed=5), make_images(3, 15, 10, seed=6)
    equal = gray.repeat(3, axis=-1)  # three equal channels have no colours
    (tmp_path / "mixed").mkdir()
    for number, image in enumerate([*equal, *colored]):
        Image.fromarray(image).save(tmp_path / "mixed" / f"{number}.png")
    np.save(tmp_path / "colored.npy", colored)
    np.save(tmp_path / "plain.npy", gray)
    np.save(tmp_path / "equal.npy", equal)
    said = "has images with colours, and this model was trained on gray images: it sees them in gray"
    for command, *arguments in (
        ("score", "--metric", "mse", "--out", tmp_path / "scored"),
        ("reconstruct", "--out", tmp_path / "made"),
        ("encode", "--out", tmp_path / "codes.npz"),
    ):
        code, _, stderr = run_command(command, run, tmp_path / "colored.npy", *arguments)
        assert (code, stderr.count(f"colored.npy {said}")) == (0, 1), stderr
        for name in ("plain.npy", "equal.npy"):
            code, _, stderr = run_command(command, run, tmp_path / name, *arguments, "--overwrite")
            assert (code, "gray" in stderr) == (0, False), stderr
    arguments = ["--calibrate", tmp_path / "mixed", "--fpr", "0.25"]
    for scored in ("plain.npy", "mixed"):
        code, _, stderr = run_command("score", run, tmp_path / scored, *arguments)
        assert (code, stderr.count("3.png has colours, perhaps others too")) == (0, 1), stderr
    told = []
    model = TrainedAutoencoder.load(run, tell=told.append)
    for images in (gray, equal, colored, colored[:1]):
        model.score(images, metric="mse")
    assert ["gray" in line for line in told] == [True]


@pytest.mark.parametrize("kind", ["folder", "array"])
def test_the_line_about_a_run_s_images_says_that_their_colours_are_not_read(run_command, tmp_path, kind):
    from cae.config.data import ArrayData, ImageFolderData
    from cae.workflows.planning import load_splits_with_progress

    colored, gray = make_images(12, 15, 10, channels=3, seed=5), make_images(12, 15, 10, seed=6)
    equal = gray.repeat(3, axis=-1)  # three equal channels have no colours
    mixed = np.where(np.arange(12)[:, np.newaxis, np.newaxis, np.newaxis] < 4, equal, colored)
    for name, images in (("colored", colored), ("mixed", mixed), ("equal", equal)):
        np.save(tmp_path / f"{name}.npy", images)
        (tmp_path / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{number:02}.png")

    def line_for(name, channels):
        section, ending = {"folder": (ImageFolderData, ""), "array": (ArrayData, ".npy")}[kind]
        lines = []
        load_splits_with_progress(section(path=str(tmp_path / f"{name}{ending}"), channels=channels), lines.append)
        return lines[0]

    for name in ("colored", "mixed"):
        assert line_for(name, 1).endswith("; colours are read in gray (data.channels: 1)")
        assert "gray" not in line_for(name, 3)
    assert "gray" not in line_for("equal", 1)
