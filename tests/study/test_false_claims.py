"""What a report claims, on made figures of which the truth is known."""

import importlib.util

import numpy as np
import pytest
from scipy import stats

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def study():
    specification = importlib.util.spec_from_file_location("false_claims", ROOT / "docs" / "study" / "false_claims.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def judge_many(study, means, num_seeds, reports, seed):
    rng = np.random.default_rng(seed)
    made = (study.make_report(rng, means, num_seeds, [study.SCATTER] * len(means), 100) for _ in range(reports))
    found = [study.judge(means, report)["now"] for report in made]
    return sum(is_false for is_false, _ in found), np.mean([power for _, power in found])


def test_at_most_one_report_in_twenty_makes_a_false_claim(study):
    cases = [
        ((0.0,) * 10, 3, 60),
        ((0.0,) * 4, 3, 80),
        ((0.0,) * 4, 10, 60),
        ((0.0,) * 2, 5, 100),
        ((0.0, 0.1, 0.2, 0.3), 5, 60),
        ((0.0, 0.0, 0.0, 1.0, 1.0), 4, 60),
    ]
    false = [judge_many(study, *case, seed)[0] for seed, case in enumerate(cases)]
    total = sum(reports for _, _, reports in cases)
    assert sum(false) <= stats.binom.ppf(0.99, total, 0.05)
    for number, (_, _, reports) in zip(false, cases, strict=True):
        assert number <= stats.binom.ppf(0.999, reports, 0.05)


def test_large_differences_are_found_with_three_seeds_and_none_with_one(study):
    means = (0.0, 1.5, 3.0, 4.5)
    assert judge_many(study, means, 3, 40, 0)[1] > 0.9
    assert judge_many(study, means, 1, 10, 0) == (0, 0.0)
