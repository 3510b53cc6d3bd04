"""What is not finite is never passed on: neither weights nor outputs, by no command."""

import h5py
import numpy as np
import pytest
from PIL import Image

import cae
from tests.conftest import make_images

MODEL = {
    "encoder": {"filters": [4]},
    "bottleneck": {"kind": "spatial", "channels": 2},
    "decoder": {"upsampling": "resize", "output_activation": "linear"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, image_file):
    config = {
        "data": {"source": "arrays", "path": image_file},
        "model": MODEL,
        "training": {"epochs": 1, "batch_size": 64},
    }
    return cae.train(config, runs_dir=tmp_path_factory.mktemp("finite"), tell=lambda line: None).path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures")
    for number, picture in enumerate(make_images(3, 15, 10)):
        # The first is black, which weights of any size leave finite.
        Image.fromarray(picture[..., 0] * (number > 0)).save(path / f"p{number}.png")
    return path


def damage(run, change, most=None):
    """Change the weights; gives the first one's name and what puts them back."""
    with h5py.File(run / "model.weights.h5", "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        names = names[:most]
        before = {name: file[name][()] for name in names}
        for name in names:
            file[name][...] = change(before[name])

    def restore():
        with h5py.File(run / "model.weights.h5", "r+") as file:
            for name in names:
                file[name][...] = before[name]

    return names[0], restore


def one_nan(weights):
    weights = weights.copy()
    weights.flat[0] = np.nan
    return weights


def overflowing(weights):
    """Kernels that give infinity for all but black, which biases of 0 leave black."""
    return np.full_like(weights, 3e38 if weights.ndim == 4 else 0.0)


COMMANDS = {
    "reconstruct": ["{run}", "{folder}", "--out", "{out}"],
    "score": ["{run}", "{folder}", "--out", "{out}"],
    "encode": ["{run}", "{folder}", "--out", "{out}.npz"],
    "evaluate": ["{run}", "--out", "{out}"],
    "visualize": ["{run}", "--out", "{out}"],
    "export": ["{run}", "--format", "keras", "--out", "{out}.keras"],
}


def arguments(command, run, folder, out):
    return [command, *(part.format(run=run, folder=folder, out=out) for part in COMMANDS[command])]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_weight_that_is_not_a_number_ends_every_command_with_its_name(run_command, run, folder, tmp_path, command):
    name, restore = damage(run, one_nan, 1)
    try:
        code, _, err = run_command(*arguments(command, run, folder, tmp_path / "out"))
    finally:
        restore()
    assert code == 1, err
    assert "model.weights.h5" in err
    assert f"{name}, with 1 of" in err
    assert "Traceback" not in err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["reconstruct", "score", "encode", "evaluate", "export"])
def test_an_output_that_overflows_ends_with_run_and_image(run_command, run, folder, tmp_path, command):
    _, restore = damage(run, overflowing)
    try:
        code, out, err = run_command(*arguments(command, run, folder, tmp_path / "out"))
    finally:
        restore()
    assert code == 1, err
    message = err.splitlines()[-1]
    assert str(run) in message or command == "export"
    assert "infinite or not a number" in message
    assert {"evaluate": "image ", "export": "this run"}.get(command, "p1.png") in message
    assert "nan" not in out


def test_python_refuses_what_overflows_by_the_images_index(run):
    _, restore = damage(run, overflowing)
    images = np.concatenate([np.zeros((70, 15, 10, 1), np.uint8), make_images(1, 15, 10)])
    try:
        model = cae.load(run)
        for use in (model.reconstruct, model.encode, model.score):
            with pytest.raises(cae.UserError, match="image 70 has values"):
                use(images)
    finally:
        restore()
