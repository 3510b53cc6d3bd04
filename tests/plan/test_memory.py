"""The predicted memory of a training step, against what real steps take."""

import json

import pytest

from cae.config import RunConfig
from cae.config.model import ModelSection
from cae.plan import make_plan
from cae.plan.memory import predict_step_memory
from tests.conftest import run_process


def model(upsampling, **encoder):
    return {"encoder": {"filters": [16, 32, 64], **encoder}, "decoder": {"upsampling": upsampling}}


CASES = [
    (model("conv_transpose"), (64, 64, 3), 64, "float32"),
    (model("resize"), (64, 64, 3), 64, "float32"),
    (model("resize", normalization="batch"), (64, 64, 3), 64, "mixed_bfloat16"),
    (model({"kind": "resize", "interpolation": "bilinear"}), (32, 32, 3), 128, "mixed_bfloat16"),
    (model("max_unpool", activation="leaky_relu"), (64, 64, 3), 64, "float32"),
    (model("subpixel", activation="gelu"), (64, 64, 1), 32, "float32"),
    (model("fixed_unpool", residual_blocks=1), (64, 64, 3), 32, "float32"),
    (model("bilinear_additive", activation="silu"), (96, 64, 1), 32, "float32"),
    (model("conv_transpose", downsampling="strided_conv"), (128, 128, 1), 32, "mixed_bfloat16"),
    # The output is computed several pixels at once.
    (model("conv_transpose", filters=[32, 64]), (64, 64, 3), 32, "float32"),
    (model("conv_transpose", filters=[32]), (64, 64, 3), 32, "mixed_bfloat16"),
    (model("resize", filters=[32, 64]), (63, 65, 3), 32, "float32"),
    # What is computed together: pooling and unpooling, channels that become pixels, a resize and its blur.
    (model("max_unpool"), (64, 64, 3), 64, "float32"),
    (model("max_unpool", normalization="batch"), (64, 64, 3), 64, "mixed_bfloat16"),
    (model("subpixel"), (64, 64, 3), 64, "float32"),
    (model({"kind": "resize", "interpolation": "bilinear"}), (64, 64, 3), 64, "float32"),
]


@pytest.fixture(scope="module")
def measured():
    """Bytes of each case's step, all measured in one process of their own."""
    code, out, err = run_process("-m", "tests.plan.measured_steps", json.dumps(CASES), timeout=300)
    assert code == 0, err
    found = json.loads(out.splitlines()[-1])
    if found is None:
        pytest.skip("This machine's TensorFlow does not count the memory of its CPU allocator.")
    return found


@pytest.mark.parametrize("number", range(len(CASES)))
@pytest.mark.slow
def test_predicted_activations_are_within_a_quarter_of_measured_ones(measured, number):
    section, image_shape, batch_size, precision = CASES[number]
    plan = make_plan(RunConfig.model_validate({"model": section}).model, image_shape)
    predicted = predict_step_memory(plan, batch_size=batch_size, precision=precision).activations
    assert predicted == pytest.approx(measured[number], rel=0.25), CASES[number]


def test_activations_grow_with_the_batch_and_halve_with_the_precision_but_weights_do_not():
    plan = make_plan(ModelSection(), (32, 32, 1))
    one, four = (predict_step_memory(plan, batch_size=size) for size in (16, 64))
    half = predict_step_memory(plan, batch_size=64, precision="mixed_float16")
    assert four.activations == 4 * one.activations
    assert 0.5 < half.activations / four.activations < 0.7
    assert one.weights == four.weights == half.weights


def test_weights_are_counted_with_gradient_best_copy_and_what_the_optimizer_keeps():
    plan = make_plan(ModelSection(), (28, 28, 1))
    memory = [predict_step_memory(plan, batch_size=1, optimizer_slots=slots) for slots in (0, 1, 2)]
    assert [one.weights for one in memory] == [4 * plan.parameters * copies for copies in (3, 4, 5)]
    assert memory[0].total == memory[0].activations + memory[0].weights


def test_describe_prints_the_prediction_for_the_configured_batch(run_command, write_config):
    config = write_config("model: {encoder: {filters: [8]}}\ntraining: {batch_size: 50, optimizer: sgd}")
    code, out, _ = run_command("describe", config)
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("training step")]
    plan = make_plan(ModelSection.model_validate({"encoder": {"filters": [8]}}), (15, 10, 1))
    assert "batch size 50 in float32" in line
    assert line.endswith(f"{4 * plan.parameters * 3 / 1e6:.1f} MB for the weights")
    assert f"about {predict_step_memory(plan, batch_size=50).activations / 1e6:,.0f} MB" in line
