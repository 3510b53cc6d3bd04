"""What begins with images: `load_images` and `prepare`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cae.api.command import run_command
from cae.api.given import Config, StrPath, check, path_of
from cae.api.spoken import speaks_python
from cae.config import RunConfig
from cae.errors import ConfigError
from cae.runs import RunDirectory

if TYPE_CHECKING:
    import numpy as np

    from cae.workflows.evaluation import Split


@speaks_python
def load_images(
    data: Config, part: Split = "train", *, most: int | None = None, tell: Callable[[str], None] = print
) -> tuple[np.ndarray, np.ndarray | None]:
    """Load images as training has them: sized, and divided into parts.

    Example:
        images, labels = cae.load_images("bundled", "test")

    Args:
        data: a run, or what `train` gave; a configuration or its `data` section; a folder of images or an array file;
            or a word such as `bundled` or `mnist`.
        part: `train`, `validation` or `test`.
        most: only the first so many.
        tell: is given a line for the user now and then.

    Returns:
        The images, (images, height, width, channels), uint8, or float32 in [0, 1] where they have more than 8 bits;
        and one integer for each, or None where there are no labels.

    Raises:
        ConfigError: there is no such part, or the configuration is wrong.
        UserError: images are missing or damaged.
    """
    import numpy as np

    from cae.commands.arguments.parser import source_of
    from cae.workflows.planning import load_splits_with_progress

    if part not in ("train", "validation", "test"):
        raise ConfigError(f"`part` must be train, validation or test. Received: part={part!r}.")
    if isinstance(data, Mapping) and "source" in data:
        data = {"data": data}
    elif isinstance(data, str | os.PathLike):
        path = Path(data)
        if RunDirectory(path).exists:
            data = RunDirectory(path).config
        elif path.suffix not in (".yaml", ".yml"):
            source, place = source_of(os.fspath(data))
            data = {"data": {"source": source, **({"path": place} if place else {})}}
    elif not isinstance(data, Mapping | RunConfig):
        path_of("data", data, "a run, a configuration, a folder of images, an array file or a word such as mnist")
    images = getattr(load_splits_with_progress(check(data, ()).data, tell), part)
    indices = np.arange(len(images) if most is None else min(most, len(images)))
    return images.read(indices), None if images.labels is None else images.labels[indices]


@speaks_python
def prepare(
    folder: StrPath,
    out: StrPath,
    *,
    image_size: tuple[int, int] | None = None,
    fit: str = "stretch",
    channels: int | None = None,
    shard_megabytes: float = 128,
    on_bad_image: str = "error",
    max_pixels: int = 100_000_000,
    overwrite: bool = False,
    tell: Callable[[str], None] = print,
) -> Path:
    """Write a large image folder as TFRecord shards, which `data.source: tfrecord` reads.

    Args:
        folder: image folder, as for `data.source: image_folder`.
        out: folder for the shards; appears when all is written.
        image_size: height and width that all images are brought to; None stores files as they are.
        fit: `stretch` or `crop`, how `image_size` is reached.
        channels: 1 or 3; None leaves them.
        shard_megabytes: size at which a shard is full.
        on_bad_image: `error` stops at files that cannot be read, `skip` leaves them out.
        max_pixels: most pixels of an image.
        overwrite: replace `out` if it is a prepared data set.
        tell: is given a line for the user now and then.

    Returns:
        The folder of the shards.
    """
    run_command(
        "prepare",
        tell,
        folder=path_of("folder", folder, "an image folder"),
        out=path_of("out", out, "a folder"),
        image_size=image_size and list(image_size),
        fit=fit,
        channels=channels,
        shard_megabytes=shard_megabytes,
        on_bad_image=on_bad_image,
        max_pixels=max_pixels,
        overwrite=overwrite,
    )
    return Path(out)
