"""All events of a comparison, with its overview in words."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb

from cae.comparison.events.curves import SUFFIX, charts, write_curves
from cae.comparison.events.hyperparameters import run_figures, table_columns
from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report import comparison_picture
from cae.comparison.report.card import about_pictures
from cae.comparison.report.markdown import escape_markdown, render_markdown
from cae.runs import RunDirectory
from cae.runs.events import image_summary, replace_events

# Escapes that TensorBoard's Markdown does not know, to what it shows as the same character.
_UNKNOWN_ESCAPES = {r"\<": "&lt;", r"\&": "&amp;", r"\$": "$", r"\~": "~"}


def picture_summary(picture: np.ndarray, comparison: Comparison) -> Summary:
    """Make the picture of all decoders, uint8 of shape (height, width, 3), one that TensorBoard shows."""
    return image_summary("comparison/pictures", picture, escape_markdown(about_pictures(comparison)))


def text_summaries(comparison: Comparison) -> list[Summary]:
    """Make texts of comparison.md's parts, numbered since TensorBoard sorts them by name."""
    parts = report_parts(render_markdown(comparison))
    return [text_pb(f"comparison/{number:02} {heading}", text) for number, (heading, text) in enumerate(parts, start=1)]


def report_parts(markdown: str) -> list[tuple[str, str]]:
    r"""Divide a report at its headings; the part about pictures, which link to a file beside the report, is left out.

    Example:
        >>> report_parts("# Title\n\nIt is \\< 3.\n\n## Pictures\n\n![](a.png)\n\n## Terms\n\nEqual.\n")
        [('Title', 'It is &lt; 3.'), ('Terms', 'Equal.')]

    Args:
        markdown: with a heading of the first level on top, and headings of the second.

    Returns:
        Headings and texts, in their order.
    """
    unescaped = re.sub(r"\\[<&$~]", lambda found: _UNKNOWN_ESCAPES[found.group()], markdown)
    parts = [part.partition("\n") for part in re.split(r"^##? ", unescaped, flags=re.MULTILINE) if part]
    return [(heading, text.strip()) for heading, _, text in parts if heading != "Pictures"]


def write_events(
    comparison: Comparison,
    exhibits: Exhibits,
    folder: Path,
    experiment: Path | None,
    read_only: Collection[Path] = (),
) -> None:
    """Write TensorBoard's events of a comparison; those of an earlier one in the same places are replaced.

    `tensorboard --logdir EXPERIMENT` then shows the decoders' curves overlaid under Custom Scalars, one picture under
    Images, the report's parts under Text, and under HParams the runs with their metrics, to be sorted. Events of
    training stay as they are. TensorBoard keeps single precision: figures agree with the record to seven digits.

    Above 40 runs, TensorBoard shows no curve of Custom Scalars until runs are chosen, `comparison/decoders` for
    instance; each training counts four times there: by its name, `train`, `validation` and `evaluation`.

    Args:
        comparison: what was found. Its runs' paths lead to run directories; `evaluation` in each gets its metrics.
        exhibits: its pictures.
        folder: of the comparison's files; `decoders` in it gets a folder for each contender.
        experiment: the folder that holds all runs; None when they come from several, or when it cannot be written:
            then there is no common table.
        read_only: run directories that are left as they are; they have no metrics in the table.

    Raises:
        ValueError: there is no image to show.
        OSError: a file cannot be written.
    """
    overview = [picture_summary(comparison_picture(comparison, exhibits), comparison), *text_summaries(comparison)]
    write_curves(comparison.contenders, folder / "decoders")
    replace_events(folder, SUFFIX, [(0, summary) for summary in (charts(comparison.contenders), *overview)])
    for contender in comparison.contenders:
        for run in contender.runs:
            if Path(run.path) not in read_only:
                replace_events(RunDirectory(Path(run.path)).evaluation, SUFFIX, run_figures(run, comparison.split))
    if experiment is not None:
        replace_events(experiment, SUFFIX, [(0, table_columns(comparison, experiment))])
