"""What the report says and shows of budgets, tuning and matched widths."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from cae.comparison.arms import leads
from cae.comparison.record import Budget, Comparison, Tuning
from cae.comparison.report.drawing import Drawn, Look, add_legend, house_style, looks, svg_uri
from cae.comparison.report.formatting import NOTHING, duration_text, estimate_text, metric_text, metric_title
from cae.comparison.report.tables import Table
from cae.measures.catalogue import metric as find_metric
from cae.messages import number_of


def budgets_table(comparison: Comparison) -> Table | None:
    """What each decoder reached with each budget, and how long that took; None where there is one budget only."""
    lengths = sorted({(one.unit, one.length) for one in comparison.budgets})
    found = {(one.label, one.unit, one.length): one for one in comparison.budgets}
    rows = []
    for contender in comparison.contenders:
        cells = []
        for unit, length in lengths:
            one = found.get((contender.label, unit, length))
            took = f" in {duration_text(one.seconds)}" if one and one.seconds is not None else ""
            cells.append(f"{estimate_text(comparison.metric, one.value)}{took}" if one else NOTHING)
        rows.append((contender.label, *cells))
    columns = ("decoder", *(_amount(length, unit) for unit, length in lengths))
    caption = f"{metric_title(comparison.metric)} by budget, with 95% intervals over seeds and the time of training"
    caption += comparison.beside_others
    return Table("budgets", caption, columns, tuple(rows)) if lengths else None


def _amount(length: int, unit: str) -> str:
    return number_of(length, unit.removesuffix("s"))


def budget_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Who is ahead until when, and at which budget all else is compared."""
    if not comparison.budgets:
        return ()
    compared = {run.path for contender in comparison.contenders for run in contender.runs}
    lengths = dict.fromkeys(
        _amount(one.length, one.unit) for one in comparison.budgets if any(run.path in compared for run in one.runs)
    )
    return (
        f"Everything but this section compares decoders at the largest budget that all have: {', '.join(lengths)}."
        " Runs of other budgets are neither decoders nor repetitions, and no test is made of them.",
        _crossings(comparison),
    )


def _crossings(comparison: Comparison) -> str:
    points = _points(comparison)
    if len(points) < 2:
        return "Who is ahead at which time cannot be said: times that compare are known of fewer than two decoders."
    start, ahead = leads(points)
    if not ahead:
        found = ", ".join(f"`{label}` with {length}" for length, label in ahead_by_length(comparison))
        return (
            "Who is ahead at which time cannot be said: the decoders' training times do not overlap. By length of"
            f" training, ahead is {found}."
        )
    parts = [f"up to {duration_text(end)} of training `{label}` is ahead" for label, end in ahead[:-1]]
    last = f"from then on `{ahead[-1][0]}`" if parts else f"`{ahead[0][0]}` is ahead throughout"
    said = ", ".join([*parts[:1], *(part.replace("up to", "then up to") for part in parts[1:]), last])
    return (
        f"{said[0].upper()}{said[1:]} (means over seeds, between {duration_text(start)} and"
        f" {duration_text(ahead[-1][1])}, where all were measured; whether a lead is more than chance is not tested)."
    )


def ahead_by_length(comparison: Comparison) -> list[tuple[str, str]]:
    """Each budget that several decoders were given, with who reached most, the shortest first."""
    badness = find_metric(comparison.metric).badness
    found: dict[tuple[int, str], list[Budget]] = {}
    for one in sorted(comparison.budgets, key=lambda one: (one.length, one.unit)):
        found.setdefault((one.length, one.unit), []).append(one)
    return [
        (_amount(*length), min(budgets, key=lambda one: badness(one.value.mean)).label)
        for length, budgets in found.items()
        if len(budgets) > 1
    ]


def _points(comparison: Comparison) -> dict[str, list[tuple[float, float]]]:
    """Labels to seconds of training and what was reached, more is better."""
    badness = find_metric(comparison.metric).badness
    found: dict[str, list[tuple[float, float]]] = {}
    for one in comparison.budgets:
        if one.seconds:
            found.setdefault(one.label, []).append((one.seconds, -float(badness(one.value.mean))))
    return found


def draw_budgets(comparison: Comparison) -> Drawn | None:
    """Draw what was reached against the time of training; None where there is one budget only, or no time is known."""
    lines = {
        label: sorted((one.seconds, one.value.mean) for one in comparison.budgets if one.label == label and one.seconds)
        for label in dict.fromkeys(one.label for one in comparison.budgets if one.seconds)
    }
    title = metric_title(comparison.metric)
    return _draw(
        comparison,
        lines,
        ("seconds of training", title),
        _over_log_time,
        f"{title} against the measured time of training, one point for each budget, mean over"
        f" seeds{comparison.beside_others}.",
    )


def _over_log_time(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(LogFormatter())  # 20 and 100, not powers of ten
    axes.xaxis.set_minor_formatter(LogFormatter())


def tuning_table(comparison: Comparison) -> Table | None:
    """What was chosen for each decoder; None where nothing was tuned."""
    rows = []
    for one in comparison.tuning:
        means = [tried.mean for tried in one.tried if tried.values == one.chosen and tried.mean is not None]
        epochs = "as many as the runs" if one.epochs is None else f"{one.epochs:,}"
        own = next((tried.mean for tried in one.first_round if tried.is_own and tried.mean is not None), None)
        rows.append(
            (
                one.label,
                values_text(one.chosen),
                metric_text("psnr", means[-1]) if means else NOTHING,
                NOTHING if own is None else metric_text("psnr", own),
                f"{len(one.first_round):,}",
                f"{one.trainings:,}",
                epochs,
            )
        )
    columns = ("decoder", "chosen", "validation PSNR (dB)", "with own values", "combinations", "trainings", "epochs")
    note = (
        "The best of several figures on the same validation images is too good; test images had no part in the choice."
    )
    return Table("tuning", "What was tried and chosen", columns, tuple(rows), 0, note) if rows else None


def values_text(values: Mapping[str, object]) -> str:
    """Write the values of tuned keys, each by the last part of its key.

    >>> values_text({"training.optimizer.learning_rate": 0.001})
    'learning_rate 0.001'
    """
    return ", ".join(
        f"{key.rpartition('.')[2]} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )


def tuning_sentences(comparison: Comparison) -> tuple[str, ...]:
    """What an untuned comparison would have said, and which choices lie at an end of what was tried."""
    if not comparison.tuning:
        return ()
    return (_untuned(comparison.tuning), *_at_ends(comparison.tuning))


def _untuned(tuning: Sequence[Tuning]) -> str:
    own = {
        one.label: tried.mean for one in tuning for tried in one.first_round if tried.is_own and tried.mean is not None
    }
    missing = [f"`{one.label}`" for one in tuning if one.label not in own]
    if missing:
        return (
            "What an untuned comparison would have said is not known: the configuration's own values were not tried, or"
            f" came to no end, for {', '.join(missing)}."
        )
    best = {one.label: max(tried.mean for tried in one.first_round if tried.mean is not None) for one in tuning}
    if len(own) == 1:
        (label,) = own
        return f"On validation images `{label}` has {_db(own[label])} with its own values and {_db(best[label])} tuned."
    before, after = (sorted(found, key=found.__getitem__, reverse=True) for found in (own, best))
    listing = [
        ", ".join(f"`{label}` {_db(found[label])}" for label in order)
        for found, order in ((own, before), (best, after))
    ]
    same = "the same order" if before == after else "another order" if before[0] == after[0] else "another winner"
    return f"Untuned, validation images would have given: {listing[0]}. Tuned they give {same}: {listing[1]}."


def _at_ends(tuning: Sequence[Tuning]) -> list[str]:
    said = []
    for one in tuning:
        for key, value in one.chosen.items():
            tried = {other.values[key] for other in one.first_round if isinstance(other.values[key], int | float)}
            if len(tried) > 2 and value in (min(tried), max(tried)):
                end = "smallest" if value == min(tried) else "largest"
                said.append(f"For `{one.label}` the {end} {key} that was tried is the best: try further ones.")
    return said


def _db(value: float) -> str:
    return f"{metric_text('psnr', value)} dB"


def best_of(values: Sequence[float | None]) -> list[float]:
    """The best that is expected of k of some trials drawn at random, for k from 1 to all of them.

    A trial that came to no end counts as the worst of the others.

    >>> best_of([1.0, 3.0, 2.0])
    [2.0, 2.666..., 3.0]

    Source:
        Dodge et al. 2019, "Show Your Work", section 3; here without drawing a trial twice.
    """
    known = [value for value in values if value is not None]
    ordered = sorted([*known, *[min(known)] * (len(values) - len(known))]) if known else []
    number = len(ordered)
    return [
        sum(math.comb(place, k - 1) * value for place, value in enumerate(ordered)) / math.comb(number, k)
        for k in range(1, number + 1)
    ]


def draw_tuning(comparison: Comparison) -> Drawn | None:
    """Draw the best that is expected of k combinations for each decoder; None where nothing was tuned."""
    lines = {}
    for one in comparison.tuning:
        means = [tried.mean for tried in one.first_round]
        in_order = one.search == "tpe"  # each proposed by those before, so that another order is not to be had
        best = itertools.accumulate((-math.inf if mean is None else mean for mean in means), max)
        curve = best if in_order else best_of(means)
        if points := [(k, value) for k, value in enumerate(curve, start=1) if math.isfinite(value)]:
            lines[one.label] = points
    return _draw(
        comparison,
        lines,
        ("combinations tried", "best validation PSNR (dB)"),
        lambda axes: axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1)),
        "Best of k: the validation PSNR that is expected of the best of so many combinations, drawn at random from"
        " those that were tried with the same budget; with search: tpe the best until then, in the order of trials.",
    )


def _draw(
    comparison: Comparison,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    titles: tuple[str, str],
    prepare: Callable[[Axes], object],
    caption: str,
) -> Drawn | None:
    if not lines:
        return None
    styles: Mapping[str, Look] = looks(comparison)
    with house_style():
        figure = Figure(figsize=(5.6, 3.6 + 0.12 * len(lines)), layout="constrained")
        axes = figure.add_subplot()
        handles = []
        for label, points in lines.items():
            look, (across, up) = styles[label], zip(*points, strict=True)
            handles += axes.plot(across, up, color=look.color, linestyle=look.line, marker=look.marker, markersize=5)
        prepare(axes)
        axes.set_xlabel(titles[0])
        axes.set_ylabel(titles[1])
        add_legend(figure, handles, [styles[label].label for label in lines])
        uri = svg_uri(figure)
    ends = "; ".join(
        f"{label}: {up:.4g} at {across:.3g} {titles[0]}"
        for label, points in lines.items()
        for across, up in points[-1:]
    )
    return Drawn(uri, f"{caption} {ends}.", caption)


def widths_table(comparison: Comparison) -> Table | None:
    """The widths of each decoder, before models were made alike and since; None where nothing was matched."""
    contenders = {contender.label: contender for contender in comparison.contenders}
    rows = [
        (
            one.label,
            " ".join(map(str, one.own)),
            " ".join(map(str, one.filters)),
            f"{contenders[one.label].parameters:,}",
            f"{contenders[one.label].computed_macs:,}",
            one.matched or NOTHING,
        )
        for one in comparison.widths
    ]
    columns = ("decoder", "filters before", "filters", "parameters", "MACs an image", "matched")
    note = (
        "From the code outwards. All widths of a decoder are scaled by one factor, as far as its kind lets them change."
    )
    return Table("widths", "Widths of the decoders' stages", columns, tuple(rows), 0, note) if rows else None
