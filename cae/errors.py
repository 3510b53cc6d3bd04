"""Errors that are the user's to mend: shown as one message, never as a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something in the data, the files or the run is wrong; the message says what, where and what is allowed."""

    exit_code = 1


class ConfigError(UserError):
    """The command line or the configuration is wrong; the message may have one line for each problem."""

    exit_code = 2
