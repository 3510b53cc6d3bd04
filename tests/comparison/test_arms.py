"""Budgets, tuning and matched widths in a comparison."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cae.comparison.arms import divide_budgets, leads, make_budgets, make_tuning, make_widths, read_tuning, with_arms
from cae.comparison.contenders import group_runs
from cae.comparison.record import Budget, Estimate, Terms, Tried, Tuning, Widths
from cae.comparison.report.arms import (
    best_of,
    budget_sentences,
    budgets_table,
    draw_tuning,
    tuning_sentences,
    tuning_table,
    widths_table,
)
from cae.comparison.report.card import card
from cae.comparison.report.markdown import render_markdown
from cae.comparison.report.page import render_page
from cae.errors import UserError
from cae.grid import Match, write_matching
from tests.comparison.example import make_example
from tests.comparison.runs import make_run

RATE = "training.optimizer.learning_rate"


def grid_of_budgets(*kinds_and_epochs, seeds=(0, 1)):
    return [
        make_run(kind, seed, name=f"{kind}-{epochs}-{seed}", training__epochs=epochs)
        for kind, every in kinds_and_epochs
        for epochs in every
        for seed in seeds
    ]


def test_budgets_are_not_decoders_and_the_largest_that_all_have_is_compared():
    runs = grid_of_budgets(("resize", (2, 8, 32)), ("subpixel", (2, 8)))
    compared, others = divide_budgets(runs)
    groups = group_runs(compared)
    assert [group.label for group in groups] == ["resize nearest", "subpixel"]
    assert {run.config.training.epochs for run in compared} == {8}
    assert len(others) == 6
    found = make_budgets(groups, others, (), lambda label, length, runs: (label, *length, len(runs)))
    assert found == (
        ("resize nearest", "epochs", 2, 2),
        ("resize nearest", "epochs", 8, 2),
        ("resize nearest", "epochs", 32, 2),
        ("subpixel", "epochs", 2, 2),
        ("subpixel", "epochs", 8, 2),
    )


def test_steps_are_budgets_too_and_one_budget_each_leaves_a_comparison_as_it_is():
    runs = [make_run(kind, name=f"{kind}{n}", training__steps=n) for kind in ("resize", "subpixel") for n in (10, 90)]
    compared, _ = divide_budgets(runs)
    assert [run.directory.name for run in compared] == ["resize90", "subpixel90"]
    different = grid_of_budgets(("resize", (2,)), ("subpixel", (8,)))
    assert divide_budgets(different) == (different, [])
    alone = grid_of_budgets(("resize", (2, 8)), ("subpixel", (4,)), seeds=(0,))
    assert [run.directory.name for run in divide_budgets(alone)[0]] == ["resize-8-0", "subpixel-4-0"]


def test_who_is_ahead_changes_where_lines_over_the_logarithm_of_time_cross():
    # a = log10 t, b = 2 log10 t - 2: they cross at t = 100. c is behind all along, and has no part in the last stretch.
    times = (10, 50, 1000)
    points = {
        "a": [(t, math.log10(t)) for t in times],
        "b": [(t, 2 * math.log10(t) - 2) for t in (20, 400, 2000)],
        "c": [(t, -1.0) for t in (1, 900)],
    }
    start, ahead = leads(points)
    assert start == 20
    assert [label for label, _ in ahead] == ["a", "b"]
    assert ahead[0][1] == pytest.approx(100)
    assert ahead[1][1] == 900
    assert leads({"a": [(1, 0), (2, 1)], "b": [(3, 0), (4, 1)]})[1] == []


def with_budgets(comparison):
    first, second = comparison.contenders[:2]
    values = {first.label: (20.0, 22.0, 26.0), second.label: (21.0, 22.5, 23.0)}
    budgets = tuple(
        Budget(one.label, "epochs", epochs, 5.0 * epochs, Estimate(value, None, None, (value,)), one.runs)
        for one in (first, second)
        for epochs, value in zip((2, 8, 32), values[one.label], strict=True)
    )
    return replace(comparison, budgets=budgets)


def test_the_report_names_the_crossing_and_shows_every_budget():
    comparison, exhibits = make_example(2)
    comparison = with_budgets(comparison)
    first, second = (contender.label for contender in comparison.contenders)
    # Between 40 and 160 s, with x = log4(t / 40): 22 + 4 x = 22.5 + 0.5 x at x = 1 / 7.
    crossing = 40 * 4 ** (1 / 7)
    said = budget_sentences(comparison)[1]
    assert said.startswith(f"Up to {crossing:.2g} seconds of training `{second}` is ahead, from then on `{first}`")
    assert (
        "Another budget: another decoder is ahead with 2 epochs and 8 epochs."
        in dict(card(comparison))["What would change this"]
    )
    table = budgets_table(comparison)
    assert table.columns == ("decoder", "2 epochs", "8 epochs", "32 epochs")
    shortest = tuple(replace(one, length=1) for one in comparison.budgets if one.length == 2)
    assert budgets_table(replace(comparison, budgets=shortest)).columns == ("decoder", "1 epoch")
    assert table.rows[0][1] == "20.00 in 10 seconds"
    slow = [replace(one, seconds=1e4 * one.seconds) if one.label == first else one for one in comparison.budgets]
    assert budget_sentences(replace(comparison, budgets=tuple(slow)))[1].endswith(
        "training times do not overlap. By length of training, ahead is"
        f" `{second}` with 2 epochs, `{second}` with 8 epochs, `{first}` with 32 epochs."
    )
    page = render_page(comparison, exhibits)
    assert "against the measured time of training" in page
    assert said.split("`")[0] in render_markdown(comparison)


def test_the_best_of_k_is_the_mean_of_the_best_over_all_choices_of_k():
    values = [3.0, 1.0, 4.0, 1.5, 9.0]
    for k, expected in enumerate(best_of(values), start=1):
        assert expected == pytest.approx(np.mean([max(some) for some in itertools.combinations(values, k)]))
    assert best_of([None, 2.0]) == [2.0, 2.0]
    assert best_of([None]) == []


def test_proposals_that_follow_from_each_other_are_shown_in_their_order():
    comparison, _ = make_example(2, 1, images_per_block=1)
    tuned = [
        replace(tuning_of(one.label, (None, 20.0, 22.0, 21.0), 2), search=search)
        for one, search in zip(comparison.contenders, ("tpe", "random"), strict=True)
    ]
    drawn = draw_tuning(replace(comparison, tuning=tuple(tuned)))
    assert "in the order of trials" in drawn.caption
    first, second = (one.label for one in comparison.contenders)
    assert f"{first}: 22 at 4" in drawn.alternative
    assert f"{second}: 22 at 4" in drawn.alternative


def tuning_of(label, means, chosen, own=1):
    tried = tuple(Tried(1, {RATE: 10.0**-place}, 2, mean, place == own) for place, mean in enumerate(means))
    return Tuning(label, "grid", (1000,), len(means), 2 * len(means), tried, {RATE: 10.0**-chosen})


def test_the_report_says_what_was_chosen_and_what_an_untuned_comparison_would_have_said():
    comparison, exhibits = make_example(2)
    first, second = (contender.label for contender in comparison.contenders)
    tuned = (tuning_of(first, (20.0, 21.0, 25.0), 2), tuning_of(second, (None, 23.0, 22.0), 1))
    comparison = replace(comparison, tuning=tuned)
    untuned, end = tuning_sentences(comparison)
    assert untuned == (
        f"Untuned, validation images would have given: `{second}` 23.00 dB, `{first}` 21.00 dB. Tuned they give another"
        f" winner: `{first}` 25.00 dB, `{second}` 23.00 dB."
    )
    assert end == f"For `{first}` the smallest {RATE} that was tried is the best: try further ones."
    assert tuning_table(comparison).rows[0][1:4] == ("learning_rate 0.01", "25.00", "21.00")
    assert "Best of k" in render_page(comparison, exhibits)
    assert "another winner" in render_markdown(comparison)
    none = replace(comparison, tuning=(tuned[0], tuning_of(second, (23.0,), 0)))
    assert f"were not tried, or came to no end, for `{second}`" in tuning_sentences(none)[0]
    json.dumps(comparison.as_dict(), allow_nan=False)


def test_tuned_values_are_read_from_the_experiment_and_do_not_become_part_of_labels(tmp_path):
    folder = tmp_path / "e"
    (folder / "trials").mkdir(parents=True)
    runs = []
    for kind, rate in (("resize", 0.1), ("subpixel", 0.01)):
        names = [f"{kind}-{seed}" for seed in (0, 1)]
        runs += [
            make_run(kind, seed, name=name, folder=folder, training__optimizer__learning_rate=rate)
            for seed, name in enumerate(names)
        ]
        tried = [{"round": 1, "values": {RATE: rate}, "epochs": 2, "val_psnr": [1.0], "mean": 1.0, "is_own": True}]
        record = {"decoder": kind, "runs": names, "values": {RATE: [0.1, 0.01]}, "search": "grid", "seeds": [1000]}
        record |= {"budget": {"trainings": 2, "epochs": 4}, "tried": tried, "chosen": {RATE: rate}}
        (folder / "trials" / f"{kind}.json").write_text(json.dumps(record))
    records = read_tuning(runs)
    compared, others = divide_budgets(runs, [RATE])
    groups = group_runs(compared, [RATE])
    assert ([group.label for group in groups], others) == (["resize nearest", "subpixel"], [])
    assert groups[0].settings[RATE] == 0.1
    tuning = make_tuning(groups, records)
    assert [(one.label, one.chosen) for one in tuning] == [("resize nearest", {RATE: 0.1}), ("subpixel", {RATE: 0.01})]
    contenders = make_example(2, labels=("resize nearest", "subpixel"))[0].contenders
    terms = with_arms(Terms((), (), ()), contenders, tuning, (), 1)
    assert terms.equal[0].startswith("Tuning: the same budget for each, 1 combinations in 2 trainings")
    (folder / "trials" / "resize.json").write_text('{"runs": []}')
    with pytest.raises(UserError, match="is damaged"):
        read_tuning(runs)
    assert "not `subpixel`" in with_arms(Terms((), (), ()), contenders, tuning[:1], (), 1).warnings[0]


def test_a_matched_decoder_whose_last_map_is_narrower_than_the_image_or_half_of_what_it_was_is_warned_of():
    encoder = {"filters": [16, 16]}
    groups = group_runs(
        [
            make_run("resize", model__encoder=encoder, name="a"),
            make_run("subpixel", model__encoder=encoder, model__decoder__filters=[6, 2], name="b"),
            make_run("max_unpool", model__encoder=encoder, model__decoder__filters=[16, 9], name="c"),
        ]
    )
    widths = make_widths(groups)
    assert [(one.own, one.filters) for one in widths] == [
        ((16, 16), (16, 16)),
        ((16, 16), (6, 2)),
        ((16, 16), (16, 9)),
    ]
    found = with_arms(Terms((), (), ()), (), (), widths, 3).warnings
    assert found == (
        f"Widths: matching narrowed `{groups[1].label}`: its last map has 2 channels, fewer than the image. A"
        " difference may come of that alone.",
    )
    assert "instead of 16" in with_arms(Terms((), (), ()), (), (), (Widths("b", (16, 16), (8, 8)),), 3).warnings[0]
    assert make_widths(groups[:1]) == ()


@pytest.mark.parametrize("seconds", [0.0612, 0.0691])
def test_what_models_were_matched_in_is_said_and_one_that_came_no_nearer_is_warned_of(tmp_path, seconds):
    runs = [
        make_run(
            kind, model__encoder={"filters": [16, 16]}, model__decoder__filters=filters, name=kind, folder=tmp_path
        )
        for kind, filters in (("resize", [16, 16]), ("subpixel", [12, 12]))
    ]
    reached = {"resize": 0.06, "subpixel": seconds}
    found = {
        run.config.name: Match(
            "", (16, 16), run.config.model.decoder.filters, reached[run.config.name], 0.06, "seconds a step"
        )
        for run in runs
    }
    write_matching(tmp_path, "time", found)
    groups = group_runs(runs)
    widths = make_widths(groups)
    said = f"`{groups[1].label}` {seconds:g} seconds a step, wanted 0.06"
    terms = with_arms(Terms((), (), ()), (), (), widths, 1)
    if seconds < 1.05 * 0.06:
        assert (len(terms.equal), terms.unequal, terms.warnings) == (1, (), ())
        assert said in terms.equal[0]
    else:
        sentence = f"Matching: no widths came nearer to what the first decoder has: {said} (+15%)."
        assert (terms.equal, terms.unequal, terms.warnings) == ((), (sentence,), (sentence,))
    comparison, _ = make_example(2, 1, images_per_block=1)
    labelled = [replace(one, label=group.label) for one, group in zip(comparison.contenders, groups, strict=True)]
    table = widths_table(replace(comparison, contenders=tuple(labelled), widths=widths))
    assert table.rows[1] == (groups[1].label, "16 16", "12 12", *table.rows[1][3:5], said.partition("` ")[2])
