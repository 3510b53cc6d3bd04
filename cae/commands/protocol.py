"""`protocol`: write down what a comparison is to find out, before it is trained."""

from __future__ import annotations

import argparse
from pathlib import Path

from cae.commands.evaluate import positive_number
from cae.commands.given_images import SPLITS
from cae.commands.planning import add_override_argument, load_splits_with_progress
from cae.commands.training_order import Order, find_grid
from cae.config import ConfigError, load_config
from cae.engine import start_engine
from cae.messages import next_steps, tell
from cae.runs import check_is_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="YAML file with a grid")
    add_override_argument(parser)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    parser.add_argument("--split", choices=SPLITS, default="test", help="images that measure; default: test")
    parser.add_argument("--metric", default="psnr", help="what decoders are compared by; default: psnr")
    parser.add_argument(
        "--band",
        type=positive_number,
        metavar="AMOUNT",
        help="decoders whose figures differ by less are equivalent; default: 0.1 dB of PSNR, else none",
    )


def run(options: argparse.Namespace) -> int:
    """Write RUNS_DIR/EXPERIMENT/protocol.json; prints its SHA-256, and last the file."""
    config = load_config(options.config, options.overrides)
    if not config.grid:
        raise ConfigError(f"{options.config} has no `grid`, and a single run is compared with nothing.")
    order = Order(config, options.config, options.runs_dir)
    check_is_writable(order.experiment)
    combinations = find_grid(order)
    start_engine()
    from cae.atomic_files import write_json
    from cae.comparison.compare import check_metric
    from cae.comparison.protocol import NAME, check_is_new, make_protocol
    from cae.evaluation.evaluation_set import EvaluationSet

    check_is_new(order.experiment, [one.directory.path for one in combinations if one.directory.exists])
    images = EvaluationSet(load_splits_with_progress(combinations[0].config.data), options.split)
    check_metric(options.metric, images.images.image_shape)
    protocol = make_protocol(
        [one.config for one in combinations],
        split=options.split,
        metric=options.metric,
        band=options.band,
        num_images=len(images.images),
        digest=images.digest,
    )
    path = order.experiment / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, protocol)
    print(f"sha256 {protocol['sha256']}")
    words = [word for override in options.overrides for word in ("--set", override)]
    tell(next_steps(["python", "train.py", options.config, *words, "--runs-dir", options.runs_dir]))
    print(path)
    return 0
