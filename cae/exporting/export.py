"""Export a part of a trained model: write it, check what was written, and only then let it be there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from cae.atomic_files import replacing, replacing_folder, restore_folder
from cae.errors import UserError, first_line
from cae.exporting.formats import Format
from cae.exporting.parity import Agreement, Serve, check_parity, serve_here, serve_in_fresh_process
from cae.exporting.parts import Part
from cae.exporting.stock import is_of_others
from cae.exporting.writers import WRITERS, make_metadata

if TYPE_CHECKING:
    from cae.config import RunConfig


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Args:
        path: the file or folder.
        num_bytes: its size.
        agreements: how near each output came to the run's.
    """

    path: Path
    num_bytes: int
    agreements: list[Agreement]


class Exporter:
    """Exports parts of one trained model.

    Args:
        config: the run's.
        weights_digest: SHA-256 of the weights file that was loaded.
        images: what exports are checked on, (batch, height, width, channels), float32 in [0, 1]; at least one.
        serve: how a written file is run for that.
    """

    def __init__(
        self, config: RunConfig, weights_digest: str, images: np.ndarray, serve: Serve = serve_in_fresh_process
    ) -> None:
        self._config = config
        self._weights_digest = weights_digest
        self._images = images
        self._serve = serve

    def export(self, part: Part, wanted: Format, out: Path, *, quantize: bool = False) -> Exported:
        """Export one part.

        Args:
            part: from `cae.exporting.parts.make_part`, of a model in float32.
            wanted: the format.
            out: the file or folder; an earlier export there is replaced.
            quantize: store weights in 8 bits.

        Raises:
            UserError: it cannot be converted, or does not compute what the run does; nothing is at `out` then, or
                what was there before.
        """
        narrow = sorted({layer.name for layer in _layers(part.model) if layer.compute_dtype.endswith("float16")})
        if narrow and wanted.name != "keras":
            raise UserError(
                f"{out}: {wanted.name} is written in float32, and these layers of a model of your own compute in 16"
                f" bits: {', '.join(narrow[:5])}. Export as keras, or train with a model whose dtype is float32."
            )
        # Classes of a Python program's own, or of other packages, are known here, and in no fresh process.
        is_own = wanted.name == "keras" and any(map(is_of_others, _layers(part.model)))
        with placing(out, is_folder=not wanted.ending) as path:
            self._write(part, wanted, path, quantize=quantize)
            agreements = check_parity(
                part,
                wanted.name,
                path,
                self._images,
                quantize=quantize,
                write_encoder=lambda encoder, other: self._write(encoder, wanted, other, quantize=quantize),
                serve=serve_here if is_own else self._serve,
            )
            off = [agreement for agreement in agreements if not agreement.is_within]
            if off:
                raise UserError(
                    f"{out}: nothing was written, since the {part.name} as {wanted.name} does not compute what the run"
                    " does.\n  " + "\n  ".join(map(str, off))
                )
            files = path.rglob("*") if path.is_dir() else [path]
            return Exported(out, sum(file.stat().st_size for file in files if file.is_file()), agreements)

    def _write(self, part: Part, wanted: Format, path: Path, *, quantize: bool) -> None:
        metadata = make_metadata(part, self._config, self._weights_digest, quantize=quantize)
        try:
            WRITERS[wanted.name](part, path, metadata, quantize)
        except Exception as error:
            # Converters raise all kinds of errors, which are not the user's mistakes but must be reported.
            raise UserError(f"The {part.name} cannot be converted to {wanted.name}: {first_line(error)}") from error


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """A model's layers, and those of models in it."""
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else (layer,)


@contextlib.contextmanager
def placing(out: Path, *, is_folder: bool) -> Iterator[Path]:
    """Give a path beside `out` to write to; it takes the place of `out`, an earlier export, when all went well.

    Args:
        out: where the export belongs.
        is_folder: whether it is a SavedModel.

    Raises:
        UserError: something that is no such export is there.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        restore_folder(out)
        if out.exists() and not (out.is_dir() and ((out / "saved_model.pb").exists() or not any(out.iterdir()))):
            raise UserError(f"{out}: is there already and is not a SavedModel; name another folder.")
    with (replacing_folder if is_folder else replacing)(out) as path:
        yield path
