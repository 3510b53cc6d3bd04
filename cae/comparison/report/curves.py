"""Figures of a metric over epochs."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cae.comparison.record import Comparison, Contender
from cae.comparison.report.drawing import Drawn, add_legend, house_style, looks, svg_uri
from cae.comparison.report.words import metric_text, metric_title
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
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric_title(name))
        add_legend(figure, handles, [styles[contender.label].label for contender in contenders])
        uri = svg_uri(figure)
    title = metric_title(name)
    title = title[0].upper() + title[1:]
    ends = "; ".join(_in_words(contender, name) for contender in contenders)
    band = " Bands: 95% intervals over seeds." if any(one.curves[name].low for one in contenders) else ""
    return Drawn(uri, f"{title} over epochs. {ends}.", f"{title} over epochs, mean over seeds.{band}")


def _has(contender: Contender, name: str) -> bool:
    return name in contender.curves and bool(contender.curves[name].epochs)


def _is_positive(contenders: list[Contender], name: str) -> bool:
    return all(value > 0 for one in contenders for value in (*one.curves[name].mean, *one.curves[name].low))


def _in_words(contender: Contender, name: str) -> str:
    curve = contender.curves[name]
    first, last = metric_text(name, curve.mean[0]), metric_text(name, curve.mean[-1])
    return f"{contender.label}: {first} at epoch {curve.epochs[0]}, {last} at epoch {curve.epochs[-1]}"
