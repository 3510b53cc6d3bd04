"""What the comparison's own run shows: one picture, and the report as text."""

from __future__ import annotations

import re

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb

from cae.comparison.record import Comparison
from cae.comparison.report.answer import about_pictures
from cae.comparison.report.markdown import escape_markdown, render_markdown
from cae.runs.events import image_summary

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
