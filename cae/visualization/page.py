"""Findings about the feature maps in numbers and words, and the page that shows them, one file without links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.files import printable
from cae.messages import number_of
from cae.pages import data_uri, render

if TYPE_CHECKING:
    from cae.visualization.feature_layers import FeatureLayer
    from cae.visualization.responses import Survey


def layer_record(layer: FeatureLayer, surveyed: Survey, names: Sequence[str]) -> dict[str, Any]:
    """Give a layer's statistics and strongest responses in the form of visualization.json.

    Args:
        layer: a layer.
        surveyed: what it answered.
        names: the images' names.
    """
    return {
        "shape": list(layer.shape),
        "maps": layer.num_maps,
        "receptive_field": list(layer.field_size),
        "dead": np.flatnonzero(surveyed.statistics.is_dead).tolist(),
        "statistics": [_map_record(layer, surveyed, number, names) for number in range(layer.num_maps)],
    }


def in_words(dead: Mapping[str, np.ndarray]) -> list[str]:
    """Say which layers have maps that never respond.

    Example:
        >>> in_words({"stage_1_conv_1": np.array([True, False]), "latent": np.array([False])})
        ['1 of 2 maps of stage_1_conv_1 never responds']
        >>> in_words({"latent": np.array([False])})
        ['every map of latent responds']

    Args:
        dead: layer's name to whether each of its maps is dead.
    """
    sentences = [
        f"{sum(maps)} of {len(maps)} maps of {name} never respond{'s' if sum(maps) == 1 else ''}"
        for name, maps in dead.items()
        if any(maps)
    ]
    everything = next(iter(dead)) if len(dead) == 1 else f"all {len(dead)} layers"
    return sentences or [f"every map of {everything} responds"]


def _map_record(layer: FeatureLayer, surveyed: Survey, number: int, names: Sequence[str]) -> dict[str, Any]:
    statistics, top = surveyed.statistics, surveyed.top
    shown = surveyed.responding(number)
    return {
        "map": number,
        "share_positive": float(statistics.share_positive[number]),
        "mean": float(statistics.mean[number]),
        "minimum": float(statistics.minimum[number]),
        "maximum": float(statistics.maximum[number]),
        "dead": bool(statistics.is_dead[number]),
        "top": [
            {
                "image": int(image),
                "name": printable(names[image]),
                "value": float(value),
                "row": int(position) // layer.shape[1],
                "column": int(position) % layer.shape[1],
            }
            for image, value, position in zip(
                top.images[shown, number], top.values[shown, number], top.positions[shown, number], strict=True
            )
        ],
    }


@dataclass(frozen=True)
class PagePicture:
    """A picture with what it shows.

    Args:
        heading: what is to be clicked to see it.
        description: what it shows, in a sentence.
        png: the picture as the bytes of a PNG file.
        parts: heading and PNG file of each of its parts, which are shown in its place where there are any.
    """

    heading: str
    description: str
    png: bytes
    parts: Sequence[tuple[str, bytes]] = ()

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Heading and picture of each part, or of the whole, as addresses that need no other file."""
        return [(heading, data_uri(png)) for heading, png in self.parts or [("", self.png)]]


@dataclass(frozen=True)
class PageSection:
    """One layer: its name, and its pictures, of which the first is open."""

    name: str
    pictures: Sequence[PagePicture]


def make_page(
    record: Mapping[str, Any], sentences: Sequence[str], sections: Sequence[PageSection], hint: str = ""
) -> str:
    """Make the page; whatever names contain is shown as it is.

    Args:
        record: the content of visualization.json.
        sentences: what stands at the top.
        sections: one for each layer of the record, from the image on; the page begins with the last.
        hint: why there is little to see, if that is so.

    Returns:
        HTML that holds its pictures and loads nothing.
    """
    title = f"What the feature maps of {record['run']} respond to"
    return render(
        "features.html", title=title, record=record, sentences=sentences, sections=list(reversed(sections)), hint=hint
    )


_FEW_STEPS = 200
"""Of training, below which kernels are still much as they were drawn at random."""


def hint_of(summary: Mapping[str, Any]) -> str:
    """Say that a model has hardly been trained; nothing of others.

    >>> hint_of({"steps": 3, "warnings": []})
    'This model was trained for 3 steps only: its kernels are still close to random. Train for longer to see features.'
    >>> hint_of({"steps": 5000, "warnings": []})
    ''

    Args:
        summary: of the run, or what there is of it.
    """
    steps = summary.get("steps", _FEW_STEPS)
    codes = {warning["code"] for warning in summary.get("warnings", ())}
    if steps < _FEW_STEPS:
        only = f"was trained for {number_of(steps, 'step')} only"
        return f"This model {only}: its kernels are still close to random. Train for longer to see features."
    if codes & {"output_constant", "below_mean_image", "few_steps", "dead_layer"}:
        return "This model has learned little, as the warnings of its run say: its features mean little, too."
    return ""
