"""Average ranks of decoders over several data sets, and which of them differ (Demsar 2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from cae.atomic_files import filling_folder, write_json, write_text
from cae.comparison.record import Comparison
from cae.comparison.report.drawing import drawable, house_style, literal, svg
from cae.comparison.report.formatting import compared_title, listing
from cae.comparison.report.markdown import escape_markdown, markdown_table
from cae.comparison.report.tables import Table
from cae.errors import ConfigError
from cae.measures.catalogue import metric as find_metric

_ALPHA = 0.05
# Of the diagram: its line of ranks, and the labels on either side.
_LINE_INCHES, _LABEL_INCHES = 3.6, 2.5


@dataclass(frozen=True)
class Ranks:
    """What several comparisons say together; decoders are sorted, the best average rank first.

    Args:
        metric: by which decoders were ranked.
        data_sets: names.
        decoders: labels that all data sets have.
        ranks: for each decoder its rank on each data set, 1 for the best, equals share their mean rank.
        average: mean rank of each decoder.
        p: of no difference between any (Friedman's test); None of two decoders, which have no such test.
        critical_difference: average ranks further apart differ significantly (Nemenyi's test, alpha 0.05).
        groups: decoders that are not significantly different from each other, as many as go together.
        left_out: labels that some data set lacks.
    """

    metric: str
    data_sets: tuple[str, ...]
    decoders: tuple[str, ...]
    ranks: tuple[tuple[float, ...], ...]
    average: tuple[float, ...]
    p: float | None
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...] = ()


def rank_decoders(comparisons: Mapping[str, Comparison]) -> Ranks:
    """Rank the decoders that all comparisons have, each by its mean over seeds and images.

    Raises:
        ConfigError: fewer than two decoders have the same label in all of them.
    """
    metric = next(iter(comparisons.values())).metric
    badness = find_metric(metric).badness
    found = [
        {one.label: float(badness(one.metrics[metric].mean)) for one in comparison.contenders}
        for comparison in comparisons.values()
    ]
    every = dict.fromkeys(label for scores in found for label in scores)
    labels = [label for label in every if all(label in scores for scores in found)]
    if len(labels) < 2:
        raise ConfigError(
            "--ranks: needs at least two decoders with the same label in all experiments. Received:"
            f" {', '.join(every)}."
        )
    scores = np.array([[one[label] for label in labels] for one in found])
    return rank(scores, metric, tuple(comparisons), tuple(labels), tuple(x for x in every if x not in labels))


def rank(
    scores: np.ndarray, metric: str, data_sets: tuple[str, ...], labels: tuple[str, ...], left_out: tuple[str, ...] = ()
) -> Ranks:
    """Rank by a table of scores.

    Args:
        scores: (data sets, decoders), less is better.
        metric: what they were made of.
        data_sets: names of the rows.
        labels: names of the columns.
        left_out: for the record.
    """
    ranks = stats.rankdata(scores, axis=1)
    number, decoders = scores.shape
    order = np.argsort(ranks.mean(axis=0), kind="stable")
    average = ranks.mean(axis=0)[order]
    p = float(stats.friedmanchisquare(*ranks.T).pvalue) if decoders > 2 else None
    quantile = stats.studentized_range.ppf(1 - _ALPHA, decoders, math.inf) / math.sqrt(2)
    critical = float(quantile * math.sqrt(decoders * (decoders + 1) / (6 * number)))
    sorted_labels = tuple(labels[place] for place in order)
    ends = [int(np.searchsorted(average, low + critical, side="right")) for low in average]
    # A group that lies within the one before it says nothing new.
    groups = [
        sorted_labels[first:end]
        for first, end in enumerate(ends)
        if end - first > 1 and (first == 0 or end > ends[first - 1])
    ]
    return Ranks(
        metric=metric,
        data_sets=data_sets,
        decoders=sorted_labels,
        ranks=tuple(map(tuple, ranks.T[order].tolist())),
        average=tuple(average.tolist()),
        p=None if p is None or math.isnan(p) else p,
        critical_difference=critical,
        groups=tuple(groups),
        left_out=left_out,
    )


def ranks_table(ranks: Ranks) -> Table:
    """Average ranks, and the rank on each data set."""
    rows = [
        (label, f"{average:.2f}", *(f"{one:g}" for one in each))
        for label, average, each in zip(ranks.decoders, ranks.average, ranks.ranks, strict=True)
    ]
    caption = f"Average ranks by {compared_title(ranks.metric)} over {len(ranks.data_sets)} data sets, 1 is best"
    return Table("ranks", caption, ("decoder", "average rank", *ranks.data_sets), tuple(rows))


def ranks_in_words(ranks: Ranks) -> str:
    """Say which decoders differ."""
    friedman = "" if ranks.p is None else f" Friedman's test of no difference between any: p {ranks.p:.2g}."
    alike = "; ".join(listing(group) for group in ranks.groups)
    left_out = f" Left out, since some data set lacks them: {', '.join(ranks.left_out)}." if ranks.left_out else ""
    return (
        f"Average ranks that are more than {ranks.critical_difference:.2f} apart differ significantly (Nemenyi's test,"
        f" alpha {_ALPHA:g}, {len(ranks.data_sets)} data sets).{friedman}"
        f" Not significantly different: {alike or 'none'}.{left_out} The test is weak with few data sets."
    )


def draw_ranks(ranks: Ranks) -> bytes:
    """Draw the critical-difference diagram as SVG: labels on a line of ranks, bars under those that do not differ."""
    number, levels = len(ranks.decoders), len(ranks.groups)
    inch = (number - 1) / _LINE_INCHES  # in ranks
    below = -0.5 - 0.4 * levels
    lowest = below - number // 2 - 0.5
    with house_style():
        figure = Figure(figsize=(_LINE_INCHES + 2 * _LABEL_INCHES, 0.24 * (3.0 - lowest)))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(1 - _LABEL_INCHES * inch, number + _LABEL_INCHES * inch)
        axes.set_ylim(lowest, 3.0)
        axes.hlines(0, 1, number, color="black")
        for tick in range(1, number + 1):
            axes.vlines(tick, 0, 0.25, color="black")
            axes.text(tick, 0.3, str(tick), ha="center", va="bottom")
        end = min(number, 1 + ranks.critical_difference)
        axes.hlines(1.6, 1, end, color="black")
        axes.text((1 + end) / 2, 1.7, f"CD {ranks.critical_difference:.2f}", ha="center", va="bottom")
        for level, group in enumerate(ranks.groups):
            ends = [ranks.average[ranks.decoders.index(label)] for label in (group[0], group[-1])]
            axes.hlines(-0.5 - 0.4 * level, ends[0] - 0.05 * inch, ends[1] + 0.05 * inch, color="black", linewidth=4)
        for place, (label, average) in enumerate(zip(ranks.decoders, ranks.average, strict=True)):
            is_left = place < (number + 1) // 2
            height = below - (place if is_left else number - 1 - place)
            end, side = (1 - 0.1 * inch, "right") if is_left else (number + 0.1 * inch, "left")
            axes.plot([average, average, end], [0, height, height], color="black", linewidth=0.8)
            literal(text := axes.text(end, height, "", ha=side, va="center"))
            text.set_text(f" {drawable(label)} {average:.2f} ")
        return svg(figure)


def write_ranks(ranks: Ranks, folder: Path) -> None:
    """Write ranks.json, ranks.md and ranks.svg, the critical-difference diagram."""
    table, words, record = ranks_table(ranks), ranks_in_words(ranks), asdict(ranks)
    text = [
        f"# {escape_markdown(table.caption)}",
        escape_markdown(words),
        f"![Critical-difference diagram](ranks.svg)\n\n{markdown_table(table)}",
    ]
    picture = draw_ranks(ranks)
    with filling_folder(folder) as new:
        (new / "ranks.svg").write_bytes(picture)
        write_text(new / "ranks.md", "\n\n".join(text) + "\n")
        write_json(new / "ranks.json", record)
