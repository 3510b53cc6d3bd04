"""The choice of maps on the command line (`all`, `top:N`, or `0,3,5-8`), and of the method that projects them back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cae.errors import ConfigError

Method = Literal["deconvnet", "gradient", "guided"]
"""How a signal is carried back through activations."""
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class MapChoice:
    """Maps of a layer, chosen by number or by how strongly they respond.

    Args:
        text: as it was given.
        strongest: how many of those with the largest response; None for a list, and for all.
        ranges: first and last number of each part of a list; none for all.
    """

    text: str
    strongest: int | None
    ranges: tuple[tuple[int, int], ...] = ()

    def check(self, layer: str, num_maps: int) -> None:
        """Refuse a list with maps that a layer does not have.

        Raises:
            ConfigError: names the layer and its range.
        """
        for first, last in self.ranges:
            if last >= num_maps:
                wrong = max(first, num_maps)
                raise ConfigError(
                    f"--maps: {layer} has the maps 0 to {num_maps - 1}. Received: {wrong} in {self.text}."
                )

    def choose(self, maxima: np.ndarray) -> list[int]:
        """Choose numbers of maps, the strongest first or in the list's order, each once.

        Example:
            >>> maxima = np.array([1.0, 5.0, 0.0, 5.0])
            >>> parse_maps("top:3").choose(maxima), parse_maps("3,0-1").choose(maxima)
            ([1, 3, 0], [3, 0, 1])

        Args:
            maxima: each map's largest response, shape (maps,); of equal ones the first wins.
        """
        if self.strongest is not None:
            return np.argsort(-maxima, kind="stable")[: self.strongest].tolist()
        ranges = self.ranges or ((0, len(maxima) - 1),)
        return list(dict.fromkeys(number for first, last in ranges for number in range(first, last + 1)))


def parse_maps(text: str) -> MapChoice:
    """Read `all`, `top:N`, or numbers and ranges separated by commas.

    Raises:
        ConfigError: if it is none of these.
    """
    if text == "all":
        return MapChoice(text, None)
    if match := re.fullmatch(r"top:(\d{1,9})", text):
        if int(match[1]) >= 1:
            return MapChoice(text, int(match[1]))
    elif re.fullmatch(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", text):
        parts = [part.split("-") for part in text.split(",")]
        ranges = tuple((int(part[0]), int(part[-1])) for part in parts)
        if all(first <= last for first, last in ranges):
            return MapChoice(text, None, ranges)
    raise ConfigError(
        f"--maps must be all, top:N with N of at least 1, or numbers from 0 such as 0,3,5-8. Received: {text}."
    )
