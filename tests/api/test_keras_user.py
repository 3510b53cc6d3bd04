"""What a user of Keras tries first: arrays, callbacks, objects, and the trained thing as models of Keras."""

import contextlib
import csv
import hashlib
import random
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from IPython.core.formatters import PNGFormatter
from tensorflow.python.framework.config import is_op_determinism_enabled

import cae
from cae.config import load_config
from cae.data.sources import memory
from tests.conftest import make_images

CONFIG = {
    "model": {"encoder": {"filters": [4]}, "bottleneck": {"channels": 2}, "decoder": {"upsampling": "resize"}},
    "training": {"epochs": 4, "batch_size": 32, "deterministic": True},
}
QUICK = {**CONFIG, "logging": {"image_epochs": [9], "tensorboard": False}}
IMAGES, LABELS = make_images(72, 12, 10), np.arange(72) % 3
TEST_IMAGES = make_images(9, 12, 10, seed=1)


def distance(images, reconstructions):
    """A loss of the user's own: the mean absolute error."""
    return keras.ops.mean(keras.ops.abs(images - reconstructions), axis=(1, 2, 3))


def quiet(line):
    """Take the place of `print`."""


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def script(tmp_path_factory, told):
    """What a user writes; gives the folder, the result and what the callbacks have seen."""
    folder, seen = tmp_path_factory.mktemp("script"), []
    result = cae.train(
        CONFIG,
        images=IMAGES,
        labels=LABELS,
        test_images=(TEST_IMAGES, np.zeros(9, int)),
        optimizer=keras.optimizers.Lion(1e-2, beta_1=0.8, clipnorm=1.0),
        loss=distance,
        callbacks=[
            keras.callbacks.CSVLogger(folder / "log.csv"),
            keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["val_psnr"])),
                on_train_batch_end=lambda batch, logs: seen.append(batch),
            ),
        ],
        runs_dir=folder / "runs",
        tell=told.append,
    )
    return folder, result, seen


def test_callbacks_see_each_epoch_and_each_step_as_metrics_have_them(script):
    folder, result, seen = script
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == result.history["val_loss"]
    assert [number for number in seen if isinstance(number, int)] == [0, 1, 2] * len(rows)  # 65 images in 3 steps
    assert [psnr for _, psnr in filter(lambda one: isinstance(one, tuple), seen)] == result.history["val_psnr"]


def test_objects_of_keras_and_images_are_recorded(script):
    config = load_config(script[1].path / "config.yaml")
    optimizer, given = config.training.optimizer, config.data.images
    assert (optimizer.class_name, optimizer.learning_rate, optimizer.custom) == ("Lion", 0.01, False)
    assert (optimizer.config["beta_1"], optimizer.config["clipnorm"]) == (0.8, 1.0)
    assert (config.objective.loss.custom, config.objective.loss.class_name) == (True, f"{__name__}.distance")
    assert (given.shape, given.dtype) == (IMAGES.shape, "uint8")
    assert given.sha256 == hashlib.sha256(IMAGES.tobytes()).hexdigest()
    assert script[1].summary["images"]["test"] == len(TEST_IMAGES)


def test_the_loss_of_the_user_is_what_falls(script):
    history = script[1].history
    np.testing.assert_allclose(history["val_loss"], history["val_mae"], rtol=1e-5)
    assert history["val_loss"][-1] < history["val_loss"][0]


def test_saved_models_open_in_plain_keras_and_give_the_same_numbers(script, tmp_path):
    model = script[1].load()
    images = TEST_IMAGES[..., np.newaxis] / np.float32(255) if TEST_IMAGES.ndim == 3 else TEST_IMAGES / np.float32(255)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    program = """
        import sys, keras, numpy as np
        images = np.load("images.npy")
        np.save("made.npy", keras.models.load_model("model.keras").predict(images, verbose=0))
        assert "cae" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "made.npy"), model.predict(images), atol=1e-5)
    other = keras.models.clone_model(model.keras)
    other.load_weights(model.save(tmp_path / "mine.weights.h5"))
    np.testing.assert_array_equal(other.predict(images, verbose=0), model.keras.predict(images, verbose=0))
    codes = model.encoder.predict(images, verbose=0)
    np.testing.assert_allclose(model.encode(images), codes, atol=1e-5)
    np.testing.assert_allclose(model(images), np.clip(model.decoder.predict(codes, verbose=0), 0, 1), atol=1e-5)


def test_what_is_trained_shows_itself_and_no_internals(script):
    result, model = script[1], script[1].load()
    assert all(part in repr(model) for part in (str(result.path), "(12, 10, 1)", "(6, 5, 2)", "dB"))
    lines = []
    model.summary(print_fn=lines.append)
    assert "parameters" in "\n".join(lines)
    public = {"keras", "encoder", "decoder", "predict", "summary", "save", "export", "evaluate", "visualize"}
    assert public <= set(dir(model))
    internal = [name for name in [*dir(model), *dir(result), *dir(result.run), *dir(cae)] if name.startswith("_")]
    assert internal == ["__version__"]
    assert not {"directory", "encode_pixels", "check_pools"} & {*dir(model), *dir(result.run)}
    assert len(result.plot().axes) == 2
    assert PNGFormatter()(result.plot()).startswith(b"\x89PNG")  # as a notebook asks for it
    for shown in (result, result.run, model):
        html = shown._repr_html_()
        assert html.count("<svg") == 2
        assert "data:image/png;base64," in html


def test_the_same_images_are_asked_for_again_and_others_refused(script):
    folder, result, _ = script
    again = {"optimizer": keras.optimizers.Lion(1e-2, beta_1=0.8, clipnorm=1.0), "loss": distance, "tell": quiet}
    given = {"images": IMAGES, "labels": LABELS, "test_images": (TEST_IMAGES, np.zeros(9, int)), **again}
    config = {"config": CONFIG, "runs_dir": folder / "runs", "resume": True}
    assert cae.train(**config, **given).summary == result.summary
    with pytest.raises(cae.ConfigError, match=r"data\.images\.sha256: was") as refused:
        cae.train(**config, **{**given, "images": IMAGES[::-1]})
    assert "resume=True" in str(refused.value)
    assert "--" not in str(refused.value)
    kept = dict(memory._kept)
    memory._kept.clear()
    with pytest.raises(cae.UserError, match="Give the same ones again"):
        cae.evaluate(result, tell=quiet)
    with pytest.raises(cae.UserError, match="are not those of the run"):
        cae.evaluate(result, images=IMAGES[:70], tell=quiet)
    measured = cae.evaluate(result, images=IMAGES, labels=LABELS, test_images=given["test_images"], features=False)
    assert measured["images"] == len(TEST_IMAGES)
    memory._kept.update(kept)


class Batches(keras.utils.PyDataset):
    """The images in batches of 20, with their labels."""

    def __len__(self):
        return 4

    def __getitem__(self, place):
        part = slice(20 * place, 20 * place + 20)
        return IMAGES[part], LABELS[part]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (IMAGES, LABELS),
        lambda: tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)),
        lambda: tf.data.Dataset.from_tensor_slices({"image": IMAGES, "label": LABELS}).batch(16),
        Batches,
    ],
    ids=["pair", "images", "batches", "PyDataset"],
)
def test_data_sets_of_tensorflow_and_keras_are_the_array_that_they_come_from(make):
    given, known = memory.keep("images", make()), memory.keep("images", IMAGES, LABELS)
    assert given.sha256 == known.sha256
    assert given.labels_sha256 == known.labels_sha256 is not None


def test_what_is_no_set_of_images_is_refused_with_what_was_received(tmp_path):
    endless = tf.data.Dataset.from_tensor_slices(IMAGES).repeat()
    nameless = tf.data.Dataset.from_tensor_slices({"label": LABELS, "pixels": IMAGES})
    for given, words in [
        ({"images": endless}, "no end"),
        ({"images": nameless}, "under `image` or `images`. Received: label, pixels"),
        ({"images": IMAGES.astype(np.float32)}, r"\[0, 1\]"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "one integer for each of 72"),
        ({"images": IMAGES.astype(np.float32)}, "^`images`: floating-point"),  # an argument, and no file
        ({"images": (image for image in IMAGES)}, "array of numbers, or a data set. Received: generator"),
        ({"images": np.array([IMAGES, "a"], object)}, "array of numbers, or a data set. Received: ndarray"),
        ({"images": np.zeros((3, 4, 5, 6, 7))}, "shape"),
        ({"validation_images": IMAGES}, "needs `images`"),
        ({"images": IMAGES, "callbacks": ["CSVLogger"]}, "Keras callbacks"),
        ({"images": IMAGES, "loss": "mean_sqared"}, "LogCosh"),
        ({"images": IMAGES, "optimizer": 3}, "optimizer"),
    ]:
        with pytest.raises(cae.UserError, match=words):
            cae.train(CONFIG, runs_dir=tmp_path, tell=quiet, **given)
    with pytest.raises(cae.ConfigError, match=r"cae\.train\(config, images"):
        cae.train({"data": {"source": "memory"}}, runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_goes_on_has_its_callbacks_state_and_ends_with_the_same_bits(tmp_path):
    def train(name, epochs, **options):
        stopping = keras.callbacks.EarlyStopping("loss", min_delta=10.0, patience=3, restore_best_weights=True)
        logger = keras.callbacks.CSVLogger(tmp_path / f"{name}.csv")
        result = cae.train(
            {**QUICK, "name": name, "training": {**CONFIG["training"], "epochs": epochs}},
            images=IMAGES,
            loss=keras.losses.LogCosh(),
            optimizer=keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 9), momentum=0.5),
            callbacks=[logger, stopping],
            runs_dir=tmp_path,
            tell=quiet,
            **options,
        )
        return result, stopping

    whole, stopping = train("whole", 5)
    train("parts", 2)
    parts, resumed = train("parts", 5, resume=True)
    assert whole.status == parts.status == "stopped_early"
    assert stopping.stopped_epoch == resumed.stopped_epoch == 3
    assert stopping.best == resumed.best
    for mine, theirs in zip(stopping.best_weights, resumed.best_weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    losses = ["loss", "val_loss", "learning_rate"]
    assert [whole.history[name] for name in losses] == [parts.history[name] for name in losses]
    logs = [(tmp_path / f"{name}.csv").read_text().splitlines() for name in ("whole", "parts")]
    assert len(logs[0]) == len(logs[1]) == 5  # a header and four epochs
    np.testing.assert_array_equal(whole.load().predict(TEST_IMAGES), parts.load().predict(TEST_IMAGES))


@pytest.mark.parametrize("fails", [False, True])
def test_determinism_and_its_seeds_end_with_the_training(tmp_path, fails):
    def see(epoch, logs):
        assert is_op_determinism_enabled()
        if fails:
            raise ZeroDivisionError

    def draw():
        initializer = keras.initializers.RandomNormal()
        tensors = tf.random.uniform((2,)), keras.random.uniform((2,)), initializer((2,))
        return [*np.concatenate([np.array(one) for one in tensors]), np.random.random(), random.random()]

    keras.utils.set_random_seed(11)
    draw()
    expected = draw()
    keras.utils.set_random_seed(11)
    draw()
    with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
        cae.train(
            {**QUICK, "training": {**CONFIG["training"], "epochs": 1}},
            images=IMAGES,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=see)],
            runs_dir=tmp_path,
            tell=quiet,
        )
    assert draw() == expected
    assert not is_op_determinism_enabled()


def test_a_grid_with_what_only_this_program_has_is_trained_here_and_compared(tmp_path):
    grid = {"model.decoder.upsampling": ["resize", "subpixel"]}
    config = {**QUICK, "experiment": "two", "grid": grid, "training": {"epochs": 1, "batch_size": 64}}
    made = []

    def callbacks(config):
        made.append(config.name)
        return [keras.callbacks.TerminateOnNaN()]

    result = cae.train(config, images=IMAGES, callbacks=callbacks, runs_dir=tmp_path, tell=quiet)
    assert sorted(made) == sorted(run.path.name for run in result)
    assert len(made) == 2
    comparison = cae.compare(result, tell=quiet)
    assert comparison.path == tmp_path / "two" / "comparison"
    assert {"answer", "pairs"} <= set(comparison)
    assert "PSNR" in repr(comparison)
    assert result._repr_html_() is None  # several: a table
    assert result._repr_markdown_().count(" dB |") == 2
    with pytest.raises(cae.ConfigError, match="`features` is for one run at a time"):
        cae.evaluate(result, features=True)
    with pytest.raises(cae.ConfigError, match="a function that makes them"):
        cae.train(config, images=IMAGES, callbacks=[keras.callbacks.History()], runs_dir=tmp_path)
