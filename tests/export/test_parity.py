"""What counts as the same, and what happens when it is not."""

import numpy as np
import pytest

from cae.config.run import RunConfig
from cae.errors import UserError
from cae.exporting.export import Exporter, placing
from cae.exporting.formats import FORMATS
from cae.exporting.parity import check_parity, compare_floats, compare_quantized, compare_quantized_switches
from cae.exporting.parts import make_part
from tests.export.models import build, make_batch

SHAPE = (8, 12, 1)


@pytest.fixture(scope="module")
def autoencoder():
    return build(["max_unpool"], SHAPE, filters=[3], activation="linear")


def flat_images():
    """Pictures with an area of one value: away from borders all values of a window are equal there."""
    images = make_batch(SHAPE, number=3)
    images[:, :, 4:] = 0.5
    return images


def code_of(autoencoder, images):
    return make_part(autoencoder, "encoder").compute({"images": images})


def serve_with_moved_switch(autoencoder, row, column):
    """A runtime that is right but for one switch of the first image, and what that does to its reconstruction."""

    def serve(format_name, path, inputs):
        images = np.concatenate([inputs["images"], inputs["images"][:1]])
        code = code_of(autoencoder, images)
        switches = code["stage_1_pool_switches"]
        switches[0, row, column, 0] = (switches[0, row, column, 0] + 1) % 4
        if path.stem == "encoder":
            return code
        return make_part(autoencoder, "decoder").compute(code)

    return serve


def check(autoencoder, serve, part="autoencoder", tmp_path=None):
    return check_parity(
        make_part(autoencoder, part),
        "onnx",
        tmp_path / f"{part}.onnx",
        flat_images(),
        quantize=False,
        write_encoder=lambda part, path: None,
        serve=serve,
    )


@pytest.mark.parametrize("part", ["autoencoder", "encoder"])
def test_a_switch_that_rounding_moved_between_equal_values_is_told_and_tolerated(autoencoder, part, tmp_path):
    agreements = check(autoencoder, serve_with_moved_switch(autoencoder, 2, 4), part, tmp_path)
    assert all(found.is_within for found in agreements)
    # Three images and the first again, 4x6 windows, 3 channels.
    assert "1 of 288 differ" in "\n".join(map(str, agreements))


@pytest.mark.parametrize("part", ["autoencoder", "encoder"])
def test_a_switch_to_a_smaller_value_is_an_error(autoencoder, part, tmp_path):
    agreements = check(autoencoder, serve_with_moved_switch(autoencoder, 1, 0), part, tmp_path)
    assert not all(found.is_within for found in agreements)


def test_reconstructions_that_switches_do_not_explain_are_an_error(autoencoder, tmp_path):
    moved = serve_with_moved_switch(autoencoder, 2, 4)

    def serve(format_name, path, inputs):
        outputs = moved(format_name, path, inputs)
        return outputs if path.stem == "encoder" else {"reconstructions": outputs["reconstructions"] + 0.01}

    assert not all(found.is_within for found in check(autoencoder, serve, tmp_path=tmp_path))


@pytest.mark.parametrize("wrong", ["value", "nan", "name", "shape", "type"])
def test_an_export_that_computes_something_else_is_refused_and_leaves_what_was_there(wrong, tmp_path):
    autoencoder = build(["resize"], SHAPE)

    def serve(format_name, path, inputs):
        images = np.concatenate([inputs["images"], inputs["images"][:1]])
        name, values = "reconstructions", np.array(autoencoder.model(images))
        # The last is of the batch of one.
        if wrong in ("value", "nan"):
            values[-1, 3, 3, 0] = np.nan if wrong == "nan" else values[-1, 3, 3, 0] + 2e-4
        return {
            "value": {name: values},
            "nan": {name: values},
            "name": {"output_0": values},
            "shape": {name: values[..., 0]},
            "type": {name: values.astype(np.float16)},
        }[wrong]

    exporter = Exporter(RunConfig(), "digest", make_batch(SHAPE), serve)
    (tmp_path / "old.keras").write_text("an earlier export")
    for name in ("new", "old"):
        with pytest.raises(UserError, match=r"nothing was written|outputs must be"):
            exporter.export(make_part(autoencoder, "autoencoder"), FORMATS["keras"], tmp_path / f"{name}.keras")
    with pytest.raises(UserError, match=r"nothing was written|outputs must be"):
        exporter.export(make_part(autoencoder, "autoencoder"), FORMATS["savedmodel"], tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["old.keras"]
    assert (tmp_path / "old.keras").read_text() == "an earlier export"


def test_the_tolerance_grows_with_values_above_one_only():
    zeros = np.zeros(4)
    assert compare_floats("x", zeros, zeros + 0.9e-4).is_within
    assert not compare_floats("x", zeros, zeros + 1.1e-4).is_within
    assert compare_floats("x", zeros + 100, zeros + 100.009).is_within
    assert not compare_floats("x", zeros + 100, zeros + 100.011).is_within


def test_quantized_outputs_are_judged_by_psnr_with_the_range_as_peak():
    expected = np.array([0.0, 10.0] * 50)
    # 10 log10(10^2 / 0.3^2) = 30.5 dB, and 29.1 dB for 0.35.
    assert compare_quantized("x", expected, expected + 0.3).is_within
    assert not compare_quantized("x", expected, expected + 0.35).is_within
    assert compare_quantized("x", expected, expected).is_within
    assert not compare_quantized("x", expected, expected * np.nan).is_within


def test_of_quantized_switches_a_twentieth_may_differ():
    expected = np.zeros(100, np.uint8)
    assert compare_quantized_switches("x", expected, (np.arange(100) < 5).astype(np.uint8)).is_within
    assert not compare_quantized_switches("x", expected, (np.arange(100) < 6).astype(np.uint8)).is_within


def test_a_folder_takes_the_place_of_an_earlier_saved_model_whole(tmp_path):
    out = tmp_path / "deep" / "model"
    for content in ("first", "second"):
        with placing(out, is_folder=True) as path:
            (path / "saved_model.pb").write_text(content)
            (path / content).touch()
    assert {path.name for path in out.iterdir()} == {"saved_model.pb", "second"}
    with pytest.raises(ZeroDivisionError), placing(out, is_folder=True) as path:
        (path / str(1 // 0)).mkdir()
    assert (out / "saved_model.pb").read_text() == "second"
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_a_folder_or_file_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    (tmp_path / "file").touch()
    for name in ("photos", "file"):
        with pytest.raises(UserError, match="not a SavedModel"), placing(tmp_path / name, is_folder=True):
            pass
    with pytest.raises(UserError, match="not a regular file"), placing(tmp_path / "photos", is_folder=False):
        pass
    assert (tmp_path / "photos" / "cat.jpg").exists()
