"""The run directory and what lies in it."""

from cae.runs.directory import RunDirectory, check_is_writable, open_run

__all__ = ["RunDirectory", "check_is_writable", "open_run"]
