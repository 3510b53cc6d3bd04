"""Weights on disk: by the plan's names, and what version 0.1.0 wrote by Keras' class names."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from cae.config import load_config
from cae.errors import UserError
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.runs import RunDirectory
from cae.runs.trained import load_autoencoder
from cae.runs.weights import load_weights, save_weights
from cae.training.checkpoints import CheckpointFolder

# Each was trained by version 0.1.0 for two epochs; expected.npz holds three test images and what that version made.
OLD_RUNS = sorted(path.parent for path in (Path(__file__).parent / "version_0_1_0").glob("*/config.yaml"))


def planned(run):
    config = load_config(run.config)
    return config, make_plan(config.model, tuple(run.read_summary()["image_shape"]))


@pytest.mark.parametrize("folder", OLD_RUNS, ids=lambda folder: folder.name)
def test_a_run_of_version_0_1_0_reconstructs_what_it_did_then(folder, tmp_path):
    run = RunDirectory(folder)
    autoencoder, _ = load_autoencoder(run, *planned(run))
    with np.load(folder / "expected.npz") as expected:
        images, reconstructions = expected["images"].astype("float32") / 255, expected["reconstructions"]
    np.testing.assert_allclose(autoencoder.model(images), reconstructions, rtol=0, atol=1e-6)
    # Written anew, by names, the same.
    save_weights(tmp_path / "model.weights.h5", autoencoder)
    again = build_autoencoder(autoencoder.plan, seed=7)
    load_weights(tmp_path / "model.weights.h5", again)
    np.testing.assert_array_equal(again.model(images), autoencoder.model(images))


def test_there_is_an_old_run_of_every_kind_of_upsampling():
    kinds = set()
    for folder in OLD_RUNS:
        kinds |= {upsampling.kind for upsampling in load_config(folder / "config.yaml").model.upsampling_per_stage}
    assert kinds == {"resize", "max_unpool", "fixed_unpool", "conv_transpose", "subpixel", "bilinear_additive"}


@pytest.mark.parametrize("folder", OLD_RUNS, ids=lambda folder: folder.name)
def test_weights_are_kept_under_the_names_of_the_plan(folder, tmp_path):
    run = RunDirectory(folder)
    _, plan = planned(run)
    save_weights(tmp_path / "model.weights.h5", build_autoencoder(plan))
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert file.attrs["format"] == 2
        sizes = {}
        file.visititems(lambda name, item: sizes.update({name: item.size} if isinstance(item, h5py.Dataset) else {}))
    assert sum(sizes.values()) == plan.parameters
    names = {operation.name for operation in plan.operations}
    names |= {inside.name for operation in plan.operations for inside in getattr(operation, "operations", ())}
    assert {name.split("/")[1] for name in sizes} <= names


def test_other_values_than_the_models_own_can_be_written(tmp_path):
    _, plan = planned(RunDirectory(OLD_RUNS[0]))
    autoencoder = build_autoencoder(plan)
    before = autoencoder.model.get_weights()
    best = [np.full_like(value, number) for number, value in enumerate(before)]
    save_weights(tmp_path / "model.weights.h5", autoencoder, best)
    for value, unchanged in zip(autoencoder.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, unchanged)
    load_weights(tmp_path / "model.weights.h5", autoencoder)
    for value, written in zip(autoencoder.model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(value, written)


def test_weights_of_another_model_and_of_a_later_version_are_refused(tmp_path):
    file = tmp_path / "model.weights.h5"
    plans = {folder.name: planned(RunDirectory(folder))[1] for folder in OLD_RUNS}
    save_weights(file, build_autoencoder(plans["conv_transpose"]))
    with pytest.raises(UserError, match=r"weights of another model: decoder/stage_\d_conv_transpose/bias"):
        load_weights(file, build_autoencoder(plans["resize_nearest"]))
    with h5py.File(file, "a") as content:
        content.attrs["format"] = 3
    with pytest.raises(UserError, match="of format 3, and this version of the program reads 2 and older"):
        load_weights(file, build_autoencoder(plans["conv_transpose"]))


def test_a_checkpoint_of_version_0_1_0_holds_the_models_variables_in_their_order():
    run = RunDirectory(Path(__file__).parent / "version_0_1_0" / "group_normalization_mixed_kinds")
    autoencoder, _ = load_autoencoder(run, *planned(run))
    checkpoint = CheckpointFolder(run.checkpoints).load_newest(print)
    shapes = [tuple(variable.shape) for variable in autoencoder.model.variables]
    assert [checkpoint.arrays[f"model/{number}"].shape for number in range(len(shapes))] == shapes
    # The second epoch was the last and the best.
    for number, value in enumerate(autoencoder.model.get_weights()):
        np.testing.assert_array_equal(checkpoint.arrays[f"best/{number}"], value)
