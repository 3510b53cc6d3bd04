"""What theory says of trained decoders, in the figures that the study found."""

import itertools
import json
import re

import pytest
from scipy import stats

from tests.conftest import ROOT

STUDY = ROOT / "docs" / "study"


def contenders(part):
    comparison = json.loads((STUDY / part / "comparison.json").read_text(encoding="utf-8"))
    return {contender["label"]: contender for contender in comparison["contenders"]}


@pytest.mark.parametrize("part", ["fashion_mnist", "cifar10"])
def test_trained_layers_are_as_uneven_as_their_overlap_and_resizing_is_even(part):
    found = contenders(part)
    for stage in (1, 2):
        name = f"overlap_unevenness_stage_{stage}"
        uneven, even = (
            min(found[label]["artefacts"][name]["values"]) for label in ("conv_transpose 3", "conv_transpose 4")
        )
        most_even = max(found["conv_transpose 4"]["artefacts"][name]["values"])
        assert uneven > most_even
        resized = [label for label in found if label.startswith("resize")]
        assert len(resized) == 4
        for label in (*resized, "bilinear_additive"):
            assert max(found[label]["artefacts"][name]["values"]) < 1e-4 < even


@pytest.mark.parametrize("part", ["fashion_mnist", "cifar10"])
def test_what_max_unpooling_gains_comes_through_its_switches(part):
    found = contenders(part)
    unpooling = found["max_unpool"]
    assert unpooling["code"]["switch_bits"] > 0
    assert unpooling["ablations"]["switches_shuffled"]["low"] > 2 * unpooling["metrics"]["mse"]["high"]
    assert "with those of another image" in unpooling["ablations_in_words"]


def figures_of(value):
    """All numbers in a record, as texts with two decimals and more and, whole ones, with separators."""
    if isinstance(value, dict):
        return set().union(*map(figures_of, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(figures_of, value)) if value else set()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    return {f"{value:,.0f}", *(f"{value:.{digits}f}" for digits in range(2, 7))}


def quoted_figures(text):
    """Numbers with two decimals and more, and numbers of bits."""
    return set(re.findall(r"(?<![\d.])\d+\.\d{2,6}(?!\.?\d)", text)) | set(re.findall(r"\d{1,3}(?:,\d{3})+", text))


def pairwise(part):
    """The p-value of each pair of decoders, by a paired t-test over seeds."""
    values = {label: one["metrics"]["psnr"]["values"] for label, one in contenders(part).items()}
    pairs = itertools.combinations(values, 2)
    return {frozenset(pair): stats.ttest_rel(*(values[label] for label in pair)).pvalue for pair in pairs}


def adjusted(part):
    """The same after Holm's correction."""
    found, least = {}, 0.0
    p_values = sorted(pairwise(part).items(), key=lambda one: one[1])
    for rank, (pair, p) in enumerate(p_values):
        found[pair] = least = max(least, min(1.0, p * (len(p_values) - rank)))
    return found


@pytest.mark.parametrize(
    ("page", "first", "last"),
    [
        ("README.md", "**What a first study found**", "## Compare them on your images"),
        ("docs/study/README.md", "**What this study cannot say**", None),
    ],
)
def test_every_figure_that_is_quoted_of_the_study_is_one_that_it_found(page, first, last):
    found = set()
    for part in ("fashion_mnist", "cifar10"):
        comparison = json.loads((STUDY / part / "comparison.json").read_text(encoding="utf-8"))
        found |= figures_of(comparison)
        for contender in comparison["contenders"]:
            found.add(f"{contender['code']['values'] * contender['code']['bits_per_value']:,}")
        found |= {f"{p:.3f}" for p in adjusted(part).values()}
    text = (ROOT / page).read_text(encoding="utf-8").split(first)[1]
    quoted = quoted_figures(text.split(last)[0] if last else text)
    assert len(quoted) >= 16
    assert quoted <= found


def test_how_many_times_the_error_is_with_the_switches_of_another_image_is_what_was_measured():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for part in ("fashion_mnist", "cifar10"):
        unpooling = contenders(part)["max_unpool"]
        times = unpooling["ablations"]["switches_shuffled"]["mean"] / unpooling["metrics"]["mse"]["mean"]
        assert f"{times:.1f}" in text


def test_the_pairs_that_are_left_after_holms_correction_are_those_that_the_pages_name():
    left = {}
    for part in ("fashion_mnist", "cifar10"):
        kept = [pair for pair, p in adjusted(part).items() if p < 0.05]
        left[part] = (sum(p < 0.05 for p in pairwise(part).values()), len(kept), kept)
    assert left["fashion_mnist"][:2] == (20, 10)
    assert left["cifar10"][:2] == (24, 2)
    assert frozenset(("resize nearest", "resize lanczos3")) in left["fashion_mnist"][2]
    assert frozenset(("resize nearest", "resize bilinear")) in left["cifar10"][2]
    assert frozenset(("max_unpool", "conv_transpose 3")) in left["cifar10"][2]
    assert sum("max_unpool" in pair for pair in left["fashion_mnist"][2]) == 9
    page = (STUDY / "README.md").read_text(encoding="utf-8")
    assert "10 of 20 pairs below 0.05" in page
    assert "2 of 24" in page
