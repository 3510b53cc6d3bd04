"""What is told of equal and unequal terms."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from cae.comparison.contenders import group_runs
from cae.comparison.fairness import check_terms
from cae.comparison.fairness_report import Sizes
from cae.runs import RunDirectory
from tests.comparison.runs import IMAGES, make_run

SIZES = Sizes(1000, 50_000, 512, 0)


def terms(*runs, sizes=None, left_out=()):
    groups = group_runs(runs)
    return check_terms(groups, sizes or {group.label: SIZES for group in groups}, left_out)


def pair(**changes):
    """Two decoders with two seeds each; the second decoder's runs have changes."""
    return [
        run
        for seed in (0, 1)
        for run in (
            make_run("resize", seed, name=f"r{seed}"),
            make_run("subpixel", seed, name=f"s{seed}", **changes),
        )
    ]


def test_equal_terms_are_told_one_by_one_without_a_warning():
    found = terms(*pair())
    assert found.unequal == found.warnings == ()
    text = "\n".join(found.equal)
    for words in (
        "Seeds: each was trained with seeds 0 and 1.",
        "80 for training, 10 for validation, 10 for test",
        "Probe images: the same 16 validation images",
        "Order of the images",
        "Start: under one seed every encoder began with the same weights",
        "Objective",
        "Optimizer",
        "Schedule",
        "precision",
        "Steps: 50 in every run.",
        "Parameters: 1,000 in each.",
        "Multiply-accumulates: 50,000 an image in each.",
        "Code: 512 bits an image in each.",
        "Switches: no decoder is given any",
    ):
        assert words in text
    assert all(sentence.endswith(".") for sentence in found.equal)


@pytest.mark.parametrize(
    ("changes", "name", "sentence"),
    [
        (
            {"training__batch_size": 32},
            "Order",
            'batch_size is "auto" for `resize nearest, batch_size=auto`, 32 for `subpixel',
        ),
        ({"data__augmentation": {"horizontal_flip": True}}, "Order", "horizontal_flip is false for"),
        ({"model__encoder__activation": "gelu"}, "Start", 'encoder.activation is "relu" for `resize nearest'),
        ({"model__bottleneck": "none"}, "Start", "bottleneck.kind"),
        ({"objective__reconstruction": {"mae": 1.0, "mse": 1.0}}, "Objective", "reconstruction.mae"),
        ({"training__optimizer": {"learning_rate": 0.01}}, "Optimizer", "learning_rate is 0.001 for"),
        ({"training__schedule": "cosine"}, "Schedule", "kind is"),
        ({"training__precision": "mixed_bfloat16"}, "Training", "precision is"),
        ({"training__early_stopping": {"patience": 3}}, "Training", "early_stopping is"),
        ({"logging__probe_images": 4}, "Probe images", "different ones"),
        ({"data__validation_fraction": 0.3}, "Data", "validation_fraction is 0.1 for"),
        ({"model__decoder__output_activation": "linear"}, "Decoder", "output_activation"),
    ],
)
def test_a_difference_is_told_with_its_values_and_no_longer_counts_as_equal(changes, name, sentence):
    found = terms(*pair(**changes))
    assert any(line.startswith(f"{name}") and sentence in line for line in found.unequal), found.unequal
    assert not any(line.startswith(f"{name}") for line in found.equal)


def test_runs_that_took_other_numbers_of_steps_are_warned_of_by_name():
    found = terms(make_run("resize", 0, name="long", steps=200), make_run("resize", 1, name="short", steps=120))
    assert "Steps: from 120 (short) to 200 (long)." in found.unequal
    assert found.warnings == (
        "Runs took different numbers of steps, short 120 and long 200: a longer training may be all that makes a"
        " difference.",
    )


def test_runs_of_one_name_in_two_experiments_are_told_apart():
    runs = [make_run("resize", seed, name="r", folder=f"runs/e{seed}", steps=5 + 5 * seed) for seed in (0, 1)]
    found = terms(*runs)
    assert "Steps: from 5 (e0/r) to 10 (e1/r)." in found.unequal
    assert not any(line.startswith("Steps") for line in found.equal)
    places = [make_run("resize", seed, name="r", folder=f"{seed}/e", steps=5 + 5 * seed) for seed in (0, 1)]
    assert "Steps: from 5 (0/e/r) to 10 (1/e/r)." in terms(*places).unequal


def test_a_run_given_as_the_present_folder_has_its_folders_name(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    here = replace(make_run("resize", 0, steps=5), directory=RunDirectory(Path()))
    there = replace(make_run("resize", 1, steps=7), directory=RunDirectory(Path("../other")))
    assert "Steps: from 5 (mine) to 7 (other)." in terms(here, there).unequal


CUT = "cut (`resize nearest`) did not come to its end ({}): its best weights so far were measured."


def test_a_run_that_was_killed_counts_the_steps_that_it_wrote_down_and_no_unknown_number_of_images():
    found = terms(make_run("resize", 0, name="cut", steps=7, status=None), make_run("resize", 1, steps=7))
    assert "Steps: 7 in every run." in found.equal
    assert found.unequal == ()
    assert found.warnings == (CUT.format("no summary was written"),)
    [data] = [line for line in found.equal if line.startswith("Data")]
    assert data.endswith("80 for training, 10 for validation, 10 for test; cut wrote no numbers of images down.")
    assert any(line.startswith("Probe images: the same 16") for line in found.equal)


def test_runs_that_wrote_nothing_down_are_not_told_to_differ():
    found = terms(make_run("resize", 0, name="cut", steps=None, status=None), make_run("resize", 1, steps=7))
    assert "Steps: 7 in every run; cut wrote none down." in found.equal
    assert found.unequal == ()
    alone = terms(make_run("resize", 0, name="cut", steps=None, status=None))
    assert not any(line.startswith("Steps") for line in alone.equal)


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_runs_that_did_not_come_to_their_end_are_warned_of(status):
    found = terms(make_run("resize", 0, name="cut", status=status), make_run("resize", 1, status="stopped_early"))
    assert found.warnings == (CUT.format(status),)


@pytest.mark.parametrize(
    ("seeds", "others", "lacking", "way"),
    [
        ((0, 1), (0, 1, 5), "seed 5", "on the seeds that both have"),
        ((0, 1), (0, 2), "seed 2", "by means over each one's own seeds"),
        ((0, 1), (2, 3), "seeds 2 and 3", "by means over each one's own seeds"),
    ],
)
def test_a_seed_that_a_contender_lacks_is_named_with_what_is_compared_instead(seeds, others, lacking, way):
    found = terms(*(make_run("resize", seed) for seed in seeds), *(make_run("subpixel", seed) for seed in others))
    assert f"Seeds: `resize nearest` has no run of {lacking}, which others have." in found.unequal
    assert found.warnings[0] == (
        f"`resize nearest` lacks {lacking}: its mean is over fewer runs, and it is set against `subpixel` {way}."
    )
    assert not any(line.startswith("Seeds") for line in found.equal)


def test_contenders_that_are_compared_in_different_ways_are_named_in_each():
    seeds = {"resize": (0, 1), "subpixel": (0, 1, 2), "max_unpool": (2, 3)}
    found = terms(*(make_run(kind, seed) for kind, own in seeds.items() for seed in own))
    assert found.warnings[0] == (
        "`resize nearest` lacks seeds 2 and 3: its mean is over fewer runs, and it is set against `subpixel` on the"
        " seeds that both have and against `max_unpool` by means over each one's own seeds."
    )


def test_a_single_seed_is_warned_of():
    [warning] = terms(make_run("resize"), make_run("subpixel")).warnings
    assert "one seed only" in warning


def test_a_doubt_that_all_runs_have_names_them_at_once_and_others_a_few():
    doubt = {"warnings": [{"code": "few_steps", "message": "it was short."}]}
    sure = make_run("subpixel")
    runs = [make_run("resize", seed, name=f"r{seed}") for seed in range(6)]
    doubtful = [replace(run, summary={**run.summary, **doubt}) for run in runs]
    assert "All 6 runs (the figures are those of r0): it was short." in terms(*doubtful).warnings
    found = terms(*doubtful, sure).warnings
    assert "r0, r1, r2 and 3 others (the figures are those of r0): it was short." in found


def test_other_numbers_of_training_images_are_warned_of_and_make_another_order():
    found = terms(make_run("resize", 0, name="a"), make_run("resize", 1, name="b", images={**IMAGES, "train": 40}))
    assert any("80 for training" in line and "40 for training" in line for line in found.unequal)
    assert (
        "Order of the images: it depends on the number of training images, which is 80 for a; 40 for b."
        in found.unequal
    )
    assert not any(line.startswith(("Order", "Data: the same images")) for line in found.equal)
    assert found.warnings == ("Runs were trained on different numbers of images; who had more had an advantage.",)


def test_other_training_images_are_warned_of_and_no_longer_said_to_be_the_same():
    found = terms(*pair(training_images=2))
    assert found.warnings == (
        "Runs were trained or validated on different images; that may be all that makes a difference.",
    )
    assert (
        "Data: runs had different images for training and validation: 1 is that of r0 and r1; 2 is that of s0 and s1."
        in found.unequal
    )
    assert "Order of the images: runs were given other images." in found.unequal
    assert not any(line.startswith(("Order", "Data: the same images", "Probe")) for line in found.equal)


def test_runs_that_were_left_out_are_the_first_warnings():
    sentence = "e/r2: left out, since it has no model.weights.h5 yet (status: failed)."
    assert terms(*pair(), left_out=[sentence]).warnings == (sentence,)


@pytest.mark.parametrize(("largest", "warned"), [(1100, False), (1101, True), (5000, True)])
def test_sizes_are_warned_of_beyond_ten_percent_of_the_smallest(largest, warned):
    sizes = {"resize nearest": SIZES, "subpixel": Sizes(largest, 50_000, 512, 0)}
    found = terms(*pair(), sizes=sizes)
    assert any(f"from 1,000 (`resize nearest`) to {largest:,} (`subpixel`)" in line for line in found.unequal)
    warnings = [line for line in found.warnings if re.match("Parameters: `subpixel` has .* more than `resize", line)]
    assert len(warnings) == len(found.warnings) == warned


def test_switches_are_told_of_with_who_carries_how_many():
    sizes = {"resize nearest": SIZES, "subpixel": Sizes(1000, 50_000, 512, 256)}
    found = terms(*pair(), sizes=sizes)
    assert "Switches: `subpixel` is given up to 256 bits an image that bypass its code of 512 bits." in found.unequal
    [warning] = found.warnings
    assert "`subpixel` gets up to 256 bits" in warning
    assert "50% on top of its code" in warning
    same = terms(*pair(), sizes=dict.fromkeys(sizes, sizes["subpixel"]))
    assert any(line.startswith("Switches: up to 256 bits") for line in same.equal)
    assert same.warnings == ()
