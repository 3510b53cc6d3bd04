"""Average ranks against Demsar's published example, and what is written of them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cae.comparison.ranks import rank, rank_decoders, ranks_in_words, write_ranks
from cae.errors import ConfigError
from tests.comparison.example import make_example
from tests.comparison.report.parsed import markdown_tables

# Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, table 6: areas under the curve
# of C4.5 with and without tuned numbers of examples in leaves (m) and confidence (cf) on 14 data sets. The 0.975 of the
# last but one are ranked second and third there: digits that are not printed told them apart.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
LABELS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def rank_demsar():
    return rank(-DEMSAR, "psnr", tuple(map(str, range(14))), LABELS)


def with_scores(scores):
    """A comparison whose decoders have these mean PSNRs."""
    comparison, _ = make_example(len(scores), 1, images_per_block=1)
    contenders = []
    for one, (label, psnr) in zip(comparison.contenders, scores.items(), strict=True):
        metrics = {**one.metrics, "psnr": replace(one.metrics["psnr"], mean=psnr)}
        contenders.append(replace(one, label=label, metrics=metrics))
    return replace(comparison, contenders=tuple(contenders))


def test_ranks_and_critical_difference_are_those_that_demsar_published():
    found = rank_demsar()
    assert dict(zip(found.decoders, np.round(found.average, 3), strict=True)) == {
        "C4.5+m+cf": 1.964,
        "C4.5+m": 2.0,
        "C4.5+cf": 2.893,
        "C4.5": 3.143,
    }
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    # His 9.28 of three degrees of freedom has p 0.026; ranks that are shared make it a little smaller.
    assert 0.015 < found.p < 0.026
    # "The Nemenyi test is not powerful enough": 3.143 - 1.964 is less than 1.25.
    assert found.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)


def test_groups_are_decoders_whose_ranks_are_nearer_than_the_critical_difference():
    # Ten data sets on which a, b, c, d always come in this order: 1.48 with four decoders.
    found = rank(np.tile([1.0, 2.0, 3.0, 4.0], (10, 1)), "mse", tuple("0123456789"), tuple("abcd"))
    assert found.average == (1, 2, 3, 4)
    assert found.groups == (("a", "b"), ("b", "c"), ("c", "d"))
    for first, second in (("a", "b"), ("b", "c"), ("c", "d")):
        assert f"{first} and {second}" in ranks_in_words(found)


def test_decoders_are_ranked_by_the_metric_and_equals_share_their_rank():
    comparisons = {
        "x": with_scores({"a": 20.0, "b": 25.0, "c": 20.0}),
        "y": with_scores({"a": 30.0, "b": 29.0, "c": 28.0}),
        "z": with_scores({"a": 30.0, "b": 31.0, "c": 28.0, "d": 40.0}),
    }
    found = rank_decoders(comparisons)
    assert dict(zip(found.decoders, found.ranks, strict=True)) == {
        "b": (1.0, 2.0, 1.0),
        "a": (2.5, 1.0, 2.0),
        "c": (2.5, 3.0, 3.0),
    }
    assert found.left_out == ("d",)
    assert "Left out, since some data set lacks them: d." in ranks_in_words(found)
    with pytest.raises(ConfigError, match="at least two decoders with the same label"):
        rank_decoders({"x": with_scores({"a": 1.0, "b": 2.0}), "y": with_scores({"c": 1.0, "d": 2.0})})


def test_the_files_have_the_ranks_and_a_picture_of_any_names(tmp_path):
    labels = ("$x^$ <b>", "_a_long_label_" * 9, "C", "D", "E")
    found = rank(np.random.default_rng(0).random((6, 5)), "psnr", tuple("uvwxyz"), labels)
    write_ranks(found, tmp_path / "new" / "ranks")
    record = json.loads((tmp_path / "new" / "ranks" / "ranks.json").read_text())
    assert record["average"] == pytest.approx(np.mean(record["ranks"], axis=1))
    (table,) = markdown_tables((tmp_path / "new" / "ranks" / "ranks.md").read_text()).values()
    assert [row[1] for row in table[1:]] == [f"{one:.2f}" for one in record["average"]]
    assert b"</svg>" in (tmp_path / "new" / "ranks" / "ranks.svg").read_bytes()


def test_two_decoders_have_ranks_without_a_test_of_all():
    found = rank(np.array([[1.0, 2.0]] * 5), "psnr", tuple("abcde"), ("one", "two"))
    assert found.p is None
    # q of two is the normal quantile times sqrt(2): 1.960 sqrt(2 * 3 / (6 * 5)).
    assert found.critical_difference == pytest.approx(0.8765, abs=1e-3)
    assert found.groups == ()


def test_the_command_ranks_experiments_that_were_each_compared_by_themselves(run_command, tmp_path, monkeypatch):
    for name in ("x", "y", "alone"):
        for run in ("a", "b") if name != "alone" else ("a",):
            (tmp_path / name / run).mkdir(parents=True)
            (tmp_path / name / run / "config.yaml").write_text("{}")
            (tmp_path / name / run / "model.weights.h5").write_bytes(b"")
    scores = {"x": {"a": 20.0, "b": 25.0}, "y": {"a": 31.0, "b": 30.0}}
    monkeypatch.setattr(
        "cae.commands.evaluate._compare",
        lambda directories, left_out, options, out: with_scores(scores[directories[0].path.parent.name]),
    )
    experiments = [tmp_path / "x", tmp_path / "y"]
    code, out, err = run_command("evaluate", *experiments, "--ranks", "--out", tmp_path / "out")
    assert code == 0, err
    assert out.splitlines()[-1] == str(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "ranks.json").read_text())["average"] == [1.5, 1.5]
    for arguments, wrong in (
        (experiments, "--ranks: needs two experiments or more, and --out"),
        ([tmp_path / "x", "--out", tmp_path / "out"], "--ranks: needs two experiments or more, and --out"),
        ([*experiments[:1], tmp_path / "alone", "--out", tmp_path / "out"], "which has one"),
    ):
        code, _, err = run_command("evaluate", *arguments, "--ranks")
        assert code == 2
        assert wrong in err


@pytest.mark.parametrize(("number", "decoders"), [(3, 3), (6, 10), (14, 4), (25, 6), (40, 2)])
def test_average_ranks_and_who_differs_are_those_of_scikit_posthocs(number, decoders):
    import scikit_posthocs  # takes seconds, which only this test needs

    rng = np.random.default_rng(number)
    shift, labels = np.linspace(0.0, 3.0, decoders), tuple(map(str, range(decoders)))
    bracket = [0.0, math.inf]
    for _ in range(12):
        scores = np.round(rng.normal(shift, 1.0, (number, decoders)))  # whole numbers: many are equal
        found = rank(scores, "mse", tuple(map(str, range(number))), labels)
        order = [int(label) for label in found.decoders]
        assert found.average == pytest.approx(pandas_ranks(scores)[order])
        p_values = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()[np.ix_(order, order)]
        assert groups_of(found.decoders, p_values >= 0.05) == found.groups
        apart = np.abs(np.subtract.outer(found.average, found.average))
        bracket = [
            max(bracket[0], apart[p_values >= 0.05].max()),
            min(bracket[1], apart[p_values < 0.05].min(initial=math.inf)),
        ]
    assert bracket[0] <= found.critical_difference < bracket[1]


def pandas_ranks(scores):
    import pandas

    return pandas.DataFrame(scores).rank(axis=1).mean().to_numpy()


def groups_of(labels, alike):
    """Neighbours of whom no two differ, as many as go together; alone none is a group."""
    runs = [(a, b) for a in range(len(labels)) for b in range(a + 2, len(labels) + 1) if alike[a:b, a:b].all()]
    widest = [(a, b) for a, b in runs if not any((c, d) != (a, b) and c <= a and b <= d for c, d in runs)]
    return tuple(labels[a:b] for a, b in widest)
