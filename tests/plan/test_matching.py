"""Decoder widths found for a number of parameters, held against the plan and the rules of the configuration."""

import pytest

from cae.config import RunConfig
from cae.config.checks import conflicts
from cae.config.model import ModelSection
from cae.plan import make_plan
from cae.plan.matching import TOLERANCE, match_decoder

KINDS = [
    "resize",
    "max_unpool",
    "fixed_unpool",
    {"kind": "conv_transpose", "kernel_size": 3},
    {"kind": "conv_transpose", "kernel_size": 5},
    "subpixel",
    "bilinear_additive",
]


def section(upsampling, **encoder):
    encoder = {"filters": [16, 32]} | encoder
    return ModelSection.model_validate({"encoder": encoder, "decoder": {"upsampling": upsampling}})


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    "encoder",
    [
        {"filters": [32, 64]},
        {"filters": [24, 32, 48], "convs_per_stage": 2},
        {"filters": [32, 64], "normalization": "batch", "residual_blocks": 1},
    ],
    ids=["two-stages", "three-stages", "residual"],
)
def test_every_kind_comes_to_the_parameters_of_every_other_kind(kind, encoder):
    shape = (28, 32, 3)
    # Unpooling can only change its last stage, which is not enough to shrink it much.
    references = ["resize", "subpixel"] + ["bilinear_additive"] * (kind != "max_unpool")
    for reference in references:
        wanted = make_plan(section(reference, **encoder), shape).parameters
        matched = match_decoder(section(kind, **encoder), shape, wanted)
        found = make_plan(matched, shape).parameters
        assert abs(found - wanted) <= TOLERANCE / 2 * wanted, (reference, matched.decoder.filters)
        assert list(conflicts(RunConfig(model=matched))) == []
        assert matched.encoder == section(kind, **encoder).encoder


def test_a_decoder_that_is_near_enough_stays_the_mirror_of_its_encoder():
    model = section("resize")
    assert match_decoder(model, (28, 28, 1), make_plan(model, (28, 28, 1)).parameters + 20) == model


def test_widths_given_to_groups_and_summed_channels_stay_multiples_of_them():
    model = section("bilinear_additive", filters=[48, 96], normalization={"kind": "group", "groups": 6})
    wanted = make_plan(model, (32, 32, 3)).parameters * 2
    matched = match_decoder(model, (32, 32, 3), wanted)
    assert all(filters % 6 == 0 for filters in matched.decoder.filters)
    assert matched.decoder.filters[0] % 4 == 0


def test_only_the_last_stage_of_unpooling_changes_since_switches_fix_the_others():
    model = section("max_unpool", filters=[16, 32, 64])
    matched = match_decoder(model, (32, 32, 1), make_plan(model, (32, 32, 1)).parameters + 3_000)
    assert matched.decoder.filters[:2] == (32, 16)
    assert matched.decoder.filters[2] > 16


def test_explicit_widths_are_those_of_every_convolution_of_their_stage():
    model = ModelSection.model_validate(
        {"encoder": {"filters": [4, 6], "convs_per_stage": 2}, "decoder": {"upsampling": "resize", "filters": [9, 5]}}
    )
    channels = {op.name: op.output_shape[2] for op in make_plan(model, (8, 8, 1)).decoder if "conv" in op.name}
    assert channels["stage_2_conv_1"] == channels["stage_2_conv_2"] == 9
    assert channels["stage_1_conv_1"] == channels["stage_1_conv_2"] == 5
