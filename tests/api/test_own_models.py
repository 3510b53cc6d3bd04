"""Encoders and decoders of your own: models of Keras that are handed over, and lie in the run from then on."""

import json
import re
import shutil
import zipfile

import keras
import numpy as np
import pytest

import cae
from cae.commands.main import main
from cae.grid import step_time
from cae.kinds import own_model
from tests.conftest import ROOT, make_images
from tests.docs.pages import blocks

IMAGES = make_images(40, 12, 10)
PIXELS = IMAGES / np.float32(255)
CONFIG = {
    "model": {"encoder": {"filters": [4]}, "decoder": {"upsampling": "resize"}},
    "training": {"epochs": 1, "batch_size": 16},
    "logging": {"image_epochs": [9], "tensorboard": False},
}


def make_encoder(channels=3, **options):
    """Images of 12x10 to maps of 3x3."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((12, 10, 1)),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", **options),
            layers.BatchNormalization(**options),
            layers.Conv2D(channels, 3, strides=2, padding="same", **options),
        ]
    )


def make_decoder():
    """Maps of 3x3 to images of 12x10."""
    layers = keras.layers
    inputs = layers.Input((3, 3, 3))
    maps = layers.Conv2DTranspose(5, 2, strides=2, activation="relu")(inputs)
    maps = layers.Cropping2D(((0, 0), (0, 2)))(layers.UpSampling2D(2)(maps))
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(maps))


def train(folder, **options):
    """Train without a word."""
    return cae.train({**CONFIG, **options.pop("config", {})}, runs_dir=folder, tell=lambda line: None, **options)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The images as a file, which other programs find again."""
    path = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(path, IMAGES)
    return {"data": {"source": "arrays", "path": str(path)}}


@pytest.fixture(scope="module")
def both(tmp_path_factory, data):
    """A run of an encoder that is not trained, and a decoder."""
    encoder, decoder = make_encoder(trainable=False), make_decoder()
    config = {**data, "experiment": "side_by_side", "name": "mine"}
    return encoder, decoder, train(tmp_path_factory.mktemp("runs"), config=config, encoder=encoder, decoder=decoder)


@pytest.fixture
def elsewhere():
    """What a program finds that was not given the models."""
    own_model._kept.clear()
    own_model._look_at.cache_clear()
    own_model._cost_of.cache_clear()


def test_an_encoder_that_is_not_trainable_gives_the_codes_that_it_gave_before(both, elsewhere):
    encoder, _, result = both
    model = result.load()
    assert model.code_shape == (3, 3, 3)
    np.testing.assert_allclose(model.encode(PIXELS), encoder.predict(PIXELS, verbose=0), atol=1e-6)


def test_the_decoder_that_was_handed_over_is_trained_and_its_output_is_the_reconstruction(both, elsewhere):
    encoder, decoder, result = both
    model, trained = result.load(), keras.models.clone_model(decoder)
    trained.set_weights(model.decoder.get_weights())
    assert any(np.any(one != other) for one, other in zip(trained.get_weights(), decoder.get_weights(), strict=True))
    made = trained.predict(encoder.predict(PIXELS, verbose=0), verbose=0)
    np.testing.assert_allclose(model.predict(PIXELS), made, atol=1e-6)
    first = keras.models.load_model(result.path / "decoder.keras")  # the file has what training began with
    for mine, theirs in zip(first.get_weights(), decoder.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_run_is_enough_for_every_command(both, elsewhere, tmp_path, monkeypatch, capsys):
    _, _, result = both
    monkeypatch.chdir(tmp_path)
    run, images = str(result.path), str(tmp_path / "images.npy")
    np.save(images, IMAGES[:6])
    for words in (
        ["evaluate", run],
        ["encode", run, images, "--out", "codes.npz"],
        ["visualize", run, "--method", "gradient", "--maps", "0", "--top", "1"],
        ["verify", run],
    ):
        assert main(words) == 0, words
    assert main(["visualize", run]) == 2
    assert "gradient works for it" in capsys.readouterr().err
    loaded = keras.models.load_model(result.load().save("model.keras"))
    np.testing.assert_allclose(loaded.predict(PIXELS, verbose=0), result.load().predict(PIXELS), atol=1e-5)


def test_a_training_goes_on_with_the_models_of_its_run(tmp_path, data, elsewhere):
    def go(epochs, encoder, **options):
        section = {**CONFIG["training"], "epochs": epochs}
        return train(tmp_path, config={**data, "training": section}, encoder=encoder, **options)

    go(1, make_encoder())
    own_model._kept.clear()
    parts = go(2, make_encoder(), resume=True)  # another program's, with other random weights
    with pytest.raises(cae.ConfigError, match=r"model\.encoder\.keras\.sha256: was"):
        go(2, make_encoder(channels=4), resume=True)
    losses = parts.history["val_loss"]
    own_model._kept.clear()
    whole = cae.train(parts.path / "config.yaml", runs_dir=tmp_path, overwrite=True, tell=lambda line: None)
    np.testing.assert_allclose(whole.history["val_loss"], losses, rtol=1e-4)


class CutOff(keras.callbacks.Callback):
    """Ends a training in its second epoch, as a crash would."""

    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == 5:
            raise RuntimeError("cut off")


def test_a_training_that_was_cut_off_ends_with_the_bits_of_one_that_was_not(tmp_path, data, elsewhere):
    layers = keras.layers
    inputs = layers.Input((12, 10, 1))
    maps = layers.BatchNormalization(momentum=0.8)(layers.Conv2D(4, 3, strides=2, padding="same")(inputs))
    maps = layers.GaussianNoise(0.1)(layers.SpatialDropout2D(0.3)(maps))
    encoder = keras.Model(inputs, layers.Dropout(0.2)(layers.Conv2D(3, 3, strides=2, padding="same")(maps)))
    config = {**data, "training": {"epochs": 3, "batch_size": 16, "deterministic": True}}
    whole = train(tmp_path / "whole", config=config, encoder=encoder, decoder=make_decoder())
    decoder = keras.models.load_model(whole.path / "decoder.keras")
    with pytest.raises(RuntimeError, match="cut off"):
        train(tmp_path / "cut", config=config, encoder=encoder, decoder=decoder, callbacks=[CutOff()])
    own_model._kept.clear()  # as another program
    file = tmp_path / "cut" / "default" / "run" / "config.yaml"
    cut = cae.train(file, runs_dir=tmp_path / "cut", resume=True, tell=lambda line: None)
    assert cut.history["val_loss"] == whole.history["val_loss"]
    for one, other in zip(cut.load().keras.get_weights(), whole.load().keras.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_decoder_of_your_own_is_compared_with_built_in_ones_in_one_report(both, tmp_path, data):
    encoder, _, mine = both
    shutil.copytree(mine.path, tmp_path / "side_by_side" / "mine")
    config = {**data, "experiment": "side_by_side"}
    runs = [
        train(tmp_path, config={**config, "name": "resize"}, encoder=encoder),
        train(tmp_path, config={**config, "name": "plain", "model": {**CONFIG["model"], "bottleneck": "none"}}),
    ]
    report = cae.compare(tmp_path / "side_by_side", tell=lambda line: None)
    assert "3 decoders, 3 runs" in report.text
    for run in (cae.Run(tmp_path / "side_by_side" / "mine"), *runs):
        psnr = run.evaluate(tell=lambda line: None)["psnr"]
        assert f"{psnr:.2f}" in report.text


def test_first_weights_are_never_those_of_another_model_of_the_same_layers():
    first = own_model.keep("encoder", make_encoder())
    own_model._kept.clear()
    own_model.keep("encoder", make_encoder())
    with pytest.raises(cae.UserError, match="is here with other weights than the configuration says"):
        own_model.first_weights(first)


@keras.saving.register_keras_serializable("tests")
class Halved(keras.Model):
    """An encoder written as a class, with a penalty of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = keras.layers.Conv2D(3, 3, strides=4, padding="same", kernel_regularizer=keras.regularizers.L2(0.5))

    def call(self, images):
        self.add_loss(keras.ops.convert_to_tensor(0.25))
        return self.conv(images)


def test_penalties_of_a_model_of_your_own_are_part_of_the_loss_and_a_class_says_how_often_it_halves(tmp_path):
    encoder = Halved()
    encoder(PIXELS[:1])
    run = train(tmp_path, images=IMAGES, encoder=encoder).run  # one filter is named, and a factor of 4 takes two
    (row,) = run.metrics
    kernel = run.load().encoder.get_layer("own_encoder").get_weights()[0]
    assert row["val_loss"] - row["val_mse"] == pytest.approx(0.25 + 0.5 * np.sum(kernel**2), rel=1e-4)
    assert row["loss"] > 0.25


def test_built_in_decoders_behind_one_encoder_in_a_grid_get_its_number_of_stages_and_are_timed(tmp_path, monkeypatch):
    measured = []

    def make_steps(section, timed):
        measured.append(section.encoder.keras.name)
        return lambda number: 1.0

    monkeypatch.setattr(step_time, "make_steps", make_steps)
    encoder = make_encoder()
    config = {"grid": {"model.decoder.upsampling": ["resize", "subpixel"]}, "experiment": "two", "match": "time"}
    result = train(tmp_path, config=config, images=IMAGES, encoder=encoder)
    assert measured == [encoder.name] * 2
    assert [run.load().code_shape for run in result] == [(3, 3, 3)] * 2
    names = [layer.name for layer in result.runs[0].load().decoder.layers]
    assert {"stage_2_resize", "stage_1_resize"} <= set(names)
    assert [run.path.name for run in result] == ["resize", "subpixel"]


def test_a_rate_is_found_for_a_model_that_only_this_program_has():
    quiet = {"encoder": make_encoder(), "optimizer": keras.optimizers.SGD(), "steps": 30, "tell": lambda line: None}
    found = cae.tune(CONFIG, images=IMAGES, loss="mae", **quiet)
    assert 1e-7 <= found.suggestion <= 1
    assert found.losses[0] == pytest.approx(np.abs(PIXELS - 0.5).mean(), abs=0.1)


def describe(**options):
    """The plan for images of 12x10."""
    return cae.describe({**CONFIG, "data": {"source": "bundled", "image_size": [12, 10]}}, **options)


def test_a_description_counts_weights_and_multiplications():
    layers = keras.layers
    encoder = keras.Sequential(
        [
            layers.Input((12, 10, 1)),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.SeparableConv2D(6, 3, padding="same"),
            layers.Flatten(),
            layers.Dense(7),
        ]
    )
    inputs = layers.Input((7,))
    maps = layers.Reshape((6, 5, 1))(layers.Dense(30)(inputs))
    decoder = keras.Model(inputs, layers.Conv2DTranspose(1, 2, strides=2)(maps))
    figures = describe(encoder=encoder, decoder=decoder)
    assert figures["parameters"] == encoder.count_params() + decoder.count_params()
    of_encoder = 6 * 5 * (9 * 4 + 9 * 4 + 4 * 6) + 6 * 5 * 6 * 7
    assert figures["macs_per_image"] == of_encoder + 7 * 30 + 6 * 5 * 4
    assert figures["code"]["values"] == 7
    assert figures["step_memory_bytes"]["activations"] > 0
    text = repr(describe(encoder=encoder, overrides=["model.bottleneck={kind: dense, units: 5}"]))
    assert "your own" in text
    assert "5 values" in text


class Doubled(keras.layers.Layer):
    """Of no name that Keras knows."""

    def call(self, inputs):
        return inputs * 2


def _model(*layers, shape=(12, 10, 1)):
    return keras.Sequential([keras.layers.Input(shape), *layers])


def _with_inputs(number, outputs=1, named=False, dtype="float32"):
    inputs = [keras.layers.Input((12, 10, 1), dtype=dtype, name=f"image_{place}") for place in range(number)]
    maps = keras.layers.Conv2D(2, 3)(sum(map(keras.layers.Rescaling(1.0), inputs)))
    given = {one.name: one for one in inputs} if named else inputs
    return keras.Model(given, [maps] * outputs if outputs > 1 else maps)


def _of_weights(value):
    model = make_encoder()
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "resnet"}, "`encoder` must be a model of Keras. Received: 'resnet'"),
        ({"encoder": _model(Doubled())}, "register_keras_serializable"),
        ({"encoder": _model(keras.layers.Lambda(lambda maps: maps * 2))}, "Lambda"),
        ({"encoder": _with_inputs(2)}, "takes 2 inputs"),
        ({"encoder": _with_inputs(1, named=True)}, "takes a dict"),
        ({"encoder": _with_inputs(1, dtype="uint8")}, r"takes uint8, and not float32 in \[0, 1\]"),
        ({"encoder": _with_inputs(1, outputs=2)}, "gives a list of 2"),
        ({"encoder": _of_weights(np.nan)}, "has NaN or infinity among its weights .*kernel"),
        ({"encoder": _model(keras.layers.Conv2D(2, 3), shape=(32, 32, 3))}, r"\(None, 12, 10, 1\).*takes.*32, 32, 3"),
        ({"encoder": _model(keras.layers.Reshape((12, 10)))}, r"map.*or vector.*gives \(None, 12, 10\)"),
        (
            {"encoder": _model(keras.layers.Conv2D(2, 5, strides=2))},
            "decoder of 2 stages .* from maps of 3x3.*maps of 4x3",
        ),
        ({"decoder": make_decoder()}, r"`decoder` must take codes of shape \(None, 6, 5, 16\).*takes.*3, 3, 3"),
        ({"encoder": make_encoder(), "decoder": make_encoder()}, "`decoder` must take codes"),
        ({"decoder": _model(keras.layers.Flatten(), shape=(6, 5, 16))}, "`decoder` must give images"),
        (
            {"encoder": make_encoder(), "overrides": ["model.decoder.upsampling=max_unpool"]},
            "max_unpool needs the switches of the encoder's poolings, and one of your own records none",
        ),
        ({"encoder": make_encoder(), "overrides": ["model.decoder.tied_weights=true"]}, "tied_weights needs"),
        (
            {"decoder": make_decoder(), "overrides": ["model.decoder.filters=[8]"]},
            "filters has no effect with a model of your own",
        ),
        (
            {
                "encoder": make_encoder(),
                "overrides": ["model.linear_path=block", "model.decoder.output_activation=linear"],
            },
            "block needs last layers that can start at zero",
        ),
        (
            {"encoder": _model(keras.layers.Flatten()), "overrides": ["model.bottleneck=spatial"]},
            "spatial needs maps.*gives a vector",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(options, words):
    with pytest.raises(cae.UserError, match=re.compile(words, re.DOTALL)):
        describe(**options)


def test_a_configuration_whose_model_is_nowhere_says_so(both, elsewhere, tmp_path):
    config = (both[2].path / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(cae.UserError, match=r"hand it over again, with cae\.train"):
        cae.describe(tmp_path / "config.yaml")


def test_a_strangers_model_is_read_in_safe_mode_and_only_its_architecture(both, elsewhere, tmp_path):
    model = _model(keras.layers.Lambda(lambda maps: maps * 2))
    (tmp_path / "config.yaml").write_bytes((both[2].path / "config.yaml").read_bytes())
    for part in ("encoder", "decoder"):
        with zipfile.ZipFile(tmp_path / f"{part}.keras", "w") as archive:  # no weights, no metadata
            archive.writestr("config.json", json.dumps(keras.saving.serialize_keras_object(model)))
    with pytest.raises(cae.UserError, match=r"encoder\.keras: Keras cannot make the model.*lambda"):
        cae.describe(tmp_path / "config.yaml")


def test_the_lines_of_the_documents_make_an_encoder_that_can_be_trained():
    (code,) = (block for block in blocks((ROOT / "docs" / "using.md").read_text(), "python") if "encoder=" in block)
    definition, call, options = code.partition("result = cae.train(")
    names = {}
    exec(f"{definition}plan = cae.describe({options}", names)
    assert call
    assert names["plan"]["code"]["values"] == 7 * 7 * 8
