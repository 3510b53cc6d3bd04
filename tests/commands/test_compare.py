"""`evaluate.py` on several runs, and on an experiment's folder."""

import csv
import errno
import gc
import json
import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from cae.commands.main import main
from cae.comparison.statistics import estimate
from tests.comparison.report.parsed import Page, markdown_tables
from tests.conftest import make_images

TEXT = """
experiment: e
model: {encoder: {filters: [4], downsampling: max_pool}, bottleneck: {kind: spatial, channels: 2}}
training: {epochs: 2, batch_size: 16, optimizer: {name: sgd, learning_rate: 0.1}}
"""
DECODERS = {"resize": "resize", "unpool": "max_unpool", "transposed": "{kind: conv_transpose, kernel_size: 3}"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory, image_file):
    """Two decoders with two seeds, and a third with one, trained and compared; not to be changed."""
    folder = tmp_path_factory.mktemp("compared")
    config = folder / "config.yaml"
    config.write_text(f"data: {{source: arrays, path: {image_file}}}\n{TEXT}")
    for name, seed in [("resize", 0), ("resize", 1), ("unpool", 0), ("unpool", 1), ("transposed", 1)]:
        changes = [f"model.decoder.upsampling={DECODERS[name]}", f"seed={seed}", f"name={name}{seed}"]
        arguments = [part for change in changes for part in ("--set", change)]
        assert main(["train", str(config), "--runs-dir", str(folder), *arguments]) == 0
    assert main(["evaluate", str(folder / "e")]) == 0
    return folder / "e"


@pytest.fixture
def experiment(compared, tmp_path):
    """A copy of the runs that may be changed; each is measured already."""
    return shutil.copytree(compared, tmp_path / "runs" / "e", ignore=shutil.ignore_patterns("comparison"))


def compare(run_command, *arguments):
    code, out, err = run_command("evaluate", *arguments)
    assert code == 0, err
    return out, err


def per_image(run, metric):
    with open(run / "evaluation" / "per_image.csv", newline="") as file:
        return np.array([float(row[metric]) for row in csv.DictReader(file)])


def comparison(folder):
    return json.loads((folder / "comparison.json").read_text())


def events(folder):
    """A folder's own event files, every value in them."""
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return found


def test_every_file_and_every_event_of_a_comparison_has_the_same_figures(compared):
    found = comparison(compared / "comparison")
    text = (compared / "comparison" / "comparison.md").read_text()
    page = Page((compared / "comparison" / "comparison.html").read_text())
    runs = {run["name"]: run for contender in found["contenders"] for run in contender["runs"]}
    assert runs.keys() == {"resize0", "resize1", "unpool0", "unpool1", "transposed1"}
    for name, run in runs.items():
        results = json.loads((compared / name / "evaluation" / "results.json").read_text())
        best = json.loads((compared / name / "summary.json").read_text())["best"]
        logged = events(compared / name)
        assert {tag for tag in logged.Tags()["tensors"] if tag.startswith("test/")} == {
            f"test/{metric}" for metric in run["metrics"]
        }
        for metric, value in run["metrics"].items():
            assert value == results[metric]
            if metric != "loss":
                assert value == pytest.approx(per_image(compared / name, metric).mean(), rel=1e-6)
            (event,) = logged.Tensors(f"test/{metric}")
            assert tf.make_ndarray(event.tensor_proto) == np.float32(value)
            assert event.step == best["epoch"]
        row = next(row for row in page.records("runs") if row["run"].endswith(name))
        assert row["PSNR (dB)"] == f"{results['psnr']:.2f}"
    ranking = page.records("ranking")
    assert markdown_tables(text)["Decoders, sorted by PSNR (dB)"] == page.tables["ranking"]
    for row, contender in zip(ranking, found["contenders"], strict=True):
        psnr, *others = (contender["metrics"][name] for name in ("psnr", "ssim", "mse"))
        ends = "one seed" if psnr["low"] is None else f"{psnr['low']:.2f} to {psnr['high']:.2f}"
        assert row["PSNR (dB), 95% interval over seeds"] == f"{psnr['mean']:.2f} ({ends})"
        assert float(row["SSIM"]) == pytest.approx(others[0]["mean"], abs=5.1e-5)
        assert float(row["MSE"]) == pytest.approx(others[1]["mean"], rel=5e-4)


def test_tensorboards_texts_and_columns_are_those_of_the_comparison(compared):
    found = comparison(compared / "comparison")
    text = (compared / "comparison" / "comparison.md").read_text()
    logged = events(compared / "comparison")
    tags = [tag for tag in logged.Tags()["tensors"] if tag.startswith("comparison/0")]
    texts = {tag[14:]: tf.make_ndarray(logged.Tensors(tag)[0].tensor_proto).item().decode() for tag in tags}
    parts = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert len(texts) == len(parts)  # the title has one of its own, pictures have none
    for heading, part in parts.items():
        if heading != "Pictures":
            assert texts[heading].replace("\n    |", "\n|") == re.sub(
                r"^\|.*", lambda row: re.sub(r"\\(.)", r"\1", row[0]), part.strip(), flags=re.MULTILINE
            )
    assert markdown_tables(texts["Decoders"].replace("\n    |", "\n|")) == {
        "Decoders, sorted by PSNR (dB)": markdown_tables(text)["Decoders, sorted by PSNR (dB)"]
    }
    content = events(compared).SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    columns = metadata.parse_experiment_plugin_data(content)
    metrics = {(metric.name.group, metric.name.tag) for metric in columns.metric_infos}
    assert metrics == {("", f"test/{name}") for name in found["contenders"][0]["metrics"]}
    sessions = [
        metadata.parse_session_start_info_plugin_data(_session(compared / run["name"]))
        for contender in found["contenders"]
        for run in contender["runs"]
    ]
    assert {column.name for column in columns.hparam_infos} <= set.union(*(set(one.hparams) for one in sessions))


def _session(run):
    return events(run).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content


def test_the_comparison_is_made_of_the_runs_evaluations(compared):
    found = comparison(compared / "comparison")
    assert found["num_images"] == 20
    assert found["title"] == "e"
    assert found["corruption"] == ""
    contenders = {contender["label"]: contender for contender in found["contenders"]}
    assert contenders.keys() == {"resize nearest", "max_unpool", "conv_transpose 3"}
    for label, names in [("resize nearest", ["resize0", "resize1"]), ("conv_transpose 3", ["transposed1"])]:
        contender = contenders[label]
        assert [run["name"] for run in contender["runs"]] == names
        results = [json.loads((compared / name / "evaluation" / "results.json").read_text()) for name in names]
        for metric in ("mse", "mae", "psnr", "ssim", "high_frequency_ratio"):
            means = [per_image(compared / name, metric).mean() for name in names]
            assert contender["metrics"][metric]["values"] == pytest.approx(means, rel=1e-6)
            expected = estimate(means)
            assert contender["metrics"][metric]["mean"] == pytest.approx(expected.mean, rel=1e-6)
            if len(names) == 1:
                assert contender["metrics"][metric]["low"] is None
            else:
                assert contender["metrics"][metric]["low"] == pytest.approx(expected.low, rel=1e-4)
        amplitudes = [result["artefacts"]["phase_amplitude"]["2"] for result in results]
        assert contender["artefacts"]["phase_amplitude_2"]["values"] == amplitudes
        unevenness = [result["artefacts"]["layers"][0]["unevenness"] for result in results]
        assert contender["artefacts"]["unevenness_stage_1"]["values"] == unevenness
        assert contender["parameters"] == results[0]["parameters"]
        assert contender["code"] == results[0]["code"]
        rows = [
            [json.loads(line) for line in (compared / name / "metrics.jsonl").read_text().splitlines()]
            for name in names
        ]
        curve = contender["curves"]["val_psnr"]
        assert curve["epochs"] == [1, 2]
        assert curve["mean"] == pytest.approx(np.mean([[row["val_psnr"] for row in run] for run in rows], axis=0))
        assert len(curve["low"]) == (2 if len(names) == 2 else 0)
    means = [contender["metrics"]["psnr"]["mean"] for contender in found["contenders"]]
    assert means == sorted(means, reverse=True)


def test_differences_are_paired_by_common_seeds_and_images(compared):
    found = comparison(compared / "comparison")
    names = {"resize nearest": "resize", "max_unpool": "unpool", "conv_transpose 3": "transposed"}
    seeds = {"resize nearest": {0, 1}, "max_unpool": {0, 1}, "conv_transpose 3": {1}}
    order = [contender["label"] for contender in found["contenders"]]
    assert len(found["pairs"]) == 3
    for pair in found["pairs"]:
        first, second = pair["first"], pair["second"]
        assert order.index(first) < order.index(second)
        common = seeds[first] & seeds[second]
        by_image = np.mean(
            [
                per_image(compared / f"{names[first]}{seed}", "psnr")
                - per_image(compared / f"{names[second]}{seed}", "psnr")
                for seed in common
            ],
            axis=0,
        )
        assert pair["mean"] == pytest.approx(by_image.mean())
        assert pair["images_low"] < pair["mean"] < pair["images_high"]
        for name in ("seeds_low", "low", "p", "p_adjusted"):
            assert (pair[name] is None) == (len(common) < 2)
        assert pair["verdict"] in (("better", "equivalent", "undecided") if len(common) > 1 else ("undecided",))
    answer = found["answer"]
    assert (answer["use"], answer["runner_up"]) == tuple(order[:2])
    assert answer["confidence"] == "undecided"  # one decoder has a single seed
    best = found["pairs"][0]
    assert answer["difference"] == [best["low"], best["mean"], best["high"]]
    assert set(answer["floors"]) >= {label for label in order if label != "max_unpool"}


def test_switches_are_told_of_in_words_with_the_means_over_seeds(compared):
    found = comparison(compared / "comparison")
    for contender in found["contenders"]:
        if contender["label"] != "max_unpool":
            assert contender["ablations"].keys() == {"latent_zeroed"}
            assert contender["ablations_in_words"] == ""
            continue
        shuffled = contender["ablations"]["switches_shuffled"]["mean"]
        mse = contender["metrics"]["mse"]["mean"]
        assert f"({shuffled:.5f} instead of {mse:.5f})" in contender["ablations_in_words"]
        assert "\n" not in contender["ablations_in_words"]
        known = contender["bits"]["switches_entropy_given_place"]["mean"]
        assert f"switches have {known:,.0f} for a coder that knows each place" in contender["bits_in_words"]
    assert any("conv_transpose 3` lacks seed 0" in line for line in found["terms"]["warnings"])
    assert any("Switches: `max_unpool`" in line for line in found["terms"]["warnings"])


def test_a_second_time_nothing_is_measured_again_and_everything_is_the_same(compared, run_command, monkeypatch):
    before = comparison(compared / "comparison")
    monkeypatch.chdir(compared.parent)
    paths = ["e/comparison", *sorted(f"e/{path.name}" for path in compared.iterdir() if path.name != "comparison")]
    # As a shell has it: e/*
    out, err = compare(run_command, *paths)
    assert err.count("measured already") == 5
    after = comparison(compared / "comparison")
    for contender in before["contenders"] + after["contenders"]:
        for run in contender["runs"]:
            run["path"] = run["name"]
    del before["made"], after["made"]
    assert after == before
    assert out.splitlines()[-1] == "e/comparison"
    assert "In a browser: e/comparison/comparison.html" in err
    assert "tensorboard --logdir e" in err


def test_what_changed_is_measured_again_and_another_metric_sorts_the_table(experiment, run_command, tmp_path):
    folder = experiment
    shutil.copy(folder / "resize1" / "model.weights.h5", folder / "resize0" / "model.weights.h5")
    (folder / "unpool0" / "evaluation" / "per_image.csv").write_text("image,mse\n")
    out, err = compare(run_command, folder, "--metric", "mae", "--out", tmp_path / "out")
    for logged in (folder, tmp_path / "out"):
        assert re.search(f"tensorboard --logdir {re.escape(str(logged))}$", err, re.MULTILINE)
    assert err.count("measured already") == 3
    assert "resize0: measuring" in err
    assert "unpool0: measuring" in err
    found = comparison(tmp_path / "out")
    means = {contender["label"]: contender["metrics"]["mae"]["mean"] for contender in found["contenders"]}
    assert found["metric"] == "mae"
    assert list(means.values()) == sorted(means.values())
    places = [out.index(f" {label} ") for label in means]
    assert places == sorted(places)
    resize = next(contender for contender in found["contenders"] if contender["label"] == "resize nearest")
    assert len(set(resize["metrics"]["mse"]["values"])) == 1
    assert out.splitlines()[-1] == str(tmp_path / "out")


def test_every_model_is_gone_when_the_next_one_comes(experiment, monkeypatch):
    from cae.comparison import measuring
    from cae.comparison.compare import compare_runs
    from cae.data.load import load_splits
    from cae.runs import RunDirectory

    models, alive = [], []
    load = measuring.load_trained_run

    def load_and_watch(*arguments):
        gc.collect()
        alive.append(sum(model() is not None for model in models))
        trained = load(*arguments)
        models.append(weakref.ref(trained.autoencoder.model))
        return trained

    monkeypatch.setattr(measuring, "load_trained_run", load_and_watch)
    told = []
    compare_runs(
        [RunDirectory(experiment / "resize0"), RunDirectory(experiment / "unpool1")],
        title="e",
        split="test",
        metric="psnr",
        load_splits=load_splits,
        again=True,
        tell=told.append,
    )
    assert not any("measured already" in line for line in told)
    assert alive == [0, 0]  # pictures are those that were measured


def test_a_model_is_built_once_for_all_seeds_and_each_has_the_figures_of_a_run_alone(
    experiment, run_command, monkeypatch, tmp_path
):
    import cae.model

    built, build = [], cae.model.build_autoencoder
    monkeypatch.setattr(cae.model, "build_autoencoder", lambda plan, **how: built.append(plan) or build(plan, **how))
    unpool = [experiment / f"unpool{seed}" for seed in (0, 1)]
    compare(run_command, *unpool, "--again", "--out", tmp_path / "together")
    assert len(built) == 1
    assert run_command("evaluate", unpool[1], "--again", "--no-features", "--out", tmp_path / "alone")[0] == 0
    folders = [unpool[1] / "evaluation", tmp_path / "alone"]
    in_comparison, alone = (json.loads((folder / "results.json").read_text()) for folder in folders)
    for added in ("features_note", "seal"):
        in_comparison.pop(added, None), alone.pop(added, None)
    assert in_comparison == alone
    picture, other = ((folder / "reconstructions.png").read_bytes() for folder in folders)
    assert picture == other


def test_the_same_images_are_shown_under_every_decoder_chosen_by_all_of_them(compared):
    from cae.comparison.compare import compare_runs
    from cae.data.load import load_splits
    from cae.runs import RunDirectory

    names = ["resize0", "unpool0", "transposed1"]
    _, exhibits = compare_runs(
        [RunDirectory(compared / name) for name in names],
        title="e",
        split="test",
        metric="psnr",
        load_splits=load_splits,
        tell=lambda line: None,
    )
    psnr = np.mean([per_image(compared / name, "psnr") for name in names], axis=0)
    with open(compared / "resize0" / "evaluation" / "per_image.csv", newline="") as file:
        images = [row["image"] for row in csv.DictReader(file)]
    order = [images[index] for index in np.argsort(-psnr, kind="stable")]
    assert exhibits.blocks == {"best": tuple(order[:4]), "median": tuple(order[8:12]), "worst": tuple(order[-4:])}
    for block, chosen in exhibits.blocks.items():
        assert exhibits.images[block].shape == (4, 15, 10, 1)
        for label, reconstructions in exhibits.reconstructions[block].items():
            mse = np.mean((exhibits.images[block] - reconstructions) ** 2, axis=(1, 2, 3))
            np.testing.assert_allclose(exhibits.psnr[block][label], -10 * np.log10(mse), atol=1e-3)
        assert len(chosen) == 4
    assert {spectrum.shape for spectrum in exhibits.spectra.values()} == {(15, 10)}


def test_runs_without_weights_and_what_is_no_run_are_left_out_of_an_experiment(experiment, run_command):
    (experiment / "resize1" / "model.weights.h5").unlink()
    for name in ("unpool0", "unpool1", "transposed1"):
        shutil.rmtree(experiment / name)
    (experiment / "comparison").mkdir()
    (experiment / "notes").mkdir()
    (experiment / "notes.txt").write_text("mine")
    out, err = compare(run_command, experiment)
    assert f"{experiment / 'resize1'}: left out" in err
    # One run is left: its own evaluation, and no comparison.
    assert f"{experiment / 'resize0'}: the only run that is left" in err
    assert out.splitlines()[-1] == str(experiment / "resize0" / "evaluation")
    assert not any((experiment / "comparison").iterdir())
    code, _, err = run_command("evaluate", experiment / "resize0", experiment / "resize1")
    assert code == 1
    assert "resize1: has no model.weights.h5" in err


def test_runs_on_other_images_are_refused_by_name(experiment, run_command, tmp_path):
    np.save(tmp_path / "others.npy", make_images(200, 15, 10, seed=5))
    config = experiment / "unpool0" / "config.yaml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(f"  path: {tmp_path / 'others.npy'}" if "  path:" in line else line for line in lines))
    code, _, err = run_command("evaluate", experiment / "resize0", experiment / "unpool0")
    assert code == 1
    assert f"{experiment / 'resize0'} and {experiment / 'unpool0'} cannot be compared: their test images" in err
    # The same images in another place are the same images.
    shutil.copy(_path_of(experiment / "resize0" / "config.yaml"), tmp_path / "others.npy")
    _, err = compare(run_command, experiment / "resize0", experiment / "unpool0")
    assert err.count("measured already") == 2


def _path_of(config):
    return next(line.split()[1] for line in config.read_text().splitlines() if line.startswith("  path:"))


@pytest.fixture
def read_only(experiment, monkeypatch):
    """The experiment in a place where no file can be begun, checks and writers alike; it must stay as it is."""

    def refusing(make):
        def refuse(*arguments, dir=None, **options):
            if dir is not None and Path(dir).is_relative_to(experiment):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))
            return make(*arguments, dir=dir, **options)

        return refuse

    for name in ("TemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, refusing(getattr(tempfile, name)))
    before = _files(experiment)
    yield experiment
    assert _files(experiment) == before


def _files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_that_cannot_be_written_are_compared_when_they_were_measured(read_only, run_command, tmp_path):
    out, err = compare(run_command, read_only, "--out", tmp_path / "out")
    assert err.count("measured already") == 5
    assert err.count("cannot be written") == 5 + 1
    assert f"{read_only / 'unpool1' / 'evaluation'}: cannot be written" in err
    assert f"{read_only}: cannot be written" in err
    assert f"tensorboard --logdir {tmp_path / 'out'}" in err
    assert len(comparison(tmp_path / "out")["contenders"]) == 3
    assert out.splitlines()[-1] == str(tmp_path / "out")
    code, _, err = run_command("evaluate", read_only)
    assert code == 1
    assert err.startswith(f"error: {read_only / 'comparison'}: cannot be written")
    for arguments in [("--again",), ("--split", "validation")]:
        code, _, err = run_command("evaluate", read_only, "--out", tmp_path / "out", *arguments)
        assert code == 1
        assert f"error: {read_only / 'resize0' / 'evaluation'}: cannot be written" in err
        assert "measuring" not in err


def test_a_run_that_cannot_be_written_is_shown_when_it_was_measured(read_only, run_command, tmp_path):
    out, err = compare(run_command, read_only / "unpool0")
    assert "cannot be written" not in err  # there is nothing to add
    assert out.splitlines()[-1] == str(read_only / "unpool0" / "evaluation")
    for option in ("--again", "--projector"):
        code, _, err = run_command("evaluate", read_only / "unpool0", option)
        assert code == 1
        assert f"error: {read_only / 'unpool0' / 'evaluation'}: cannot be written" in err
        assert "measuring" not in err
        assert "writing" not in err


def test_corrupted_inputs_and_a_run_that_is_left_out_are_told_of(experiment, run_command, tmp_path):
    for name in ("resize1", "unpool1"):
        shutil.rmtree(experiment / name)
    (experiment / "transposed1" / "model.weights.h5").unlink()
    for name in ("resize0", "unpool0"):
        config = experiment / name / "config.yaml"
        text = config.read_text()
        assert text.count("  corruption:\n    kind: none\n") == 1
        config.write_text(
            text.replace("corruption:\n    kind: none\n", "corruption: {kind: salt_and_pepper, fraction: 0.2}\n")
        )
    out, _ = compare(run_command, experiment, "--out", tmp_path / "out")
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert comparison(tmp_path / "out")["corruption"] == "salt and pepper, fraction 0.2"
    told = "Inputs were corrupted (salt and pepper, fraction 0.2)"
    assert told in (tmp_path / "out" / "comparison.md").read_text()
    assert told in page
    sentence = f"{experiment / 'transposed1'}: left out, since it has no model.weights.h5 yet"
    assert any(sentence in warning for warning in comparison(tmp_path / "out")["terms"]["warnings"])
    assert f"Warning: {sentence}" in out
    assert sentence in page


def test_what_cannot_be_compared_is_said_before_anything_is_measured(experiment, run_command, tmp_path):
    elsewhere = shutil.copytree(experiment / "unpool0", tmp_path / "other" / "unpool0")
    code, _, err = run_command("evaluate", experiment, elsewhere)
    assert code == 2
    assert "--out" in err
    code, _, err = run_command("evaluate", experiment, elsewhere, "--out", tmp_path / "out")
    assert code == 1
    assert f"{experiment / 'unpool0'} and {elsewhere}" in err or f"{elsewhere} and {experiment / 'unpool0'}" in err
    assert "the same seed, 0" in err
    for metric, taken in (("ms_ssim", "ssim,"), ("psrn", "ssim, ms_ssim,")):  # ms_ssim is for larger images
        code, _, err = run_command("evaluate", experiment, "--metric", metric)
        assert code == 2
        assert f"one of mse, mae, psnr, {taken} high_frequency_ratio; received {metric}" in err
        assert "measuring" not in err
    code, _, err = run_command("evaluate", tmp_path)
    assert code == 1
    assert "nor a folder of trained runs" in err
