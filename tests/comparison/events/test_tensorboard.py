"""What a real TensorBoard answers about a comparison."""

import html
import io

import numpy as np
import pytest
from PIL import Image

from cae.comparison.report import comparison_picture

ANY_STATUS = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


def session_groups(board, column):
    body = {"experimentName": "", "allowedStatuses": ANY_STATUS, "colParams": [column], "startIndex": 0}
    return board.ask("plugin/hparams/session_groups", {**body, "sliceSize": 100})["sessionGroups"]


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
    # As it stands, in letters of one width: a wide table's words would be broken anywhere.
    assert "<table>" not in "".join(texts.values())
    assert "<pre><code>| place" in texts["Decoders"]
    rows = [line.strip("|").split("|") for line in texts["Decoders"].splitlines() if line.startswith("|")]
    table = [cell.strip() for row in rows for cell in row]
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
    expected = {f"{run.name}, compare_decoders": run for contender in comparison.contenders for run in contender.runs}
    groups = session_groups(board, {"hparam": "seed"})
    assert {group["name"] for group in groups} == set(expected)
    for group in groups:
        run = expected[group["name"]]
        assert group["hparams"]["seed"] == str(run.seed)  # a number would have five digits
        found = {value["name"]["tag"]: value for value in group["metricValues"]}
        assert {value["name"]["group"] for value in found.values()} == {""}
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
    groups = session_groups(board, {"metric": {"group": "", "tag": f"test/{metric}"}, "order": order})
    assert [group["name"] for group in groups] == [f"{run.name}, compare_decoders" for run in expected]


def test_columns_are_what_tells_the_runs_apart_and_what_they_reached(shown):
    comparison, _, board = shown
    experiment = board.ask("plugin/hparams/experiment", {"experimentName": ""})
    columns = {column["name"]: column for column in experiment["hparamInfos"]}
    # Epochs are alike, and the kind is there already. Those that differ are shown first.
    assert set(columns) == {"upsampling", "seed", "parameters", "code_values", "switch_bits"}
    assert list(columns)[:2] == ["seed", "upsampling"]
    kinds = {contender.upsampling for contender in comparison.contenders}
    assert columns["upsampling"]["domainDiscrete"] == sorted(kinds)
    assert columns["seed"]["domainDiscrete"] == ["0", "1"]
    names = [metric["displayName"] for metric in experiment["metricInfos"]]
    assert names[0] == "test PSNR (dB)"
    assert {"test SSIM", "test MSE", "test MAE", "test high-frequency ratio"} <= set(names)
