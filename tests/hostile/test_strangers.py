"""Runs that a stranger made: weights and records are numbers and text, and nothing in them is executed."""

import json
import os
import pickle
import shutil
import signal
import socket
import time

import h5py
import numpy as np
import pytest

from cae.atomic_files import append_text, write_text
from cae.config import RunConfig, check_config, load_config, save_config
from cae.config.data import ArrayData, BundledData
from cae.config.model import EncoderSection, ModelSection
from cae.errors import UserError
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.runs import RunDirectory
from cae.runs.trained import image_shape_of, load_autoencoder
from cae.runs.weights import load_weights, save_weights
from cae.training.checkpoints import Checkpoint, CheckpointFolder
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
    "packed": lambda file, name, shape, folder: file.create_dataset(name, shape, "f4", compression="gzip"),
    "never written": lambda file, name, shape, folder: file.create_dataset(name, shape, "f4"),
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


def listening(path):
    """A socket with the name; its path is short, since systems take no long ones."""
    os.chdir(path.parent)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path.name)
    server.close()


PLACED = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": os.mkdir,
    "a socket": listening,
}
READERS = {
    "config.yaml": lambda run: load_config(run.config),
    "summary.json": RunDirectory.read_summary,
    "environment.json": RunDirectory.read_environment,
    "metrics.jsonl": RunDirectory.read_metrics,
    "model.weights.h5": lambda run: load_autoencoder(run, CONFIG, PLAN),
    "checkpoints/step-0000000003.json": lambda run: CheckpointFolder(run.checkpoints).load_newest(lambda line: None),
    "checkpoints/step-0000000003.npz": lambda run: CheckpointFolder(run.checkpoints).load_newest(lambda line: None),
}


@pytest.fixture
def impatient():
    """End what waits for a pipe's other end, or reads a device that never ends."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("kind", PLACED)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_in_place_of_a_runs_file_is_named_and_not_waited_for(
    stranger, monkeypatch, impatient, name, kind
):
    monkeypatch.chdir(stranger.path)
    CheckpointFolder(stranger.checkpoints).path.mkdir()
    CheckpointFolder(stranger.checkpoints).save(Checkpoint(3, {"kernel": np.ones(2)}, {"epoch": 1}))
    path = stranger.path / name
    path.unlink(missing_ok=True)
    PLACED[kind](path)
    with pytest.raises(UserError) as caught:
        READERS[name](stranger)
    assert str(path).removesuffix(path.suffix) in str(caught.value)


@pytest.mark.parametrize("name", ["summary.json", "environment.json", "metrics.jsonl"])
def test_a_record_of_gigabytes_is_refused_by_its_size(tmp_path, name):
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, 1 << 40)  # takes no room on the disk
    with pytest.raises(UserError, match=r"has at most .* bytes\. Received: 1,099,511,627,776"):
        READERS[name](RunDirectory(tmp_path))


@pytest.mark.parametrize("shape", [[10**6, 10**6, 3], [10**6, 8, 1], [8, 8, 3]])
def test_a_shape_that_is_not_the_configurations_is_refused(stranger, shape):
    stranger.summary.write_text(json.dumps({"image_shape": shape}))
    for section in (BundledData(), BundledData(image_size=(8, 8)), ArrayData(image_size=(8, 8), channels=1)):
        with pytest.raises(UserError, match=r"summary\.json: `image_shape` must be"):
            image_shape_of(stranger, RunConfig(data=section))


@pytest.mark.parametrize("shape", [(10**6, 10**6, 3), (10**5, 10**5, 1), (3 * 10**6, 2, 1)])
@pytest.mark.parametrize("interpolation", ["nearest", "bicubic"])
def test_a_model_for_pictures_larger_than_memory_is_refused_before_it_is_built(stranger, shape, interpolation):
    if interpolation == "nearest" and shape[1] == 2:
        pytest.skip("a line of pixels takes little memory")
    model = {"encoder": {"filters": [2]}, "decoder": {"upsampling": {"kind": "resize", "interpolation": interpolation}}}
    config = check_config({"model": model})
    with open(stranger.weights, "ab") as file:
        file.truncate(1 << 20)
    with pytest.raises(UserError, match=r"one image of .* takes .* GB in this run's model"):
        load_autoencoder(stranger, config, make_plan(config.model, shape))


def test_a_model_with_more_weights_than_its_file_has_bytes_is_refused_before_it_is_built(stranger):
    config = check_config({"model": {"bottleneck": {"kind": "dense", "units": 10**9}}})
    started = time.process_time()
    with pytest.raises(UserError, match=r"model\.weights\.h5: does not fit config\.yaml, whose model has .* weights"):
        load_autoencoder(stranger, config, make_plan(config.model, (28, 28, 1)))
    assert time.process_time() - started < 1


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="is a link"):
        append_text(tmp_path / "metrics.jsonl", "row")
    write_text(tmp_path / "metrics.jsonl", "row")
    append_text(tmp_path / "metrics.jsonl", " and more")
    assert (tmp_path / "mine").read_text() == "kept"
    assert not (tmp_path / "metrics.jsonl").is_symlink()
    assert (tmp_path / "metrics.jsonl").read_text() == "row and more"
