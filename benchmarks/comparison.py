"""Whole comparisons: from a configuration with a grid to the report.

    python -m benchmarks.comparison --json OUT [--quick] [--seeds N] [--parts ...]

The decoders of `configs/compare_decoders.yaml` are trained as they stand, by the grid's command and by plain Keras
scripts one after another, and are then measured. They are also trained for few steps, so that what a run costs beside
its steps counts: by the grid's command, by it with `--jobs 1`, and by a command for each run.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.children import ROOT
from benchmarks.processes import run
from benchmarks.record import OURS, Measurement, count_repetitions, make_parser, save, tell
from benchmarks.timing import take_turns
from cae.config import RunConfig, expand_grid, load_config, save_config

_CONFIG = ROOT / "configs" / "compare_decoders.yaml"
_FEW_STEPS = ["training.epochs=auto", "training.steps=30", "training.schedule.warmup_epochs=0.1"]


def main() -> int:
    """Measure the parts that the options ask for."""
    parser = make_parser(__doc__, repetitions=1)
    parts: dict[str, Callable[[list[str], Path, int], list[Measurement]]] = {"whole": measure_whole, "few": measure_few}
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts), metavar="PART", help=", ".join(parts))
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each decoder; default: 1")
    options = parser.parse_args()
    changes = ["name=run", f"grid.seed={list(range(options.seeds))}"]
    if options.quick:
        changes += ["grid.model.decoder.upsampling=[subpixel, max_unpool]", "training.epochs=2"]
    measurements = []
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            for measurement in parts[part](changes, Path(name), count_repetitions(options)):
                tell(measurement)
                measurements.append(measurement)
    return save("comparison", options, measurements)


def measure_whole(changes: list[str], folder: Path, repetitions: int) -> list[Measurement]:
    """Seconds of training all runs as the configuration says, beside Keras scripts, and of measuring and comparing."""
    config = load_config(_CONFIG, changes)
    grid, alone, to = _write(config, folder)
    script = "benchmarks.contestants.comparison_script"
    found = take_turns(
        [
            lambda: {OURS: run("train.py", grid, *to).seconds},
            lambda: {"keras scripts": math.fsum(run("-m", script, one, folder / "k.keras").seconds for one in alone)},
            lambda: {"measuring": run("-m", "cae", "evaluate", folder / "runs" / config.experiment, "--again").seconds},
        ],
        repetitions,
    )
    measuring, facts = found.pop("measuring"), {"runs": len(alone)}
    return [
        Measurement({"part": "training"}, "s", found, more_is_better=False, facts=facts),
        Measurement({"part": "measuring"}, "s", {OURS: measuring}, more_is_better=False, facts=facts),
    ]


def measure_few(changes: list[str], folder: Path, repetitions: int) -> list[Measurement]:
    """Seconds of training all runs for few steps, in each way."""
    grid, alone, to = _write(load_config(_CONFIG, [*changes, *_FEW_STEPS]), folder)
    found = take_turns(
        [
            lambda: {OURS: run("train.py", grid, *to).seconds},
            lambda: {"--jobs 1": run("train.py", grid, *to, "--jobs", "1").seconds},
            lambda: {"a command a run": math.fsum(run("train.py", one, *to).seconds for one in alone)},
        ],
        repetitions,
    )
    case = {"part": "30 steps a run"}
    return [Measurement(case, "s", found, more_is_better=False, facts={"runs": len(alone)})]


def _write(config: RunConfig, folder: Path) -> tuple[Path, list[Path], list[str]]:
    """Write the grid and each of its runs as files; returns them, and the words that say where runs go."""
    grid = folder / "grid.yaml"
    save_config(config, grid)
    alone = []
    for one in expand_grid(config):
        alone.append(folder / f"{one.name}.yaml")
        save_config(one, alone[-1])
    return grid, alone, ["--overwrite", "--runs-dir", str(folder / "runs")]


if __name__ == "__main__":
    sys.exit(main())
