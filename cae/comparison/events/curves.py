"""The decoders' curves as TensorBoard runs with short names, and the charts that lay them over one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from cae.comparison.record import Contender, Curve
from cae.comparison.report.formatting import metric_title
from cae.measures.catalogue import by_importance
from cae.runs.events import remove_events, replace_events

# What one of the common file systems does not allow in a name.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_LENGTH = 100


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Give each label a name that every file system takes, as near to it as possible, and no name twice.

    Example:
        >>> folder_names(["resize nearest", "a/b", "A:B", ".."])
        {'resize nearest': 'resize nearest', 'a/b': 'a_b', 'A:B': 'A_B 2', '..': '_'}

    Args:
        labels: all different.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        base = _FORBIDDEN.sub("_", label)[:_LENGTH].strip(". ") or "_"
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base} {number}"
        taken.add(name.casefold())
        names[label] = name
    return names


# Tells the comparison's event files from those of training, which may lie in the same folder.
SUFFIX = ".comparison"


def write_curves(contenders: Sequence[Contender], folder: Path) -> None:
    """Write each contender's mean curves, and the ends of their intervals, into a folder named like its label.

    Tags are alike in all of them: TensorBoard colours lines by run, and overlays runs that share a tag.

    Args:
        contenders: whose curves; steps are epochs.
        folder: holds a folder for each contender, and nothing else; those of former contenders are emptied.
    """
    names = folder_names([contender.label for contender in contenders])
    for contender in contenders:
        replace_events(folder / names[contender.label], SUFFIX, _summaries(contender))
    for other in set(folder.iterdir()) - {folder / name for name in names.values()}:
        if other.is_dir():
            remove_events(other, SUFFIX)
            if not any(other.iterdir()):
                other.rmdir()


def charts(contenders: Sequence[Contender]) -> Summary:
    """Lay out the custom scalar charts.

    A chart shows the 95% intervals over seeds where every contender has them. A chart's `margin` would report an error
    for those that have none, so that there are plain lines as soon as one contender has a single run.
    """
    ordered = by_importance(name for contender in contenders for name in contender.curves)
    validation = [name for name in ordered if name.startswith("val_")]
    training = [name for name in ordered if name not in validation]
    categories = [
        layout_pb2.Category(
            title=f"Decoders: {part}, mean over seeds, by epoch",
            chart=_as_shown([_chart(name, contenders) for name in names]),
        )
        for part, names in (("validation", validation), ("training", training))
        if names
    ]
    every = [
        layout_pb2.Chart(
            title=metric_title(name.removeprefix("val_")),
            # What training wrote, into a run's `train` and `validation` alike.
            multiline=layout_pb2.MultilineChartContent(tag=[f"^{name.removeprefix('val_')}$"]),
        )
        for name in validation
    ]
    if every:
        # Closed at first: one request for each chart and run.
        categories.append(
            layout_pb2.Category(title="Every run: training and validation, by step", chart=every, closed=True)
        )
    layout = layout_pb2.Layout(category=categories)
    summary = Summary()
    summary.value.add(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=tensor_util.make_tensor_proto(layout.SerializeToString()),
    )
    return summary


def _chart(name: str, contenders: Iterable[Contender]) -> layout_pb2.Chart:
    curves = [contender.curves[name] for contender in contenders if name in contender.curves]
    if all(curve.low for curve in curves):
        series = layout_pb2.MarginChartContent.Series(value=_mean(name), lower=_low(name), upper=_high(name))
        return layout_pb2.Chart(
            title=f"{metric_title(name)}, with 95% intervals", margin=layout_pb2.MarginChartContent(series=[series])
        )
    return layout_pb2.Chart(
        title=metric_title(name), multiline=layout_pb2.MultilineChartContent(tag=[f"^{_mean(name)}$"])
    )


def _as_shown(charts: list[layout_pb2.Chart]) -> list[layout_pb2.Chart]:
    """Order charts for TensorBoard's page, which lays out charts with margins from the last to the first."""
    margins = [chart for chart in charts if chart.HasField("margin")]
    return [chart for chart in charts if chart not in margins] + margins[::-1]


def _summaries(contender: Contender) -> Iterator[tuple[int, Summary]]:
    for name, curve in contender.curves.items():
        for tag, values in _lines(name, curve):
            for epoch, value in zip(curve.epochs, values, strict=True):
                yield epoch, scalar_pb(tag, value)


def _lines(name: str, curve: Curve) -> Iterator[tuple[str, tuple[float, ...]]]:
    yield _mean(name), curve.mean
    if curve.low:
        yield _low(name), curve.low
        yield _high(name), curve.high


# No parentheses in tags: TensorBoard names a line `TAG (RUN)` and takes all from the first one on for the run.
def _mean(name: str) -> str:
    return f"decoders/{name}"


def _low(name: str) -> str:
    return f"intervals/{name}/low"


def _high(name: str) -> str:
    return f"intervals/{name}/high"
