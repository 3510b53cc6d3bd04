"""What the report says in words, and when: switches, baselines, corrupted inputs, small differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cae.comparison.report import comparison_picture
from cae.comparison.report.markdown import render_markdown
from cae.comparison.report.page import render_page
from cae.comparison.report.sections import tell
from tests.comparison.example import make_example
from tests.comparison.report.parsed import Page

NO_SWITCHES = "No decoder here uses switches."


def change(comparison, **options):
    """A comparison with every contender changed."""
    return replace(comparison, contenders=tuple(replace(one, **options) for one in comparison.contenders))


def text_of(comparison, exhibits):
    return "".join(Page(render_page(comparison, exhibits)).text)


def test_switches_without_a_sentence_are_still_switches(example):
    comparison, exhibits = example
    assert comparison.contenders[0].code["switch_bits"] > 0
    for num_images, why in [(1, "were not tried: there is one image only."), (9, "were not tried.")]:
        changed = replace(change(comparison, ablations_in_words=""), num_images=num_images)
        for text in (render_markdown(changed), text_of(changed, exhibits)):
            assert NO_SWITCHES not in text
            section = text.partition("What came through the switches")[2]
            assert f"max_unpool: Switches of another image {why}" in section.replace("\n", "")
        assert f"its code of 6,272 bits. Switches of another image {why} The best one without" in tell(changed).answer


def test_decoders_without_switches_are_told_to_have_none(example):
    comparison, exhibits = make_example(2, has_switches=False, images_per_block=1)
    for text in (render_markdown(comparison), text_of(comparison, exhibits)):
        assert NO_SWITCHES in text
    assert NO_SWITCHES not in text_of(*example)


@pytest.fixture(scope="module")
def example():
    return make_example(3, images_per_block=1)


def test_a_corruption_of_the_inputs_is_told_and_the_clean_image_is_not_called_input(example):
    comparison, exhibits = example
    corrupted = replace(comparison, corruption="gaussian, stddev 0.1")
    for one, is_corrupted in [(comparison, False), (corrupted, True)]:
        for text in (render_markdown(one), text_of(one, exhibits)):
            assert ("Inputs were corrupted (gaussian, stddev 0.1)" in text) == is_corrupted
            assert ("those of baselines were clean" in text) == is_corrupted
            assert ("Decoders were given these images corrupted." in text) == is_corrupted
        page = Page(render_page(one, exhibits))
        assert page.text.count("input") == (0 if is_corrupted else 3)
        assert page.text.count("image") == (3 if is_corrupted else 0)
        assert any("the input" in image["alt"] for image in page.every("img")) != is_corrupted
    assert not np.array_equal(comparison_picture(comparison, exhibits), comparison_picture(corrupted, exhibits))


def test_a_baseline_that_is_better_than_the_best_decoder_is_in_the_answer(example):
    comparison, _ = example
    best = comparison.contenders[0].metrics["psnr"].mean
    assert "aseline" not in tell(comparison).answer
    for shift, is_better in [(-0.01, False), (0.01, True)]:
        pca = {**comparison.baselines["pca"], "psnr": best + shift}
        told = tell(replace(comparison, baselines={**comparison.baselines, "pca": pca})).answer
        sentence = f"A baseline of the same code size reached more than the best decoder: pca ({best + shift:.2f} dB)."
        assert (sentence in told) == is_better
        assert "exact" not in told


def test_less_of_an_error_is_what_a_better_baseline_has():
    comparison, _ = make_example(2, metric="mse", images_per_block=1)
    best = comparison.contenders[0].metrics["mse"].mean
    baselines = {
        name: {"mse": best * times, "values": 9.0} for name, times in [("pca", 2), ("resize", 0.5), ("a_b", 0)]
    }
    told = tell(replace(comparison, baselines=baselines)).answer
    assert (
        f"Baselines of the same code size reached more than the best decoder: resize ({best / 2:#.4g}) and a b" in told
    )


def test_a_pca_that_is_exact_is_told_to_be(example):
    comparison, _ = example
    exact = {"mse": 0.0, "psnr": 100.0, "values": 784.0}
    changed = replace(comparison, baselines={"pca": exact}, corruption="gaussian, stddev 0.1")
    told = tell(changed).answer
    assert "A baseline of the same code size, given clean images, reached more than the best decoder: pca" in told
    assert told.endswith("The code has at least as many values as the image, 784, so that PCA is exact.")


@pytest.mark.parametrize("metric", ["psnr", "mse"])
def test_small_differences_have_two_digits_of_half_their_interval(metric):
    comparison, _ = make_example(2, metric=metric, images_per_block=1)
    (pair,) = comparison.differences
    pair = replace(pair, mean=0.00034, images_low=0.00022, images_high=0.00046, seeds_low=0.00001, seeds_high=0.00067)
    told = tell(replace(comparison, differences=(pair,)))
    # Half of 0.00046 - 0.00022 is 0.00012.
    assert told.tables["pairs"].rows[0][1:4] == ("+0.00034", "+0.00022 to +0.00046", "+0.00001 to +0.00067")
    cells = [cell.removeprefix("≈ ") for row in told.tables["matrix"].rows for cell in row[1:]]
    assert cells == ["-", "+0.00034", "-0.00034", "-"]


def test_a_difference_on_a_single_image_has_two_digits_of_its_own():
    comparison, _ = make_example(2, 1, images_per_block=1)
    (pair,) = comparison.differences
    for mean, text in [(0.00034, "+0.00034"), (0.0, "+0.00"), (1.5, "+1.50"), (1e-15, "+0.000000000")]:
        one = replace(pair, mean=mean, images_low=mean, images_high=mean)
        assert tell(replace(comparison, differences=(one,))).tables["pairs"].rows[0][1] == text


def test_what_stands_between_backticks_is_code_and_nothing_else_is(example):
    comparison, exhibits = example
    terms = replace(
        comparison.terms,
        equal=("Seeds: `a<b` and `max_unpool` have 3.",),
        unequal=("A ` alone, and ``two``.",),
        warnings=("`<script>` is *more*.",),
    )
    changed = replace(comparison, terms=terms)
    text, page = render_markdown(changed), render_page(changed, exhibits)
    assert "<li>Seeds: <code>a&lt;b</code> and <code>max_unpool</code> have 3.</li>" in page
    assert "<li>A ` alone, and ``two``.</li>" in page
    assert "<li><code>&lt;script&gt;</code> is *more*.</li>" in page
    assert "- Seeds: `a<b` and `max_unpool` have 3.\n" in text
    assert "- A \\` alone, and \\`\\`two\\`\\`.\n" in text
    assert "- `<script>` is \\*more\\*.\n" in text
