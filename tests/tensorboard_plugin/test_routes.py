"""The tab's routes over HTTP, of runs that were really trained."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from cae.commands.main import main
from cae.config import load_config
from cae.data.load import load_splits
from cae.inference import TrainedAutoencoder
from tests.comparison.report.parsed import Page
from tests.tensorboard_plugin.conftest import HOSTILE, NOISY, SUBPIXEL, UNPOOL, ask


def listed(server):
    status, content = ask(server, "runs")
    assert status == 200
    return content, {run["name"]: run for run in content["runs"]}


def picture(server, image, probes, **query):
    """One image out of a sheet."""
    status, sheet = ask(server, "sheet", **query)
    assert status == 200
    pixels = np.array(Image.open(io.BytesIO(sheet)))
    height, width, columns = probes["height"], probes["width"], probes["columns"]
    top, left = image // columns * height, image % columns * width
    return pixels[top : top + height, left : left + width]


def test_the_list_tells_runs_steps_settings_and_last_values(server, runs):
    content, found = listed(server)
    assert set(found) == {SUBPIXEL, UNPOOL, NOISY, f"decoders/{HOSTILE}"}
    rows = [json.loads(line) for line in (runs / UNPOOL / "metrics.jsonl").read_text().splitlines()]
    unpool = found[UNPOOL]
    assert [step for step, _ in unpool["steps"]] == [row["step"] for row in rows]
    assert unpool["hyperparameters"]["upsampling"] == "max_unpool"
    assert unpool["hyperparameters"]["seed"] == 1
    assert unpool["last"]["validation/psnr"] == pytest.approx(rows[-1]["val_psnr"])
    assert unpool["experiment"] == "decoders"
    record = runs / "decoders" / "comparison" / "comparison.json"
    assert content["comparisons"] == {"decoders": record.stat().st_mtime}


def test_runs_on_the_same_images_share_their_probes_and_others_do_not(server):
    content, found = listed(server)
    assert found[SUBPIXEL]["probes"] == found[UNPOOL]["probes"]
    probes = content["probes"][found[SUBPIXEL]["probes"]]
    assert (len(probes["names"]), probes["height"], probes["width"], probes["channels"]) == (12, 15, 10, 1)
    assert probes["corruption"] == ""
    assert content["probes"][found[NOISY]["probes"]]["corruption"] == "gaussian"


@pytest.mark.parametrize("run", [SUBPIXEL, UNPOOL, NOISY])
def test_figures_of_the_last_step_are_those_of_per_image_csv(server, runs, run):
    rows = [json.loads(line) for line in (runs / run / "metrics.jsonl").read_text().splitlines()]
    assert min(row["val_loss"] for row in rows) == rows[-1]["val_loss"], "the best epoch must be the last one"
    if not (runs / run / "validation.csv").exists():
        out = runs.parent / f"evaluation-{run.replace('/', '-')}"
        assert main(["evaluate", str(runs / run), "--split", "validation", "--out", str(out)]) == 0
        (runs / run / "validation.csv").write_text((out / "per_image.csv").read_text())
    with open(runs / run / "validation.csv", newline="") as file:
        evaluated = list(csv.DictReader(file))
    content, found = listed(server)
    names = content["probes"][found[run]["probes"]]["names"]
    status, figures = ask(server, "figures", run=run)
    assert status == 200
    last = figures[str(rows[-1]["step"])]
    # More probes than a batch: noise, too, is that of the image's place in its batch.
    assert names == [row["image"] for row in evaluated[:12]]
    for name in ("psnr", "ssim", "mse"):
        assert last[name] == pytest.approx([float(row[name]) for row in evaluated[:12]], rel=1e-4)


def test_pictures_of_the_last_step_are_what_the_model_makes_of_the_inputs(server, runs):
    content, found = listed(server)
    probes = content["probes"][found[UNPOOL]["probes"]]
    step = found[UNPOOL]["steps"][-1][0]
    images = np.stack([picture(server, image, probes, run=UNPOOL, kind="input") for image in range(12)])
    expected = TrainedAutoencoder.load(runs / UNPOOL).reconstruct(images[..., None] / np.float32(255))
    for image in range(12):
        shown = picture(server, image, probes, run=UNPOOL, kind="reconstruction", step=step)
        assert np.abs(shown - 255 * expected[image, ..., 0]).max() < 0.51


def test_pictures_of_several_runs_and_steps_come_in_one_answer(server):
    steps = [step for step, _ in listed(server)[1][SUBPIXEL]["steps"]]
    asked = [(UNPOOL, steps[0]), (SUBPIXEL, steps[-1]), ("nobody", 1), (UNPOOL, steps[-1])]
    query = "&".join(urllib.parse.urlencode({"run": run, "step": step}) for run, step in asked)
    status, content = ask(server, f"sheets?{query}")
    assert status == 200
    sheets = [ask(server, "sheet", run=run, kind="reconstruction", step=step) for run, step in asked]
    alone = [sheet if status == 200 else b"" for status, sheet in sheets]
    assert content == b"".join(len(sheet).to_bytes(4, "big") + sheet for sheet in alone)
    assert len(set(alone)) == 4


def test_what_baselines_make_of_the_probe_images_stands_beside_the_runs_that_were_evaluated(server, runs):
    content, _ = listed(server)
    simple = {one["kind"]: one for one in content["simple"]}
    results = json.loads((runs / SUBPIXEL / "evaluation" / "results.json").read_text())
    assert simple.keys() == {*results["baselines"], *results["floors"]}
    assert {one["experiment"] for one in simple.values()} == {"decoders"}
    for kind, measured in {**results["baselines"], **results["floors"]}.items():
        assert simple[kind]["last"]["evaluation/test/psnr"] == measured["psnr"]
        assert simple[kind]["values"] == measured["values"]
    mean = simple["mean_image"]
    probes = content["probes"][mean["probes"]]
    training = load_splits(load_config(runs / SUBPIXEL / "config.yaml").data).train
    expected = training.read(np.arange(len(training)))[..., 0].mean(axis=0)
    status, figures = ask(server, "figures", run=mean["name"])
    assert status == 200
    for image in range(12):
        shown = picture(server, image, probes, run=mean["name"], kind="reconstruction", step=0)
        assert np.abs(shown - expected).max() < 0.51
        given = picture(server, image, probes, run=SUBPIXEL, kind="input")
        error = np.mean(((given - expected) / 255) ** 2)
        assert figures["0"]["psnr"][image] == pytest.approx(-10 * np.log10(error), rel=1e-4)
    assert ask(server, "sheet", run=f"{SUBPIXEL}//nothing", kind="reconstruction", step=0)[0] == 404
    assert ask(server, "figures", run=f"{SUBPIXEL}//nothing") == (200, {})


def test_corrupted_inputs_are_there_where_there_is_corruption(server):
    content, found = listed(server)
    probes = content["probes"][found[NOISY]["probes"]]
    clean = picture(server, 3, probes, run=NOISY, kind="input").astype(float)
    noisy = picture(server, 3, probes, run=NOISY, kind="corrupted").astype(float)
    assert 0.03 < (noisy - clean).std() / 255 < 0.15
    assert ask(server, "sheet", run=SUBPIXEL, kind="corrupted")[0] == 404


def test_a_comparison_is_shown_by_the_sections_of_its_report(server, runs):
    status, content = ask(server, "comparison", experiment="decoders")
    record = json.loads((runs / "decoders" / "comparison" / "comparison.json").read_text())
    report = Page((runs / "decoders" / "comparison" / "comparison.html").read_text())
    assert status == 200
    shown = Page(content.decode())
    assert shown.tables == report.tables
    assert [row["decoder"] for row in shown.records("ranking")] == [one["label"] for one in record["contenders"]]
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in shown.every("img"))
    assert len(shown.every("img")) >= 3
    assert shown.every("h1") == [{}]


def test_the_tab_has_the_styles_of_the_report(server, runs):
    status, content = ask(server, "static/report.css")
    assert status == 200
    assert content.decode().strip() in (runs / "decoders" / "comparison" / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("route", "query", "status", "word"),
    [
        ("sheet", {"run": "nobody", "kind": "reconstruction", "step": 1}, 404, "nobody"),
        ("sheet", {"run": SUBPIXEL, "kind": "reconstruction", "step": 123456}, 404, "123456"),
        ("sheet", {"run": SUBPIXEL, "kind": "reconstruction", "step": "x"}, 400, "whole number"),
        ("sheet", {"run": SUBPIXEL, "kind": "weights"}, 400, "weights"),
        ("sheet", {"kind": "input"}, 400, "run"),
        ("sheets", {"run": SUBPIXEL}, 400, "as many"),
        ("sheets", {"run": SUBPIXEL, "step": "x"}, 400, "whole number"),
        ("comparison", {"experiment": "../decoders"}, 404, "not been compared"),
        ("comparison", {"experiment": "denoising"}, 404, "not been compared"),
    ],
)
def test_what_cannot_be_had_is_told_in_words(server, route, query, status, word):
    code, content = ask(server, route, **query)
    assert code == status
    assert word in content["error"]


def test_a_damaged_record_of_a_comparison_is_named(server, runs):
    path = runs / "decoders" / "comparison" / "comparison.json"
    whole = path.read_text()
    try:
        path.write_text(whole.replace('"num_images"', '"number"'))
        status, content = ask(server, "comparison", experiment="decoders")
    finally:
        path.write_text(whole)
    assert status == 422
    assert str(path) in content["error"]
    assert "num_images" in content["error"]
    assert "written by another version" in content["error"]


def test_names_in_a_record_are_shown_and_never_markup(server, runs):
    path = runs / "decoders" / "comparison" / "comparison.json"
    whole = path.read_text()
    record = json.loads(whole)
    old, record["title"] = record["contenders"][0]["label"], HOSTILE
    text = json.dumps(record).replace(json.dumps(old), json.dumps(HOSTILE))
    try:
        path.write_text(text)
        status, content = ask(server, "comparison", experiment="decoders")
    finally:
        path.write_text(whole)
    assert status == 200
    shown = Page(content.decode())
    assert HOSTILE in [row["decoder"] for row in shown.records("ranking")]
    assert not [name for _, attributes in shown.elements for name in attributes if name.startswith("on")]
    assert {image["src"][:5] for image in shown.every("img")} == {"data:"}


def test_a_record_of_an_earlier_version_is_said_to_be_one_and_the_runs_are_still_listed(server, runs):
    path = runs / "decoders" / "comparison" / "comparison.json"
    whole = path.read_text()
    record = json.loads(whole)
    record["differences"] = record.pop("pairs")
    del record["answer"]
    try:
        path.write_text(json.dumps(record))
        status, content = ask(server, "comparison", experiment="decoders")
        assert len(listed(server)[1]) == 4
    finally:
        path.write_text(whole)
    assert status == 422
    assert "another version" in content["error"]
    assert "Run evaluate again" in content["error"]


def test_a_run_without_figures_has_none(server):
    assert ask(server, "figures", run="nobody") == (200, {})


def test_the_page_is_served_and_nothing_beside_it(server):
    status, content = ask(server, "static/index.js")
    assert status == 200
    assert b"export async function render" in content
    assert ask(server, "static/../plugin.py")[0] == 404
    assert ask(server, "static/%2e%2e%2fplugin.py")[0] == 404
