"""Small charts as numbers for an inline SVG, which has the page's colours and costs no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

WIDTH, HEIGHT = 400, 220
"""Of a chart, in its own units."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 392.0, 24.0, 184.0
_BINS = 40

Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """What `chart` in `parts.html` draws.

    Args:
        title: what it shows.
        alternative: the same with figures, for those who do not see it.
        x_label: stands below.
        x_ticks: place and text.
        y_ticks: likewise.
        lines: label to points.
        bars: label to left, top, width and height of each bar.
        mark: place and text of a vertical line.
    """

    title: str
    alternative: str
    x_label: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    lines: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    bars: Mapping[str, Sequence[tuple[float, float, float, float]]] = field(default_factory=dict)
    mark: tuple[float, str] | None = None


def ticks(low: float, high: float, most: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers between two others, evenly spaced.

    >>> ticks(0.0, 10.3), ticks(1, 3, whole=True)
    ([0.0, 5.0, 10.0], [1.0, 2.0, 3.0])

    Args:
        low: the smallest that may be given.
        high: the largest.
        most: how many at most.
        whole: whether they are whole numbers.
    """
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) < most)
    step = max(1.0, step) if whole else step
    return [float(number * step) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def draw_lines(title: str, x_label: str, lines: Mapping[str, Sequence[Point]]) -> Chart:
    """Draw curves over whole numbers.

    Args:
        title: what they are, with the unit.
        x_label: what the whole numbers are.
        lines: label to points; at least one, and all finite.
    """
    points = np.array([point for line in lines.values() for point in line], np.float64)
    (left, low), (right, high) = points.min(axis=0), points.max(axis=0)
    x, y = _Scale(left, right, _LEFT, _RIGHT), _Scale(low, high, _BOTTOM, _TOP)
    ends = "; ".join(f"{label}: {line[0][1]:.4g} at first, {line[-1][1]:.4g} at last" for label, line in lines.items())
    return Chart(
        title,
        f"{title}. {ends}.",
        x_label,
        x.ticks(whole=True),
        y.ticks(),
        {label: [(x(one), y(other)) for one, other in line] for label, line in lines.items()},
    )


def draw_histogram(
    title: str, x_label: str, groups: Mapping[str, Sequence[float] | np.ndarray], mark: tuple[float, str] | None = None
) -> Chart:
    """Draw how many values lie where, one group over the other.

    Args:
        title: what is counted.
        x_label: what the values are.
        groups: label to values; at least one in all.
        mark: a value and what is said of it.
    """
    values = np.concatenate([np.asarray(one, np.float64) for one in groups.values()])
    low, high = float(values.min()), float(values.max())
    if mark is not None:
        low, high = min(low, mark[0]), max(high, mark[0])
    counts = {label: np.histogram(one, _BINS, (low, high or 1.0))[0] for label, one in groups.items()}
    x, y = _Scale(low, high, _LEFT, _RIGHT), _Scale(0.0, float(max(map(np.max, counts.values()))), _BOTTOM, _TOP)
    width = (_RIGHT - _LEFT) / _BINS
    said = "; ".join(f"{label}: {len(one):,}, median {np.median(one):.4g}" for label, one in groups.items() if len(one))
    return Chart(
        title,
        f"{title}. {said}." + (f" {mark[1]}: {mark[0]:.4g}." if mark else ""),
        x_label,
        x.ticks(),
        y.ticks(whole=True),
        bars={
            label: [(_LEFT + place * width, y(number), width, _BOTTOM - y(number)) for place, number in enumerate(many)]
            for label, many in counts.items()
        },
        mark=(x(mark[0]), f"{mark[1]} {mark[0]:.4g}") if mark else None,
    )


@dataclass(frozen=True)
class _Scale:
    """From values to places in the chart."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.first + share * (self.last - self.first), 2)

    def ticks(self, *, whole: bool = False) -> list[tuple[float, str]]:
        return [(self(value), f"{value:.6g}") for value in ticks(self.low, self.high, whole=whole)]
