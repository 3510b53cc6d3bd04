"""What was found about the maps, as numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.files import printable

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
