"""What is told of the programs and the hardware that runs were trained with."""

from dataclasses import replace

import pytest

from cae.comparison.contenders import with_times_that_compare
from tests.comparison.runs import make_run
from tests.comparison.test_terms import terms

ENVIRONMENT = {
    "python": "3.12.1",
    "platform": "Linux",
    "cpu": "A processor",
    "cores": 2,
    "gpus": [],
    "packages": {"tensorflow": "2.21.0", "numpy": "2.4.6"},
    "git_revision": "abc",
}


def test_what_runs_were_trained_with_is_told():
    found = terms(make_run("resize", 0, environment=ENVIRONMENT), make_run("resize", 1, environment=ENVIRONMENT))
    assert (
        "Program: all runs were trained with revision abc, python 3.12.1, tensorflow 2.21.0, numpy 2.4.6."
        in found.equal
    )
    assert "Hardware: all runs were trained on processor A processor, cores 2, GPUs none." in found.equal
    assert found.unequal == found.warnings == ()
    silent = terms(make_run("resize", 0, environment=ENVIRONMENT), make_run("resize", 1))
    assert any(
        line.startswith("Program") and line.endswith("; run1 wrote nothing of it down.") for line in silent.equal
    )


def _run(seed, **share):
    run = make_run("resize", seed, environment=ENVIRONMENT | share)
    return replace(run, summary={**run.summary, "training_seconds": 7.0})


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ([{}, {"jobs": 1, "threads": 2}], "Speed: all runs were trained alone, with 2 threads."),
        (
            [{"jobs": 3, "threads": 1}] * 2,
            "Speed: all runs were trained 3 side by side, 1 thread each: their times do not compare with those of runs"
            " alone.",
        ),
    ],
)
def test_times_compare_where_all_runs_had_the_same_share_of_the_machine(shares, sentence):
    runs = [_run(seed, **share) for seed, share in enumerate(shares)]
    found = terms(*runs)
    assert sentence in found.equal
    assert found.unequal == ()
    kept, share = with_times_that_compare(runs)
    assert share in sentence
    assert [run.summary["training_seconds"] for run in kept] == [7.0, 7.0]


@pytest.mark.parametrize("other", [{"jobs": 2, "threads": 1}, {"jobs": 2}, {"jobs": 1, "threads": 1}])
def test_times_are_left_out_where_runs_had_different_shares_of_the_machine(other):
    runs = [_run(0), _run(1, **other), make_run("resize", 2)]  # the last one tells nothing of it
    (sentence,) = terms(*runs).unequal
    assert sentence.startswith("Speed: runs were trained alone, with 2 threads (run0); ")
    assert sentence.endswith("(run1). Their times and images a second do not compare, and are left out.")
    kept, share = with_times_that_compare(runs)
    assert share == ""
    assert [run.summary["training_seconds"] for run in kept] == [None] * 3


@pytest.mark.parametrize(
    ("change", "sentence", "warning"),
    [
        (
            {"git_revision": None},
            "Program: revision is abc for run0, not in a checkout for run1.",
            "Runs were trained with different programs (revision differs",
        ),
        (
            {"packages": {"tensorflow": "2.20.0", "numpy": "2.4.6"}},
            "Program: tensorflow is 2.21.0 for run0, 2.20.0 for run1.",
            "Runs were trained with different programs (tensorflow differs",
        ),
        (
            {"gpus": ["/GPU:0"]},
            "Hardware: GPUs is none for run0, /GPU:0 for run1.",
            "Runs were trained on different hardware (GPUs differs",
        ),
    ],
)
def test_runs_of_other_programs_or_hardware_are_warned_of(change, sentence, warning):
    runs = [make_run("resize", 0, environment=ENVIRONMENT), make_run("resize", 1, environment=ENVIRONMENT | change)]
    # What a run does not tell is no difference.
    found = terms(*runs, make_run("resize", 2))
    assert found.unequal == (sentence,)
    assert found.warnings == (f"{warning}): part of a difference may come of that.",)
    assert not any(line.startswith(sentence.partition(":")[0]) for line in found.equal)
