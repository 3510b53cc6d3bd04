"""Pictures written to a folder under the names of what they were made from, each either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cae.anomaly.scores import row_strips
from cae.atomic_files import is_usable
from cae.data.formats.image_lists import EXTENSIONS
from cae.errors import ConfigError, UserError
from cae.files import file_error, printable
from cae.pictures import save_png
from cae.pictures.colors import image_colors


class OutputFolder:
    """A folder for results, with a PNG file in it for each name.

    Args:
        path: The folder; made when it is not there.
        names: What pictures are called: file names, relative and with / between folders, or any text.
        subfolders: Names of folders in it that hold other pictures under the same names.
    """

    def __init__(self, path: Path, names: Sequence[str], subfolders: Sequence[str] = ()) -> None:
        self.path = path
        self.files = picture_names(names, subfolders)

    def save(self, index: int, picture: np.ndarray, subfolder: str = "") -> None:
        """Write a picture as PNG.

        Args:
            index: Of its name.
            picture: uint8, (height, width, 3) or (height, width); or float32 in [0, 1], (height, width, 1 or 3).
            subfolder: One of those that were named.
        """
        target = self.path / subfolder / self.files[index]
        target.parent.mkdir(parents=True, exist_ok=True)
        save_png(_as_bytes(picture) if picture.dtype != np.uint8 else picture, target)


def check_is_usable(out: Path, inputs: Path | None, *, overwrite: bool) -> None:
    """Refuse a folder in which something would be lost.

    Raises:
        ConfigError: It holds files and may not be overwritten, or it is where the inputs are.
        UserError: It is no folder.
    """
    if inputs is not None:
        source = inputs.resolve()
        folder = source if source.is_dir() else source.parent
        if out.resolve() == folder or (source.is_dir() and folder in out.resolve().parents):
            raise ConfigError(
                f"--out: results must not lie among the images that they are made from. Received: {printable(out)}."
            )
    if out.exists() and not out.is_dir():
        raise file_error(out, "is a file, and results need a folder there.")
    if not overwrite and not is_usable(out):
        raise ConfigError(
            f"--out: {printable(out)} holds files already; --overwrite writes into it (files of the same names are"
            " replaced, others stay), or name another folder."
        )


def picture_names(names: Sequence[str], subfolders: Sequence[str] = ()) -> list[str]:
    """Give each name a PNG file of its own.

    The ending of a picture's name is replaced by .png; where that is taken, .png is put behind it.

    Example:
        >>> picture_names(["a.jpg", "a.png", "b/c.webp", "7"])
        ['a.jpg.png', 'a.png', 'b/c.png', '7.png']

    Args:
        names: Relative, with / between folders.
        subfolders: Folders in which the same names are used again, and which no picture may lie in.

    Raises:
        UserError: A name leads out of the folder.
    """
    taken: set[str] = set()
    chosen: dict[int, str] = {}
    # Those that are PNG already keep their names.
    order = sorted(range(len(names)), key=lambda index: not names[index].lower().endswith(".png"))
    for index in order:
        chosen[index] = next(name for name in _candidates(names[index]) if not taken & set(_places(name, subfolders)))
        taken.update(_places(chosen[index], subfolders))
    return [chosen[index] for index in range(len(names))]


def _candidates(name: str) -> Iterable[str]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or (os.sep != "/" and os.sep in name) or not path.name or "\0" in name:
        raise UserError(f"A name must not lead out of the folder. Received: {printable(name)}.")
    if path.suffix.lower() == ".png":
        yield name
    elif path.suffix.lower() in EXTENSIONS:
        yield str(path.with_suffix(".png"))
    yield f"{path}.png"
    number = 2
    while True:
        yield f"{path}.{number}.png"
        number += 1


def _places(name: str, subfolders: Sequence[str]) -> list[str]:
    # Some file systems do not tell capitals from small letters.
    return [name.casefold(), *(f"{folder}/{name}".casefold() for folder in subfolders)]


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    strips = [image_colors(pixels[np.newaxis, strip])[0] for strip in row_strips(*pixels.shape[:2])]
    return np.concatenate([strip[..., 0] for strip in strips] if pixels.shape[-1] == 1 else strips)
