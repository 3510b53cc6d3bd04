"""The standard data sets, from the files that their makers publish."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cae.caches import keras_datasets_folder
from cae.config.data import CLASS_NAMES, STANDARD_SHAPES, BundledData, StandardData
from cae.data.dividing import Parts
from cae.data.formats.array_files import ArrayFile, open_array_file, read_idx
from cae.data.image_set import ArraySet, Progress
from cae.errors import UserError
from cae.files import file_error, naming, printable, why

_SIDE = 32
_PIXEL_BYTES = 3 * _SIDE * _SIDE


def read_cifar(paths: list[Path], label_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read binary CIFAR files one after the other.

    Args:
        paths: the files, in order.
        label_bytes: 1 for CIFAR-10; 2 for CIFAR-100, whose second label, the fine one, is taken.

    Returns:
        Images (images, 32, 32, 3) and labels (images,), both uint8.

    Raises:
        UserError: a file cannot be read, or its length is not a whole number of images.
    """
    records = np.concatenate([_read_records(path, label_bytes + _PIXEL_BYTES) for path in paths])
    planes = records[:, label_bytes:].reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, label_bytes - 1].copy()


def _read_records(path: Path, record_bytes: int) -> np.ndarray:
    with naming(path):
        content = np.fromfile(path, np.uint8)
    if content.size == 0 or content.size % record_bytes:
        raise file_error(
            path, f"the length must be a multiple of {record_bytes} bytes. Received: {content.size} bytes; truncated?"
        )
    return content.reshape(-1, record_bytes)


BUNDLED_FOLDER = Path(__file__).parents[1] / "bundled"
DEBIAN_FOLDER = Path("/usr/share/datasets")

# Images and labels of the training part, then of the test part.
_IDX_FILES = [
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
]


class _Cifar(NamedTuple):
    """The binary version of a CIFAR data set."""

    archive: str
    folder: str
    label_bytes: int
    train_files: list[str]
    test_file: str


_CIFAR_10_TRAIN = [f"data_batch_{number}.bin" for number in range(1, 6)]
_CIFAR = {
    "cifar10": _Cifar("cifar-10-binary", "cifar-10-batches-bin", 1, _CIFAR_10_TRAIN, "test_batch.bin"),
    "cifar100": _Cifar("cifar-100-binary", "cifar-100-binary", 2, ["train.bin"], "test.bin"),
}


class _Part(NamedTuple):
    """Images and, where there are any, labels."""

    images: np.ndarray
    labels: np.ndarray | None


_TrainAndTest = tuple[_Part, _Part]


def load(section: BundledData | StandardData, progress: Progress | None = None) -> Parts[ArraySet]:
    """Find a public data set and open it; download it when it is nowhere on this machine.

    Looked for, in this order: `path` (a folder, or an .npz file), Debian's data set folder, the Keras cache. Read are
    IDX files (plain or .gz), CIFAR's binary files, and .npz files with x_train and x_test; never CIFAR's Python
    version, which is pickled.

    Raises:
        UserError: the data set is nowhere, cannot be downloaded, or the files found are damaged.
    """
    if section.source == "bundled":
        found = _read_folder(BUNDLED_FOLDER, "bundled")
    else:
        found = _find(section) or _download(section)
    if found is None:
        raise file_error(BUNDLED_FOLDER, "the images that belong to this program are missing; install it again.")
    train, test = (
        ArraySet(part.images, labels=part.labels, image_size=section.image_size, channels=section.channels)
        for part in found
    )
    names = CLASS_NAMES.get(section.source, ())
    return Parts(train, test=test, class_names=names, origins={"test": "the data set's own"})


def is_on_this_machine(section: StandardData) -> bool:
    """Whether a public data set need not be downloaded.

    Raises:
        UserError: it is here, but damaged.
    """
    return _find(section) is not None


def _find(section: StandardData) -> _TrainAndTest | None:
    """Read the first place that has the data set; one that this user may not look into has none."""
    for place in _places(section):
        found = None
        if os.path.isdir(place):
            found = _read_folder(place, section.source)
        elif place.suffix == ".npz" and os.path.exists(place):
            found = _read_npz(place, section.source)
        if found is not None:
            return found
    return None


def _places(section: StandardData) -> list[Path]:
    """Folders and .npz files where the data set may be."""
    dashed = section.source.replace("_", "-")
    cifar = _CIFAR.get(section.source)
    own_folders = [dashed] if cifar is None else [cifar.folder, f"{cifar.archive}_extracted/{cifar.folder}"]
    npz_files = list(dict.fromkeys([f"{section.source}.npz", f"{dashed}.npz"]))
    places = []
    if section.path is not None:
        path = Path(section.path)
        places += [path, *(path / name for name in own_folders + npz_files)]
    places.append(DEBIAN_FOLDER / dashed)
    # Not the cache's own top: IDX files have the same names whichever data set they hold.
    return places + [keras_datasets_folder() / name for name in own_folders + npz_files]


def _download(section: StandardData) -> _TrainAndTest:
    try:
        download(section.source)
        reason = "the downloaded files are not where they were expected"
    except DownloadError as error:
        reason = str(error)
    else:
        if (found := _find(section)) is not None:
            return found
    looked = "\n".join(f"  {printable(place)}" for place in _places(section))
    raise UserError(
        f"The data set {section.source} was not found, and could not be downloaded ({reason}).\n"
        f"Looked in:\n{looked}\n"
        f"Put {_wanted_files(section.source)} into a folder and set `data.path` to it."
    )


def _wanted_files(source: str) -> str:
    cifar = _CIFAR.get(source)
    if cifar is None:
        names = [f"{name}.gz" for names in _IDX_FILES for name in names]
        return f"{', '.join(names)} (or one {source}.npz with x_train and x_test)"
    return (
        f"{', '.join(cifar.train_files)} and {cifar.test_file} from {cifar.archive}.tar.gz, the binary version "
        f"(or one {source}.npz with x_train and x_test)"
    )


def _read_folder(folder: Path, source: str) -> _TrainAndTest | None:
    """Read a folder's files, or give None when it has not all of them."""
    cifar = _CIFAR.get(source)
    if cifar is None:
        train, test = (_read_idx_pair(folder, *names, source) for names in _IDX_FILES)
        return (train, test) if train is not None and test is not None else None
    files = [folder / name for name in (*cifar.train_files, cifar.test_file)]
    if not all(map(os.path.exists, files)):
        return None
    return _Part(*read_cifar(files[:-1], cifar.label_bytes)), _Part(*read_cifar(files[-1:], cifar.label_bytes))


def _read_idx_pair(folder: Path, images_name: str, labels_name: str, source: str) -> _Part | None:
    images_file, labels_file = _idx_file(folder, images_name), _idx_file(folder, labels_name)
    if images_file is None:
        return None
    images = read_idx(images_file)
    _check(images_file, images, source)
    if labels_file is None:
        return _Part(images, None)
    labels = read_idx(labels_file)
    if labels.shape != images.shape[:1]:
        raise file_error(
            labels_file,
            f"there must be one label for each of the {len(images)} images. Received: shape {labels.shape}.",
        )
    return _Part(images, labels)


def _idx_file(folder: Path, name: str) -> Path | None:
    """Find an IDX file by its usual name; some collections have a dot where the original has a dash."""
    stems = (name, name.replace("-idx", ".idx"))
    candidates = [folder / (stem + ending) for stem in stems for ending in ("", ".gz")]
    return next(filter(os.path.exists, candidates), None)


def _read_npz(path: Path, source: str) -> _TrainAndTest:
    archive = open_array_file(path)
    train, test = (_read_npz_part(archive, part, source) for part in ("train", "test"))
    return train, test


def _read_npz_part(archive: ArrayFile, part: str, source: str) -> _Part:
    path, names = archive.path, (f"x_{part}", f"y_{part}")
    images, labels = (np.asarray(archive.load(name)) if name in archive.headers else None for name in names)
    if images is None:
        raise file_error(path, f"there must be an array x_{part} in this file. Received: none.")
    _check(path, images, source)
    return _Part(images, None if labels is None or labels.size != len(images) else labels.reshape(-1))


def _check(path: Path, images: np.ndarray, source: str) -> None:
    """The shape must be the known one, because models are planned for it before files are read."""
    height, width, channels = STANDARD_SHAPES[source]
    expected = {(height, width, channels)} | ({(height, width)} if channels == 1 else set())
    if images.dtype != np.uint8 or images.shape[1:] not in expected:
        raise file_error(
            path,
            f"images of {source} must be uint8 of shape {(height, width, channels)}. "
            f"Received: {images.dtype} of shape {images.shape[1:]}.",
        )


# Time that one connection or one read may take, not the whole download: without a network this must fail quickly.
_SECONDS = 10.0

_KERAS_DATA = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_CIFAR_DATA = "https://www.cs.toronto.edu/~kriz/"

# File addresses, folder in the cache, and checksum (SHA-256 or MD5) where the publisher gives one; those of
# Fashion-MNIST carry gzip's own.
_FILES: dict[str, list[tuple[str, str, str | None]]] = {
    "mnist": [(f"{_KERAS_DATA}mnist.npz", "", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1")],
    "fashion_mnist": [
        (f"{_KERAS_DATA}{part}-{kind}.gz", "fashion-mnist", None)
        for part in ("train", "t10k")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ],
    "cifar10": [(f"{_CIFAR_DATA}cifar-10-binary.tar.gz", "", "c32a1d4ab5d03f1284b67883e8d87530")],
    "cifar100": [(f"{_CIFAR_DATA}cifar-100-binary.tar.gz", "", "03b5dce01913d631647c71ecec9e9cb8")],
}


class DownloadError(Exception):
    """A download failed; the message says why."""


def download(source: str) -> None:
    """Download a data set's files into `keras_datasets_folder()`, archives extracted.

    Args:
        source: mnist, fashion_mnist, cifar10 or cifar100.

    Raises:
        DownloadError: there is no network, the server does not answer, or a checksum is wrong.
    """
    import keras

    with _short_waits(), _progress_on_terminal_only():
        for address, folder, checksum in _FILES[source]:
            target = keras_datasets_folder() / folder
            try:
                target.mkdir(parents=True, exist_ok=True)
                keras.utils.get_file(
                    address.rsplit("/", 1)[1],
                    origin=address,
                    # An absolute path, so that Keras does not choose another folder.
                    cache_subdir=str(target.absolute()),
                    file_hash=checksum,
                    extract=address.endswith(".tar.gz"),
                )
            except Exception as error:  # Keras raises a bare Exception for a failed download
                reason = why(error)
                raise DownloadError(reason if address in reason else f"{address}: {reason}") from error


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _progress_on_terminal_only() -> Iterator[None]:
    """Keras would write its progress bar to stdout, which is for results, and fill log files with backspaces."""
    import keras

    before = keras.utils.is_interactive_logging_enabled()
    if not sys.stderr.isatty():
        keras.utils.disable_interactive_logging()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if before:
            keras.utils.enable_interactive_logging()
