"""Files of Keras' own layers compute what the layers of this package do."""

import keras
import numpy as np
import pytest

from cae.exporting.stock import with_stock_layers
from cae.layers import Conv2DTransposeToSize, DepthToSpace2D, ICNRInitializer, Resize2D, SpaceToDepth2D

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
