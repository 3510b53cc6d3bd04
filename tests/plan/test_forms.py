"""What `describe` says of how resizes are computed."""

from __future__ import annotations

import pytest

from cae.config.model import ModelSection
from cae.plan import make_plan
from cae.plan.forms import format_forms


def forms(size, precision="float32", upsampling="resize", **encoder):
    section = ModelSection.model_validate({"encoder": encoder, "decoder": {"upsampling": upsampling}})
    return format_forms(make_plan(section, (size, size, 1)), precision)


@pytest.mark.parametrize("has_units", [False, True])
def test_the_form_that_the_layer_chooses_is_named(has_units, monkeypatch):
    monkeypatch.setattr("cae.forms.has_matrix_units", lambda: has_units)
    # 14 pixels become 27, which is cropped, and 7 become 14, which is not: 7 * 7 * 4 * 4 * 6 * 6 and 14 * 14 * ...
    second, first, _ = forms(27, filters=[6, 6])
    assert second == (
        "stage_2_conv_1: nearest resize and convolution are computed on a CPU as one conv_transpose 4x4: 28,224 MACs"
        " instead of 63,504"
    )
    assert (
        first
        == "stage_1_conv_1: nearest resize and convolution are computed one after the other, since 27x27 is cropped"
    )
    (folded, _) = forms(8, "mixed_bfloat16", filters=[6])
    assert ("which is faster here in bfloat16" in folded) == has_units


@pytest.mark.parametrize("has_units", [False, True])
def test_an_output_of_few_filters_is_computed_several_pixels_at_once(has_units, monkeypatch):
    monkeypatch.setattr("cae.forms.has_matrix_units", lambda: has_units)
    backwards = "the gradient of its kernel as the mirrored convolution's"
    assert forms(8, filters=[18])[-1] == f"output: on a CPU computed 4x4 pixels at once, {backwards}"
    forward = "" if has_units else "4x4 pixels at once, "
    assert forms(8, "mixed_bfloat16", filters=[18])[-1] == f"output: on a CPU computed {forward}{backwards}"
    # Half of four taps' SAME padding is more on one side, which a mirror would change.
    assert forms(8, filters=[18], kernel_size=4)[-1] == "output: on a CPU computed 4x4 pixels at once"


def test_unpooling_without_switches_is_folded_at_odd_sizes_too():
    section = ModelSection.model_validate({"encoder": {"filters": [6]}, "decoder": {"upsampling": "fixed_unpool"}})
    line, _ = format_forms(make_plan(section, (27, 27, 1)), "float32")
    # 14 * 14 * 3 * 3 * 6 * 6 and 27 * 27 * 3 * 3 * 6 * 6
    assert line == (
        "stage_1_conv_1: fixed_unpool and convolution are computed on a CPU as one conv_transpose 3x3: 63,504 MACs"
        " instead of 236,196"
    )


def test_a_single_tap_is_not_folded():
    assert "one after the other" in forms(8, filters=[6], kernel_size=1)[0]


def test_a_bilinear_resize_is_folded_with_a_blur_where_its_map_is_large():
    bilinear = {"kind": "resize", "interpolation": "bilinear"}
    second, first, _ = forms(28, upsampling=bilinear, filters=[6, 6])
    assert "one after the other, which is faster here in float32" in second  # 7 pixels become 14
    # 14 * 14 * 4 * 4 * 6 * 6, and four frames of 2 lines of 28 * 3 * 6 * 6
    assert first == (
        "stage_1_conv_1: bilinear resize and convolution are computed on a CPU as one conv_transpose 4x4 and a blur"
        " while training: 137,088 MACs instead of 254,016"
    )
    even = forms(32, upsampling=bilinear, filters=[6], kernel_size=4)[0]
    assert even.endswith("are computed one after the other, since a blur cannot follow a kernel of even side 4")
    short = forms(32, "mixed_bfloat16", upsampling=bilinear, filters=[6])[0]
    assert short.endswith("are computed one after the other in bfloat16")
