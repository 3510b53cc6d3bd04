"""Findings about the feature maps in numbers and words, and the page that shows them, one file without links."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jinja2
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


_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the feature maps of {{ record.run }} respond to</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { margin-top: 3rem; border-bottom: 1px solid #ccc }
figure { margin: 1rem 0; overflow-x: auto }
figcaption { color: #555 }
img { max-width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .1rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
tr.dead { color: #a00 }
summary { cursor: pointer }
nav a { margin-right: 1rem }
</style>
</head>
<body>
<h1>What the feature maps of {{ record.run }} respond to</h1>
<p>{{ "{:,}".format(record.images) }} images ({{ record.source }}), method <code>{{ record.method }}</code>.
For each feature map: the parts of images that activate it most, and what is left of each when that one value is carried
back to the pixels (Zeiler and Fergus 2014).</p>
<ul>
{% for sentence in sentences %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
<nav>
{% for section in sections %}
<a href="#{{ section.name }}">{{ section.name }}</a>
{% endfor %}
</nav>
{% for section in sections %}
{% set layer = record.layers[section.name] %}
<section>
<h2 id="{{ section.name }}">{{ section.name }}</h2>
<p>{{ layer.maps }} maps of {{ layer.shape[0] }}x{{ layer.shape[1] }}; a value sees
{{ layer.receptive_field[0] }}x{{ layer.receptive_field[1] }} pixels of the image.</p>
{% for picture in section.pictures %}
{% if loop.first %}
<figure><img src="{{ picture.address }}" alt="{{ picture.description }}"></figure>
{% else %}
<details>
<summary>{{ picture.heading }}</summary>
<figure>
<img src="{{ picture.address }}" alt="{{ picture.description }}">
<figcaption>{{ picture.description }}</figcaption>
</figure>
</details>
{% endif %}
{% endfor %}
<details>
<summary>Statistics of each map</summary>
<table>
<tr>
{% for heading in ("map", "above 0", "mean", "smallest", "largest", "") %}<th scope="col">{{ heading }}</th>{% endfor %}
</tr>
{% for row in layer.statistics %}
<tr{% if row.dead %} class="dead"{% endif %}>
<th scope="row">{{ row.map }}</th>
<td>{{ "{:.1%}".format(row.share_positive) }}</td>
<td>{{ "{:.3g}".format(row.mean) }}</td>
<td>{{ "{:.3g}".format(row.minimum) }}</td>
<td>{{ "{:.3g}".format(row.maximum) }}</td>
<td>{{ "never responds" if row.dead }}</td>
</tr>
{% endfor %}
</table>
</details>
</section>
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class PagePicture:
    """A picture with what it shows.

    Args:
        heading: what is to be clicked to see it.
        description: what it shows, in a sentence.
        png: the picture as the bytes of a PNG file.
    """

    heading: str
    description: str
    png: bytes

    @property
    def address(self) -> str:
        """The picture itself, as an address that needs no other file."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class PageSection:
    """One layer: its name, and its pictures, of which the first is open."""

    name: str
    pictures: Sequence[PagePicture]


def make_page(record: Mapping[str, Any], sentences: Sequence[str], sections: Sequence[PageSection]) -> str:
    """Make the page; whatever names contain is shown as it is.

    Args:
        record: the content of visualization.json.
        sentences: what stands at the top.
        sections: one for each layer of the record.

    Returns:
        HTML that holds its pictures and loads nothing.
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    return environment.from_string(_TEMPLATE).render(record=record, sentences=sentences, sections=sections)
