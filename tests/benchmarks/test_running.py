"""Children, whole processes, turns and what is kept of them."""

import doctest
import importlib
import json
import statistics

import pytest

from benchmarks.children import Child, ChildError
from benchmarks.processes import run
from benchmarks.record import Measurement, format_table
from benchmarks.timing import summarise, take_turns, times_ahead


@pytest.mark.parametrize("name", ["timing", "record", "models"])
def test_examples_are_right(name):
    found = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert found.attempted
    assert not found.failed


def test_a_child_answers_call_after_call_whatever_it_prints():
    with Child("tests.benchmarks.echo", greeting="Hello") as child:
        assert [child.ask("answer", name=name) for name in ("Ada", "Max")] == ["Hello Ada", "Hello Max"]


def test_a_child_that_fails_says_why():
    with Child("tests.benchmarks.echo", greeting="Hello") as child, pytest.raises(ChildError, match="as asked"):
        child.ask("fail")


def test_a_process_is_timed_line_by_line():
    program = "import time; print('epoch 1'); time.sleep(0.2); print('other'); print('epoch 2')"
    finished = run("-c", program)
    assert [line for _, line in finished.lines] == ["epoch 1", "other", "epoch 2"]
    (between,) = finished.seconds_between("epoch")
    assert 0.2 <= between <= finished.seconds
    assert finished.seconds_until("other") >= 0.2


def test_the_peak_memory_of_a_process_is_that_of_its_largest_moment():
    # Asked for by a small process, since what asks counts as well.
    program = "from benchmarks.processes import run; print(run('-c', %r).peak_bytes)"
    large = "x = bytearray(200_000_000)\nfor i in range(0, len(x), 512): x[i] = 1\ndel x"
    peaks = [int(run("-c", program % inner).lines[0][1]) for inner in ("", large)]
    assert 190e6 < peaks[1] - peaks[0] < 210e6


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="code 3:\nno luck"):
        run("-c", "print('no luck'); raise SystemExit(3)")
    assert run("-c", "raise SystemExit(3)", expected_code=3).code == 3


def test_contestants_take_turns_and_every_other_round_goes_backwards():
    order = []

    def contestant(name):
        def measure():
            order.append(name)
            return {name: float(len(order))}

        return measure

    assert take_turns([contestant(name) for name in "abc"], 2) == {"a": [1.0, 6.0], "b": [2.0, 5.0], "c": [3.0, 4.0]}
    assert "".join(order) == "abccba"


def test_summaries_are_medians_and_quartiles():
    values = [9.0, 1.0, 4.0, 16.0, 25.0]
    expected = {"median": statistics.median(values), "lower_quartile": 4, "upper_quartile": 16, "least": 1, "most": 25}
    assert summarise(values) == expected
    assert set(summarise([7.0]).values()) == {7.0}


def test_a_ratio_above_one_is_ahead_whether_more_or_less_is_better():
    assert times_ahead([3.0, 4.0], [2.0, 8.0], more_is_better=True) == [1.5, 0.5]
    assert times_ahead([2.0, 8.0], [3.0, 4.0], more_is_better=False) == [1.5, 0.5]


def test_ratios_are_taken_round_by_round():
    # Rounds in which both are slow or fast change no ratio.
    kept = Measurement({"kind": "k"}, "images/s", {"cae": [2.0, 8.0, 1.0], "torch": [1.0, 4.0, 0.5]}).as_dict()
    assert kept["times_ahead"]["torch"]["values"] == [2.0, 2.0, 2.0]
    assert kept["contestants"]["torch"]["values"] == [1.0, 4.0, 0.5]
    assert "cae" not in kept["times_ahead"]
    json.dumps(kept, allow_nan=False)


def test_refused_figures_are_left_out_and_the_reason_is_told():
    measurement = Measurement({"kind": "k"}, "ms", {"cae": [1.0], "torch": [2.0]}, refused="they differ").as_dict()
    assert measurement["contestants"] == measurement["times_ahead"] == {}
    assert "k: REFUSED: they differ" in format_table([measurement])
