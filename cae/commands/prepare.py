"""`prepare`: write an image folder as TFRecord shards, which `data.source: tfrecord` reads."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from cae.atomic_files import replacing_folder, restore_folder
from cae.config.data import ImageFolderData
from cae.data.formats.shards import MANIFEST_NAME
from cae.engine import start_engine
from cae.errors import ConfigError
from cae.files import file_error, printable
from cae.messages import next_steps, number_of, progress_bar, tell

_MEGABYTE = 10**6


def add_prepare_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="image folder, as for data.source: image_folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the shards; appears when all is written")
    group = parser.add_argument_group("what becomes of the images")
    group.add_argument(
        "--image-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="height and width that all images are brought to, stored as PNG; default: files are stored as they are",
    )
    group.add_argument(
        "--fit", choices=["stretch", "crop"], default="stretch", help="how --image-size is reached; default: stretch"
    )
    group.add_argument("--channels", type=int, choices=[1, 3], help="store all images in gray, or in colour, as PNG")
    parser.add_argument(
        "--shard-megabytes", type=float, default=128, metavar="N", help="size at which a shard is full; default: 128"
    )
    parser.add_argument(
        "--on-bad-image",
        choices=["error", "skip"],
        default="error",
        help="stop at files that cannot be read, or leave them out; default: error",
    )
    parser.add_argument(
        "--max-pixels", type=int, default=100_000_000, metavar="N", help="most pixels of an image; default: 100000000"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is a prepared data set")


def run_prepare(options: argparse.Namespace) -> int:
    """Prepare a data set; prints its folder.

    OUT is complete, or what it was before: a command that was interrupted starts afresh when repeated.
    """
    if options.image_size and min(options.image_size) < 1:
        raise ConfigError(f"--image-size must be two integers of at least 1. Received: {options.image_size}.")
    if options.fit != "stretch" and not options.image_size:
        raise ConfigError(f"--fit {options.fit} has no effect without --image-size.")
    if not options.shard_megabytes > 0:
        raise ConfigError(f"--shard-megabytes must be above 0. Received: {options.shard_megabytes:g}.")
    if options.max_pixels < 1:
        raise ConfigError(f"--max-pixels must be at least 1. Received: {options.max_pixels}.")
    section = ImageFolderData(
        path=str(options.folder.absolute()),
        image_size=tuple(options.image_size) if options.image_size else None,
        fit=options.fit,
        on_bad_image=options.on_bad_image,
        max_pixels=options.max_pixels,
    )
    out = Path(os.path.abspath(options.out))
    restore_folder(out)
    _check_out(out, overwrite=options.overwrite)
    start_engine()
    from cae.data.dividing import parts_in_words
    from cae.data.formats.image_lists import with_bad
    from cae.data.preparing import prepare

    with (
        replacing_folder(out) as folder,
        progress_bar("reading headers", "file") as scanned,
        progress_bar("writing", "image") as written,
    ):
        prepared = prepare(
            section, options.channels, folder, int(options.shard_megabytes * _MEGABYTE), scanned, written
        )
    for path, reason in prepared.bad.items():
        tell(f"{printable(path)}: left out: {reason}")
    numbers = {part: sum(shard.images for shard in shards) for part, shards in prepared.parts.items()}
    left_out = with_bad(prepared.found.left_out, len(prepared.bad))
    tell(f"Images: {parts_in_words(numbers, prepared.found.origins, left_out)}")
    for note in prepared.found.notes:
        tell(note)
    for part, shards in prepared.parts.items():
        size = sum(shard.bytes for shard in shards)
        count = number_of(len(shards), "shard")
        tell(f"{part}: {number_of(numbers[part], 'image')} in {count}, {size / _MEGABYTE:,.1f} MB")
    # A path of a command line is YAML, which a JSON text is as well.
    settings = ["data.source=tfrecord", f"data.path={json.dumps(str(options.out), ensure_ascii=False)}"]
    words = [word for setting in settings for word in ("--set", setting)]
    tell(next_steps(["python", "-m", "cae", "train", *words]))
    print(options.out)
    return 0


def _check_out(out: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST_NAME).is_file():
        raise file_error(out, "OUT must be a new folder, or with --overwrite one that `prepare` has written before.")
    if not overwrite:
        raise file_error(out, "there is a prepared data set already; --overwrite replaces it.")
