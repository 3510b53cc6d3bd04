"""The figure of quality against what is stored of an image, switches included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cae.comparison.record import Comparison, Contender
from cae.comparison.report.drawing import Drawn, add_legend, house_style, literal, looks, svg_uri
from cae.comparison.report.words import estimate_text, metric_text

# Points with the same rate stand beside each other, this share of the axis apart.
_APART = 0.024
# A baseline whose code is as large as the image loses nothing; its capped PSNR would leave no room for the others.
_EXACT = 90.0


def draw_rates(comparison: Comparison) -> Drawn:
    """Draw bits of code and switches against the PSNR, with the baselines that have a code."""
    styles = looks(comparison)
    stored = _baseline_points(comparison)
    rates = [contender.code_bits for contender in comparison.contenders] + [bits for bits, _ in stored.values()]
    span = max(rates) - min(rates) or max(rates)
    with house_style():
        figure = Figure(figsize=(5.6, 3.8 + 0.12 * len(comparison.contenders)), layout="constrained")
        axes = figure.add_subplot()
        handles, labels = [], []
        for contender, bits in _beside_each_other(comparison, _APART * span):
            look, psnr = styles[contender.label], contender.metrics["psnr"]
            if psnr.low is not None and psnr.high is not None:
                axes.vlines(bits, psnr.low, psnr.high, color=look.color, linewidth=1.5)
            handles += axes.plot(
                [bits], [psnr.mean], color=look.color, marker=look.marker, linestyle="none", markersize=7
            )
            labels.append(look.label)
            _name_point(axes, look.label.split(" ")[0], bits, psnr.mean)
        if stored:
            bits_and_psnr = list(stored.values())
            handles += axes.plot(
                [bits for bits, _ in bits_and_psnr],
                [psnr for _, psnr in bits_and_psnr],
                color="#555555",
                marker="+",
                linestyle="none",
                markersize=10,
            )
            labels.append("baselines")
            for name, (bits, level) in stored.items():
                _name_point(axes, name.replace("_", " "), bits, level, is_left=True)
        middle, half = (max(rates) + min(rates)) / 2, 0.65 * span
        axes.set_xlim(middle - half, middle + half)
        axes.margins(y=0.12)
        axes.set_xlabel("bits of an image's code and switches")
        axes.set_ylabel("PSNR (dB)")
        add_legend(figure, handles, labels)
        uri = svg_uri(figure)
    return Drawn(uri, _in_words(comparison, stored), _caption(comparison))


def _beside_each_other(comparison: Comparison, apart: float) -> Iterator[tuple[Contender, float]]:
    """Contenders with where they stand: the best one of the same rate is left."""
    counts = Counter(contender.code_bits for contender in comparison.contenders)
    seen: Counter[int] = Counter()
    for contender in comparison.contenders:
        bits = contender.code_bits
        yield contender, bits + apart * (seen[bits] - (counts[bits] - 1) / 2)
        seen[bits] += 1


def _baseline_points(comparison: Comparison) -> dict[str, tuple[float, float]]:
    bits_per_value = comparison.contenders[0].code["bits_per_value"]
    return {
        name: (figures["values"] * bits_per_value, figures["psnr"])
        for name, figures in comparison.baselines.items()
        if _has_rate(figures)
    }


def _has_rate(figures: Mapping[str, float]) -> bool:
    return figures.get("values", 0) > 0 and figures.get("psnr", _EXACT) < _EXACT


def _name_point(axes: Axes, name: str, bits: float, psnr: float, *, is_left: bool = False) -> None:
    offset, side = ((-6, 4), "right") if is_left else ((5, 4), "left")
    text = axes.annotate("", (bits, psnr), xytext=offset, textcoords="offset points", fontsize=8, ha=side)
    literal(text)
    text.set_text(name)


def _caption(comparison: Comparison) -> str:
    crowded = max(Counter(contender.code_bits for contender in comparison.contenders).values()) > 1
    beside = " Points with the same number of bits stand beside each other, around it." if crowded else ""
    bars = " Bars: 95% intervals over seeds." if comparison.contenders[0].metrics["psnr"].low is not None else ""
    return f"PSNR against the bits of code and switches. Numbers are places in the table.{bars}{beside}"


def _in_words(comparison: Comparison, stored: Mapping[str, tuple[float, float]]) -> str:
    points = [
        f"{contender.label}: {contender.code_bits:,} bits, {estimate_text('psnr', contender.metrics['psnr'])} dB"
        for contender in comparison.contenders
    ]
    points += [
        f"baseline {name}: {bits:,.0f} bits, {metric_text('psnr', psnr)} dB" for name, (bits, psnr) in stored.items()
    ]
    return f"PSNR against bits of code and switches. {'; '.join(points)}."
