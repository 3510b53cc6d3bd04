"""Which runs the paths of a command line lead to."""

import json

import pytest

from cae.commands.evaluate import find_runs
from cae.errors import UserError


def make(folder, *, weights=True, status="finished"):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("")
    if weights:
        (folder / "model.weights.h5").write_text("")
    if status:
        (folder / "summary.json").write_text(json.dumps({"status": status}))
    return folder


def find(*paths):
    told = []
    runs, left_out = find_runs(list(paths), told.append)
    return [run.path.name for run in runs], left_out, told


def test_runs_that_are_left_out_of_an_experiment_are_given_back_as_sentences(tmp_path):
    make(tmp_path / "a")
    make(tmp_path / "b", weights=False, status="failed")
    make(tmp_path / "c", weights=False, status=None)
    runs, left_out, told = find(tmp_path)
    assert runs == ["a"]
    assert (
        left_out
        == told
        == [
            f"{tmp_path / 'b'}: left out, since it has no model.weights.h5 yet (status: failed).",
            f"{tmp_path / 'c'}: left out, since it has no model.weights.h5 yet.",
        ]
    )
    assert find(tmp_path, tmp_path)[1] == left_out
    assert find(tmp_path / "a") == (["a"], [], [])


def test_beside_runs_an_earlier_comparison_and_event_files_are_passed_over_and_told(tmp_path):
    make(tmp_path / "a")
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison" / "comparison.json").write_text("{}")
    (tmp_path / "events.out.tfevents.1").write_text("")
    runs, left_out, told = find(*sorted(tmp_path.iterdir()))
    assert (runs, left_out) == (["a"], [])
    assert [line.split(":")[0] for line in told] == [
        str(tmp_path / "comparison"),
        str(tmp_path / "events.out.tfevents.1"),
    ]
    assert all("passed over" in line for line in told)


def test_an_experiment_or_a_run_that_holds_a_comparison_is_taken_all_the_same(tmp_path):
    make(tmp_path / "e" / "a")
    (tmp_path / "e" / "comparison.json").write_text("{}")
    single = make(tmp_path / "f" / "b")
    (single / "comparison.json").write_text("{}")
    assert find(tmp_path / "e", single) == (["a", "b"], [], [])


def test_by_products_alone_are_no_runs(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "comparison.json").write_text("{}")
    with pytest.raises(UserError, match="there are no runs to evaluate"):
        find(tmp_path / "x", tmp_path / "y")
