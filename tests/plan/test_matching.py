"""Decoder widths found for a number of parameters and more, held against the plan and the rules of configurations."""

import math

import pytest

from cae.config import RunConfig, check_config, expand_grid
from cae.config.checks import conflicts
from cae.config.model import ModelSection
from cae.grid import matching
from cae.grid.step_time import TimedModel, make_steps, match_time, seconds_a_step
from cae.plan import make_plan
from cae.plan.lowering import computed_macs
from cae.plan.matching import AMOUNTS, match_decoder, with_filters

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
        # A channel more in one of two narrow stages is a step of several percent.
        assert abs(found - wanted) <= 0.03 * wanted, (reference, matched.decoder.filters)
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


def test_all_widths_are_scaled_by_one_factor_and_none_becomes_narrower_than_the_image():
    model = section("subpixel", filters=[16, 16])
    wanted = make_plan(section("resize", filters=[16, 16]), (32, 32, 3)).parameters
    alike = [with_filters(model, (a, b)) for a in range(3, 17) for b in (a - 1, a, a + 1) if b >= 3]
    nearest = min(alike, key=lambda one: abs(math.log(make_plan(one, (32, 32, 3)).parameters / wanted)))
    assert match_decoder(model, (32, 32, 3), wanted) == nearest
    three = section("subpixel", filters=[24, 32, 48])
    for share in (0.3, 0.5, 2):
        filters = match_decoder(three, (32, 32, 3), make_plan(three, (32, 32, 3)).parameters * share).decoder.filters
        own = three.decoder_outputs
        lowest = max((width - 1) / before for width, before in zip(filters, own, strict=True))
        assert lowest < min((width + 1) / before for width, before in zip(filters, own, strict=True))
    assert match_decoder(model, (32, 32, 3), 1).decoder.filters == (3, 3)
    # One that was narrower before may stay so.
    assert min(match_decoder(section("subpixel", filters=[2, 8]), (32, 32, 3), 1).decoder.filters) == 2


def test_multiplications_are_counted_as_they_are_computed_behind_a_resize():
    shape = (32, 32, 3)
    resized, opened = section("resize", filters=[16, 32]), section("conv_transpose", filters=[16, 32])
    # Folded, a 3x3 convolution behind a nearest resize is the very transposed convolution of 4x4.
    four = make_plan(section({"kind": "conv_transpose", "kernel_size": 4}, filters=[16, 32]), shape)
    assert computed_macs(make_plan(resized, shape)) == four.macs
    wanted = computed_macs(make_plan(resized, shape))
    assert match_decoder(opened, shape, wanted, AMOUNTS["macs"]) == opened
    wider = match_decoder(opened, shape, 2 * wanted, AMOUNTS["macs"])
    assert make_plan(wider, shape).macs == pytest.approx(2 * wanted, rel=0.03)


@pytest.mark.parametrize(("wanted", "num_tried"), [(1.5, 5), (2.0, 5), (6.0, 5), (3.1, 1)])
def test_time_is_matched_by_widths_that_take_as_long_within_a_few_measurements(wanted, num_tried):
    model = section("subpixel", filters=[32, 32])
    tried = []

    def measure(candidate):
        """A start, and a part that grows with the square of the widths, on a machine that has ever more to do."""
        tried.append(candidate.decoder_outputs)
        slower = 1.3 ** len(tried)
        return slower * (1 + sum(width**2 for width in candidate.decoder_outputs) / 1000), slower * wanted

    filters, seconds, at_that_time = match_time(model, 3, measure)
    assert seconds == pytest.approx(at_that_time, rel=0.06)
    assert filters[0] == filters[1]
    assert len(tried) <= num_tried


def test_a_models_step_is_really_measured():
    timed = TimedModel(
        section("resize", filters=[2]).model_dump(mode="json"), {}, {}, {"batch_size": 4, "optimizer": "sgd"}, (8, 6, 1)
    )
    take = make_steps(section("resize", filters=[2]), timed)
    seconds, wanted = seconds_a_step(take, take)
    assert 0 < seconds < 1
    assert seconds == pytest.approx(wanted, rel=0.9)


def test_times_that_were_measured_are_not_measured_again_and_seeds_rates_and_epochs_share_them(tmp_path, monkeypatch):
    asked = []

    def match_times(models, here):
        asked.append(len(models))
        return [((7, 7) if timed.model != timed.first else (16, 16), 0.5, 0.5) for timed in models]

    monkeypatch.setattr(matching, "match_times", match_times)
    grid = {"model.decoder.upsampling.kind": ("resize", "subpixel"), "seed": (0, 1), "training.epochs": (2, 4)}
    model = {"encoder": {"filters": [16, 16]}}
    configs = expand_grid(check_config({"model": model, "grid": grid}))
    shape_of = lambda data: (28, 28, 1)  # noqa: E731
    matched, widths = matching.match_models(configs, "time", shape_of, tmp_path, {})
    assert asked == [2]
    assert {config.model.decoder.filters for config in matched[4:]} == {(7, 7)}
    assert {config.model.decoder.filters for config in matched[:4]} == {None}
    matching.write_matching(tmp_path, "time", widths)
    assert matching.read_matching(tmp_path, "time") == widths
    assert matching.read_matching(tmp_path, "macs") == {}
    assert matching.match_models(configs, "time", shape_of, tmp_path, widths) == (matched, widths)
    assert asked == [2, 0]
    (line,) = matching.matching_in_words("time", widths, 1)
    assert line == (
        f"match: time: {configs[4].name} and 3 more runs: filters [16, 16] to [7, 7]: 0.5 seconds a step, wanted 0.5."
        " Warning: its last map has 7 channels instead of 16."
    )
