"""A run as one object with NumPy in and out."""

import json

import numpy as np
import pytest

from cae.config import check_config
from cae.data.load import load_splits
from cae.errors import UserError
from cae.inference import TrainedAutoencoder
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, DENSE, SWITCHES, make_run

SHAPE = (14, 9, 1)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        "spatial": TrainedAutoencoder.load(make_run(folder / "spatial", SHAPE, CONVOLUTIONAL)),
        "dense": TrainedAutoencoder.load(str(make_run(folder / "dense", SHAPE, DENSE))),
        "switches": TrainedAutoencoder.load(make_run(folder / "switches", (*SHAPE[:2], 3), SWITCHES)),
    }


@pytest.fixture(scope="module")
def images():
    return make_images(5, *SHAPE[:2])


def test_a_run_is_loaded_without_its_data_and_its_keras_model_agrees(models, images):
    model = models["spatial"]
    assert model.image_shape == SHAPE
    assert model.code_shape == (4, 3, 3)
    assert models["dense"].code_shape == (5,)
    keras_model = model._networks.own._autoencoder.model
    expected = np.clip(np.asarray(keras_model(images.astype(np.float32) / 255)), 0, 1)
    found = model.reconstruct(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_answer_has_the_shape_of_the_question(models, images):
    model = models["spatial"]
    whole = model.reconstruct(images)
    assert whole.shape == (5, 14, 9, 1)
    for asked, answer in [
        (images[..., 0], whole[..., 0]),
        (images[0], whole[0]),
        (images[0, ..., 0], whole[0, ..., 0]),
        (images.astype(np.float64) / 255, whole),
        (images.astype(np.uint16) * 257, whole),
        (np.repeat(images, 3, axis=-1), whole),  # gray in three channels
    ]:
        found = model.reconstruct(asked)
        assert found.shape == answer.shape
        np.testing.assert_allclose(found, answer, atol=1e-5)
    assert models["switches"].reconstruct(images[0, ..., 0]).shape == (14, 9, 3)


def test_a_score_that_is_fitted_to_other_images_than_those_of_training_says_so_once(tmp_path):
    np.save(tmp_path / "images.npy", make_images(40, *SHAPE[:2]))
    data = {"source": "arrays", "path": str(tmp_path / "images.npy")}
    run = make_run(tmp_path / "run", SHAPE, CONVOLUTIONAL, data=data)
    parts = load_splits(check_config({"data": data}).data).identities
    (run / "environment.json").write_text(json.dumps({"images": parts}))
    for expected in (0, 1):
        told = []
        model = TrainedAutoencoder.load(run, told.append)
        for metric in ("place", "code_nearest"):
            model.score(make_images(3, *SHAPE[:2]), metric=metric)
        assert [line.startswith("Warning: The training images have changed") for line in told] == [True] * expected
        np.save(tmp_path / "images.npy", make_images(40, *SHAPE[:2])[::-1])


def test_batches_of_training_size_make_no_difference(models):
    model = models["dense"]
    many = make_images(300, *SHAPE[:2])
    np.testing.assert_allclose(model.reconstruct(many)[260:], model.reconstruct(many[260:]), atol=1e-6)
    np.testing.assert_allclose(model.encode(many)[260:], model.encode(many[260:]), atol=1e-6)


def test_decoding_codes_is_the_second_half_of_reconstructing(models, images):
    for name in ("spatial", "dense"):
        codes = models[name].encode(images)
        assert codes.shape == (5, *models[name].code_shape)
        np.testing.assert_allclose(models[name].decode(codes), models[name].reconstruct(images), atol=1e-6)
        assert models[name].decode(codes[0]).shape == SHAPE
        assert models[name].encode(images[0]).shape == models[name].code_shape


def test_pooling_is_over_places(models, images):
    codes = models["spatial"].encode(images)
    np.testing.assert_allclose(models["spatial"].encode(images, pool="mean"), codes.mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(models["spatial"].encode(images, pool="max"), codes.max((1, 2)))


def test_scores_are_errors_of_what_reconstruct_gives(models, images):
    errors = images / 255.0 - models["spatial"].reconstruct(images)
    np.testing.assert_allclose(models["spatial"].score(images), (errors**2).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(models["spatial"].score(images, metric="mae"), abs(errors).mean((1, 2, 3)), rtol=1e-5)
    assert np.ndim(models["spatial"].score(images[0])) == 0


def test_half_precision_runs_answer_in_float32(tmp_path, images):
    run = make_run(tmp_path / "half", SHAPE, CONVOLUTIONAL, training={"precision": "mixed_bfloat16"})
    model = TrainedAutoencoder.load(run)
    assert model.encode(images).dtype == model.reconstruct(images).dtype == np.float32
    np.testing.assert_allclose(model.decode(model.encode(images)), model.reconstruct(images), atol=0.01)


def test_images_are_fitted_for_encoding_as_the_runs_own_were(tmp_path):
    image = make_images(1, 20, 30, 3)[0]
    data = {"source": "image_folder", "path": "gone", "image_size": [8, 10], "fit": "patch"}
    model = TrainedAutoencoder.load(make_run(tmp_path / "run", (8, 10, 3), CONVOLUTIONAL, data=data))
    np.testing.assert_allclose(model.encode(image), model.encode(image[6:14, 10:20]), atol=1e-6)
    with pytest.raises(ValueError, match=r"at least as large as the patches of 8x10 pixels.*Received: 7x30"):
        model.encode(image[:7])


def test_three_planes_are_read_as_gray_images_and_it_is_said_once(tmp_path):
    told = []
    model = TrainedAutoencoder.load(make_run(tmp_path / "run", SHAPE, CONVOLUTIONAL), told.append)
    planes = make_images(3, *SHAPE[:2])[..., 0]
    for _ in range(2):
        assert model.reconstruct(planes).shape == planes.shape
    model.reconstruct(planes[0])
    assert len(told) == 1
    assert "`images`: the shape (3, 14, 9) is read as 3 gray images; bring channels last" in told[0]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 14, 9, 2)), r"must have shape .*Received: shape=\(2, 14, 9, 2\)"),
        (
            np.zeros((2, 3, 14, 9)),
            r"Channels seem to come first; bring them last, with numpy.moveaxis\(images, 1, -1\)",
        ),
        (np.zeros(9), r"must have shape .*Received: shape=\(9,\)"),
        (np.zeros((0, 14, 9)), "no side of 0"),
        (np.full((14, 9), 200.0), r"must be in \[0, 1\]. Received: values from 200 to 200"),
        (np.full((14, 9), np.nan), "must be finite numbers. Received: nan in image 0"),
        (np.zeros((14, 9), np.int32), "Received: dtype=int32"),
        (np.zeros((14, 9), object), "Received: dtype=object"),
    ],
)
def test_what_are_no_images_is_refused(models, images, message):
    for work in (models["spatial"].reconstruct, models["spatial"].encode, models["spatial"].score):
        with pytest.raises(ValueError, match=message):
            work(images)


def test_what_are_no_codes_is_refused(models):
    with pytest.raises(ValueError, match=r"shape \(batch, 4, 3, 3\). Received: shape=\(2, 5\)"):
        models["spatial"].decode(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="finite"):
        models["dense"].decode(np.full((1, 5), np.inf))
    with pytest.raises(ValueError, match=r"maxima were or its indices say.*does not hold these switches"):
        models["switches"].decode(np.zeros((1, *models["switches"].code_shape)))


def test_words_that_mean_nothing_are_refused(models, images):
    with pytest.raises(ValueError, match=r"`pool` must be none, mean or max. Received: pool='sum'"):
        models["spatial"].encode(images, pool="sum")
    with pytest.raises(ValueError, match="dense bottleneck are vectors of 5 values"):
        models["dense"].encode(images, pool="mean")
    with pytest.raises(ValueError, match=r"`size` must be one of auto, resize, native, tile. Received: size='crop'"):
        models["spatial"].reconstruct(images, size="crop")
    with pytest.raises(ValueError, match=r"`metric` must be one of auto, mse, .*, combined. Received: metric='psnr'"):
        models["spatial"].score(images, metric="psnr")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        TrainedAutoencoder.load(tmp_path)
    run = make_run(tmp_path / "experiment" / "run", SHAPE, CONVOLUTIONAL)
    for wrong in (tmp_path, run.parent, run.parent / "rnu"):  # what may have been meant is named
        with pytest.raises(UserError, match=f"Runs in .*: {run}"):
            TrainedAutoencoder.load(wrong)
    (run / "summary.json").unlink()  # training goes on, and its images cannot be looked at
    with pytest.raises(UserError, match=r"no summary.json that tells its images' shape"):
        TrainedAutoencoder.load(run, lambda line: None)
