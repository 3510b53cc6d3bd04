"""docs/codes.md: its tables are those of the committed results, and its links lead somewhere."""

import json
import re
from pathlib import Path

import pytest

from cae.comparison.statistics import estimate

PAGE = Path(__file__).parents[2] / "docs" / "codes.md"
TEXT = PAGE.read_text(encoding="utf-8")
RESULTS = json.loads((PAGE.parent / "codes" / "results.json").read_text())
WAYS = ("knn", "linear_probe")


def points(values):
    mean, low, high = (100 * value for value in values)
    return f"{mean:+.2f} points ({low:+.2f} to {high:+.2f})"


def accuracies(name, seed):
    found = RESULTS[seed]["representations"][name]
    cells = []
    for way in WAYS:
        mean, low, high = (100 * value for value in (found[way]["accuracy"], *found[way]["interval"]))
        cells.append(f"{mean:.1f}% ({low:.1f} to {high:.1f})")
    return f"{found['values']} | {cells[0]} | {cells[1]} |"


def differences(reference, seed):
    found = [RESULTS[seed]["codes_minus"][reference][way] for way in WAYS]
    return " | ".join(points((one["difference"], *one["interval"])) for one in found)


@pytest.mark.parametrize("seed", RESULTS)
def test_a_seeds_figures_are_the_measured_ones(seed):
    assert f"| codes, seed {seed} | {accuracies('codes', seed)}" in TEXT
    assert f"| PCA, seed {seed} | {differences('pca', seed)} |" in TEXT
    assert f"| PCA | {accuracies('pca', seed)}" in TEXT
    assert f"| pixels | {accuracies('pixels', seed)}" in TEXT


@pytest.mark.parametrize(("title", "reference"), [("PCA", "pca"), ("pixels", "pixels")])
def test_means_over_seeds_and_their_intervals_are_students(title, reference):
    cells = []
    for way in WAYS:
        found = estimate([run["codes_minus"][reference][way]["difference"] for run in RESULTS.values()])
        cells.append(points((found.mean, found.low, found.high)))
    assert f"| {title}, mean of three seeds (95% over seeds) | {cells[0]} | {cells[1]} |" in TEXT


def test_what_the_page_concludes_holds_for_every_seed():
    for run in RESULTS.values():
        assert all(run["codes_minus"]["pca"][way]["interval"][0] > 0 for way in WAYS)
        low, high = run["codes_minus"]["pixels"]["linear_probe"]["interval"]
        assert low < 0 < high
        assert run["codes_minus"]["pixels"]["knn"]["interval"][0] > 0
        assert all(one["linear_probe"]["converged"] for one in run["representations"].values())
        assert (run["fitted_on"], run["scored_on"]) == (10_000, 10_000)


def test_every_link_leads_somewhere_and_every_picture_is_described():
    links = re.findall(r"(!?)\[([^\]]*)\]\(([^)]+)\)", TEXT)
    assert links
    for is_picture, description, path in links:
        assert (PAGE.parent / path).is_file()
        assert not is_picture or len(description) > 60
