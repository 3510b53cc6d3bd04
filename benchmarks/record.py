"""What a benchmark writes down: the same form for all of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.timing import summarise, times_ahead
from cae.atomic_files import write_json

OURS = "cae"
"""The name that this program goes by among the contestants."""


@dataclass(frozen=True)
class Measurement:
    """One case, measured for each contestant in the same rounds.

    Args:
        case: what was measured, e.g. kind, size and precision.
        unit: of the values.
        values: for each contestant one value a round.
        more_is_better: whether larger values are better.
        facts: what else is known of the case.
        refused: why the figures do not count; they are left out then.
    """

    case: Mapping[str, str]
    unit: str
    values: Mapping[str, Sequence[float]]
    more_is_better: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
    refused: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The form in which results are kept."""
        kept: dict[str, Any] = {
            "case": dict(self.case),
            "unit": self.unit,
            "more_is_better": self.more_is_better,
            "facts": dict(self.facts),
        }
        if self.refused:
            return kept | {"refused": self.refused, "contestants": {}, "times_ahead": {}}
        contestants = {name: {**summarise(values), "values": list(values)} for name, values in self.values.items()}
        ratios = {
            name: times_ahead(self.values[OURS], values, more_is_better=self.more_is_better)
            for name, values in self.values.items()
            if name != OURS and OURS in self.values
        }
        ahead = {name: {**summarise(values), "values": values} for name, values in ratios.items()}
        return kept | {"contestants": contestants, "times_ahead": ahead}


def make_parser(description: str, *, repetitions: int | None) -> argparse.ArgumentParser:
    """Make a parser with the options that every benchmark has.

    Args:
        description: the module's own words.
        repetitions: default of `--repetitions`; None leaves the option out.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="OUT", help="file for the results")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that all works")
    if repetitions is not None:
        parser.add_argument(
            "--repetitions", type=int, metavar="N", help=f"rounds; default: {repetitions}, or 2 with --quick"
        )
        parser.set_defaults(usual_repetitions=repetitions)
    return parser


def count_repetitions(options: argparse.Namespace) -> int:
    """Number of rounds that the options ask for."""
    return max(1, options.repetitions or (2 if options.quick else options.usual_repetitions))


def tell(measurement: Measurement) -> None:
    """Show a measurement on stderr as soon as it is there."""
    print(format_table([measurement.as_dict()], header=False), file=sys.stderr, flush=True)


def save(benchmark: str, options: argparse.Namespace, measurements: Sequence[Measurement]) -> int:
    """Write the results and print their table; returns the exit code, 1 when a figure had to be refused."""
    kept = [measurement.as_dict() for measurement in measurements]
    # Of files and folders the name: where they lie on this machine says nothing to others.
    settings = {name: value.name if isinstance(value, Path) else value for name, value in vars(options).items()}
    result = {"benchmark": benchmark, "settings": settings, "machine": describe_machine(), "measurements": kept}
    write_json(options.json, result)
    print(format_table(kept))
    return 1 if any("refused" in measurement for measurement in kept) else 0


def load(path: Path) -> dict[str, Any]:
    """Read results back."""
    return json.loads(path.read_text(encoding="utf-8"))


def format_table(measurements: Sequence[Mapping[str, Any]], *, header: bool = True) -> str:
    """One line for each measurement: the case, each contestant's median and the ratios."""
    lines = ["case: each contestant's median, and how many times the program is ahead of it"] if header else []
    for measurement in measurements:
        case = ", ".join(measurement["case"].values())
        if "refused" in measurement:
            lines.append(f"{case}: REFUSED: {measurement['refused']}")
            continue
        parts = []
        for name, found in measurement["contestants"].items():
            ahead = measurement["times_ahead"].get(name)
            parts.append(f"{name} {format_number(found['median'])}" + (f" ({ahead['median']:.2f}x)" if ahead else ""))
        facts = [f"{name} {value:.2f}" for name, value in measurement["facts"].items() if isinstance(value, float)]
        lines.append(f"{case}: {', '.join(parts)} {measurement['unit']}" + (f"; {', '.join(facts)}" if facts else ""))
    return "\n".join(lines)


def format_number(value: float) -> str:
    """Three digits that count, and no more decimals than that.

    Example:
        >>> format_number(1234.5), format_number(12.345), format_number(0.012345)
        ('1,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
