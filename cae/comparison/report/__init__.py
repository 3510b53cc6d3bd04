"""A comparison's files: JSON, Markdown, a page and a picture, all of one record."""

from cae.comparison.report.page import write_report
from cae.comparison.report.picture import comparison_picture

__all__ = ["comparison_picture", "write_report"]
