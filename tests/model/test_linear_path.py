"""A model with a linear path starts as a linear code; fitted, as the best one that linear algebra knows."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import ModelSection
from cae.exporting.parts import make_part
from cae.exporting.writers import flatten
from cae.inference.network import Networks
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.training.start import fit_linear_path
from tests.conftest import make_images

KINDS = ["conv_transpose", "resize", "max_unpool", "fixed_unpool", "subpixel", "bilinear_additive"]
SPATIAL, DENSE = {"kind": "spatial", "channels": 3}, {"kind": "dense", "units": 5}


class Images:
    """A set of images in memory."""

    def __init__(self, images):
        self.images = images
        self.image_shape = images.shape[1:]

    def __len__(self):
        return len(self.images)

    def read(self, indices):
        return self.images[indices]


def section(path, upsampling="resize", bottleneck=SPATIAL):
    return ModelSection.model_validate(
        {
            "encoder": {"filters": [4, 8], "activation": "gelu"},
            "bottleneck": bottleneck,
            "decoder": {"upsampling": upsampling, "output_activation": "linear"},
            "linear_path": path,
        }
    )


def fitted(path, shape=(18, 13, 3), precision="float32", number=60, **words):
    autoencoder = build_autoencoder(make_plan(section(path, **words), shape), seed=3, precision=precision)
    images = make_images(number, *shape, seed=1)
    notes = fit_linear_path(autoencoder, Images(images), {"block": "klt", "global": "pca"}[path])
    assert notes["images"] == number
    return autoencoder, images / 255.0


def projected(training, rows, components):
    """Rows on the first eigenvectors of the covariance, float64."""
    mean = training.mean(axis=0)
    _, vectors = np.linalg.eigh((training - mean).T @ (training - mean))
    kept = vectors[:, ::-1][:, :components]
    return (rows - mean) @ kept @ kept.T + mean


def blocks_of(images, side):
    """Blocks counted from the top left, as rows; pixels that are missing are those of the border."""
    height, width, channels = images.shape[1:]
    rows = np.minimum(np.arange(-(-height // side) * side), height - 1)
    columns = np.minimum(np.arange(-(-width // side) * side), width - 1)
    full = images[:, rows][:, :, columns]
    places = itertools.product(range(0, len(rows), side), range(0, len(columns), side))
    blocks = np.stack([full[:, y : y + side, x : x + side] for y, x in places], axis=1)
    return blocks.reshape(-1, side * side * channels), (len(images), len(rows), len(columns), channels)


def images_of(blocks, full, side, size):
    images, places = np.empty(full), itertools.product(range(0, full[1], side), range(0, full[2], side))
    blocks = blocks.reshape(full[0], -1, side, side, full[3])
    for number, (y, x) in enumerate(places):
        images[:, y : y + side, x : x + side] = blocks[:, number]
    return images[:, : size[0], : size[1]]


def block_klt(training, images, side=4, channels=3):
    blocks, full = blocks_of(images, side)
    return images_of(projected(blocks_of(training, side)[0], blocks, channels), full, side, images.shape[1:3])


def pca(training, images, components):
    rows = projected(training.reshape(len(training), -1), images.reshape(len(images), -1), components)
    return rows.reshape(images.shape)


def psnr(images, made):
    return float(np.mean(-10 * np.log10(np.mean(np.square(images - made), axis=(1, 2, 3)))))


def other_images(shape, number=5):
    return make_images(number, *shape, seed=2).astype(np.float64) / 255.0


@pytest.mark.parametrize("upsampling", KINDS)
def test_the_model_starts_as_the_klt_of_blocks_whatever_its_decoder(upsampling):
    autoencoder, training = fitted("block", upsampling=upsampling)
    images = other_images((18, 13, 3))
    expected = block_klt(training, images)
    inputs = tf.constant(images, tf.float32)
    np.testing.assert_allclose(autoencoder.decode(*autoencoder.encode(inputs)), expected, atol=2e-5)
    np.testing.assert_allclose(autoencoder.model(inputs), expected, atol=2e-5)
    assert abs(psnr(images, autoencoder.model(inputs)) - psnr(images, expected)) < 0.001


@pytest.mark.parametrize(("bottleneck", "values"), [(SPATIAL, 5 * 4 * 3), (DENSE, 5)])
def test_the_model_starts_as_the_pca_of_whole_images(bottleneck, values):
    autoencoder, training = fitted("global", shape=(18, 13, 1), number=90, bottleneck=bottleneck)
    images = other_images((18, 13, 1))
    codes, _ = autoencoder.encode(tf.constant(images, tf.float32))
    assert codes.shape[1:] == ((5, 4, 3) if bottleneck is SPATIAL else (5,))
    np.testing.assert_allclose(autoencoder.decode(codes, []), pca(training, images, values), atol=5e-5)


def test_sixteen_bits_round_the_code_and_nothing_else():
    autoencoder, training = fitted("block", precision="mixed_bfloat16")
    images = other_images((18, 13, 3))
    made = autoencoder.decode(*autoencoder.encode(tf.constant(images, tf.float32)))
    assert made.dtype == tf.float32
    assert abs(psnr(images, made) - psnr(images, block_klt(training, images))) < 0.05


def test_images_that_vary_in_few_directions_leave_values_of_the_code_unused():
    shape = (8, 8, 3)
    autoencoder = build_autoencoder(make_plan(section("block", bottleneck={"kind": "spatial", "channels": 40}), shape))
    gray = np.repeat(make_images(30, 8, 8), 3, axis=3)  # 16 directions
    fit_linear_path(autoencoder, Images(gray), "klt")
    images = tf.constant(gray / 255.0, tf.float32)
    codes, _ = autoencoder.encode(images)
    assert np.abs(codes[..., 16:]).max() == 0
    np.testing.assert_allclose(autoencoder.decode(codes, []), images, atol=1e-5)


@pytest.mark.parametrize("path", ["block", "global"])
def test_training_moves_the_network_and_the_maps_that_it_may(path):
    autoencoder, _ = fitted(path, number=90)
    images = tf.constant(other_images((18, 13, 3)), tf.float32)
    optimizer = keras.optimizers.Adam(1e-3)

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(autoencoder.decode(*autoencoder.encode(images, True), True) - images))
        variables = autoencoder.model.trainable_variables
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return float(loss)

    before = dict(zip(autoencoder.weight_names, map(np.array, autoencoder.model.get_weights()), strict=True))
    losses = [step() for _ in range(4)]
    after = dict(zip(autoencoder.weight_names, autoencoder.model.get_weights(), strict=True))
    assert losses[-1] < losses[0]
    still = {name for name in before if np.array_equal(before[name], after[name])}
    maps = {f"{part}/linear_path/{weight}" for part in ("encoder", "decoder") for weight in ("kernel", "bias")}
    assert still == (maps if path == "global" else set())


def test_other_sizes_are_the_same_klt():
    autoencoder, training = fitted("block")
    networks = Networks(section("block"), autoencoder, "float32")
    assert networks.is_convolutional
    images = other_images((26, 21, 3), number=2)
    made = networks.at((26, 21)).reconstruct(images.astype(np.float32))
    np.testing.assert_allclose(made, np.clip(block_klt(training, images), 0, 1), atol=2e-5)


def test_a_global_path_has_one_size():
    autoencoder, _ = fitted("global", number=10)
    assert not Networks(section("global"), autoencoder, "float32").is_convolutional


def test_a_keras_file_keeps_the_sum_and_what_is_frozen(tmp_path):
    autoencoder, _ = fitted("global", number=30)
    flatten(make_part(autoencoder, "autoencoder")).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images = other_images((18, 13, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded(images), autoencoder.model(images), atol=1e-6)
    assert len(loaded.trainable_weights) == len(autoencoder.model.trainable_weights)


def test_a_run_records_its_start_and_does_not_fit_again_when_resumed(run_command, write_config, tmp_path):
    text = """
model:
  encoder: {filters: [4]}
  bottleneck: {kind: spatial, channels: 2}
  decoder: {output_activation: linear, upsampling: resize}
  linear_path: block
  init: klt
training: {epochs: 1, batch_size: 200, optimizer: {learning_rate: 1.0e-30}}
"""
    config, run = write_config(text), tmp_path / "default" / "run"
    code, _, err = run_command("train", config, "--runs-dir", tmp_path)
    assert code == 0, err
    init = json.loads((run / "summary.json").read_text())["init"]
    assert (init["kind"], init["images"]) == ("klt", 162)
    code, _, err = run_command("train", config, "--runs-dir", tmp_path, "--resume", "--set", "training.epochs=2")
    assert code == 0, err
    assert "Fitting" not in err
    assert json.loads((run / "summary.json").read_text())["init"] == init
