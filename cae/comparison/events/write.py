"""All events of a comparison, with its overview in words."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb

from cae.comparison.events.hyperparameters import table_columns
from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report import comparison_picture
from cae.comparison.report.card import about_pictures
from cae.comparison.report.markdown import escape_markdown, render_markdown
from cae.runs.events import image_summary, remove_events, replace_events, write_figures

# Tells the comparison's event files from others in the same folder.
SUFFIX = ".comparison"
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

    Tables become text of one letter width: TensorBoard would break words anywhere to bring a wide table in.

    Example:
        >>> report_parts("# Title\n\nIt is \\< 3.\n\n## Pictures\n\n![](a.png)\n\n## Terms\n\nEqual.\n")
        [('Title', 'It is &lt; 3.'), ('Terms', 'Equal.')]

    Args:
        markdown: with a heading of the first level on top, and headings of the second.

    Returns:
        Headings and texts, in their order.
    """
    as_code = re.sub(r"^\|.*", lambda row: "    " + re.sub(r"\\(.)", r"\1", row[0]), markdown, flags=re.MULTILINE)
    unescaped = re.sub(r"\\[<&$~]", lambda found: _UNKNOWN_ESCAPES[found.group()], as_code)
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

    `tensorboard --logdir EXPERIMENT` then shows one picture under Images, the report's parts under Text, and under
    HParams the runs with their metrics, to be sorted. Events of training stay as they are. TensorBoard keeps single
    precision: figures agree with the record to seven digits.

    TensorBoard ticks no run where there are more than 40: each training is one, and the comparison two, its own
    folder and that of the experiment.

    Args:
        comparison: what was found. Its runs' paths lead to run directories, which get their metrics.
        exhibits: its pictures.
        folder: of the comparison's files.
        experiment: the folder that holds all runs; None when they come from several, or when it cannot be written:
            then there is no common table.
        read_only: run directories that are left as they are; they have no metrics in the table.

    Raises:
        ValueError: there is no image to show.
        OSError: a file cannot be written.
    """
    overview = [picture_summary(comparison_picture(comparison, exhibits), comparison), *text_summaries(comparison)]
    for earlier in [*(folder / "decoders").glob("*")]:  # a run for each decoder, of version 0.1.0
        remove_events(earlier, SUFFIX)
    replace_events(folder, SUFFIX, [(0, summary) for summary in overview])
    for _, run in comparison.labelled_runs:
        if Path(run.path) not in read_only:
            write_figures(Path(run.path), comparison.split, run.metrics, run.best_epoch)
    if experiment is not None:
        replace_events(experiment, SUFFIX, [(0, table_columns(comparison, experiment))])
