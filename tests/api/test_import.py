"""`import cae`: what it offers, and how little it waits for."""

import importlib.util

import numpy as np
import pytest

import cae
from tests.conftest import run_process

LARGE = ("tensorflow", "keras", "numpy", "pydantic", "matplotlib")
LOADED = f"import sys; print(*sorted(set(sys.modules) & set({LARGE})))"


def loaded_after(statements):
    code, out, err = run_process("-c", f"{statements}\n{LOADED}")
    assert code == 0, err
    return set(out.splitlines()[-1].split())


def test_importing_the_package_waits_for_nothing_large():
    assert loaded_after("import cae; dir(cae); cae.__version__") == set()


def test_naming_what_trains_and_loads_does_not_start_the_engine_yet():
    names = "cae.train, cae.load, cae.evaluate, cae.TrainedAutoencoder, cae.RunConfig, cae.Run, cae.UserError"
    assert not {"tensorflow", "keras"} & loaded_after(f"import cae; {names}")


def test_every_name_that_is_offered_is_there_and_listed():
    for name in cae.__all__:
        assert getattr(cae, name) is not None
        assert name in dir(cae)
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        cae.tarin  # noqa: B018


def test_no_module_hides_a_function_of_its_name():
    functions = set(cae.__all__) - {"layers"}
    assert [name for name in functions if importlib.util.find_spec(f"cae.{name}")] == []


def test_layers_are_an_attribute_and_stand_alone():
    images = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
    pooled, switches = cae.layers.MaxPooling2DWithSwitches(2)(images)
    restored = np.asarray(cae.layers.MaxUnpooling2D(2, output_size=(5, 7))((pooled, switches)))
    kept = restored != 0
    assert restored.shape == images.shape
    assert kept.sum() == 2 * 3 * 4 * 3  # one of each window, and random images have no zeros
    np.testing.assert_array_equal(restored[kept], images[kept])


def test_keras_on_another_backend_is_refused_with_what_to_do():
    program = (
        "import sys, types\n"
        "import keras\n"
        "keras.config.backend = lambda: 'torch'\n"
        "import cae\n"
        "try:\n"
        "    cae.layers\n"
        "except cae.UserError as error:\n"
        "    print(error)\n"
    )
    code, out, err = run_process("-c", program)
    assert code == 0, err
    assert "KERAS_BACKEND=tensorflow" in out
