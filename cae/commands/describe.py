"""`describe`: print a model's layers, shapes, parameters and code size without training."""

from __future__ import annotations

import argparse
from pathlib import Path

from cae.commands.planning import add_override_argument, plan_for
from cae.config import load_config
from cae.data.load import find_image_shape
from cae.plan.table import format_plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="YAML file")
    add_override_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print the plan; needs neither TensorFlow nor, for most sources, the images."""
    config = load_config(options.config, options.overrides)
    print(format_plan(plan_for(config, find_image_shape(config.data), options.config)))
    return 0
