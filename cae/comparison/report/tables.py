"""The rows of every table: header, cells and notes, for whatever shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cae.comparison.record import Comparison, Contender, Estimate, Pair, RunFigures, Verdict
from cae.comparison.report.formatting import (
    NOTHING,
    better_above_zero,
    compared_title,
    difference_scale,
    difference_text,
    estimate_text,
    has_switches,
    interval_text,
    is_judged_by_means,
    listing,
    metric_names,
    metric_text,
    metric_title,
    places,
    simple_code_title,
    why_untested,
)
from cae.measures.catalogue import metric as find_metric


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        name: for addresses.
        caption: what it shows.
        columns: names of the columns.
        rows: cells, as many in each row as there are columns.
        row_header: the column that names each row.
        note: what must be known to read it; may be empty.
    """

    kind: ClassVar = "table"
    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    row_header: int = 0
    note: str = ""


def estimates_table(
    name: str,
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
    return Table(name, caption, ("decoder", *map(metric_title, names)), tuple(rows), 0, note)


def ranking(comparison: Comparison) -> Table:
    """The main table: contenders as they are sorted, with what is asked first; no wider than a screen."""
    chosen, *others = _ranked_metrics(comparison)
    rows = []
    for place, contender in enumerate(comparison.contenders, start=1):
        estimate = contender.metrics[chosen]
        rows.append(
            (
                str(place),
                contender.label,
                f"{metric_text(chosen, estimate.mean)} ({interval_text(chosen, estimate)})",
                _alike(comparison, contender.label),
                *(_mean(name, contender.metrics.get(name)) for name in others),
                f"{contender.parameters:,}",
                f"{contender.computed_macs or contender.macs_per_image:,}",
                f"{contender.code['values']:,.0f}",
                f"{contender.code['switch_bits']:,.0f}",
            )
        )
    columns = (
        "place",
        "decoder",
        f"{metric_title(chosen)}, 95% interval over seeds",
        "not significantly different from place",
        *map(metric_title, others),
        "parameters",
        "MACs an image",
        "code values",
        "switch bits",
    )
    return Table(
        "ranking", f"Decoders, sorted by {compared_title(chosen)}", columns, tuple(rows), 1, _ranking_note(comparison)
    )


def all_metrics(comparison: Comparison) -> Table:
    """Every metric with its interval, and what else the main table has no room for."""
    names = metric_names(comparison)
    caption = "Every metric with its 95% interval over seeds"
    table = estimates_table("all_metrics", caption, comparison, names, lambda one: one.metrics)
    rows = zip(table.rows, comparison.contenders, strict=True)
    return replace(
        table,
        columns=(
            *table.columns,
            f"interquartile mean of {compared_title(comparison.metric)}",
            "code + switch bits",
            "seeds",
        ),
        rows=tuple(
            (*row, metric_text(comparison.metric, one.interquartile_mean), f"{one.code_bits:,}", str(len(one.runs)))
            for row, one in rows
        ),
    )


def settings(comparison: Comparison) -> Table | None:
    """The keys in which contenders differ; None where there is none."""
    keys = list(dict.fromkeys(key for contender in comparison.contenders for key in contender.settings))
    rows = [(one.label, *(_setting(one.settings, key) for key in keys)) for one in comparison.contenders]
    return Table("settings", "Settings in which the decoders differ", ("decoder", *keys), tuple(rows)) if keys else None


def runs(comparison: Comparison) -> Table:
    """Every run."""
    chosen = comparison.metric
    rows = [
        (run.path, label, str(run.seed), str(run.epochs), str(run.best_epoch), _run_figure(run, chosen))
        for label, run in comparison.labelled_runs
    ]
    columns = ("run", "decoder", "seed", "epochs", "epoch measured", metric_title(chosen))
    return Table("runs", "Runs", columns, tuple(rows))


def made(comparison: Comparison) -> Table:
    """Date, versions and hardware."""
    return Table(
        "versions",
        "Versions and hardware of this measurement",
        ("what", "value"),
        tuple((key, str(one)) for key, one in comparison.made.items()),
    )


def pairs(comparison: Comparison) -> Table | None:
    """Every pair's difference with its test and intervals; None with a single contender."""
    metric = comparison.metric
    rows = []
    for one in comparison.pairs:
        scale = difference_scale(one)
        rows.append(
            (
                f"{one.first} minus {one.second}",
                difference_text(metric, one.mean, scale),
                _ends(metric, one.low, one.high, scale, why_untested(one)),
                _p_text(one),
                one.verdict if one.seeds_needed is None else f"undecided (needs about {one.seeds_needed} more)",
                f"{one.probability:.0%}",
                _ends(metric, one.images_low, one.images_high, scale),
                _ends(metric, one.seeds_low, one.seeds_high, scale, "one seed"),
            )
        )
    columns = (
        "pair",
        "difference",
        "95% interval for all pairs",
        "adjusted p",
        "verdict",
        "probability that the first is better",
        "95% interval over images",
        "95% interval over seeds",
    )
    note = better_above_zero(metric, "first one", "second one")
    caption = f"Paired differences in {compared_title(metric)} on the same images"
    return Table("pairs", caption, columns, tuple(rows), 0, note) if rows else None


def matrix(comparison: Comparison) -> Table | None:
    """Row minus column for every two contenders; None with a single one."""
    labels = [contender.label for contender in comparison.contenders]
    if len(labels) == 1:
        return None
    metric = comparison.metric
    cells = {(label, label): NOTHING for label in labels}
    marks = {"better": "", "equivalent": "= ", "undecided": "≈ "}
    for one in comparison.pairs:
        mark, scale = marks[one.verdict], difference_scale(one)
        cells[one.first, one.second] = mark + difference_text(metric, one.mean, scale)
        cells[one.second, one.first] = mark + difference_text(metric, -one.mean, scale)
    rows = [
        (f"{place} {row}", *(cells.get((row, column), NOTHING) for column in labels))
        for place, row in enumerate(labels, start=1)
    ]
    meaning = better_above_zero(metric, "row", "column")
    note = f"Row minus column, columns by place. {meaning} “≈”: not significantly different. “=”: equivalent."
    columns = ("decoder", *(str(place) for place in range(1, len(labels) + 1)))
    return Table(
        "matrix", f"Mean difference in {compared_title(metric)}, decoder by decoder", columns, tuple(rows), 0, note
    )


def bits(comparison: Comparison) -> Table | None:
    """Measured bits of code and switches; None where nothing was measured."""
    titles = {
        "total": "together",
        "quantized": "code, 8 bits a value",
        "code": "code, entropy-coded",
        "switches_at_most": "switches, at most",
        "switches_entropy": "switches, place unknown",
        "switches_entropy_given_place": "switches, place known",
    }
    rows = [
        (
            one.label,
            *(f"{one.bits[name].mean:,.0f}" if name in one.bits else NOTHING for name in titles),
            metric_text("psnr", one.bits["psnr_loss"].mean),
        )
        for one in comparison.contenders
        if one.bits
    ]
    columns = ("decoder", *titles.values(), "PSNR lost by 8 bits (dB)")
    note = (
        "Side information is what bypasses the code: switches say where each value belongs. Entropies are what an ideal"
        " coder takes that knows how frequent each value is, in each channel of the code, and for switches over all"
        " places or at each place and channel. How values depend on each other is not used. Together: the code"
        " entropy-coded, and switches with the place known."
    )
    caption = f"Bits an image, measured on {comparison.num_images:,} images"
    return Table("bits", caption, columns, tuple(rows), 0, note) if rows else None


def ablations(comparison: Comparison) -> Table | None:
    """The MSE with parts taken away, and how many times as high it is; None where nothing was measured."""
    titles = {
        "latent_zeroed": "latent zeroed",
        "switches_fixed": "switches all top-left",
        "switches_shuffled": "switches of another image",
        "switches_own": "switches of its own",
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
    return Table("ablations", "MSE with parts taken away", columns, tuple(rows)) if names else None


def artefacts(comparison: Comparison) -> tuple[Table | None, Table | None]:
    """Checkerboard measures of residuals and of layers; None where nothing was measured."""
    found = list(dict.fromkeys(name for contender in comparison.contenders for name in contender.artefacts))
    of_layers = [name for name in found if "unevenness" in name]
    of_residuals = (
        "Phase amplitude: by how much the residuals' means differ between the phases of a grid of that period, in"
        " units of the pixel range; without a pattern it is what is expected of noise. Prominence: how far the"
        " residuals' power at the grid's frequencies stands out of what is around them; about 0 dB without a pattern."
    )
    uneven = "How much a layer's answer to a constant input differs between output pixels, without data; 0 is even."

    def table(name: str, caption: str, names: Sequence[str], note: str) -> Table | None:
        if not names:
            return None
        return estimates_table(name, caption, comparison, names, lambda one: one.artefacts, note)

    return (
        table("artefacts", "In residuals", [name for name in found if name not in of_layers], of_residuals),
        table("unevenness", "Unevenness of upsampling layers", of_layers, uneven),
    )


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
    return Table("baselines", "Baselines of the best decoder's code size", columns, tuple(rows)) if rows else None


def _ranked_metrics(comparison: Comparison) -> list[str]:
    return [name for name in metric_names(comparison) if name == comparison.metric or find_metric(name).main]


def _mean(name: str, estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else metric_text(name, estimate.mean)


def _setting(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key]) if key in settings else NOTHING


def _run_figure(run: RunFigures, metric: str) -> str:
    return metric_text(metric, run.metrics[metric]) if metric in run.metrics else NOTHING


def _alike(comparison: Comparison, label: str) -> str:
    """The places of those that are undecided beside a contender, and of those that are equivalent to it."""
    if len(comparison.contenders) == 1:
        return NOTHING
    place = places(comparison)
    found: dict[Verdict, list[int]] = {"undecided": [], "equivalent": []}
    for pair in comparison.pairs:
        if label in (pair.first, pair.second) and pair.verdict in found:
            found[pair.verdict].append(place[pair.second if label == pair.first else pair.first])
    undecided, equivalent = (_spans(sorted(others)) for others in found.values())
    return "; ".join(part for part in (undecided, equivalent and f"equivalent to {equivalent}") if part) or "none"


def _spans(others: Iterable[int]) -> str:
    """Write places, neighbours in one: `1 (best), 3-5`."""
    spans: list[list[int]] = []
    for place in others:
        if spans and place == spans[-1][1] + 1 and spans[-1][0] != 1:
            spans[-1][1] = place
        else:
            spans.append([place, place])
    parts = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
    return ", ".join("1 (best)" if part == "1" else part for part in parts)


def _ranking_note(comparison: Comparison) -> str:
    names = _ranked_metrics(comparison)
    larger = [metric_title(name) for name in names if find_metric(name).better == "more"]
    smaller = [metric_title(name) for name in names if find_metric(name).better == "less"]
    parts = [f"{how} is better: {listing(ones)}." for how, ones in (("More", larger), ("Less", smaller)) if ones]
    if "high_frequency_ratio" in names:
        parts.append("A high-frequency ratio of 1 is as sharp as the image, less is blurred.")
    if any(map(has_switches, comparison.contenders)):
        parts.append("Switches carry information that bypasses the code: look at the bits of both.")
    return " ".join(parts)


def floors(comparison: Comparison) -> Table | None:
    """The best decoder, and each without switches, beside the strongest simple code of the same size."""
    metric = comparison.metric
    rows = []
    for one in comparison.contenders:
        if floor := comparison.answer.floors.get(one.label):
            reached = metric_text(metric, one.metrics[metric].mean)
            margin = difference_text(metric, floor.margin, 0)
            rows.append((one.label, reached, simple_code_title(floor.name), metric_text(metric, floor.value), margin))
    title = metric_title(metric)
    columns = ("decoder", title, "strongest simple code", f"its {title}", "decoder is better by")
    return (
        Table("floors", "Decoders beside the strongest simple code of the same size", columns, tuple(rows))
        if rows
        else None
    )


def _ablation(contender: Contender, name: str) -> str:
    estimate, whole = contender.ablations.get(name), contender.metrics.get("mse")
    if estimate is None:
        return "no switches" if name.startswith("switches") and not has_switches(contender) else NOTHING
    times = f", {estimate.mean / whole.mean:.1f} times" if whole and whole.mean > 0 else ""
    return estimate_text("mse", estimate) + times


def _p_text(pair: Pair) -> str:
    p = pair.p_adjusted
    return why_untested(pair) if p is None else "below 0.001" if p < 0.001 else f"{p:.3f}"


def _ends(metric: str, low: float | None, high: float | None, scale: float, otherwise: str = NOTHING) -> str:
    if low is None or high is None:
        return otherwise
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
