"""`describe`: a model's layers, shapes and code size without training. `list`: runs, kinds, configurations, keys."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from cae.commands.arguments.parser import add_override_argument
from cae.config import load_config
from cae.config.problems import describe
from cae.config.schema_walk import root_shape
from cae.config.yaml.nodes import dotted
from cae.data.sources import find_image_shape
from cae.errors import ConfigError, UserError
from cae.messages import align, next_steps, tell
from cae.plan.lowering import format_steps, lower, this_cpu
from cae.plan.table import format_plan, format_step_memory
from cae.runs import RunDirectory
from cae.workflows.planning import batch_size_of, memory_of_step, plan_for


def add_describe_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="YAML file")
    add_override_argument(parser)
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="also draw encoder and decoder; FILE ends in .png, .svg or .pdf"
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON instead")


def run_describe(options: argparse.Namespace) -> int:
    """Print the plan, and draw it if that is asked for; needs neither TensorFlow nor, for most sources, the images."""
    figure: Path | None = options.figure
    if figure is not None:
        # Imported only for a picture, since the library takes time to load.
        from cae.plan_figure.draw import check_ending, save_plan_figure

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
    print(format_step_memory(memory, batch_size, config.training.planned_precision))
    if options.debug:
        print("\nwhile training on this machine's processor, computed together or in other forms:")
        dtype = config.training.planned_precision.removeprefix("mixed_")
        print("\n".join(format_steps(lower(plan.operations, this_cpu(), dtype, training=True))))
    if figure is not None:
        print(f"\n{figure}")
    words = [word for override in options.overrides for word in ("--set", override)]
    tell(next_steps(["python", "train.py", options.config, *words]))
    return 0


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "what",
        choices=("runs", "kinds", "configs", "keys"),
        help="runs that were begun; kinds of layers, optimizers and other choices; configuration files; keys of these",
    )
    parser.add_argument(
        "pattern", nargs="?", default="", help="only lines with this in them, in small or capital letters"
    )
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    parser.add_argument("--json", action="store_true", help="print a JSON list of objects instead of a table")


def run_list(options: argparse.Namespace) -> int:
    """Print a table, or JSON."""
    headers, rows = {
        "runs": (("run", "status", "epochs", "val_psnr", "parameters"), _runs(options.runs_dir)),
        "kinds": (("key", "choice", "what it is"), _kinds()),
        "configs": (("file", "what it is for"), _configs()),
        "keys": (("key", "default", "values", "what it is"), _keys()),
    }[options.what]
    wanted = [row for row in rows if options.pattern.lower() in " ".join(_cells(row)).lower()]
    if options.json:
        print(json.dumps([dict(zip(headers, row, strict=True)) for row in wanted], indent=2))
    elif wanted:
        numbers = (2, 3, 4) if options.what == "runs" else ()
        print("\n".join(align([headers, *map(_cells, wanted)], numbers)))
    else:
        where = f" in {options.runs_dir}" if options.what == "runs" else ""
        tell(f"There are none{where}{f' with {options.pattern!r}' if options.pattern else ''}.")
    return 0


Rows = Iterator[Sequence[str | int | float | None]]


def _cells(row: Sequence[str | int | float | None]) -> list[str]:
    """A row as text, for people: PSNR with two decimals, thousands apart, nothing where nothing is known."""
    return [
        "" if one is None else f"{one:.2f}" if isinstance(one, float) else f"{one:,}" if isinstance(one, int) else one
        for one in row
    ]


def _runs(folder: Path) -> Rows:
    """Of RUNS_DIR/EXPERIMENT/NAME; one whose files are damaged is named all the same."""
    for path in sorted(folder.glob("*/*")):
        found = RunDirectory(path)
        if not found.exists or path.name.startswith("."):
            continue
        try:
            rows = found.read_metrics() if found.metrics.exists() else []
            summary = found.read_summary() if found.summary.exists() else {}
        except UserError:
            yield str(path), "damaged", None, None, None
            continue
        best = max((float(row["val_psnr"]) for row in rows), default=None)
        yield str(path), found.status or "not finished", len(rows), best, summary.get("parameters")


def _kinds() -> Rows:
    for path in dict.fromkeys(root_shape().paths()):
        shape = root_shape().at(path)
        if shape is not None and shape.options is not None:
            for word, section in shape.options.shapes.items():
                chosen = section.keys[shape.options.by].schema.get("description", "")
                yield dotted(path), word, chosen or section.schema.get("description", "")


def _configs() -> Rows:
    for path in sorted(Path("configs").glob("*.y*ml")):
        yield str(path), purpose(path.read_text(encoding="utf-8", errors="replace"))


def purpose(text: str) -> str:
    r"""What a configuration is for: its first comment, up to the next heading.

    >>> purpose("# Purpose:  small codes,\n#           compared\n# Command:  python train.py\nseed: 1\n")
    'small codes, compared'
    """
    found = re.match(r"(?:# Purpose:|#)(.*(?:\n#(?! \w+:).*)*)", text)
    return " ".join(found[1].replace("\n#", " ").split()) if found else ""


def _keys() -> Rows:
    for path in dict.fromkeys(root_shape().paths()):
        shape = root_shape().at(path)
        if shape is None:
            raise ConfigError(f"{dotted(path)} is not in the schema")
        default = shape.default
        shown = "" if isinstance(default, dict) else json.dumps(default)
        yield dotted(path), shown, describe(shape), shape.schema.get("description", "")
