"""Put an export under its name when it is whole and was found right, and not before."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cae.atomic_files import replacing
from cae.errors import UserError


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
    if not is_folder:
        with replacing(out) as path:
            yield path
        return
    _check_holds_nothing_else(out)
    aside = Path(tempfile.mkdtemp(prefix=".writing-", suffix=f"-{out.name}", dir=out.parent))
    try:
        yield aside / "new"
        if out.exists():
            out.rename(aside / "old")
        try:
            os.replace(aside / "new", out)
        except OSError:
            if (aside / "old").exists():
                (aside / "old").rename(out)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check_holds_nothing_else(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / "saved_model.pb").exists() or not any(out.iterdir()))):
        raise UserError(f"{out}: is there already and is not a SavedModel; name another folder.")
