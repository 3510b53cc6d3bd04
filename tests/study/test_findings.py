"""What theory says of trained decoders, in the figures that the study found."""

import json

import pytest

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
