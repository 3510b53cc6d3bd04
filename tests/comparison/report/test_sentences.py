"""What the report says in words, and when: switches, baselines, corrupted inputs, small differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cae.comparison.compare import find_answer
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
            section = text.rpartition("What came through the switches")[2].replace("\n", "").replace(": ", "")
            assert f"max_unpoolSwitches of another image {why}".replace(": ", "") in section
        measured, unmeasured = (
            dict(tell(one).card.items)["Switches"] for one in (changed, change(changed, bits={}, bits_in_words=""))
        )
        bits = comparison.contenders[0].bits
        assert f" {bits['switches_entropy_given_place'].mean:,.0f} bits an image, as measured, bypass" in measured
        assert f"the code of {bits['code'].mean:,.0f} (8 bits a value" in measured
        assert "up to 3,136 bits an image bypass the code of 6,272 bits." in unmeasured
        for text in (measured, unmeasured):
            assert f". Switches of another image {why} Without switches, " in text


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


def with_floors(comparison, floors, **changes):
    """A comparison in which each decoder has these simple codes of its size beside it."""
    contenders = tuple(replace(one, floors=floors) for one in comparison.contenders)
    answer = find_answer(contenders, comparison.pairs, comparison.metric)
    return replace(comparison, contenders=contenders, answer=answer, **changes)


def fact(comparison, name):
    return dict(tell(comparison).card.items)[name]


def test_a_simple_code_that_is_better_than_the_best_decoder_is_in_the_answer(example):
    comparison, _ = example
    best = comparison.contenders[0]
    reached = best.metrics["psnr"].mean
    for shift, side in [(-0.51, "better"), (0.51, "worse")]:
        changed = with_floors(comparison, {"block_klt": reached + shift, "resize": 1.0})
        assert ("But block KLT of the same code size is better still." in tell(changed).headline) == (side == "worse")
        sentence = f"{best.label} is 0.51 dB {side} than block KLT of the same code size ({reached + shift:.2f} dB)."
        assert sentence in fact(changed, "Simple codes")
        assert "exact" not in fact(changed, "Simple codes")


def test_simple_codes_are_set_against_every_decoder_without_switches_not_only_the_winner(example):
    comparison, exhibits = example
    winner, second, third = comparison.contenders
    assert winner.code["switch_bits"] > 0
    between = (second.metrics["psnr"].mean + third.metrics["psnr"].mean) / 2
    changed = with_floors(comparison, {"pca": between})
    assert changed.answer.floors.keys() == {one.label for one in comparison.contenders}
    assert changed.answer.floors[third.label].margin == pytest.approx(third.metrics["psnr"].mean - between)
    assert "Of 2 decoders without switches, 1 reaches the strongest simple code" in fact(changed, "Simple codes")
    above = with_floors(comparison, {"pca": second.metrics["psnr"].mean + 0.2})
    assert "Of 2 decoders without switches, none reach the strongest" in fact(above, "Simple codes")
    below = with_floors(comparison, {"pca": third.metrics["psnr"].mean - 0.2})
    assert "Of 2 decoders without switches, all reach the strongest" in fact(below, "Simple codes")
    assert f"{second.label} is 0.20 dB worse than PCA" in fact(above, "Simple codes")
    rows = Page(render_page(above, exhibits)).records("floors")
    assert [row["decoder is better by"][0] for row in rows] == ["+", "-", "-"]


def test_less_of_an_error_is_what_a_better_simple_code_has():
    comparison, _ = make_example(2, metric="mse", images_per_block=1)
    best = comparison.contenders[0].metrics["mse"].mean
    changed = with_floors(comparison, {"pca": best * 2, "resize": best * 0.5})
    assert f"is {best / 2:#.4g} worse than resizing of the same code size ({best / 2:#.4g})" in fact(
        changed, "Simple codes"
    )
    assert changed.answer.floors[changed.answer.use].margin == pytest.approx(-best / 2)


def test_a_pca_that_is_exact_is_told_to_be(example):
    comparison, _ = example
    exact = {"mse": 0.0, "psnr": 100.0, "values": 784.0}
    changed = with_floors(comparison, {"pca": 100.0}, baselines={"pca": exact}, corruption="gaussian, stddev 0.1")
    told = fact(changed, "Simple codes")
    assert "dB worse than PCA of the same code size (100.00 dB)." in told
    assert "The code has at least as many values as the image, 784, so that PCA is exact." in told
    assert told.endswith("Simple codes were given clean images.")


def decided(comparison, *verdicts, **changes):
    """A comparison whose best decoder has these verdicts beside the others."""
    pairs = list(comparison.pairs)
    for place, verdict in enumerate(verdicts):
        pairs[place] = replace(pairs[place], verdict=verdict, equivalent=verdict == "equivalent", **changes)
    answer = find_answer(comparison.contenders, pairs, comparison.metric)
    return replace(comparison, pairs=tuple(pairs), answer=answer)


@pytest.fixture(scope="module")
def plain():
    return make_example(3, has_switches=False, images_per_block=1)[0]


def test_a_decoder_that_is_better_than_every_other_is_to_be_used(plain):
    best, second, third = (one.label for one in plain.contenders)
    found = with_floors(decided(plain, "better", "better", p_adjusted=0.0123), {"pca": 1.0})
    assert tell(found).headline == f"Use {best}: it is significantly better in PSNR than every other decoder here."
    assert fact(found, "How sure").startswith(
        f"Significantly better than {second} and {third}. Largest adjusted p: 0.012"
    )
    assert (found.answer.use, found.answer.confidence, found.answer.runner_up) == (best, "better", second)
    pair = found.pairs[0]
    assert found.answer.difference == (pair.low, pair.mean, pair.high)
    assert f"{best} is ahead by {pair.mean:.2f} dB (95% interval {pair.low:.2f} to" in fact(found, "Runner-up")


def test_equivalent_decoders_may_both_be_used(plain):
    best, second, third = (one.label for one in plain.contenders)
    found = with_floors(decided(plain, "equivalent", "better"), {})
    assert tell(found).headline == (
        f"Use {best} or {second}: they are equivalent, within 0.1 dB of PSNR. {best} is significantly better than"
        " every other decoder."
    )
    assert found.answer.confidence == "equivalent"
    both = with_floors(decided(plain, "equivalent", "equivalent"), {})
    assert tell(both).headline == (
        f"Use {best}, {second} or {third}: {second} and {third} are equivalent to {best}, within 0.1 dB of PSNR."
    )


def test_a_winner_that_is_behind_over_common_seeds_is_not_told_to_be_ahead(plain):
    best, second, _ = (one.label for one in plain.contenders)
    found = decided(plain, "undecided", mean=-0.25, low=-0.5, high=0.1)
    assert fact(found, "Runner-up").startswith(
        f"{second}. {best} is behind over the seeds that both have, by 0.25 dB (95% interval -0.10 to 0.50)"
    )


def test_every_part_of_a_page_has_an_address_of_its_own(example):
    names = [one["id"] for _, one in Page(render_page(*example)).elements if "id" in one]
    assert len(names) > 15
    assert len(set(names)) == len(names)


def test_one_seed_is_undecided_and_says_what_it_takes():
    comparison, exhibits = make_example(3, 1, has_switches=False, images_per_block=1)
    assert comparison.answer.confidence == "undecided"
    assert comparison.answer.difference[0] is comparison.answer.difference[2] is None
    best = comparison.answer.use
    assert f"Undecided: {best} came first in PSNR, but one seed says nothing about another" in tell(comparison).headline
    assert "Train at least 2 more seeds of each" in fact(comparison, "What would change this")
    one_image = replace(comparison, num_images=1)
    assert "but one image says nothing about others." in tell(one_image).headline
    assert "Measure more images." in fact(one_image, "What would change this")
    rows = Page(render_page(comparison, exhibits)).records("ranking")
    assert [row["not significantly different from place"] for row in rows] == ["2-3", "1 (best), 3", "1 (best), 2"]


def test_seeds_that_do_not_decide_say_how_many_more_it_takes(plain):
    best, second, _ = (one.label for one in plain.contenders)
    found = with_floors(decided(plain, "undecided", seeds_needed=7), {})
    text = f"Undecided: {best} came first in PSNR, but is not significantly different from {second}."
    assert tell(found).headline.startswith(text)
    assert "needs about 7 more seeds" in fact(found, "What would change this")
    never = decided(plain, "undecided", seeds_needed=None)
    assert "too close for any reasonable number of seeds" in fact(never, "What would change this")


def test_a_winner_with_switches_is_told_to_need_them_and_the_best_without_is_named(example):
    comparison, _ = example
    best, second = (one.label for one in comparison.contenders[:2])
    assert tell(comparison).headline.endswith(
        f"{best} needs switches, which bypass the code; {second} is the best without."
    )


def test_runs_that_have_not_converged_are_what_would_change_the_answer(plain):
    slow = replace(plain.contenders[1], warnings=("few_steps", "not_converged"))
    found = replace(plain, contenders=(plain.contenders[0], slow, plain.contenders[2]))
    assert f"More epochs: {slow.label} had not converged." in fact(found, "What would change this")
    every = replace(plain, contenders=tuple(replace(one, warnings=("not_converged",)) for one in plain.contenders))
    assert "More epochs: no decoder had converged." in fact(every, "What would change this")
    assert "converged" not in fact(plain, "What would change this")


def test_the_answer_tells_costs_in_parameters_and_time(plain):
    best = plain.contenders[0]
    told = fact(plain, "Costs")
    assert told.startswith(f"{best.parameters:,} parameters")
    assert "1.9 minutes of training" in told
    # Of a folded resize fewer are computed than its layers have.
    assert "2.4 million multiply-accumulates an image" in fact(change(plain, computed_macs=2_400_000), "Costs")
    assert "training" not in fact(change(plain, training_seconds=None), "Costs")
    assert "trained" not in fact(replace(plain, share="alone, with 2 threads"), "Costs")
    told = fact(replace(plain, share="2 side by side, 1 thread each"), "Costs")
    assert told.endswith(", trained 2 side by side, 1 thread each.")


@pytest.mark.parametrize("metric", ["psnr", "mse"])
def test_small_differences_have_two_digits_of_half_their_interval(metric):
    comparison, _ = make_example(2, metric=metric, images_per_block=1)
    (pair,) = comparison.pairs
    pair = replace(pair, mean=0.00034, images_low=0.00022, images_high=0.00046, seeds_low=0.00001, seeds_high=0.00067)
    told = tell(replace(comparison, pairs=(pair,)))
    # Half of 0.00046 - 0.00022 is 0.00012.
    row = told.tables()["pairs"].rows[0]
    assert (row[1], *row[-2:]) == ("+0.00034", "+0.00022 to +0.00046", "+0.00001 to +0.00067")
    cells = [cell.removeprefix("≈ ") for row in told.tables()["matrix"].rows for cell in row[1:]]
    assert cells == ["-", "+0.00034", "-0.00034", "-"]


def test_a_difference_on_a_single_image_has_two_digits_of_its_own():
    comparison, _ = make_example(2, 1, images_per_block=1)
    (pair,) = comparison.pairs
    for mean, text in [(0.00034, "+0.00034"), (0.0, "+0.00"), (1.5, "+1.50"), (1e-15, "+0.000000000")]:
        one = replace(pair, mean=mean, images_low=mean, images_high=mean)
        assert tell(replace(comparison, pairs=(one,))).tables()["pairs"].rows[0][1] == text


def test_a_pair_that_is_not_tested_says_whether_seeds_or_images_are_too_few():
    for num_seeds, why in [(1, "one seed"), (3, "one image")]:
        comparison, _ = make_example(2, num_seeds, images_per_block=1)
        pair = replace(comparison.pairs[0], low=None, high=None, p=None, p_adjusted=None)
        told = replace(comparison, pairs=(pair,))
        assert f"(no interval: {why})" in fact(told, "Runner-up")
        row = tell(told).tables()["pairs"].rows[0]
        assert (row[2], row[3]) == (why, why)


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
