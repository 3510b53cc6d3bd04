"""Codes on disk: .npz, .h5 or .parquet, written bit by bit and read back without executing anything.

Every format holds `codes`, `names`, and, where images have classes, `classes`; and a description in JSON: which run's
weights made the codes, their shape, and how they were pooled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cae.data.formats.array_files import Hdf5File, NpzFile
from cae.errors import ConfigError, UserError
from cae.files import check_claim, check_fits_memory, file_error, naming, open_regular

ENDINGS = (".npz", ".h5", ".hdf5", ".parquet")
FORMAT = "cae codes 1"


@dataclass(frozen=True)
class Description:
    """What must be known of codes to use them.

    Args:
        run: the run's experiment and name.
        weights: SHA-256 of the weights that made them.
        code_shape: shape of one code as it is written, pooled if so.
        pool: `none`, `mean` or `max`.
        image_shape: (height, width, channels) of the images that the model takes.
    """

    run: str
    weights: str
    code_shape: tuple[int, ...]
    pool: str
    image_shape: tuple[int, int, int]
    format: str = field(default=FORMAT)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Description:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        found = json.loads(text)
        if not isinstance(found, dict) or found.get("format") != FORMAT or set(found) != set(cls.__dataclass_fields__):
            raise ValueError("the description of the codes is missing, damaged or of another version")
        return cls(**{**found, "code_shape": tuple(found["code_shape"]), "image_shape": tuple(found["image_shape"])})


@dataclass(frozen=True)
class Codes:
    """What lies in a file of codes.

    Args:
        codes: float32, (images, *code_shape).
        names: of the images.
        description: None in a file that this program did not write.
    """

    codes: np.ndarray
    names: list[str]
    description: Description | None


def check_format(path: Path) -> None:
    """Refuse an ending that is no format, and a format whose library is missing.

    Raises:
        ConfigError: one of these.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"--out: a file of codes must end in {', '.join(ENDINGS)}. Received: {path}.")
    if ending == ".parquet":
        import_pyarrow()


def import_pyarrow() -> tuple[Any, Any]:
    """Import what reads and writes Parquet, which the program does without otherwise.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            ".parquet files need the package pyarrow, which is not installed: `pip install pyarrow`, or use .npz or"
            " .h5."
        ) from error
    return pyarrow, pyarrow.parquet


def read_codes(path: Path) -> Codes:
    """Read a file of codes; an .npz or .h5 of your own needs no more than an array `codes`.

    Raises:
        UserError: the file is missing, damaged, or holds no codes.
        ConfigError: it is a .parquet file and pyarrow is not installed.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise file_error(path, f"a file of codes must end in {', '.join(ENDINGS)}.")
    with naming(path):
        read = {".npz": _read_npz, ".parquet": _read_parquet}.get(ending, _read_hdf5)
        codes, names, text = read(path)
        description = None if text is None else Description.from_json(text)
    if codes is None:
        raise file_error(path, "there must be an array `codes` in the file itself. Received: none.")
    if codes.dtype.kind not in "fiu" or codes.ndim < 2:
        raise file_error(
            path, f"`codes` must be numbers, (images, ...). Received: {codes.dtype} of shape {codes.shape}."
        )
    if len(names) not in (0, len(codes)):
        raise file_error(
            path, f"there must be a name for each of the {len(codes)} codes. Received: {len(names)} names."
        )
    return Codes(codes.astype(np.float32), names or [str(index) for index in range(len(codes))], description)


_Content = tuple[np.ndarray | None, list[str], str | None]


def _read_npz(path: Path) -> _Content:
    file = NpzFile(path)
    found = {name: file.load(name) for name in ("codes", "names", "description") if name in file.headers}
    names = found.get("names", np.empty(0, np.str_))
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        raise ValueError(f"`names` must be a list of texts. Received: {names.dtype} of shape {names.shape}.")
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8")
    return (
        found.get("codes"),
        [str(name) for name in names],
        str(found["description"]) if "description" in found else None,
    )


def _read_hdf5(path: Path) -> _Content:
    with Hdf5File(path) as file:
        names, codes = file.headers.get("names"), file.headers.get("codes")
        if codes is not None:
            check_fits_memory(path, codes.num_bytes)
        values = np.asarray(file.load("codes")[:]) if codes is not None and codes.shape else None
        # Numbers are names as well: of a program that counts.
        is_counted = names is not None and names.dtype.kind in "iu" and len(names.shape) == 1
        texts = [str(name) for name in file.load("names")[:]] if is_counted else []
        if names is not None and not is_counted:
            texts = file.load_texts("names")
        return values, texts, file.attribute("description")


def _read_parquet(path: Path) -> _Content:
    pyarrow, parquet = import_pyarrow()
    try:
        with open_regular(path) as file:
            check_fits_memory(path, _unfolded_bytes(path, parquet.read_metadata(file)))
            table = parquet.read_table(file)
    except UserError:
        raise
    except Exception as error:  # the library's own errors
        raise UserError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    text = (table.schema.metadata or {}).get(b"description")
    if text is None or not {"codes", "names"} <= set(table.column_names):
        raise ValueError("there must be columns `names` and `codes` and a description, as `encode` writes them")
    shape = Description.from_json(text.decode()).code_shape
    if table["codes"].null_count or table["names"].type != pyarrow.string() or table["names"].null_count:
        raise ValueError("there must be a name and a code in every row")
    flat = table["codes"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(table.num_rows, *shape), table["names"].to_pylist(), text.decode()


def _unfolded_bytes(path: Path, metadata: Any) -> int:
    """Bytes that a Parquet file promises, of which repeated values can be many more than it has."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    claimed = max([metadata.num_rows, *(group.total_byte_size for group in groups)])
    check_claim(path, claimed, path.stat().st_size)
    return sum(group.total_byte_size for group in groups)
