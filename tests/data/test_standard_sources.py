"""The bundled images, and public data sets in every place and form in which they are looked for."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cae import caches
from cae.config.data import STANDARD_SHAPES, BundledData, StandardData
from cae.data.load import load_splits
from cae.data.sources import find_image_shape, standard
from cae.errors import UserError

IDX_NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A machine without any data set and without a network."""

    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure on somewhere: None -- [Errno -3] name resolution")

    monkeypatch.setattr(standard, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(keras.utils, "get_file", no_network)
    return tmp_path


def arrays_of(source, seed=0):
    """A small data set of the right shape: x_train, y_train, x_test, y_test."""
    shape = STANDARD_SHAPES[source]
    generator = np.random.default_rng(seed)
    shape = shape[:2] if shape[2] == 1 else shape
    return [
        generator.integers(0, 256, (20, *shape), np.uint8),
        generator.integers(0, 10, 20, np.uint8),
        generator.integers(0, 256, (5, *shape), np.uint8),
        generator.integers(0, 10, 5, np.uint8),
    ]


def write_idx(folder, arrays, ending=".gz", names=IDX_NAMES):
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in zip(names, arrays, strict=True):
        content = struct.pack(f">I{values.ndim}I", 0x0800 + values.ndim, *values.shape) + values.tobytes()
        (folder / (name + ending)).write_bytes(gzip.compress(content) if ending == ".gz" else content)


def cifar_bytes(images, labels, coarse=False):
    """The format as its author describes it, one image after the other."""
    records = []
    for image, label in zip(images, labels, strict=True):
        planes = [image[:, :, channel].tobytes() for channel in range(3)]
        records.append((b"\x63" if coarse else b"") + bytes([label]) + b"".join(planes))
    return b"".join(records)


def write_cifar(folder, source, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test = arrays
    coarse = source == "cifar100"
    if coarse:
        (folder / "train.bin").write_bytes(cifar_bytes(x_train, y_train, coarse))
    else:
        for number in range(5):
            part = slice(4 * number, 4 * number + 4)
            (folder / f"data_batch_{number + 1}.bin").write_bytes(cifar_bytes(x_train[part], y_train[part]))
    (folder / ("test.bin" if coarse else "test_batch.bin")).write_bytes(cifar_bytes(x_test, y_test, coarse))


def check(section, arrays):
    """All images and labels are there, in their parts."""
    x_train, y_train, x_test, y_test = arrays
    splits = load_splits(section)
    assert splits.image_shape == find_image_shape(section) == STANDARD_SHAPES[section.source]
    assert np.array_equal(splits.test.read(np.arange(5)).reshape(x_test.shape), x_test)
    assert splits.test.labels.tolist() == y_test.tolist()
    rows = [int(name) for part in (splits.train, splits.validation) for name in part.names]
    assert sorted(rows) == list(range(20))
    for part in (splits.train, splits.validation):
        rows = [int(name) for name in part.names]
        assert np.array_equal(part.read(np.arange(len(part))).reshape(-1, *x_train.shape[1:]), x_train[rows])
        assert part.labels.tolist() == y_train[rows].tolist()


def standard_section(source, path=None):
    return StandardData(source=source, path=None if path is None else str(path))


def test_the_bundled_images_are_500_and_100_of_each_class():
    splits = load_splits(BundledData(validation_fraction=0.2))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [4000, 1000, 1000]
    labels = np.concatenate([splits.train.labels, splits.validation.labels])
    assert np.bincount(labels).tolist() == [500] * 10
    assert np.bincount(splits.test.labels).tolist() == [100] * 10
    assert splits.image_shape == find_image_shape(BundledData()) == (28, 28, 1)


def test_no_bundled_test_image_is_a_training_image():
    splits = load_splits(BundledData())
    parts = [
        {image.tobytes() for image in part.read(np.arange(len(part)))}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert not (parts[0] | parts[1]) & parts[2]
    # Real pictures: all different, neither empty nor full.
    assert len(parts[2]) == 1000
    assert 0.2 < splits.test.read(np.arange(1000)).mean() / 255 < 0.4


def test_bundled_images_are_resized_and_coloured_on_request():
    section = BundledData(image_size=(15, 10), channels=3)
    splits = load_splits(section)
    assert splits.image_shape == find_image_shape(section) == (15, 10, 3)
    batch = splits.train.read(np.array([3, 1]))
    assert batch.shape == (2, 15, 10, 3)
    assert np.array_equal(batch[..., 0], batch[..., 2])


@pytest.mark.parametrize("place", ["path", "path below", "debian", "keras"])
@pytest.mark.parametrize("source", ["mnist", "fashion_mnist"])
def test_idx_files_are_found_in_every_place(places, source, place):
    dashed = source.replace("_", "-")
    folder = {
        "path": places / "mine",
        "path below": places / "mine" / dashed,
        "debian": places / "debian" / dashed,
        "keras": places / "keras" / "datasets" / dashed,
    }[place]
    write_idx(folder, arrays_of(source))
    check(standard_section(source, places / "mine" if "path" in place else None), arrays_of(source))


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_are_found_plain_and_with_a_dot_in_the_name(places, ending, dotted):
    names = [name.replace("-idx", ".idx") for name in IDX_NAMES] if dotted else IDX_NAMES
    write_idx(places / "mine", arrays_of("mnist"), ending, names)
    check(standard_section("mnist", places / "mine"), arrays_of("mnist"))


def test_a_given_path_goes_first(places):
    write_idx(places / "debian" / "mnist", arrays_of("mnist", seed=1))
    write_idx(places / "mine", arrays_of("mnist", seed=2))
    check(standard_section("mnist"), arrays_of("mnist", seed=1))
    check(standard_section("mnist", places / "mine"), arrays_of("mnist", seed=2))


def test_labels_may_be_missing(places):
    arrays = arrays_of("mnist")
    write_idx(places / "mine", arrays[::2], names=IDX_NAMES[::2])
    splits = load_splits(standard_section("mnist", places / "mine"))
    assert splits.train.labels is None
    assert np.array_equal(splits.test.read(np.arange(5))[..., 0], arrays[2])


@pytest.mark.parametrize("place", ["path", "file", "keras"])
@pytest.mark.parametrize("source", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_npz_files_are_found(places, source, place):
    file = places / ("keras/datasets" if place == "keras" else "mine") / f"{source}.npz"
    file.parent.mkdir(parents=True)
    arrays = arrays_of(source)
    np.savez(file, x_train=arrays[0], y_train=arrays[1].reshape(-1, 1), x_test=arrays[2], y_test=arrays[3])
    check(standard_section(source, {"path": file.parent, "file": file, "keras": None}[place]), arrays)


@pytest.mark.parametrize("place", ["path", "path below", "keras"])
@pytest.mark.parametrize(("source", "own"), [("cifar10", "cifar-10-batches-bin"), ("cifar100", "cifar-100-binary")])
def test_binary_cifar_files_are_found_and_colours_are_put_in_order(places, source, own, place):
    archive = {"cifar10": "cifar-10-binary", "cifar100": "cifar-100-binary"}[source]
    folder = {
        "path": places / "mine",
        "path below": places / "mine" / own,
        "keras": places / "keras" / "datasets" / f"{archive}_extracted" / own,
    }[place]
    write_cifar(folder, source, arrays_of(source))
    check(standard_section(source, places / "mine" if "path" in place else None), arrays_of(source))


def test_pickled_cifar_batches_are_not_touched(places):
    (places / "mine").mkdir()
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        (places / "mine" / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(UserError, match=r"data_batch_1\.bin"):
        load_splits(standard_section("cifar10", places / "mine"))


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("mnist", ["train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz", "mnist.npz"]),
        ("fashion_mnist", ["train-images-idx3-ubyte.gz", "fashion_mnist.npz"]),
        ("cifar10", ["data_batch_5.bin", "test_batch.bin", "cifar-10-binary.tar.gz"]),
        ("cifar100", ["train.bin", "test.bin", "cifar-100-binary.tar.gz"]),
    ],
)
def test_a_data_set_that_is_nowhere_gives_one_message_with_places_and_files(places, source, files, capsys):
    section = standard_section(source, places / "mine")
    assert find_image_shape(section) == STANDARD_SHAPES[source]
    with pytest.raises(UserError) as caught:
        load_splits(section)
    message = str(caught.value)
    for expected in [*files, "name resolution", "data.path", str(places / "mine"), str(places / "keras")]:
        assert expected in message
    if "mnist" in source:
        assert str(places / "debian" / source.replace("_", "-")) in message
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("source", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_downloaded_files_are_read_from_the_keras_cache(places, source, monkeypatch, capsys):
    arrays = arrays_of(source)
    cache = places / "keras" / "datasets"
    asked = []

    def get_file(name, origin, cache_subdir, file_hash, extract):
        print("Downloading data")
        asked.append((name, file_hash))
        assert origin.startswith("https://")
        assert origin.endswith(f"/{name}")
        if source == "mnist":
            np.savez(f"{cache_subdir}/{name}", x_train=arrays[0], y_train=arrays[1], x_test=arrays[2], y_test=arrays[3])
        elif source == "fashion_mnist":
            assert cache_subdir == str(cache / "fashion-mnist")
            index = IDX_NAMES.index(name[: -len(".gz")])
            write_idx(cache / "fashion-mnist", [arrays[index]], names=[IDX_NAMES[index]])
        else:
            assert extract
            own = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[source]
            write_cifar(cache / f"{name[: -len('.tar.gz')]}_extracted" / own, source, arrays)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    check(standard_section(source), arrays)
    assert len(asked) == (4 if source == "fashion_mnist" else 1)
    assert capsys.readouterr().out == ""  # stdout is for results
    check(standard_section(source), arrays)
    assert len(asked) == (4 if source == "fashion_mnist" else 1)  # the second time nothing is downloaded


def test_a_download_that_leaves_other_files_is_an_error_and_not_a_loop(places, monkeypatch):
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **kwargs: None)
    with pytest.raises(UserError, match="not where they were expected"):
        load_splits(standard_section("mnist"))


def test_a_failed_download_leaves_time_limits_and_output_as_they_were(monkeypatch):
    import socket

    socket.setdefaulttimeout(123.0)
    try:
        with pytest.raises(standard.DownloadError):
            standard.download("mnist")
        assert socket.getdefaulttimeout() == 123.0
    finally:
        socket.setdefaulttimeout(None)
    assert keras.utils.is_interactive_logging_enabled()
    assert sys.stdout is not sys.stderr


@pytest.mark.parametrize("damage", ["short", "labels", "shape", "record"])
def test_damaged_files_are_errors_that_name_them(places, damage):
    folder = places / "mine"
    arrays = arrays_of("mnist")
    if damage == "short":
        write_idx(folder, arrays, ending="")
        bad = folder / IDX_NAMES[2]
        bad.write_bytes(bad.read_bytes()[:-1])
    elif damage == "labels":
        write_idx(folder, [*arrays[:3], arrays[3][:-1]])
        bad = folder / f"{IDX_NAMES[3]}.gz"
    elif damage == "shape":
        write_idx(folder, [arrays[0][:, :27], *arrays[1:]])
        bad = folder / f"{IDX_NAMES[0]}.gz"
    else:
        write_cifar(folder, "cifar10", arrays_of("cifar10"))
        bad = folder / "data_batch_3.bin"
        bad.write_bytes(bad.read_bytes()[:-100])
    source = "cifar10" if damage == "record" else "mnist"
    with pytest.raises(UserError, match=str(bad)):
        load_splits(standard_section(source, folder))


@pytest.mark.parametrize(
    "arrays",
    [
        {"x_train": np.zeros((9, 28, 28), np.uint8)},
        {"x_train": np.zeros((9, 28, 28)), "x_test": np.zeros((9, 28, 28))},
        {"x_train": np.zeros((9, 27, 28), np.uint8), "x_test": np.zeros((9, 28, 28), np.uint8)},
        {"x_train": np.array([None] * 9), "x_test": np.zeros((9, 28, 28), np.uint8)},
    ],
)
def test_npz_files_with_other_contents_are_errors_that_name_them(places, arrays):
    np.savez(places / "mnist.npz", **arrays)
    with pytest.raises(UserError, match=str(places / "mnist.npz")):
        load_splits(standard_section("mnist", places))


@pytest.fixture
def homeless(places, monkeypatch):
    """A user whom the system does not know, without HOME: as in a container that is started for any number."""
    pwd = pytest.importorskip("pwd")

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return places


@pytest.mark.parametrize("source", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_without_a_home_folder_data_on_the_disk_are_found(homeless, source, monkeypatch):
    arrays = arrays_of(source)
    np.savez(homeless / f"{source}.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
    assert len(load_splits(StandardData(source=source, path=str(homeless / f"{source}.npz"))).test) == 5
    assert len(load_splits(StandardData(source=source, path=str(homeless))).test) == 5
    monkeypatch.setenv("KERAS_HOME", str(homeless))
    (homeless / "datasets").mkdir()
    (homeless / f"{source}.npz").rename(homeless / "datasets" / f"{source}.npz")
    assert len(load_splits(StandardData(source=source)).test) == 5


def test_without_a_home_folder_what_debian_has_is_found_and_what_is_nowhere_is_said(homeless):
    with pytest.raises(UserError, match=r"fashion_mnist was not found.*(?s:.*)/tmp/\.keras/datasets"):
        load_splits(StandardData(source="fashion_mnist"))
    write_idx(homeless / "debian" / "fashion-mnist", arrays_of("fashion_mnist"))
    assert len(load_splits(StandardData(source="fashion_mnist")).test) == 5


def test_data_sets_are_looked_for_where_keras_keeps_them(homeless, monkeypatch):
    assert caches.keras_datasets_folder() == Path("/tmp/.keras/datasets")
    monkeypatch.setenv("HOME", str(homeless))
    assert caches.keras_datasets_folder() == homeless / ".keras" / "datasets"
    monkeypatch.setenv("KERAS_HOME", str(homeless / "elsewhere"))
    assert caches.keras_datasets_folder() == homeless / "elsewhere" / "datasets"


_HOMELESS = """
import pwd, sys
def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = unknown
from cae.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="homes are found in another way")
def test_without_a_home_folder_a_command_works_from_start_to_end(places):
    """In a process of its own: TensorFlow, Keras and matplotlib look for a home, too, when they are imported."""
    write_idx(places / "data", arrays_of("mnist"))
    config = places / "config.yaml"
    config.write_text("data: {source: mnist, path: data}\nmodel: {encoder: {filters: [2]}}")
    ended = subprocess.run(
        [sys.executable, "-c", _HOMELESS, "train", config, "--dry-run"],
        env={"PATH": os.environ["PATH"], "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "train 18, validation 2 (held out), test 5 (the data set's own)" in ended.stderr
    assert sorted(path.name for path in places.iterdir()) == ["config.yaml", "data"]
