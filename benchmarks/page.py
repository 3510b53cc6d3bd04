"""Writes the results' tables into a page, between marks, so that the page says what was measured.

    python -m benchmarks.page [RESULTS_FOLDER] [PAGE]

The page has `<!-- NAME -->` and `<!-- end of NAME -->` for `machine`, `training`, `forms`, `layers`, `pipeline`,
`comparison` and `program`; what is between them is replaced.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.children import ROOT
from benchmarks.record import OURS, format_number, load
from cae.atomic_files import write_text

BENCHMARKS = ("training", "forms", "layers", "pipeline", "comparison", "program")
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "speed.md"

# Facts of a measurement that have a column, with its title.
_SHOWN_FACTS = {"share_of_peak cae": "cae of the peak", "share": "first over second", "ratio": "most over fewest"}

Result = Mapping[str, Any]


def main(results: Path = RESULTS, page: Path = PAGE) -> int:
    """Replace the page's tables."""
    write_text(page, fill(page.read_text(encoding="utf-8"), read_results(results)))
    print(page)
    return 0


def read_results(folder: Path) -> dict[str, Result]:
    """The results that are there, by their benchmark."""
    return {name: load(folder / f"{name}.json") for name in BENCHMARKS if (folder / f"{name}.json").exists()}


def fill(page: str, results: Mapping[str, Result]) -> str:
    """The page with the results' tables in place of those it has.

    Raises:
        ValueError: a mark is missing.
    """
    page = _replace(page, "machine", format_machines(results))
    for name in BENCHMARKS:
        command = f"`python -m benchmarks.{name} --json benchmarks/results/{name}.json`"
        missing = f"Not measured yet; {command} does it."
        page = _replace(page, name, format_tables(results[name]) if name in results else missing)
    return page


def format_machines(results: Mapping[str, Result]) -> str:
    """What each benchmark was run on, one line for those that agree."""
    lines: dict[str, list[str]] = {}
    for name, result in results.items():
        lines.setdefault(_machine_line(result["machine"]), []).append(name)
    return "\n".join(f"- {', '.join(names)}: {line}" for line, names in lines.items()) or "Nothing is measured yet."


def format_tables(result: Result) -> str:
    """One table for each set of columns: the cases, the medians, and how far the program is ahead of each."""
    tables: dict[tuple[str, ...], list[Result]] = {}
    refused = [measurement for measurement in result["measurements"] if "refused" in measurement]
    for measurement in result["measurements"]:
        if measurement in refused:
            continue
        columns = (*measurement["case"], measurement["unit"], *measurement["contestants"])
        tables.setdefault(columns, []).append(measurement)
    reasons = [f"Refused: {', '.join(each['case'].values())}: {each['refused']}" for each in refused]
    return "\n\n".join([*(_table(measurements) for measurements in tables.values()), *reasons])


def _table(measurements: Sequence[Result]) -> str:
    first = measurements[0]
    names = list(first["contestants"])
    facts = [fact for fact in _SHOWN_FACTS if fact in first["facts"]]
    header = [*first["case"], *names, *(_SHOWN_FACTS[fact] for fact in facts)]
    rows = [header, ["---"] * len(first["case"]) + ["---:"] * (len(header) - len(first["case"]))]
    for measurement in measurements:
        row = list(measurement["case"].values())
        row += [_cell(name, measurement) for name in names]
        row += [f"{measurement['facts'][fact]:.2f}" for fact in facts]
        rows.append(row)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"In {first['unit']}:\n\n{table}"


def _cell(name: str, measurement: Result) -> str:
    """Median and quartiles; for others than the program, how many times it is ahead."""
    found = measurement["contestants"][name]
    spread = f"{format_number(found['lower_quartile'])} to {format_number(found['upper_quartile'])}"
    cell = (
        f"{format_number(found['median'])} ({spread})" if len(found["values"]) > 1 else format_number(found["median"])
    )
    if name == OURS or name not in measurement["times_ahead"]:
        return cell
    return f"{cell}, **{measurement['times_ahead'][name]['median']:.2f}x**"


def _machine_line(machine: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {machine['packages'][name]}" for name in _shown(machine))
    gpus = f", {', '.join(machine['gpus'])}" if machine["gpus"] else ""
    variables = ", ".join(f"{name}={value}" for name, value in machine["variables"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gigabytes']} GB,"
        f" {', '.join(machine['cpu_flags'])}{gpus}; Python {machine['python']}, {packages};"
        f" {f'with {variables}' if variables else 'no variables set'}; revision"
        f" {(machine['git_revision'] or 'unknown')[:12]}, {machine['date'][:10]}"
    )


def _shown(machine: Mapping[str, Any]) -> list[str]:
    return [name for name in ("tensorflow", "keras", "torch", "numpy") if name in machine["packages"]]


def _replace(page: str, name: str, text: str) -> str:
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(
            f"The page must have `<!-- {name} -->` and `<!-- end of {name} -->`. Received: neither or one."
        )
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
