"""A comparison's files: JSON, Markdown, a page and a picture, all of one record."""

from cae.comparison.report.picture import comparison_picture
from cae.comparison.report.write import write_report

__all__ = ["comparison_picture", "write_report"]
