"""Whole comparisons: from a configuration with a grid to the report.

    python -m benchmarks.comparison --json OUT [--quick] [--steps N]

The decoders of `configs/compare_decoders.yaml` are trained for few steps, so that what a run costs beside its steps
counts: by the grid's command, by it with `--jobs 1`, and by a command for each run. The runs are then measured.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

from benchmarks.children import ROOT
from benchmarks.processes import run
from benchmarks.record import OURS, Measurement, count_repetitions, make_parser, save, tell
from benchmarks.timing import take_turns
from cae.config import RunConfig, expand_grid, load_config, save_config

_CONFIG = ROOT / "configs" / "compare_decoders.yaml"


def main() -> int:
    """Measure training and measuring of a comparison."""
    parser = make_parser(__doc__, repetitions=3)
    parser.add_argument("--steps", type=int, default=30, help="training steps of each run; default: 30")
    options = parser.parse_args()
    changes = [f"training.steps={options.steps}", "training.schedule.warmup_epochs=0.1", "name=run"]
    if options.quick:
        changes.append("grid.model.decoder.upsampling=[subpixel, max_unpool]")
    config = load_config(_CONFIG, changes)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        measurements = measure(config, Path(name), count_repetitions(options))
    for measurement in measurements:
        tell(measurement)
    return save("comparison", options, measurements)


def measure(config: RunConfig, folder: Path, repetitions: int) -> list[Measurement]:
    """Seconds of training the grid's runs in each way, and of measuring and comparing them."""
    grid, runs = folder / "grid.yaml", folder / "runs"
    save_config(config, grid)
    alone = []
    for one in expand_grid(config):
        alone.append(folder / f"{one.name}.yaml")
        save_config(one, alone[-1])
    to: list[str | Path] = ["--overwrite", "--runs-dir", runs]
    found = take_turns(
        [
            lambda: {OURS: run("train.py", grid, *to).seconds},
            lambda: {"--jobs 1": run("train.py", grid, *to, "--jobs", "1").seconds},
            lambda: {"a command a run": math.fsum(run("train.py", one, *to).seconds for one in alone)},
            lambda: {"measuring": run("-m", "cae", "evaluate", runs / config.experiment, "--again").seconds},
        ],
        repetitions,
    )
    measuring, facts = found.pop("measuring"), {"runs": len(alone)}
    return [
        Measurement({"part": "training"}, "s", found, more_is_better=False, facts=facts),
        Measurement({"part": "measuring"}, "s", {OURS: measuring}, more_is_better=False, facts=facts),
    ]


if __name__ == "__main__":
    sys.exit(main())
