"""`describe`: print a model's layers, shapes, parameters and code size without training, and draw them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from cae.commands.planning import add_override_argument, batch_size_of, memory_of_step, plan_for
from cae.config import load_config
from cae.data.sources import find_image_shape
from cae.plan.lowering import format_steps, lower, this_cpu
from cae.plan.table import format_plan, format_step_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="YAML file")
    add_override_argument(parser)
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="also draw encoder and decoder; FILE ends in .png, .svg or .pdf"
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON instead")


def run(options: argparse.Namespace) -> int:
    """Print the plan, and draw it if that is asked for; needs neither TensorFlow nor, for most sources, the images."""
    figure: Path | None = options.figure
    if figure is not None:
        # Only who wants a picture waits for the library that draws it.
        from cae.plan_figure import check_ending, save_plan_figure

        check_ending(figure)
    config = load_config(options.config, options.overrides)
    plan = plan_for(config, find_image_shape(config.data), options.config)
    if figure is not None:
        save_plan_figure(plan, figure)
    batch_size = batch_size_of(config, plan)
    memory = memory_of_step(config, plan, batch_size)
    if options.json:
        print(json.dumps({**plan.as_dict(), "batch_size": batch_size, "step_memory_bytes": asdict(memory)}, indent=2))
        return 0
    print(format_plan(plan))
    print(format_step_memory(memory, batch_size, config.training.precision))
    if options.debug:
        print("\nwhile training on this machine's processor, computed together or in other forms:")
        dtype = config.training.precision.removeprefix("mixed_")
        print("\n".join(format_steps(lower(plan.operations, this_cpu(), dtype, training=True))))
    if figure is not None:
        print(f"\n{figure}")
    return 0
