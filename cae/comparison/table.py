"""A comparison as a table for the terminal."""

from __future__ import annotations

from cae.comparison.record import Comparison, Contender, Estimate
from cae.comparison.report.formatting import compared_title, metric_names, metric_text, metric_title
from cae.text_tables import align


def format_comparison(comparison: Comparison) -> str:
    """Lay out the contenders, the best one first, with their sizes, metrics and the baselines below.

    The chosen metric stands first, with half of its 95% interval over seeds; a `=` marks contenders that cannot be
    told from the best one.
    """
    names = [name for name in metric_names(comparison) if name != "loss"]
    like_the_best = comparison.like_the_best()
    head = ["", "", "seeds", "parameters", "code bits", "switch bits", *map(metric_title, names)]
    rows = [head]
    for contender in comparison.contenders:
        mark = "=" if contender.label in like_the_best else ""
        rows.append([mark, contender.label, *_sizes(contender), *_metrics(contender, names, comparison.metric)])
    for name, means in comparison.baselines.items():
        rows.append(["", name, "", "", "", "", *(metric_text(key, means[key]) for key in names)])
    lines = align(rows, range(2, len(head)))
    lines.insert(1, "-" * max(map(len, lines)))
    height, width, channels = comparison.image_shape
    lines.insert(
        0,
        f"{comparison.title}: {comparison.num_images:,} {comparison.split} images of {height}x{width}x{channels},"
        f" sorted by {compared_title(comparison.metric)}",
    )
    if like_the_best:
        lines.append("= cannot be told from the best one (95% intervals over images and seeds)")
    return "\n".join(lines)


def _sizes(contender: Contender) -> list[str]:
    code_bits = contender.code["values"] * contender.code["bits_per_value"]
    sizes = (contender.parameters, int(code_bits), int(contender.code["switch_bits"]))
    return [str(len(contender.runs)), *(f"{size:,}" for size in sizes)]


def _metrics(contender: Contender, names: list[str], chosen: str) -> list[str]:
    return [
        metric_text(name, contender.metrics[name].mean)
        + (_half(name, contender.metrics[name]) if name == chosen else "")
        for name in names
    ]


def _half(name: str, estimate: Estimate) -> str:
    return "" if estimate.high is None else f" ± {metric_text(name, estimate.high - estimate.mean)}"
