"""Which operations of a plan are computed together, on which device and in which type."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from cae.config.model import ModelSection
from cae.kinds.convolutions import Sum
from cae.plan import make_plan
from cae.plan.lowering import Device, FewFilters, FoldedConvolution, flat_steps, lower, lowered_macs, this_cpu

GPU, MATRIX_UNITS = Device(is_gpu=True), Device(has_matrix_units=True)
UPSAMPLING = ["resize", "max_unpool", "fixed_unpool", "conv_transpose", "subpixel", "bilinear_additive"]
UPSAMPLING += ["carafe", "dysample", "haar"]


def planned(size, upsampling="resize", bottleneck="none", decoder=None, channels=1, **encoder):
    words = {"encoder": encoder, "bottleneck": bottleneck, "decoder": {"upsampling": upsampling} | (decoder or {})}
    return make_plan(ModelSection.model_validate(words), (*size, channels))


def steps_of(plan, device=Device(), dtype="float32", training=True):  # noqa: B008, a constant
    return lower(plan.operations, device, dtype, training=training)


def folded(plan, *arguments, **options):
    """Names of the convolutions that are folded into what is before them."""
    return [step.convolution.name for step in steps_of(plan, *arguments, **options) if hasattr(step, "upsample")]


@pytest.mark.parametrize("device", [Device(), GPU, MATRIX_UNITS], ids=["plain", "gpu", "units"])
@pytest.mark.parametrize("upsampling", UPSAMPLING)
def test_each_operation_is_computed_once_and_in_its_place(upsampling, device):
    for blocks, dtype, training in product((0, 1), ("float32", "bfloat16"), (False, True)):
        plan = planned((28, 27), upsampling, residual_blocks=blocks, filters=[8, 16])
        names = [op.name for step in steps_of(plan, device, dtype, training) for op in step.operations]
        # The activation of a residual block is an operation of its own, of the same name.
        times = [2 if isinstance(op, Sum) else 1 for op in plan.operations]
        assert names == [op.name for op, number in zip(plan.operations, times, strict=True) for _ in range(number)]


@pytest.mark.parametrize("training", [False, True])
def test_a_nearest_resize_is_folded_where_nothing_is_cropped(training):
    # 14 pixels become 27, which is cropped, and 7 become 14, which is not.
    plan = planned((27, 27), filters=[6, 6])
    assert folded(plan, training=training) == ["stage_2_conv_1"]
    assert folded(planned((27, 27), "fixed_unpool", filters=[6, 6])) == ["stage_2_conv_1", "stage_1_conv_1"]
    for interpolation in ("bilinear", "bicubic", "lanczos3"):
        assert not folded(planned((28, 28), {"kind": "resize", "interpolation": interpolation}))


def test_folding_spares_multiplications_and_is_counted():
    plan = planned((28, 28), filters=[6])
    (step,) = (step for step in steps_of(plan) if isinstance(step, FoldedConvolution))
    assert (step.kernel_size, step.macs) == (4, 14 * 14 * 4 * 4 * 6 * 6)
    spared = 28 * 28 * 3 * 3 * 6 * 6 - step.macs
    assert lowered_macs(steps_of(plan)) == plan.macs - spared
    assert lowered_macs(steps_of(plan, GPU)) == plan.macs
    (odd,) = (step for step in steps_of(planned((27, 27), "fixed_unpool", filters=[6])) if hasattr(step, "upsample"))
    assert (odd.kernel_size, odd.macs) == (3, 14 * 14 * 3 * 3 * 6 * 6)


def test_macs_inside_of_residual_blocks_are_counted():
    plan = planned((28, 28), "conv_transpose", residual_blocks=2)
    assert lowered_macs(steps_of(plan)) == plan.macs


def test_nothing_is_folded_where_multiplications_are_cheap_or_none_are_spared():
    plan = planned((28, 28))
    assert folded(plan, MATRIX_UNITS, "float32") == folded(plan, Device(), "bfloat16") != []
    assert folded(plan, MATRIX_UNITS, "bfloat16") == folded(plan, MATRIX_UNITS, "float16") == folded(plan, GPU) == []
    assert folded(planned((28, 28), kernel_size=1)) == []


@pytest.mark.parametrize(
    ("size", "channels", "kernel_size", "pixels"),
    [
        ((8, 7), 1, 3, 4),
        ((8, 7), 3, 3, 2),
        # Of 10 pixels 2 are missing, which SAME padding of strides 4 would put half in front.
        ((8, 10), 1, 3, 2),
        ((8, 10), 1, 2, 2),
        ((8, 9), 1, 2, 1),
    ],
)
def test_an_output_of_few_filters_is_computed_several_pixels_at_once(size, channels, kernel_size, pixels):
    plan = planned(size, "conv_transpose", channels=channels, kernel_size=kernel_size, filters=[18])
    for device, dtype, expected in [
        (Device(), "float32", pixels),
        (MATRIX_UNITS, "float32", pixels),
        (Device(), "bfloat16", pixels),
        (MATRIX_UNITS, "bfloat16", 1),
    ]:
        (step,) = (step for step in steps_of(plan, device, dtype) if isinstance(step, FewFilters))
        assert (step.convolution.name, step.pixels) == ("output", expected)
    assert not any(isinstance(step, FewFilters) for step in steps_of(plan, GPU))


def test_convolutions_of_single_taps_with_strides_or_many_filters_are_computed_as_they_are():
    strided = planned(
        (16, 16), filters=[2, 8], downsampling="strided_conv", bottleneck={"kind": "spatial", "channels": 2}
    )
    names = {step.operations[0].name for step in steps_of(strided) if isinstance(step, FewFilters)}
    assert names == {"output"}
    inside = planned((16, 16), filters=[2], residual_blocks=1)
    names = {step.operations[0].name for step in flat_steps(steps_of(inside)) if isinstance(step, FewFilters)}
    assert {"stage_1_residual_1_conv_1", "stage_1_residual_1_conv_2"} <= names


@pytest.mark.parametrize(
    ("upsampling", "options", "together"),
    [
        ("max_unpool", {}, ["stage_1_conv_1_relu", "stage_1_pool"]),
        ("conv_transpose", {}, ["stage_1_conv_transpose", "stage_1_conv_transpose_relu"]),
        ("max_unpool", {"tied_weights": True}, ["stage_2_conv_1_transposed", "stage_2_conv_1_transposed_relu"]),
        ("subpixel", {}, ["stage_1_subpixel", "stage_1_conv_1_relu"]),
        ("fixed_unpool", {}, ["stage_1_fixed_unpool", "stage_1_conv_1", "stage_1_conv_1_relu"]),
    ],
)
def test_rectifiers_join_their_neighbours_while_training(upsampling, options, together):
    def names(training=True, **encoder):
        plan = planned((16, 16), upsampling, decoder=options, filters=[8, 16], **encoder)
        return [[operation.name for operation in step.operations] for step in steps_of(plan, training=training)]

    assert together in names()
    assert together not in names(training=False)
    # A rectifier behind a normalisation is still in front of its pooling, but no longer behind its convolution.
    assert (together in names(normalization="batch")) == (together[-1] == "stage_1_pool")
    assert not any("relu" in name for step in names(activation="elu") for name in step)


def test_gelu_takes_one_pass_while_training_on_a_processor():
    plan = planned((16, 16), filters=[8], activation="gelu")

    def number(*arguments, **options):
        return sum(step.form == "gelu in one pass" for step in steps_of(plan, *arguments, **options))

    assert number() == number(MATRIX_UNITS, "bfloat16") == 2
    assert number(training=False) == number(GPU) == 0
    assert steps_of(planned((16, 16), filters=[8], activation="silu"))[1].form == ""


def test_matrix_units_are_read_from_the_processors_flags(tmp_path: Path):
    flags = tmp_path / "cpuinfo"
    flags.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n")
    assert this_cpu(flags) == MATRIX_UNITS
    other = tmp_path / "other"
    other.write_text("flags\t\t: fpu avx512_bf16 not_amx_bf16x\n")
    assert this_cpu(other) == this_cpu(tmp_path / "nothing") == Device()


def test_describe_says_how_it_is_computed_only_when_it_is_asked(run_command, write_config):
    # 8x5 pixels become 15x10 with 6 filters: 8 * 5 * 3 * 3 * 6 * 6 and 15 * 10 * 3 * 3 * 6 * 6.
    config = write_config("model: {encoder: {filters: [6]}, decoder: {upsampling: fixed_unpool}}")
    _, plain, _ = run_command("describe", config)
    _, verbose, _ = run_command("describe", config, "--verbose")
    assert "conv_transpose" not in plain
    assert verbose.startswith(plain)
    assert verbose[len(plain) :].splitlines()[2:] == [
        "stage_1_conv_1_relu + stage_1_pool: pooled before they are rectified",
        "stage_1_fixed_unpool + stage_1_conv_1 + stage_1_conv_1_relu: one conv_transpose 3x3, 12,960 MACs instead of"
        " 48,600",
        "output: 2x2 pixels at once",
    ]
