"""Charts: curves over epochs, error against bits, spectra of residuals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cae.comparison.record import Comparison, Contender, Exhibits, RateCurve
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


def draw_rates(comparison: Comparison) -> Drawn | None:
    """Draw what decoders reach with their codes at 8 bits a value against the bits measured, beside usual codecs.

    None where bits were not measured.
    """
    styles = looks(comparison)
    contenders = [contender for contender in comparison.contenders if contender.bits]
    if not contenders:
        return None
    with house_style():
        figure = Figure(figsize=(5.6, 3.8 + 0.12 * len(contenders)), layout="constrained")
        axes = figure.add_subplot()
        handles, labels = [], []
        for contender in contenders:
            look, bits, psnr = styles[contender.label], max(1.0, contender.bits["total"].mean), contender.bits["psnr"]
            if psnr.low is not None and psnr.high is not None:
                axes.vlines(bits, psnr.low, psnr.high, color=look.color, linewidth=1.5)
            handles += axes.plot(
                [bits], [psnr.mean], color=look.color, marker=look.marker, linestyle="none", markersize=7
            )
            labels.append(look.label)
            place = look.label.split(" ")[0]
            axes.annotate(place, (bits, psnr.mean), xytext=(5, 4), textcoords="offset points", fontsize=8)
        for (name, curve), line in zip(comparison.codecs.items(), ("-", "--", ":"), strict=False):
            positive = [max(1.0, one) for one in curve.bits]  # constant pictures take none
            handles += axes.plot(positive, curve.psnr, color="#555555", linestyle=line, linewidth=1.2)
            labels.append(name)
        axes.set_xscale("log")
        axes.margins(x=0.08, y=0.12)
        axes.set_xlabel("bits of an image: code and switches, entropy-coded")
        axes.set_ylabel("PSNR (dB), code values of 8 bits")
        add_legend(figure, handles, labels)
        uri = svg_uri(figure)
    return Drawn(uri, _rates_in_words(contenders, comparison.codecs), _rates_caption(comparison))


def _rates_caption(comparison: Comparison) -> str:
    bars = " Bars: 95% intervals over seeds." if comparison.contenders[0].metrics["psnr"].low is not None else ""
    caption = (
        "PSNR against measured bits: entropies of the code's values at 8 bits each and of the switches at each place."
        f" Numbers are places in the table.{bars}"
    )
    if not comparison.codecs:
        return caption
    number = next(iter(comparison.codecs.values())).num_images
    clean = ", given clean images" if comparison.corruption else ""
    return (
        f"{caption} JPEG and WebP on {number:,} of these images{clean}, without headers and tables (a file less that of"
        " a grey picture); PCA of training images, quantised, with its entropy."
    )


def _rates_in_words(contenders: Sequence[Contender], codecs: Mapping[str, RateCurve]) -> str:
    points = [
        f"{one.label}: {one.bits['total'].mean:,.0f} bits, {estimate_text('psnr', one.bits['psnr'])} dB"
        for one in contenders
    ]
    for name, curve in codecs.items():
        ends = (f"{curve.bits[end]:,.0f} bits, {metric_text('psnr', curve.psnr[end])} dB" for end in (0, -1))
        points.append(f"{name}: {' to '.join(ends)}")
    return f"PSNR against measured bits of code and switches. {'; '.join(points)}."


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
