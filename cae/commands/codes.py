"""`encode`: the codes that a trained model makes of images, in a file. `decode`: images of such codes."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cae.atomic_files import filling_folder
from cae.commands.arguments.images import (
    BadImages,
    add_image_arguments,
    check_image_arguments,
    open_given,
    tell_warnings,
)
from cae.commands.arguments.parser import add_device_argument
from cae.errors import ConfigError, NonFiniteOutputError, UserError
from cae.files import file_error, printable
from cae.inference import TrainedAutoencoder
from cae.inference.codes_file import ENDINGS, Codes, CodesWriter, Description, check_format, read_codes, writing_codes
from cae.inference.inputs import Group, Inputs, read_groups
from cae.inference.output_folder import OutputFolder, check_is_usable
from cae.inference.trained_autoencoder import Pool
from cae.messages import next_steps, number_of, progress_bar, tell
from cae.runs import check_is_writable, open_run


def add_encode_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_image_arguments(parser)
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"file for the codes, ending in {', '.join(ENDINGS)} (the last needs pyarrow)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    group.add_argument(
        "--pool",
        choices=("none", "mean", "max"),
        default="none",
        help="one value for each channel of a spatial code: the mean or the maximum over all places; default: none",
    )


def run_encode(options: argparse.Namespace) -> int:
    """Encode images; prints how many codes of which shape, and last the file."""
    check_image_arguments(options)
    check_format(options.out)
    if options.out.exists() and not options.overwrite:
        raise ConfigError(f"--out: {printable(options.out)} is there already; --overwrite replaces it.")
    directory = open_run(options.run_directory, tell)
    check_is_writable(options.out.absolute().parent)
    model = TrainedAutoencoder.load(directory, tell)
    try:
        model._check_pools(options.pool)
    except ValueError as error:
        raise ConfigError(f"--pool: {error}") from error
    inputs = open_given(model, options)
    shape = model.code_shape if options.pool == "none" else model.code_shape[-1:]
    description = Description(
        run=f"{directory.experiment}/{directory.name}",
        weights=model._weights_digest,
        code_shape=shape,
        pool=options.pool,
        image_shape=model.image_shape,
    )
    bad = BadImages(options.on_bad_image)
    options.out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with writing_codes(options.out, description) as writer:
        _encode_all(model, inputs, options.pool, bad, writer)
        tell_warnings(inputs, options)
        exit_code = bad.exit_code(len(inputs.names))
    count = len(inputs.names) - len(bad.names)
    print(f"{count:,} codes of shape {shape}" + (", with classes" if inputs.classes else ""))
    print(options.out)
    tell(_next_step(model, options))
    return exit_code


def _encode_all(model: TrainedAutoencoder, inputs: Inputs, pool: Pool, bad: BadImages, writer: CodesWriter) -> None:
    batch_size = model.config.training.images_at_once
    total = len(inputs.names)
    with progress_bar("encoding", "image") as show:
        for group in read_groups(inputs, lambda size: batch_size, bad):
            _encode(model, inputs, group, pool, bad, writer)
            show(group.indices[-1] + 1, total)


def _encode(
    model: TrainedAutoencoder, inputs: Inputs, group: Group, pool: Pool, bad: BadImages, writer: CodesWriter
) -> None:
    try:
        codes = model._encode_pixels(group.pixels, pool)
    except NonFiniteOutputError as error:
        raise error.named(printable(inputs.names[group.indices[error.index]])) from None
    except ValueError as error:  # all of a group have one size
        for index in group.indices:
            bad(inputs.names[index], str(error))
        return
    names = [printable(inputs.names[index]) for index in group.indices]
    # A file that lies beside class folders has no class.
    classes = None if inputs.classes is None else [inputs.classes[index] or "" for index in group.indices]
    writer.write(codes, names, classes)


def _next_step(model: TrainedAutoencoder, options: argparse.Namespace) -> str:
    out: Path = options.out
    readers = {".npz": "numpy.load", ".parquet": "pandas.read_parquet"}
    read = f"In Python: {readers.get(out.suffix.lower(), 'h5py.File')}({str(out)!r})['codes']"
    if options.pool != "none" or model.has_switches:
        return read
    decoded = out.with_name(f"{out.stem}-decoded")
    decode = ["python", "-m", "cae", "decode", model._directory.path, out, "--out", decoded]
    return f"{read}\n{next_steps(decode)}"


def add_decode_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("codes", type=Path, metavar="CODES", help="a file that `encode` has written")
    parser.add_argument("--out", type=Path, required=True, help="folder for the images")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds files already")
    add_device_argument(parser)


def run_decode(options: argparse.Namespace) -> int:
    """Decode a file of codes to PNG files; prints how many, and last the folder."""
    check_is_usable(options.out, None, overwrite=options.overwrite)
    codes = read_codes(options.codes)
    directory = open_run(options.run_directory, tell)
    check_is_writable(options.out)
    model = TrainedAutoencoder.load(directory, tell)
    try:
        model._check_decodes()
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
    print(f"{number_of(count, 'image')}")
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
    elif description.weights != model._weights_digest:
        raise file_error(
            path,
            f"these codes were made by other weights, of the run {printable(description.run)}: they mean something else"
            f" to {printable(model._directory.path)}. Encode the images again with it, or decode with that run.",
        )
