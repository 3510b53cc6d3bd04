"""Tables of who took part and what each one reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cae.comparison.record import Comparison, Contender, Estimate, RunFigures
from cae.comparison.report.formatting import (
    NOTHING,
    compared_title,
    estimate_text,
    has_switches,
    interval_text,
    listing,
    metric_names,
    metric_text,
    metric_title,
    places,
)
from cae.measures.catalogue import metric


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        caption: what it shows.
        columns: names of the columns.
        rows: cells, as many in each row as there are columns.
        row_header: the column that names each row.
        note: what must be known to read it; may be empty.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    row_header: int = 0
    note: str = ""


def estimates_table(
    caption: str,
    comparison: Comparison,
    names: Sequence[str],
    estimates_of: Callable[[Contender], Mapping[str, Estimate]],
    note: str = "",
) -> Table:
    """Make a table of estimates with their intervals: a row for each contender, a column for each name."""
    rows = [
        (contender.label, *(estimate_text(name, estimates_of(contender).get(name)) for name in names))
        for contender in comparison.contenders
    ]
    return Table(caption, ("decoder", *map(metric_title, names)), tuple(rows), 0, note)


def ranking(comparison: Comparison) -> Table:
    """The main table: contenders as they are sorted, with what is asked first; no wider than a screen."""
    chosen, *others = _ranked_metrics(comparison)
    alike = _indistinguishable(comparison)
    rows = []
    for place, contender in enumerate(comparison.contenders, start=1):
        estimate = contender.metrics[chosen]
        rows.append(
            (
                str(place),
                contender.label,
                f"{metric_text(chosen, estimate.mean)} ({interval_text(chosen, estimate)})",
                _alike_text(alike[contender.label]) if len(comparison.contenders) > 1 else NOTHING,
                *(_mean(name, contender.metrics.get(name)) for name in others),
                f"{contender.parameters:,}",
                f"{contender.macs_per_image:,}",
                f"{contender.code['values']:,.0f}",
                f"{contender.code['switch_bits']:,.0f}",
            )
        )
    columns = (
        "place",
        "decoder",
        f"{metric_title(chosen)}, 95% interval over seeds",
        "cannot be told from place",
        *map(metric_title, others),
        "parameters",
        "MACs an image",
        "code values",
        "switch bits",
    )
    return Table(f"Decoders, sorted by {compared_title(chosen)}", columns, tuple(rows), 1, _ranking_note(comparison))


def all_metrics(comparison: Comparison) -> Table:
    """Every metric with its interval, and what else the main table has no room for."""
    names = metric_names(comparison)
    caption = "Every metric with its 95% interval over seeds"
    table = estimates_table(caption, comparison, names, lambda one: one.metrics)
    rows = zip(table.rows, comparison.contenders, strict=True)
    return replace(
        table,
        columns=(*table.columns, "code + switch bits", "seeds"),
        rows=tuple((*row, f"{one.code_bits:,}", str(len(one.runs))) for row, one in rows),
    )


def settings(comparison: Comparison) -> Table | None:
    """The keys in which contenders differ; None where there is none."""
    keys = list(dict.fromkeys(key for contender in comparison.contenders for key in contender.settings))
    rows = [(one.label, *(_setting(one.settings, key) for key in keys)) for one in comparison.contenders]
    return Table("Settings in which the decoders differ", ("decoder", *keys), tuple(rows)) if keys else None


def runs(comparison: Comparison) -> Table:
    """Every run."""
    chosen = comparison.metric
    rows = [
        (run.path, contender.label, str(run.seed), str(run.epochs), str(run.best_epoch), _run_figure(run, chosen))
        for contender in comparison.contenders
        for run in contender.runs
    ]
    columns = ("run", "decoder", "seed", "epochs", "epoch measured", metric_title(chosen))
    return Table("Runs", columns, tuple(rows))


def made(comparison: Comparison) -> Table:
    """Date, versions and hardware."""
    return Table(
        "Versions and hardware of this measurement",
        ("what", "value"),
        tuple((key, str(one)) for key, one in comparison.made.items()),
    )


def _ranked_metrics(comparison: Comparison) -> list[str]:
    return [name for name in metric_names(comparison) if name == comparison.metric or metric(name).main]


def _mean(name: str, estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else metric_text(name, estimate.mean)


def _setting(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key]) if key in settings else NOTHING


def _run_figure(run: RunFigures, metric: str) -> str:
    return metric_text(metric, run.metrics[metric]) if metric in run.metrics else NOTHING


def _indistinguishable(comparison: Comparison) -> dict[str, list[int]]:
    """Label to the places of those that it cannot be told from."""
    place = places(comparison)
    alike: dict[str, list[int]] = {label: [] for label in place}
    for one in comparison.differences:
        if not one.is_distinguishable:
            alike[one.first].append(place[one.second])
            alike[one.second].append(place[one.first])
    return {label: sorted(others) for label, others in alike.items()}


def _alike_text(others: Iterable[int]) -> str:
    """Write places, neighbours in one: `1 (best), 3-5`."""
    spans: list[list[int]] = []
    for place in others:
        if spans and place == spans[-1][1] + 1 and spans[-1][0] != 1:
            spans[-1][1] = place
        else:
            spans.append([place, place])
    parts = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
    return ", ".join("1 (best)" if part == "1" else part for part in parts) or "none"


def _ranking_note(comparison: Comparison) -> str:
    names = _ranked_metrics(comparison)
    larger = [metric_title(name) for name in names if metric(name).better == "more"]
    smaller = [metric_title(name) for name in names if metric(name).better == "less"]
    parts = [f"{how} is better: {listing(ones)}." for how, ones in (("More", larger), ("Less", smaller)) if ones]
    if "high_frequency_ratio" in names:
        parts.append("A high-frequency ratio of 1 is as sharp as the image, less is blurred.")
    if any(map(has_switches, comparison.contenders)):
        parts.append("Switches carry information round the code: look at the bits of both.")
    return " ".join(parts)
