"""Take all images that were named through a model, and write pictures under the names of what they were made from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cae.anomaly.scores import row_strips
from cae.atomic_files import is_usable
from cae.data.formats.image_lists import EXTENSIONS
from cae.errors import ConfigError, NonFiniteOutputError, UserError
from cae.files import file_error, printable
from cae.inference.inputs import Group, Inputs, read_groups
from cae.pictures import image_colors, save_png
from cae.plan import PlanError

if TYPE_CHECKING:
    from cae.inference.any_size import AnySize, Way


class OutputFolder:
    """A folder for results, with a PNG file in it for each name.

    Args:
        path: the folder; made when it is not there.
        names: what pictures are called: file names, relative and with / between folders, or any text.
        subfolders: names of folders in it that hold other pictures under the same names.
    """

    def __init__(self, path: Path, names: Sequence[str], subfolders: Sequence[str] = ()) -> None:
        self.path = path
        self.files = picture_names(names, subfolders)

    def save(self, index: int, picture: np.ndarray, subfolder: str = "") -> None:
        """Write a picture as PNG.

        Args:
            index: of its name.
            picture: uint8, (height, width, 3) or (height, width); or float32 in [0, 1], (height, width, 1 or 3).
            subfolder: one of those that were named.
        """
        target = self.path / subfolder / self.files[index]
        target.parent.mkdir(parents=True, exist_ok=True)
        save_png(_as_bytes(picture) if picture.dtype != np.uint8 else picture, target)


def check_is_usable(out: Path, inputs: Path | None, *, overwrite: bool) -> None:
    """Refuse a folder in which something would be lost.

    Raises:
        ConfigError: it holds files and may not be overwritten, or it is where the inputs are.
        UserError: it is no folder.
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
        names: relative, with / between folders.
        subfolders: folders in which the same names are used again, and which no picture may lie in.

    Raises:
        UserError: a name leads out of the folder.
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


class Compared(NamedTuple):
    """Images of one size, and what became of them."""

    indices: list[int]
    """Of the images among all."""
    images: np.ndarray
    """As they are: (batch, height, width, channels), uint8 or float32 in [0, 1]."""
    seen: np.ndarray
    """As the model saw them: smaller or larger where they were resized."""
    reconstructions: np.ndarray
    """What it made of that, float32 in [0, 1]."""


def compare_all(
    inputs: Inputs,
    sizes: AnySize,
    way: Way,
    *,
    on_bad: Callable[[str, str], None],
    tell: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Iterator[Compared]:
    """Reconstruct all images in their order.

    Args:
        inputs: the images.
        sizes: the model.
        way: what becomes of images of another size than the model's.
        on_bad: is given the name of each image that cannot be read or does not fit, and the reason.
        tell: is given a sentence for the first image of another size that is treated in one way.
        progress: called with the number done and the total: images, or tiles of a single image.
    """
    said: set[str] = set()
    total = len(inputs.names)
    for group in read_groups(inputs, sizes.batch_size, on_bad):
        size = group.pixels.shape[1:3]
        chosen = sizes.choose(way, size)
        try:
            seen, made = sizes.compare(group.pixels, chosen, progress if total == 1 else lambda done, total: None)
        except NonFiniteOutputError as error:
            raise error.named(printable(inputs.names[group.indices[error.index]])) from None
        except PlanError as error:
            _leave_out(group, inputs, str(error), on_bad)
            continue
        if chosen not in said and not sizes.is_own(size):
            said.add(chosen)
            name = printable(inputs.names[group.indices[0]])
            tell(f"{name}{' and the like' * (total > 1)}: {size[0]}x{size[1]}, {sizes.in_words(chosen)}")
        yield Compared(group.indices, group.pixels, seen, made)
        if total > 1:
            progress(group.indices[-1] + 1, total)


def _leave_out(group: Group, inputs: Inputs, reason: str, on_bad: Callable[[str, str], None]) -> None:
    for index in group.indices:
        on_bad(inputs.names[index], reason)
