"""Files of Keras' own layers compute what the layers of this package do."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from cae.config.model import ModelSection
from cae.exporting.parts import make_part
from cae.exporting.stock import with_stock_layers
from cae.exporting.writers import flatten
from cae.kinds.catalogue import upsampling_variants
from cae.layers import Conv2DTransposeToSize, DepthToSpace2D, ICNRInitializer, Resize2D, SpaceToDepth2D
from cae.model import build_autoencoder
from cae.plan import make_plan

# Odd sizes, which crop.
SHAPE = (13, 10, 1)
IN_ANOTHER_PROCESS = """
import sys
import keras, numpy as np

backend, *labels = sys.argv[1:]
assert keras.backend.backend() == backend
images = np.load("images.npy")
for label in labels:
    np.save(f"{label}.npy", keras.ops.convert_to_numpy(keras.models.load_model(f"{label}.keras")(images)))
assert "cae" not in sys.modules
"""
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        *((Resize2D(2, kind, output_size=(13, 10)), (7, 5, 3)) for kind in INTERPOLATIONS),
        *(
            (Conv2DTransposeToSize(2, kernel, strides, size, activation="relu", bias_initializer="ones"), (4, 3, 5))
            for kernel, strides, size in [(4, 2, (8, 6)), (4, 2, (7, 5)), (3, 2, (7, 6)), (2, 3, (11, 8)), (5, 3, None)]
        ),
        (DepthToSpace2D(2, output_size=(7, 6)), (4, 3, 12)),
        (DepthToSpace2D(3), (2, 3, 9)),
        (SpaceToDepth2D(2), (6, 8, 3)),
        (keras.layers.Conv2D(8, 3, kernel_initializer=ICNRInitializer(2)), (6, 8, 3)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_stock_layer_computes_the_same_and_its_file_needs_nothing_of_this_package(layer, shape):
    model = keras.Sequential([keras.Input(shape), layer])
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    stock = with_stock_layers(keras.Model(model.inputs[0], model.outputs[0]))
    assert "cae>" not in stock.to_json()
    np.testing.assert_allclose(stock(images), model(images), atol=1e-5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with images, and a file of each kind that Keras' own layers make; with what each must give."""
    folder, expected = tmp_path_factory.mktemp("stock"), {}
    images = np.random.default_rng(1).random((2, *SHAPE), np.float32)
    np.save(folder / "images.npy", images)
    for upsampling in upsampling_variants():
        if upsampling.switches_wanted is not None:
            continue
        section = ModelSection.model_validate(
            {
                "encoder": {"filters": [4], "normalization": {"kind": "group", "groups": 2}, "activation": "gelu"},
                "bottleneck": {"channels": 3},
                "decoder": {"upsampling": upsampling.model_dump()},
            }
        )
        autoencoder = build_autoencoder(make_plan(section, SHAPE))
        stock = with_stock_layers(flatten(make_part(autoencoder, "autoencoder")))
        if "cae>" not in stock.to_json():
            stock.save(folder / f"{upsampling.label}.keras")
            expected[upsampling.label] = autoencoder.model.predict(images, verbose=0)
    return folder, expected


# PyTorch's bicubic resizing has another coefficient, and there is none by Lanczos' kernels.
RESIZED_OTHERWISE = {"jax": (), "torch": ("resize bicubic", "resize lanczos3", "resize lanczos5")}


def where_it_is(backend):
    is_missing = importlib.util.find_spec(backend) is None
    return pytest.param(backend, marks=pytest.mark.skipif(is_missing, reason=f"{backend} is not installed here"))


@pytest.mark.parametrize("backend", [where_it_is("jax"), where_it_is("torch")])
def test_files_of_stock_layers_give_the_same_numbers_on_keras_other_backends(files, backend):
    folder, expected = files
    labels = sorted(set(expected) - set(RESIZED_OTHERWISE[backend]))
    assert len(labels) >= 5
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, backend, *labels]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    for label in labels:
        np.testing.assert_allclose(np.load(folder / f"{label}.npy"), expected[label], atol=1e-5, err_msg=label)
