"""`reconstruct`: pictures or arrays of any size through a trained model."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cae.atomic_files import filling_folder, table_cell, writing_table
from cae.commands.arguments.images import (
    BadImages,
    add_image_arguments,
    add_size_arguments,
    check_image_arguments,
    open_given,
    overlap_of,
    tell_warnings,
    way_of,
)
from cae.errors import ConfigError
from cae.inference import TrainedAutoencoder
from cae.inference.inputs import Inputs
from cae.inference.output_folder import OutputFolder, check_is_usable, compare_all
from cae.messages import number_of, progress_bar, tell
from cae.runs import check_is_writable, open_run

if TYPE_CHECKING:
    from cae.inference.any_size import AnySize

ERROR_MAPS = "error_maps"
_ARRAY_FILE = "reconstructions.npy"
_FIGURES = ("mse", "psnr", "ssim")


def add_reconstruct_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_image_arguments(parser)
    add_size_arguments(parser)
    group = parser.add_argument_group("what is written")
    group.add_argument("--out", type=Path, required=True, help="folder for the reconstructions and scores.csv")
    group.add_argument("--overwrite", action="store_true", help="write into a folder that holds files already")
    group.add_argument("--error-maps", action="store_true", help=f"also draw where the errors are, in OUT/{ERROR_MAPS}")
    group.add_argument(
        "--format",
        choices=("png", "npy"),
        default="png",
        help=f"png: one lossless file for each image, JPEG ones too; npy: for an array, one float32 array in [0, 1],"
        f" OUT/{_ARRAY_FILE}; default: png",
    )


def run_reconstruct(options: argparse.Namespace) -> int:
    """Reconstruct images; prints the mean PSNR and SSIM, and last the folder."""
    check_image_arguments(options)
    check_is_usable(options.out, options.input, overwrite=options.overwrite)
    directory = open_run(options.run_directory, tell)
    check_is_writable(options.out)
    model = TrainedAutoencoder.load(directory, tell)
    inputs = open_given(model, options)
    if options.format == "npy" and not inputs.is_array:
        raise ConfigError("--format npy needs an array as INPUT, since other images may differ in size.")
    sizes = model._at_any_size(overlap_of(options))
    bad = BadImages(options.on_bad_image)
    with filling_folder(options.out) as folder, _writing(folder, options, inputs, model.image_shape[2]) as keep:
        quality = _reconstruct_all(inputs, sizes, options, bad, keep)
        tell_warnings(inputs, options)
        exit_code = bad.exit_code(len(inputs.names))
    count = len(quality["psnr"])
    print(
        f"{number_of(count, 'image')}: PSNR {np.mean(quality['psnr']):.2f} dB,"
        f" SSIM {np.mean(quality['ssim']):.4f} (means; each image's in {options.out / 'scores.csv'})"
    )
    print(options.out)
    if not options.error_maps:
        tell("With --error-maps: pictures of where the errors are, too")
    return exit_code


class ReconstructedImage(NamedTuple):
    """One image's reconstruction."""

    place: int
    """Of the image among all."""
    image: np.ndarray
    reconstruction: np.ndarray
    quality: dict[str, float]
    score: float
    """The mean squared error at the size that the model works at: what `score --metric mse` gives."""


Keep = Callable[[ReconstructedImage], None]


def _reconstruct_all(
    inputs: Inputs, sizes: AnySize, options: argparse.Namespace, bad: BadImages, keep: Keep
) -> dict[str, list[float]]:
    """Keep each image's reconstruction; gives the figures of all."""
    from cae.anomaly.scores import measure_quality, score_images
    from cae.inference.any_size import resize_back

    quality: dict[str, list[float]] = {name: [] for name in _FIGURES}
    with progress_bar("reconstructing", "image" if len(inputs.names) > 1 else "tile") as show:
        for compared in compare_all(inputs, sizes, way_of(options), on_bad=bad, tell=tell, progress=show):
            made = resize_back(compared.reconstructions, compared.images.shape[1:3])
            measured = measure_quality(compared.images, made)
            scores = score_images(compared.seen, compared.reconstructions, "mse")
            for name in _FIGURES:
                quality[name] += measured[name].tolist()
            for place, index in enumerate(compared.indices):
                figures = {name: float(measured[name][place]) for name in _FIGURES}
                keep(ReconstructedImage(index, compared.images[place], made[place], figures, float(scores[place])))
    return quality


@contextlib.contextmanager
def _writing(folder: Path, options: argparse.Namespace, inputs: Inputs, channels: int) -> Iterator[Keep]:
    """Give what keeps each reconstruction in a folder."""
    pictures = OutputFolder(folder, inputs.names, [ERROR_MAPS])
    with contextlib.ExitStack() as stack:
        columns = ["file", *_FIGURES, "score", "reconstruction"]
        # Complete after all that it tells of.
        write_row = stack.enter_context(writing_table(folder / "scores.csv", columns))
        array = stack.enter_context(_growing_array(folder, inputs, channels)) if options.format == "npy" else None

        def keep(made: ReconstructedImage) -> None:
            if array is None:
                pictures.save(made.place, made.reconstruction)
                file = pictures.files[made.place]
            else:
                array(made.place, made.reconstruction)
                file = f"{_ARRAY_FILE}[{made.place}]"
            if options.error_maps:
                pictures.save(made.place, _error_picture(made), ERROR_MAPS)
            figures = [*(repr(made.quality[name]) for name in _FIGURES), repr(made.score)]
            write_row([table_cell(inputs.names[made.place]), *figures, table_cell(file)])

        yield keep


@contextlib.contextmanager
def _growing_array(folder: Path, inputs: Inputs, channels: int) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Give what writes the image of a place into an .npy file."""
    shape = (len(inputs.names), *inputs.read(0).shape[:2], channels)
    image_bytes = 4 * math.prod(shape[1:])
    # Not mapped into memory, where a full disk would end the program without a word.
    with open(folder / _ARRAY_FILE, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        file.truncate(start + shape[0] * image_bytes)

        def write(place: int, image: np.ndarray) -> None:
            file.seek(start + place * image_bytes)
            file.write(np.ascontiguousarray(image, "<f4").tobytes())

        yield write


def _error_picture(made: ReconstructedImage) -> np.ndarray:
    from cae.anomaly.scores import color_errors, error_map

    return color_errors(error_map(made.image, made.reconstruction))
