"""`tune`: find a learning rate in a minute, by a short training whose rate rises (Smith 2017)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cae.atomic_files import filling_folder, write_json
from cae.commands.planning import add_override_argument
from cae.commands.training_order import Order, find_learning_rate
from cae.config import load_config
from cae.messages import next_steps, progress_bar, tell
from cae.runs import check_is_writable
from cae.training.range_test import HIGHEST, LOWEST, STEPS

if TYPE_CHECKING:
    from cae.training.range_test import RangeTest

_KEY = "training.optimizer.learning_rate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="YAML file")
    add_override_argument(parser)
    parser.add_argument("--lowest", type=float, default=LOWEST, help=f"the first rate; default: {LOWEST:g}")
    parser.add_argument("--highest", type=float, default=HIGHEST, help=f"the last rate; default: {HIGHEST:g}")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps at most, at least 20; default: {STEPS}")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for learning_rate.png and learning_rate.json; default: tuning/EXPERIMENT/NAME",
    )


def run(options: argparse.Namespace) -> int:
    """Test learning rates; prints the suggestion, and last the folder."""
    config = load_config(options.config, options.overrides)
    folder = options.out or Path("tuning") / config.experiment / config.name
    check_is_writable(folder)
    order = Order(config, options.config, Path("runs"))
    with progress_bar("rates", "step") as show:
        found = find_learning_rate(order, options.lowest, options.highest, options.steps, show)
    with filling_folder(folder) as filled:
        write_json(filled / "learning_rate.json", {"set": config.training.optimizer.learning_rate, **found.as_dict()})
        _save_picture(found, filled / "learning_rate.png", f"{config.experiment}/{config.name}")
    print(f"suggested learning rate: {found.suggestion:g} (a tenth of {found.lowest_at:.2g}, where the loss is lowest)")
    words = [word for override in options.overrides for word in ("--set", override)]
    tell(next_steps(["python", "train.py", options.config, *words, "--set", f"{_KEY}={found.suggestion:g}"]))
    print(folder)
    return 0


def _save_picture(found: RangeTest, path: Path, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color="#9fd2f2", label="each step")
    axes.plot(found.rates, found.smoothed, color="#0072B2", label="smoothed")
    axes.axvline(found.suggestion, color="#B34700", label=f"suggested: {found.suggestion:g}")
    # Where the loss explodes at the end, the part that matters would be flat.
    low, high = min(found.smoothed), max(found.smoothed[: found.rates.index(found.lowest_at) + 1])
    axes.set_ylim(low - 0.1 * (high - low), high + 0.3 * (high - low))
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title=title)
    axes.legend()
    FigureCanvasAgg(figure).print_png(path, metadata={"Title": f"Learning-rate range test of {title}"})
