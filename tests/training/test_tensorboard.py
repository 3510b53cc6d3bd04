"""What TensorBoard finds in a run directory, read with its own loader."""

import json
import re

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.plugins.hparams import plugin_data_pb2

from cae.commands.main import main
from cae.runs import RunDirectory
from cae.training.tensorboard import TensorBoardWriter

TEXT = """
seed: 3
model: {encoder: {filters: [4, 8]}, decoder: {upsampling: max_unpool}}
objective: {corruption: {kind: gaussian, stddev: 0.1}}
training: {epochs: 3, batch_size: 64}
logging: {histograms: true, image_epochs: [2]}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, image_file):
    folder = tmp_path_factory.mktemp("tensorboard")
    config = folder / "config.yaml"
    config.write_text(f"data: {{source: arrays, path: {image_file}}}\n" + TEXT)
    assert main(["train", str(config), "--runs-dir", str(folder)]) == 0
    return folder / "default" / "run"


def load(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def points(accumulator, tag):
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in accumulator.Tensors(tag)}


def test_a_training_is_one_run_whose_curves_have_the_values_of_metrics_jsonl(run):
    assert {file.parent for file in run.rglob("*tfevents*")} == {run}
    events = load(run)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for name, group in (
        ("loss", "1_loss"),
        ("mse", "4_errors"),
        ("mae", "4_errors"),
        ("psnr", "2_psnr"),
        ("ssim", "3_ssim"),
    ):
        for key in (name, f"val_{name}"):
            curve = points(events, f"{group}/{key}")
            assert list(curve) == [row["step"] for row in rows]
            assert [float(value) for value in curve.values()] == pytest.approx([row[key] for row in rows])
    for name in ("learning_rate", "images_per_second", "gradient_norm", "weight_norm"):
        assert len(points(events, f"training/{name}")) == 3
    assert all(value > 0 for value in points(events, "training/gradient_norm").values())


def test_charts_lay_training_and_validation_over_one_another_loss_psnr_and_ssim_first(run):
    events = load(run)
    layout = layout_pb2.Layout.FromString(points(events, "custom_scalars__config__")[0].item())
    (category,) = layout.category
    assert not category.closed
    assert [chart.title for chart in category.chart] == ["loss", "PSNR (dB)", "SSIM", "MSE", "MAE"]
    tags = sorted(events.Tags()["tensors"])
    for name, chart in zip(("loss", "psnr", "ssim", "mse", "mae"), category.chart, strict=True):
        (pattern,) = chart.multiline.tag
        found = [tag for tag in tags if re.match(pattern, tag)]
        assert [tag.partition("/")[2] for tag in found] == [name, f"val_{name}"]
        assert re.match(pattern, name)  # of earlier versions


def test_pictures_are_written_after_the_first_the_chosen_and_the_last_epoch(run):
    pictures = points(load(run), "reconstructions")
    assert list(pictures) == [3, 6, 9]
    width, height, png = pictures[9]
    image = tf.io.decode_png(png)
    assert image.shape == (int(height), int(width), 3)


def test_histograms_of_weights_and_latent_are_written_on_request(run):
    events = load(run)
    weights = [tag for tag in events.Tags()["tensors"] if tag.startswith("weights/") and tag != "weights/latent"]
    # Four convolutions and the two of the bottleneck with the output's: kernel and bias each.
    assert len(weights) == 2 * 7
    assert len(points(events, "weights/latent")) == 3


def test_configuration_and_plan_are_there_as_text(run):
    events = load(run)
    assert b"max_unpool" in points(events, "configuration")[0].item()
    assert b"stage_2_max_unpool" in points(events, "plan")[0].item()


def test_the_keras_graph_is_one_that_tensorboard_can_draw(run):
    config = json.loads(points(load(run), "keras")[0].item())
    graph = keras_model_to_graph_def(config)
    names = {node.name for node in graph.node}
    assert {"autoencoder/encoder/stage_1_conv_1", "autoencoder/decoder/stage_1_max_unpool"} <= names


def test_no_graph_is_traced_for_a_run_without_tensorboard(tmp_path):
    writer = TensorBoardWriter(RunDirectory(tmp_path), writes=False)
    writer.write_model("plan", autoencoder=None)  # of which a graph cannot be traced
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_let_runs_be_sorted_by_upsampling_kind(run):
    metadata = load(run).SummaryMetadata("_hparams_/session_start_info")
    data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    found = data.session_start_info.hparams
    assert found["upsampling"].string_value == "max_unpool"
    assert found["seed"].string_value == "3"  # 3.0000 as a number
    assert found["training.optimizer.learning_rate"].number_value == pytest.approx(1e-3)
    assert found["code_values"].string_value == str(4 * 3 * 16)
    assert data.session_start_info.group_name == "run, default"
