"""The run directory and what lies in it."""

from cae.runs.directory import RunDirectory, open_run

__all__ = ["RunDirectory", "open_run"]
