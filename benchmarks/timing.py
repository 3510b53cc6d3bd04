"""Taking turns, and what is left of many measurements: medians, spread and ratios turn by turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence


def take_turns(measures: Sequence[Callable[[], Mapping[str, float]]], repetitions: int) -> dict[str, list[float]]:
    """Measure each contestant once, then each once more, and so on.

    Every other round goes backwards, so that nobody always comes after the same neighbour.

    Args:
        measures: one for each contestant; gives its names and values, most often one.
        repetitions: number of rounds, at least 1.

    Example:
        >>> take_turns([lambda: {"a": 1.0}, lambda: {"b": 2.0, "c": 3.0}], 2)
        {'a': [1.0, 1.0], 'b': [2.0, 2.0], 'c': [3.0, 3.0]}
    """
    values: dict[str, list[float]] = {}
    for number in range(repetitions):
        for measure in reversed(measures) if number % 2 else measures:
            for name, value in measure().items():
                values.setdefault(name, []).append(value)
    return values


def summarise(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes.

    Example:
        >>> summarise([4.0, 1.0, 2.0])["median"]
        2.0
    """
    ordered = sorted(values)
    quartiles = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    return {
        "median": statistics.median(ordered),
        "lower_quartile": quartiles[0],
        "upper_quartile": quartiles[2],
        "least": ordered[0],
        "most": ordered[-1],
    }


def times_ahead(own: Sequence[float], other: Sequence[float], *, more_is_better: bool) -> list[float]:
    """How many times better the own value is than the other's, round by round; above 1 is ahead.

    Example:
        >>> times_ahead([2.0, 2.0], [1.0, 4.0], more_is_better=True)
        [2.0, 0.5]
    """
    pairs = zip(own, other, strict=True)
    return [mine / theirs if more_is_better else theirs / mine for mine, theirs in pairs]
