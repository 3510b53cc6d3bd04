"""`export`: a trained run as a file that others can serve."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cae.commands.arguments.parser import add_data_override_argument
from cae.engine import start_engine
from cae.exporting.formats import FORMATS
from cae.files import check_is_text
from cae.messages import tell
from cae.runs import RunDirectory, check_is_writable, open_run
from cae.workflows.planning import check_data_overrides, load_splits_with_progress

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.exporting.export import Exported


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--format", required=True, choices=list(FORMATS), help="what to write")
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="PATH",
        help="the file, ending in .onnx, .tflite or .keras, or the SavedModel's folder; an earlier export is replaced",
    )
    parser.add_argument(
        "--part",
        choices=("autoencoder", "encoder", "decoder"),
        default="autoencoder",
        help="images to reconstructions, images to code, or code to reconstructions; default: autoencoder",
    )
    parser.add_argument(
        "--quantize", action="store_true", help="store weights in 8 bits: smaller, and a little off; onnx and litert"
    )
    add_data_override_argument(parser)


def run_export(options: argparse.Namespace) -> int:
    """Export a run; prints how near it comes to the run, and the path."""
    wanted = FORMATS[options.format]
    wanted.check_name(options.out)
    if options.quantize:
        wanted.check_can_quantize()
    check_data_overrides(options.overrides)
    wanted.check_is_installed()
    directory = open_run(options.run_directory, tell)
    check_is_text(options.out)
    check_is_writable(options.out.parent)
    start_engine()
    exported, inputs = _export(directory, options)
    print("\n".join(map(str, exported.agreements)))
    print(f"{exported.num_bytes:,} bytes")
    print(exported.path)
    tell(f"Next, in Python, with {' and '.join(inputs)} as arrays (docs/export.md says which):")
    tell(f"  {wanted.show_loading(exported.path, inputs)}")
    return 0


def _export(directory: RunDirectory, options: argparse.Namespace) -> tuple[Exported, tuple[str, ...]]:
    from cae.config import load_config
    from cae.data.pipeline import user_errors
    from cae.exporting.export import Exporter
    from cae.exporting.parity import choose_images
    from cae.exporting.parts import make_part
    from cae.plan import make_plan
    from cae.runs.trained import image_shape_of, load_autoencoder

    config = load_config(directory.config, options.overrides)
    image_shape = image_shape_of(directory, config)
    autoencoder, digest = load_autoencoder(directory, _in_float32(config), make_plan(config.model, image_shape))
    with user_errors():
        images, what = choose_images(
            config.data, image_shape, load_splits_with_progress, must_be_own=bool(options.overrides)
        )
    if config.training.precision != "float32":
        tell(f"{directory.path}: was trained in {config.training.precision}; it is exported, and compared, in float32.")
    tell(f"{directory.path}: exporting, and comparing with the run on {what}")
    part = make_part(autoencoder, options.part)
    exporter = Exporter(config, digest, images)
    return exporter.export(part, FORMATS[options.format], options.out, quantize=options.quantize), part.inputs


def _in_float32(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"training": config.training.model_copy(update={"precision": "float32"})})
