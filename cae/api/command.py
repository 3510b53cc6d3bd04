"""A command of the command line, run by the Python names of its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cae.api.spoken import collected
from cae.config.problems import closest
from cae.config.registration import how_to_add
from cae.errors import ConfigError, UserError


def run_command(command: str, tell: Callable[[str], None], **given: Any) -> list[str]:
    """Run a command of the command line with its options by their Python names; returns the lines that it prints."""
    from cae.commands.main import make_command_parser

    parser, options = make_command_parser(command), argparse.Namespace(debug=False, quiet=False)
    for action in parser._actions:
        value = given.get(action.dest)
        if value is None:
            value = action.default if action.default is not argparse.SUPPRESS else None
        elif action.type is Path:
            value = [Path(one) for one in value] if isinstance(value, list) else Path(value)
        elif action.choices and value not in action.choices:
            meant = closest(str(value), action.choices, cutoff=0.5)
            advice = f"did you mean {meant}?" if meant else how_to_add(action.choices)
            hint = f"; {advice}" if advice else ""
            raise ConfigError(f"`{action.dest}` must be one of {', '.join(action.choices)}. Received: {value!r}{hint}.")
        setattr(options, action.dest, value)
    with collected(tell) as printed:
        exit_code = parser.get_default("run")(options)
    if exit_code:
        raise UserError(f"{command} has not gone through for all of it; the lines above say why.")
    return printed.getvalue().splitlines()
