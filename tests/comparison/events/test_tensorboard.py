"""What a real TensorBoard answers about a comparison."""

import html
import io
import re
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from cae.comparison.report import comparison_picture

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ANY_STATUS = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


def single(values):
    """As TensorBoard keeps them."""
    return [float(np.float32(value)) for value in values]


def charts(board):
    layout = board.ask("plugin/custom_scalars/layout")
    return {chart["title"]: chart for category in layout["category"] for chart in category["chart"]}


def points(board, run, tag):
    found = board.ask("plugin/custom_scalars/scalars", run=run, tag=f"^{re.escape(tag)}$")
    assert found["regex_valid"]
    return [(step, value) for _, step, value in found["tag_to_events"][tag]]


def session_groups(board, column):
    body = {"experimentName": "", "allowedStatuses": ANY_STATUS, "colParams": [column], "startIndex": 0}
    return board.ask("plugin/hparams/session_groups", {**body, "sliceSize": 100})["sessionGroups"]


def test_a_chart_overlays_every_decoders_mean_and_its_interval(shown):
    comparison, _, board = shown
    for name, title in (("val_psnr", "validation PSNR (dB)"), ("val_loss", "validation loss")):
        (series,) = charts(board)[f"{title}, with 95% intervals"]["margin"]["series"]
        for contender in comparison.contenders:
            curve = contender.curves[name]
            for part, values in (("value", curve.mean), ("lower", curve.low), ("upper", curve.high)):
                found = points(board, f"comparison/decoders/{contender.label}", series[part])
                assert found == list(zip(curve.epochs, single(values), strict=True))


def test_a_chart_of_every_run_has_the_curves_of_training(shown):
    comparison, _, board = shown
    (tag,) = charts(board)["PSNR (dB)"]["multiline"]["tag"]
    for contender in comparison.contenders:
        for run in contender.runs:
            for part in ("train", "validation"):
                found = board.ask("plugin/custom_scalars/scalars", run=f"{run.name}/{part}", tag=tag)
                assert [values[0][1:] for values in found["tag_to_events"].values()] == [[100, 20.0 + run.seed]]
        # Not those of the comparison, whose steps are epochs.
        found = board.ask("plugin/custom_scalars/scalars", run=f"comparison/decoders/{contender.label}", tag=tag)
        assert found["tag_to_events"] == {}


def test_the_comparisons_run_has_the_picture_of_the_report(shown):
    comparison, exhibits, board = shown
    (one,) = board.ask("plugin/images/images", run="comparison", tag="comparison/pictures", sample=0)
    png = board.read(f"plugin/images/individualImage?{one['query']}&")
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), comparison_picture(comparison, exhibits))


def test_the_comparisons_run_has_table_warnings_and_terms_as_text(shown):
    comparison, _, board = shown
    texts = {
        tag.partition(" ")[2]: html.unescape(board.ask("plugin/text/text", run="comparison", tag=tag)[0]["text"])
        for tag in board.ask("plugin/text/tags")["comparison"]
    }
    assert texts["Decoders"].count("<th>") + texts["Decoders"].count("<th ") == 11  # that fit on a screen
    table = re.findall(r"<td>(.*?)</td>", texts["Decoders"])
    labels = [contender.label for contender in comparison.contenders]
    assert [cell for cell in table if cell in labels] == labels
    for contender in comparison.contenders:
        row = table[table.index(contender.label) :]
        assert row[1].startswith(f"{contender.metrics['psnr'].mean:.2f} (")
        assert f"{contender.parameters:,}" in row
    assert comparison.terms.warnings[0] in texts["Comparison of decoders: compare_decoders"]
    assert comparison.terms.equal[0] in texts["Terms"]
    assert "Decoder: kernel_size of <code>a<b> _c_</code> is *3*." in texts["Terms"]
    assert "comparison.png" not in "".join(texts.values())


def test_the_table_of_hyperparameters_has_the_figures_of_every_run(shown):
    comparison, _, board = shown
    expected = {run.name: run for contender in comparison.contenders for run in contender.runs}
    groups = session_groups(board, {"hparam": "seed"})
    assert {group["name"] for group in groups} == set(expected)
    for group in groups:
        run = expected[group["name"]]
        assert group["hparams"]["seed"] == run.seed
        found = {value["name"]["tag"]: value for value in group["metricValues"]}
        assert {value["name"]["group"] for value in found.values()} == {"evaluation"}
        assert {tag: value["value"] for tag, value in found.items()} == {
            f"test/{name}": np.float32(value) for name, value in run.metrics.items()
        }
        assert {int(value["trainingStep"]) for value in found.values()} == {run.best_epoch}


@pytest.mark.parametrize(("order", "is_reversed"), [("ORDER_ASC", False), ("ORDER_DESC", True)])
@pytest.mark.parametrize("metric", ["psnr", "mse"])
def test_runs_can_be_sorted_by_a_metric(shown, metric, order, is_reversed):
    comparison, _, board = shown
    runs = [run for contender in comparison.contenders for run in contender.runs]
    expected = sorted(runs, key=lambda run: run.metrics[metric], reverse=is_reversed)
    groups = session_groups(board, {"metric": {"group": "evaluation", "tag": f"test/{metric}"}, "order": order})
    assert [group["name"] for group in groups] == [run.name for run in expected]


def test_columns_are_what_tells_the_runs_apart_and_what_they_reached(shown):
    comparison, _, board = shown
    experiment = board.ask("plugin/hparams/experiment", {"experimentName": ""})
    columns = {column["name"]: column for column in experiment["hparamInfos"]}
    # Epochs are alike, and the kind is there already. Those that differ are shown first.
    assert set(columns) == {"upsampling", "seed", "parameters", "code_values", "switch_bits"}
    assert list(columns)[:2] == ["seed", "upsampling"]
    kinds = {contender.upsampling for contender in comparison.contenders}
    assert columns["upsampling"]["domainDiscrete"] == sorted(kinds)
    assert columns["seed"]["domainInterval"] == {"minValue": 0, "maxValue": 1}
    names = [metric["displayName"] for metric in experiment["metricInfos"]]
    assert names[0] == "test PSNR (dB)"
    assert {"test SSIM", "test MSE", "test MAE", "test high-frequency ratio"} <= set(names)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here to take a screenshot with")
def test_a_browser_shows_a_line_of_each_decoders_colour(shown, tmp_path):
    _, _, board = shown
    picture = tmp_path / "charts.png"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=10000"]
    url = f"{board.address}/#custom_scalars&regexInput=decoders"
    subprocess.run([*command, f"--screenshot={picture}", url], capture_output=True, timeout=90, check=True)
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    # Boxes of the runs are on the left, one below the other; the charts on the right.
    boxes, drawn = pixels[450:, :62], pixels[120:, 380:]
    counts = Counter(map(tuple, boxes.reshape(-1, 3).tolist()))
    colours = [colour for colour, count in counts.items() if count > 50 and max(colour) - min(colour) > 60]
    assert colours
    for colour in colours:
        assert (drawn == colour).all(axis=-1).sum() > 50
