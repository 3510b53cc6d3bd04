"""`decode`: images of codes that `encode` has written, or that somebody has changed since."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cae.atomic_files import filling_folder
from cae.errors import NonFiniteOutputError, UserError
from cae.files import file_error, printable
from cae.inference import TrainedAutoencoder
from cae.inference.codes_file import Codes, read_codes
from cae.inference.output_folder import OutputFolder, check_is_usable
from cae.messages import progress_bar, tell
from cae.runs import check_is_writable, open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("codes", type=Path, metavar="CODES", help="a file that `encode` has written")
    parser.add_argument("--out", type=Path, required=True, help="folder for the images")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds files already")


def run(options: argparse.Namespace) -> int:
    """Decode a file of codes to PNG files; prints how many, and last the folder."""
    check_is_usable(options.out, None, overwrite=options.overwrite)
    codes = read_codes(options.codes)
    directory = open_run(options.run_directory, tell)
    check_is_writable(options.out)
    model = TrainedAutoencoder.load(directory, tell)
    try:
        model.check_decodes()
    except ValueError as error:
        raise UserError(f"{directory.path}: {error}") from error
    _check_is_for(codes, model, options.codes)
    step = model.config.training.images_at_once
    with filling_folder(options.out) as folder, progress_bar("decoding", "image") as show:
        pictures = OutputFolder(folder, codes.names)
        for first in range(0, len(codes.codes), step):
            for place, image in enumerate(_decode(model, codes, first, step, options.codes), first):
                pictures.save(place, image)
            show(min(first + step, len(codes.codes)), len(codes.codes))
    count = len(codes.codes)
    print(f"{count:,} image{'s' * (count != 1)}")
    print(options.out)
    return 0


def _decode(model: TrainedAutoencoder, codes: Codes, first: int, step: int, path: Path) -> np.ndarray:
    try:
        return model.decode(codes.codes[first : first + step])
    except NonFiniteOutputError as error:
        raise error.named(printable(codes.names[first + error.index])) from None
    except ValueError as error:
        raise file_error(path, str(error)) from error


def _check_is_for(codes: Codes, model: TrainedAutoencoder, path: Path) -> None:
    """Refuse codes that mean nothing to the model.

    Raises:
        UserError: they are pooled, of another shape, or another run's.
    """
    description = codes.description
    if description is not None and description.pool != "none":
        raise file_error(
            path, f"codes that were pooled (--pool {description.pool}) cannot be decoded: where things were is lost."
        )
    if not len(codes.codes) or codes.codes.shape[1:] != model.code_shape:
        raise file_error(
            path,
            f"codes of this run must have shape (images, {', '.join(map(str, model.code_shape))}). Received:"
            f" {codes.codes.shape}.",
        )
    if description is None:
        tell(f"{printable(path)}: does not say which run made these codes; they are taken for this one's.")
    elif description.weights != model.weights_digest:
        raise file_error(
            path,
            f"these codes were made by other weights, of the run {printable(description.run)}: they mean something else"
            f" to {printable(model.directory.path)}. Encode the images again with it, or decode with that run.",
        )
