"""Runs that a stranger made: weights and records are numbers and text, and nothing in them is executed."""

import json
import pickle
import shutil
import time

import h5py
import numpy as np
import pytest

from cae.config import RunConfig, save_config
from cae.config.model import EncoderSection, ModelSection
from cae.errors import UserError
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.runs import RunDirectory
from cae.runs.trained import load_autoencoder
from cae.runs.weights import load_weights, save_weights
from tests.hostile.trap import Trap

CONFIG = RunConfig(model=ModelSection(encoder=EncoderSection(filters=(2,))))
PLAN = make_plan(CONFIG.model, (8, 8, 1))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A run directory as training leaves it."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    run.path.mkdir()
    save_config(CONFIG, run.config)
    save_weights(run.weights, build_autoencoder(PLAN))
    return run


@pytest.fixture
def stranger(sound, tmp_path):
    """A copy of the run."""
    shutil.copytree(sound.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


def test_sound_weights_pass_and_are_loaded(sound):
    loaded, _ = load_autoencoder(sound, CONFIG, PLAN)
    for one, other in zip(loaded.model.get_weights(), build_autoencoder(PLAN).model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def kernel_name(file):
    """The name of some array in a weights file."""
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names[0]


def other_file(path, shape):
    with h5py.File(path, "w") as file:
        file["x"] = np.full(shape, 7, np.float32)
    return str(path)


def virtual(file, name, shape, folder):
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(other_file(folder / "other.h5", shape), "x", shape)
    file.create_virtual_dataset(name, layout)


def outside(file, name, shape, folder):
    (folder / "raw").write_bytes(bytes(4 * int(np.prod(shape))))
    file.create_dataset(name, shape, "f4", external=[(str(folder / "raw"), 0, 4 * int(np.prod(shape)))])


def link(file, name, shape, folder):
    file[name] = h5py.ExternalLink(other_file(folder / "other.h5", shape), "x")


# How the array of that name is replaced; the folder takes what lies outside of the file.
REPLACED = {
    "link out": link,
    "soft link": lambda file, name, shape, folder: file.update({name: h5py.SoftLink("/vars")}),
    "values in another file": virtual,
    "values in a raw file": outside,
    "terabytes": lambda file, name, shape, folder: file.create_dataset(name, (10**6, 10**6), "f4", chunks=(99, 99)),
    "gigabytes": lambda file, name, shape, folder: file.create_dataset(name, (40_000, 20_000), "f4", chunks=(99, 99)),
    "pickle": lambda file, name, shape, folder: file.update({name: np.void(pickle.dumps(Trap(folder / "canary")))}),
    "text": lambda file, name, shape, folder: file.create_dataset(name, shape, h5py.string_dtype()),
    "references": lambda file, name, shape, folder: file.create_dataset(name, shape, h5py.ref_dtype),
    "complex": lambda file, name, shape, folder: file.create_dataset(name, shape, np.complex64),
    "right values in chunks": lambda file, name, shape, folder: file.create_dataset(name, shape, "f4", chunks=shape),
    "missing": lambda file, name, shape, folder: None,
    "another shape": lambda file, name, shape, folder: file.create_dataset(name, (*shape, 1), "f4"),
    "itself": lambda file, name, shape, folder: file.update({name: file["/"]}),
    "nothing": lambda file, name, shape, folder: file.update({name: h5py.Empty("f4")}),
}


@pytest.mark.parametrize("kind", REPLACED)
def test_weights_that_are_no_numbers_in_the_file_are_refused_at_once(stranger, tmp_path, kind):
    with h5py.File(stranger.weights, "a") as file:
        name = kernel_name(file)
        shape = file[name].shape
        del file[name]
        REPLACED[kind](file, name, shape, tmp_path)
    started = time.process_time()
    with pytest.raises(UserError, match="weights must be arrays of numbers in the file itself") as caught:
        load_weights(stranger.weights, build_autoencoder(PLAN))
    assert time.process_time() - started < 2.0
    assert str(caught.value).startswith(f"{stranger.weights}: ")
    assert not (tmp_path / "canary").exists()


def test_a_model_in_the_attributes_of_a_weights_file_is_never_looked_at(stranger, tmp_path):
    source = f"__import__('os').mkdir({str(tmp_path / 'canary')!r})"
    layer = {"class_name": "Lambda", "config": {"name": "x", "function": [source, None, None], "module": "os"}}
    with h5py.File(stranger.weights, "a") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})
        file.attrs["training_config"] = pickle.dumps(Trap(tmp_path / "canary")).hex()
    loaded, _ = load_autoencoder(stranger, CONFIG, PLAN)
    assert loaded.model.count_params() == PLAN.parameters
    assert not (tmp_path / "canary").exists()


def test_a_weights_file_of_wrong_bytes_is_loaded_or_refused(sound, stranger):
    autoencoder = build_autoencoder(PLAN)
    whole = np.frombuffer(sound.weights.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    refused = 0
    for number in range(60):
        content = whole.copy()
        places = generator.integers(0, len(whole) if number % 2 else 900, 12)
        content[places] = generator.integers(0, 256, len(places))
        stranger.weights.write_bytes(content.tobytes())
        try:
            load_weights(stranger.weights, autoencoder)
        except UserError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '{"status": ["finished"]}',
        '{"epochs": 1e999}',
        '{"epochs": ' + "9" * 5000 + "}",
        "\ufeff{}",
    ],
)
def test_a_hostile_summary_is_told_and_nothing_else(tmp_path, text):
    run = RunDirectory(tmp_path)
    run.summary.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=str(run.summary)):
        run.read_summary()


def test_weights_that_promise_more_than_the_model_holds_are_not_read(stranger):
    with h5py.File(stranger.weights, "a") as file:
        file.create_dataset("layers/large", (40_000, 20_000), "float32", chunks=(100, 100))
    started = time.process_time()
    with pytest.raises(UserError, match=r"model\.weights\.h5"):
        load_autoencoder(stranger, CONFIG, PLAN)
    assert time.process_time() - started < 20
