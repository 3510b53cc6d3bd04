"""The page shows what the results say."""

import pytest

from benchmarks.page import BENCHMARKS, PAGE, RESULTS, fill, format_tables, read_results
from benchmarks.record import Measurement, load
from tests.conftest import ROOT

MACHINE = {
    "cpu": "Some CPU",
    "cores": 2,
    "memory_gigabytes": 16.0,
    "cpu_flags": ["avx2"],
    "gpus": [],
    "python": "3.12.1",
    "packages": {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.0.0"},
    "variables": {},
    "git_revision": "0123456789abcdef",
    "date": "2026-01-02T03:04:05+00:00",
}


def make_result(*measurements):
    return {"machine": MACHINE, "measurements": [measurement.as_dict() for measurement in measurements]}


def test_the_page_shows_the_committed_results():
    page = PAGE.read_text(encoding="utf-8")
    assert fill(page, read_results(RESULTS)) == page, "run python -m benchmarks.page"


def test_the_page_on_exports_has_the_committed_results():
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    for measurement in load(RESULTS / "exports.json")["measurements"]:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{measurement['case']['upsampling']}` |"))
        for found in measurement["contestants"].values():
            value = found["median"]
            shown = f"{value:.1f} dB" if measurement["unit"] == "dB" else f"{value:.1e}" if value else "0"
            assert f"| {shown} |" in row


def test_medians_quartiles_and_ratios_are_shown():
    rates = {"cae": [200.0, 240.0, 220.0], "torch": [100.0, 160.0, 110.0]}
    facts = {"share_of_peak cae": 0.614}
    table = format_tables(make_result(Measurement({"kind": "subpixel"}, "images/s", rates, facts=facts)))
    assert "| kind | cae | torch | cae of the peak |" in table
    assert "| subpixel | 220 (210 to 230) | 110 (105 to 135), **2.00x** | 0.61 |" in table


def test_refused_figures_are_told_on_the_page():
    text = format_tables(make_result(Measurement({"kind": "subpixel"}, "images/s", {}, refused="they differ")))
    assert text == "Refused: subpixel: they differ"


def test_only_what_is_between_the_marks_changes():
    marks = "".join(f"{name}:\n<!-- {name} -->\nold\n<!-- end of {name} -->\n" for name in ("machine", *BENCHMARKS))
    result = make_result(Measurement({"layer": "l"}, "ms", {"cae": [1.0]}))
    page = fill(f"# Title\n{marks}The end.\n", {"layers": result})
    assert page.startswith("# Title\nmachine:\n<!-- machine -->\n\n- layers: Some CPU, 2 cores, 16.0 GB, avx2;")
    assert page.endswith("<!-- end of program -->\nThe end.\n")
    assert "| l | 1 |" in page
    assert "old" not in page
    assert "python -m benchmarks.training --json benchmarks/results/training.json" in page
    assert fill(page, {"layers": result}) == page


def test_a_page_without_a_mark_is_refused():
    with pytest.raises(ValueError, match="end of machine"):
        fill("# Title\n", {})
