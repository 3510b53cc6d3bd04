"""Charts: curves over epochs, error against bits, spectra of residuals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cae.comparison.record import Comparison, Contender, Exhibits
from cae.comparison.report.drawing import Drawn, add_legend, house_style, literal, looks, png_uri, svg_uri
from cae.comparison.report.formatting import estimate_text, metric_text, metric_title
from cae.measures.catalogue import metric

_MOST_MARKERS = 12


def draw_curves(comparison: Comparison) -> list[Drawn]:
    """Draw the curves of the chosen metric, the PSNR and the loss on validation images, as far as there are any."""
    wanted = dict.fromkeys([f"val_{comparison.metric}", "val_psnr", "val_loss"])
    return [_draw(comparison, name) for name in wanted if any(_has(one, name) for one in comparison.contenders)]


def _draw(comparison: Comparison, name: str) -> Drawn:
    styles = looks(comparison)
    contenders = [contender for contender in comparison.contenders if _has(contender, name)]
    with house_style():
        figure = Figure(figsize=(5.6, 3.6 + 0.12 * len(contenders)), layout="constrained")
        axes = figure.add_subplot()
        handles = []
        for contender in contenders:
            curve, look = contender.curves[name], styles[contender.label]
            line = Line2D(
                curve.epochs,
                curve.mean,
                color=look.color,
                linestyle=look.line,
                marker=look.marker,
                markevery=max(1, len(curve.epochs) // _MOST_MARKERS),
                markersize=5,
            )
            axes.add_line(line)
            handles.append(line)
            if curve.low:
                axes.fill_between(
                    curve.epochs,
                    curve.low,
                    curve.high,
                    color=look.color,
                    alpha=0.15 if len(contenders) <= 6 else 0.08,
                    linewidth=0,
                )
        if metric(name.removeprefix("val_")).better == "less" and _is_positive(contenders, name):
            axes.set_yscale("log")
        axes.autoscale_view()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric_title(name))
        add_legend(figure, handles, [styles[contender.label].label for contender in contenders])
        uri = svg_uri(figure)
    title = metric_title(name)
    title = title[0].upper() + title[1:]
    ends = "; ".join(_curve_in_words(contender, name) for contender in contenders)
    band = " Bands: 95% intervals over seeds." if any(one.curves[name].low for one in contenders) else ""
    return Drawn(uri, f"{title} over epochs. {ends}.", f"{title} over epochs, mean over seeds.{band}")


def _has(contender: Contender, name: str) -> bool:
    return name in contender.curves and bool(contender.curves[name].epochs)


def _is_positive(contenders: list[Contender], name: str) -> bool:
    return all(value > 0 for one in contenders for value in (*one.curves[name].mean, *one.curves[name].low))


def _curve_in_words(contender: Contender, name: str) -> str:
    curve = contender.curves[name]
    first, last = metric_text(name, curve.mean[0]), metric_text(name, curve.mean[-1])
    return f"{contender.label}: {first} at epoch {curve.epochs[0]}, {last} at epoch {curve.epochs[-1]}"


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
    return Drawn(uri, _rates_in_words(comparison, stored), _caption(comparison))


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


def _rates_in_words(comparison: Comparison, stored: Mapping[str, tuple[float, float]]) -> str:
    points = [
        f"{contender.label}: {contender.code_bits:,} bits, {estimate_text('psnr', contender.metrics['psnr'])} dB"
        for contender in comparison.contenders
    ]
    points += [
        f"baseline {name}: {bits:,.0f} bits, {metric_text('psnr', psnr)} dB" for name, (bits, psnr) in stored.items()
    ]
    return f"PSNR against bits of code and switches. {'; '.join(points)}."


_COLUMNS = 3
_INCHES = 1.75


def draw_spectra(comparison: Comparison, exhibits: Exhibits) -> Drawn | None:
    """Draw the spectra on one scale; None where there are none."""
    labels = [contender.label for contender in comparison.contenders if contender.label in exhibits.spectra]
    if not labels:
        return None
    spectra = {label: np.asarray(exhibits.spectra[label], np.float64) for label in labels}
    styles = looks(comparison)
    columns = min(_COLUMNS, len(labels))
    rows = math.ceil(len(labels) / columns)
    low = min(spectrum.min() for spectrum in spectra.values())
    high = max(spectrum.max() for spectrum in spectra.values())
    with house_style():
        figure = Figure(figsize=(_INCHES * columns + 1.2, (_INCHES + 0.25) * rows + 0.5), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, (label, spectrum) in enumerate(spectra.items()):
            panel = axes.flat[place]
            height, width = spectrum.shape
            picture = panel.imshow(
                spectrum,
                cmap="inferno",
                vmin=low,
                vmax=high,
                extent=(*_edges(width), *reversed(_edges(height))),
                interpolation="nearest",
                aspect="auto",
            )
            panel.set_box_aspect(1)
            panel.grid(False)
            panel.set_xticks([-0.5, -0.25, 0, 0.25], ["-½", "-¼", "0", "¼"])
            panel.set_yticks([-0.5, -0.25, 0, 0.25], ["-½", "-¼", "0", "¼"])
            literal(title := panel.set_title("", fontsize=8))
            title.set_text(styles[label].label)
        for panel in axes.flat[len(labels) :]:
            panel.set_axis_off()
        figure.supxlabel("horizontal frequency, cycles per pixel", fontsize=9)
        figure.supylabel("vertical", fontsize=9)
        figure.colorbar(picture, ax=axes, label="dB", shrink=0.8)
        uri = png_uri(figure)
    return Drawn(uri, _spectra_in_words(spectra), _CAPTION)


_CAPTION = (
    "Mean power spectrum of what is wrong in the reconstructions, frequency zero in the middle, on one scale. A"
    " checkerboard of period 2 shows as bright spots at a frequency of ½, one of period 4 at ¼ too; smooth rings are"
    " lost detail."
)


def _edges(size: int) -> tuple[float, float]:
    """Frequencies at the outer edges of the first and the last of `size` bins."""
    first = -(size // 2) / size
    return first - 0.5 / size, first + 1 - 0.5 / size


def _spectra_in_words(spectra: dict[str, np.ndarray]) -> str:
    parts = [
        f"{label}: {spectrum.min():.1f} to {spectrum.max():.1f} dB, median {np.median(spectrum):.1f} dB"
        for label, spectrum in spectra.items()
    ]
    return f"Power spectra of the residuals. {'; '.join(parts)}."
