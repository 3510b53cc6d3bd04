"""Exports of models of your own, with what only training uses, and with tensors that are no weights."""

import keras
import numpy as np
import pytest

from cae.config import RunConfig
from cae.config.model import ModelSection
from cae.errors import UserError
from cae.exporting import parity
from cae.exporting.export import Exporter
from cae.exporting.formats import FORMATS
from cae.exporting.parts import make_part
from cae.exporting.runtimes import LOADERS, serve_twice
from cae.exporting.stock import with_stock_layers
from cae.kinds.own_model import keep
from cae.model import build_autoencoder
from cae.plan import make_plan
from tests.export.models import make_batch

SHAPE = (12, 10, 2)


@keras.saving.register_keras_serializable("tests.export")
class Shifted(keras.layers.Layer):
    """Adds a map that is a tensor, and no weight."""

    def build(self, shape):
        self.map = keras.ops.convert_to_tensor(
            np.linspace(0, 1, np.prod(shape[1:]), dtype="float32").reshape(shape[1:])
        )

    def call(self, inputs):
        self.add_loss(0.1 * keras.ops.mean(inputs))
        return inputs + self.map


def conv(filters, **options):
    return keras.layers.Conv2D(filters, 3, strides=2, padding="same", **options)


def of(*layers):
    return keras.Sequential([keras.layers.Input(SHAPE), *layers])


layers = keras.layers
ENCODERS = {
    "maps": lambda: of(
        layers.Normalization(mean=[0.5, 0.25], variance=[0.1, 0.2]),
        layers.Rescaling(2.0, -1.0),
        layers.RandomFlip(),
        layers.RandomTranslation(0.2, 0.2),
        layers.GaussianNoise(0.3),
        Shifted(),  # a tensor and a penalty
        conv(4, activity_regularizer="l1", kernel_regularizer="l2"),
        layers.ActivityRegularization(l1=0.1),
        layers.BatchNormalization(),
        layers.SpatialDropout2D(0.5),
        conv(3),
    ),
    "a penalty of the code": lambda: of(conv(4), conv(3), layers.Flatten(), layers.Dense(7, activity_regularizer="l1")),
}


def in_process(format_name, path, inputs):
    """Serve a file here, which is quicker than elsewhere."""
    return serve_twice(LOADERS[format_name](str(path)), inputs)


def export(encoder, name, part, folder):
    """Export, which compares the file with the model on images; gives what it wrote."""
    own = keep("encoder", encoder).model_dump()
    model = {"encoder": {"filters": [4, 6], "keras": own}, "bottleneck": "none", "decoder": {"upsampling": "resize"}}
    autoencoder = build_autoencoder(make_plan(ModelSection.model_validate(model), SHAPE))
    exporter = Exporter(RunConfig(), "0" * 64, make_batch(SHAPE), in_process)
    wanted = FORMATS[name]
    return exporter.export(make_part(autoencoder, part), wanted, folder / f"model{wanted.ending}")


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", FORMATS)
def test_what_only_training_uses_has_no_part_in_a_file(encoder, name, tmp_path):
    for part in ("autoencoder", "encoder"):
        (agreement,) = export(ENCODERS[encoder](), name, part, tmp_path).agreements
        assert agreement.largest <= 1e-4


@pytest.mark.parametrize(("kernel", "strides"), [(3, 4), ((1, 5), (3, 2)), ((5, 2), 4)])
def test_transposed_convolutions_whose_strides_are_longer_than_their_kernels_are_exported_too(
    kernel, strides, tmp_path
):
    inputs = layers.Input((3, 4, 2))
    made = layers.Conv2DTranspose(3, kernel, strides=strides, padding="same", bias_initializer="ones")(inputs)
    decoder = keras.Model(inputs, layers.Conv2D(2, 3, padding="same")(made))
    shape = decoder.output_shape[1:]
    encoder = keras.Sequential([layers.Input(shape), layers.Resizing(3, 4)])
    own = {
        part: {"keras": keep(part, model).model_dump()} for part, model in (("encoder", encoder), ("decoder", decoder))
    }
    plan = make_plan(ModelSection.model_validate({**own, "bottleneck": "none"}), shape)
    exporter = Exporter(RunConfig(), "0" * 64, make_batch(shape), in_process)
    part = make_part(build_autoencoder(plan), "autoencoder")
    (agreement,) = exporter.export(part, FORMATS["onnx"], tmp_path / "model.onnx").agreements
    assert agreement.largest <= 1e-5


def test_a_class_that_only_this_program_knows_is_read_back_here(tmp_path, monkeypatch):
    monkeypatch.setattr(parity.subprocess, "run", lambda *words, **options: pytest.fail("a process was started"))
    own = keep("encoder", of(Shifted(), conv(4), conv(3))).model_dump()
    model = {"encoder": {"filters": [4, 6], "keras": own}, "bottleneck": "none", "decoder": {"upsampling": "resize"}}
    part = make_part(build_autoencoder(make_plan(ModelSection.model_validate(model), SHAPE)), "autoencoder")
    exporter = Exporter(RunConfig(), "0" * 64, make_batch(SHAPE))
    (agreement,) = exporter.export(part, FORMATS["keras"], tmp_path / "model.keras").agreements
    assert agreement.largest <= 1e-4


def test_a_class_that_keras_cannot_find_by_its_name_is_no_part_of_a_keras_file():
    class Nameless(keras.layers.UpSampling2D):
        pass

    with pytest.raises(UserError, match=r"The layer Nameless can be .*register_keras_serializable"):
        with_stock_layers(keras.Sequential([keras.layers.Input(SHAPE), Nameless(2)]))


def test_a_model_that_computes_in_16_bits_is_exported_for_keras_alone(tmp_path):
    def encoder():
        return of(conv(4, dtype="mixed_bfloat16", name="narrow"), conv(3))

    for name in ("onnx", "litert", "savedmodel"):
        with pytest.raises(UserError, match=rf"{name} is written in float32.*16 bits: narrow\. Export as keras"):
            export(encoder(), name, "autoencoder", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert export(encoder(), "keras", "autoencoder", tmp_path).path.exists()
