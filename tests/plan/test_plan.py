"""The plan's own arithmetic, against figures known from elsewhere."""

import math

import pytest

from cae.config.model import ModelSection
from cae.plan import PlanError, make_plan
from cae.plan.table import format_plan


def section(upsampling="conv_transpose", bottleneck="none", **encoder):
    return ModelSection.model_validate(
        {"encoder": encoder, "bottleneck": bottleneck, "decoder": {"upsampling": upsampling}}
    )


def test_the_public_keras_example_has_28353_parameters_and_a_code_larger_than_its_images():
    plan = make_plan(section({"kind": "conv_transpose", "kernel_size": 3}, filters=[32, 32]), image_shape=(28, 28, 1))
    assert plan.parameters == 28_353
    assert plan.code.values == 1_568
    assert plan.code.ratio == 1_568 * 32 / (784 * 8)
    assert "not smaller than the image (1,568 values against 784)" in format_plan(plan)


@pytest.mark.parametrize("kind", ["resize", "max_unpool", "fixed_unpool", {"kind": "conv_transpose", "kernel_size": 3}])
def test_kinds_with_the_same_kernel_have_the_same_number_of_parameters(kind):
    plan = make_plan(section(kind, filters=[32, 64, 128]), image_shape=(32, 32, 3))
    assert plan.parameters == 195_619


def test_no_note_on_the_code_when_it_is_smaller_than_the_image():
    plan = make_plan(section(bottleneck={"kind": "dense", "units": 64}, filters=[8]), image_shape=(28, 28, 1))
    assert plan.code.values == 64
    assert "not smaller" not in format_plan(plan)


@pytest.mark.parametrize(("pool_size", "bits"), [(2, 2.0), (3, math.log2(9)), (4, 4.0)])
def test_switches_carry_log2_of_the_window_bits_for_each_pooled_value(pool_size, bits):
    plan = make_plan(
        section("max_unpool", filters=[5], downsampling={"kind": "max_pool", "pool_size": pool_size}),
        (29, 17, 3),
    )
    pooled = math.ceil(29 / pool_size) * math.ceil(17 / pool_size) * 5
    assert plan.code.switch_bits == math.ceil(pooled * bits)
    assert "past the bottleneck" in format_plan(plan)


def test_only_stages_that_unpool_with_switches_count_their_bits():
    # The decoder's first stage mirrors the encoder's last one.
    plan = make_plan(section(["max_unpool", "resize"], filters=[4, 8]), image_shape=(16, 16, 1))
    assert [pool.name for pool in plan.switches] == ["stage_2_pool"]
    assert plan.code.switch_bits == 4 * 4 * 8 * 2


def test_receptive_fields_of_three_by_three_convolutions_and_poolings():
    plan = make_plan(section("resize", filters=[2, 2, 2]), image_shape=(64, 64, 1))
    # 3, then 2x2 pooling: 4; 3x3 at a distance of 2: 8; 10; 3x3 at 4: 18; 22.
    encoder = dict(zip([op.name for op in plan.encoder], plan.receptive_fields(), strict=False))
    assert [encoder[name] for name in ("stage_1_pool", "stage_2_conv_1", "stage_2_pool")] == [4, 8, 10]
    assert encoder["stage_3_conv_1"] == 18


def test_a_dense_bottleneck_sees_the_whole_image():
    plan = make_plan(section(bottleneck={"kind": "dense", "units": 3}, filters=[2]), image_shape=(64, 64, 1))
    assert plan.receptive_fields()[-1] == math.inf


@pytest.mark.parametrize(
    ("shape", "stages", "fits"),
    [
        ((2, 2, 1), 1, True),
        ((1, 2, 1), 1, False),
        ((5, 5, 1), 3, True),
        ((4, 9, 1), 3, False),
        ((17, 17, 1), 5, True),
    ],
)
def test_an_image_must_leave_each_stage_something_to_shrink(shape, stages, fits):
    wanted = section(filters=[2] * stages)
    if fits:
        assert make_plan(wanted, shape).decoder[-1].output_shape == shape
    else:
        with pytest.raises(PlanError, match=f"images of {shape[0]}x{shape[1]}"):
            make_plan(wanted, shape)


def test_the_least_size_that_the_error_names_is_enough_and_one_less_is_not():
    for factor in (2, 3, 5):
        for stages in (1, 2, 3):
            wanted = section(filters=[1] * stages, downsampling={"kind": "strided_conv", "strides": factor})
            with pytest.raises(PlanError) as caught:
                make_plan(wanted, (1, 1, 1))
            least = int(str(caught.value).split("at least ")[1].split("x")[0])
            make_plan(wanted, (least, least, 1))
            with pytest.raises(PlanError):
                make_plan(wanted, (least - 1, least, 1))
