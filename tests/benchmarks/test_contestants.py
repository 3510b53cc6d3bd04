"""Contestants are given the same function with as many weights."""

import numpy as np
import pytest

from benchmarks.contestants import our_layer, plain_layer
from benchmarks.contestants.exchange import read_arrays, write_arrays
from benchmarks.contestants.first_step import DONE
from benchmarks.contestants.ours import OurTraining
from benchmarks.contestants.plain_keras import build_autoencoder
from benchmarks.layers import greatest_difference
from benchmarks.models import KERAS_ONLY, KINDS, SIZES, Task, make_config, plan_task, training_flops
from benchmarks.processes import run
from benchmarks.single import LAYERS, LayerTask
from cae import model
from cae.kinds.catalogue import UPSAMPLINGS
from cae.plan.lowering import Device
from tests.conftest import make_images


def make_task(kind, precision="float32"):
    return Task(kind, [16, 8, 3], [4, 8], 2, precision)


def make_pixels():
    return make_images(3, 16, 8, channels=3).astype(np.float32) / 255.0


def test_every_kind_of_decoder_is_measured():
    measured = {type(make_config(make_task(kind)).model.decoder.upsampling) for kind in KINDS}
    assert measured == set(UPSAMPLINGS)


def test_a_step_is_three_passes_without_the_gradient_of_the_image():
    plan = plan_task(make_task("conv_transpose_3"))
    pixels = 16 * 8
    encoder = pixels * 9 * 3 * 4, pixels / 4 * 9 * 4 * 8
    decoder = pixels / 16 * 9 * 8 * 4, pixels / 4 * 9 * 4 * 4, pixels * 9 * 4 * 3
    assert training_flops(plan, "float32") == 2 * (3 * sum(encoder + decoder) - encoder[0])


def test_a_folded_resize_counts_what_the_transposed_convolution_multiplies(monkeypatch):
    plan = plan_task(make_task("resize_nearest"))
    pixels = 16 * 8
    encoder = pixels * 9 * 3 * 4, pixels / 4 * 9 * 4 * 8
    output = pixels * 9 * 4 * 3
    plain = pixels / 4 * 9 * 8 * 4, pixels * 9 * 4 * 4
    folded = pixels / 16 * 16 * 8 * 4, pixels / 4 * 16 * 4 * 4  # 4x4 taps for each pixel before it is enlarged
    monkeypatch.setattr("benchmarks.models.this_cpu", lambda: Device(has_matrix_units=True))
    for compute_type, resizes in (("float32", folded), ("bfloat16", plain)):
        assert training_flops(plan, compute_type) == 2 * (3 * sum(encoder + resizes) + 3 * output - encoder[0])


@pytest.mark.parametrize("kind", KINDS)
def test_plain_keras_is_given_the_programs_function(kind):
    ours, plain = model.build_autoencoder(plan_task(make_task(kind))).model, build_autoencoder(make_task(kind))
    assert plain.count_params() == ours.count_params() == plan_task(make_task(kind)).parameters
    # Biases that are not zero, and kernels that no symmetry hides.
    ours.set_weights([np.random.default_rng(1).normal(0, 0.3, weights.shape) for weights in ours.get_weights()])
    plain.set_weights(ours.get_weights())
    expected = np.array(ours(make_pixels()))
    np.testing.assert_allclose(np.array(plain(make_pixels())), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in KERAS_ONLY])
def test_pytorch_is_given_the_programs_function(kind, tmp_path):
    pytest.importorskip("torch", reason="requirements-bench.txt is not installed")
    from benchmarks.contestants.pytorch import TorchTraining

    ours = model.build_autoencoder(plan_task(make_task(kind))).model
    # Biases that are not zero, and kernels that no symmetry hides.
    ours.set_weights([np.random.default_rng(1).normal(0, 0.3, weights.shape) for weights in ours.get_weights()])
    theirs = TorchTraining(rounds_of=1, **make_task(kind).words())
    assert theirs.count_parameters() == ours.count_params()
    weights, images, out = (str(tmp_path / f"{name}.npz") for name in ("weights", "images", "out"))
    write_arrays(weights, ours.get_weights())
    write_arrays(images, [make_pixels()])
    theirs.load_weights(weights)
    theirs.reconstruct(images, out)
    np.testing.assert_allclose(read_arrays(out)[0], np.array(ours(make_pixels())), atol=1e-5)
    assert theirs.train(1)["torch"] > 0


@pytest.mark.parametrize("layer", ["max_pool_and_unpool", "max_unpool", "subpixel"])
def test_layers_of_the_program_and_of_keras_have_the_same_outputs_and_gradients(layer, tmp_path):
    results = _run_layer(layer, tmp_path, our_layer.make_trial, plain_layer.make_trial)
    assert greatest_difference(*results) < 1e-5


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_of_the_program_and_of_pytorch_have_the_same_outputs_and_gradients(layer, tmp_path):
    pytest.importorskip("torch", reason="requirements-bench.txt is not installed")
    from benchmarks.contestants.torch_layer import TorchTrial

    results = _run_layer(layer, tmp_path, our_layer.make_trial, TorchTrial)
    assert greatest_difference(*results) < 1e-5


def _run_layer(layer, folder, make_first, make_second):
    task = LayerTask(layer, [2, 4, 4, 8], 4, "float32")
    weights, inputs = str(folder / "weights.npz"), str(folder / "inputs.npz")
    write_arrays(inputs, task.make_inputs())
    results = []
    for number, make in enumerate((make_first, make_second)):
        trial, out = make(**task.words()), str(folder / f"{number}.npz")
        if number == 0:
            trial.save_weights(weights)
        else:
            trial.load_weights(weights)
        trial.load_inputs(inputs)
        trial.write_results(out)
        results.append(read_arrays(out))
    assert results[0][0].shape == task.output_shape
    return results


def test_the_difference_is_the_greatest_share():
    ones, twos = np.ones((2, 2)), np.full(3, 2.0)
    assert greatest_difference([ones, np.array([2.0, 2.5, 2.0])], [ones, twos]) == 0.25


def test_pixels_to_pool_have_no_ties_in_either_type():
    import tensorflow as tf

    pixels = LayerTask("max_pool", [2, 3, 5, 4], 2, "bfloat16").make_inputs()[0]
    windows = tf.cast(pixels, tf.bfloat16).numpy().reshape(2, 3, 2, 5, 2, 4).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
    assert all(len(set(window.tolist())) == 4 for window in windows)


def test_the_program_trains_every_size_that_is_measured():
    for size in SIZES.values():
        task = Task("max_unpool", list(size.image_shape), list(size.filters), size.batch_size, "float32")
        assert plan_task(task).latent_shape == (size.image_shape[0] // 8, size.image_shape[1] // 8, size.filters[-1])


def test_the_programs_steps_can_be_taken_bare():
    ours = OurTraining(rounds_of=2, **make_task("max_unpool").words())
    before = [weights.copy() for weights in ours.model.get_weights()]
    assert ours.train(2)["cae"] > 0
    assert all(np.any(a != b) for a, b in zip(before, ours.model.get_weights(), strict=True))


def test_the_first_step_ends_a_timed_start(tmp_path):
    overrides = ["--set=model.encoder.filters=[2]", "--runs-dir", tmp_path / "runs"]
    finished = run("-m", "benchmarks.contestants.first_step", "configs/quickstart.yaml", *overrides)
    assert 0 < finished.seconds_until(DONE) <= finished.seconds
    assert not list(tmp_path.rglob("summary.json"))
