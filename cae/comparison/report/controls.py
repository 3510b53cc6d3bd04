"""Tables of what the ranking rests on: pairs, controls, artefacts and baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cae.comparison.record import Comparison, Contender, Difference
from cae.comparison.report.formatting import (
    NOTHING,
    better_above_zero,
    compared_title,
    difference_text,
    estimate_text,
    has_switches,
    is_judged_by_means,
    metric_names,
    metric_text,
    metric_title,
)
from cae.comparison.report.ranking import Table, estimates_table
from cae.measures.catalogue import metric as find_metric


def pairs(comparison: Comparison) -> Table | None:
    """Every pair's difference with its intervals; None with a single contender."""
    metric = comparison.metric
    rows = [
        (
            f"{one.first} minus {one.second}",
            difference_text(metric, one.mean, _scale(one)),
            _ends(metric, one.images_low, one.images_high, _scale(one)),
            _ends(metric, one.seeds_low, one.seeds_high, _scale(one)),
            "yes" if one.is_distinguishable else "NO",
        )
        for one in comparison.differences
    ]
    columns = (
        "pair",
        "difference",
        "95% interval over images",
        "95% interval over seeds",
        "distinguishable",
    )
    note = better_above_zero(metric, "first one", "second one")
    caption = f"Paired differences in {compared_title(metric)} on the same images"
    return Table(caption, columns, tuple(rows), 0, note) if rows else None


def matrix(comparison: Comparison) -> Table | None:
    """Row minus column for every two contenders; None with a single one."""
    labels = [contender.label for contender in comparison.contenders]
    if len(labels) == 1:
        return None
    metric = comparison.metric
    cells = {(label, label): NOTHING for label in labels}
    for one in comparison.differences:
        mark = "" if one.is_distinguishable else "≈ "
        cells[one.first, one.second] = mark + difference_text(metric, one.mean, _scale(one))
        cells[one.second, one.first] = mark + difference_text(metric, -one.mean, _scale(one))
    rows = [
        (f"{place} {row}", *(cells.get((row, column), NOTHING) for column in labels))
        for place, row in enumerate(labels, start=1)
    ]
    meaning = better_above_zero(metric, "row", "column")
    note = f"Row minus column, columns by place. {meaning} “≈”: the two cannot be told apart."
    columns = ("decoder", *(str(place) for place in range(1, len(labels) + 1)))
    return Table(f"Mean difference in {compared_title(metric)}, decoder by decoder", columns, tuple(rows), 0, note)


def ablations(comparison: Comparison) -> Table | None:
    """The MSE with parts taken away, and how many times as high it is; None where nothing was measured."""
    titles = {
        "latent_zeroed": "latent zeroed",
        "switches_fixed": "switches all top-left",
        "switches_shuffled": "switches of another image",
    }
    found = dict.fromkeys(name for contender in comparison.contenders for name in contender.ablations)
    names = [name for name in titles if name in found] + [name for name in found if name not in titles]
    rows = [
        (
            contender.label,
            estimate_text("mse", contender.metrics.get("mse")),
            *(_ablation(contender, name) for name in names),
        )
        for contender in comparison.contenders
    ]
    columns = ("decoder", "as trained", *(titles.get(name, name.replace("_", " ")) for name in names))
    return Table("MSE with parts taken away", columns, tuple(rows)) if names else None


def artefacts(comparison: Comparison) -> Table | None:
    """Checkerboard measures; None where nothing was measured."""
    names = list(dict.fromkeys(name for contender in comparison.contenders for name in contender.artefacts))
    note = (
        "Phase amplitude: by how much the residuals' means differ between the phases of a grid of that period, in"
        " units of the pixel range; without a pattern it is what is expected of noise. Prominence: how far the"
        " residuals' power at the grid's frequencies stands out of what is around them; about 0 dB without a pattern."
        " Unevenness: how much a layer's answer to a constant input differs between output pixels, without data; 0 is"
        " even."
    )
    if not names:
        return None
    return estimates_table("Checkerboard artefacts", comparison, names, lambda one: one.artefacts, note)


def baselines(comparison: Comparison) -> Table | None:
    """What simple codes reach; None where nothing was measured."""
    found = list(dict.fromkeys(name for figures in comparison.baselines.values() for name in figures))
    metrics = [name for name in metric_names(comparison) if name in found]
    others = [name for name in found if name not in metrics]
    rows = [
        (
            name.replace("_", " "),
            *(metric_text(metric, figures[metric]) if metric in figures else NOTHING for metric in metrics),
            *(_count(figures.get(other)) for other in others),
            _num_better(comparison, figures),
        )
        for name, figures in comparison.baselines.items()
    ]
    columns = (
        "baseline",
        *map(metric_title, metrics),
        *(name.replace("_", " ") for name in others),
        f"decoders better in {metric_title(comparison.metric)}",
    )
    return Table("Baselines of the best decoder's code size", columns, tuple(rows)) if rows else None


def _ablation(contender: Contender, name: str) -> str:
    estimate, whole = contender.ablations.get(name), contender.metrics.get("mse")
    if estimate is None:
        return "no switches" if name.startswith("switches") and not has_switches(contender) else NOTHING
    times = f", {estimate.mean / whole.mean:.1f} times" if whole and whole.mean > 0 else ""
    return estimate_text("mse", estimate) + times


def _scale(one: Difference) -> float:
    """Half the width of the narrowest interval; the difference itself where none has a width."""
    ends = ((one.images_low, one.images_high), (one.seeds_low, one.seeds_high))
    widths = [high - low for low, high in ends if low is not None and high is not None and high > low]
    return min(widths) / 2 if widths else abs(one.mean)


def _ends(metric: str, low: float | None, high: float | None, scale: float) -> str:
    if low is None or high is None:
        return "one seed"
    return f"{difference_text(metric, low, scale)} to {difference_text(metric, high, scale)}"


def _count(value: Any) -> str:
    return NOTHING if value is None else f"{value:,g}" if isinstance(value, int | float) else str(value)


def _num_better(comparison: Comparison, figures: Mapping[str, float]) -> str:
    metric = comparison.metric
    if metric not in figures or not is_judged_by_means(metric):
        return NOTHING
    badness = find_metric(metric).badness
    reached = badness(figures[metric])
    better = [one for one in comparison.contenders if badness(one.metrics[metric].mean) < reached]
    return f"{len(better)} of {len(comparison.contenders)}"
