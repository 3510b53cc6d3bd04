"""Commands as functions of Python: what they write, and what they give."""

import keras
import numpy as np
import pytest
from PIL import Image

import cae
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, make_run

PIXELS = make_images(12, 12, 10)


def quiet(line):
    """Take the place of `print`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures in `photos`, and a run on the same as an array."""
    folder = tmp_path_factory.mktemp("functions")
    np.save(folder / "images.npy", PIXELS)
    (folder / "photos").mkdir()
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels[..., 0]).save(folder / "photos" / f"{number:02}.png")
    data = {"source": "arrays", "path": str(folder / "images.npy"), "validation_fraction": 0.4}
    make_run(folder / "runs" / "small" / "run", (12, 10, 1), CONVOLUTIONAL, data=data)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return cae.Run(folder / "runs" / "small" / "run")


def test_what_maps_respond_to_is_a_page_in_the_folder_that_is_given_back(run, tmp_path):
    out = run.visualize(layer="latent", maps="0,2", top=2, out=tmp_path / "shown", tell=quiet)
    assert out == tmp_path / "shown"
    assert "latent" in (out / "index.html").read_text(encoding="utf-8")
    with pytest.raises(cae.ConfigError, match=r"`method` must be one of .*deconvnet.*Received: 'grad'"):
        cae.visualize(run, method="grad", out=tmp_path / "other", tell=quiet)


def test_an_export_is_what_its_ending_says_and_gives_the_runs_numbers(run, tmp_path):
    path = cae.export(run, tmp_path / "encoder.keras", part="encoder", tell=quiet)
    images = PIXELS / np.float32(255)
    codes = keras.models.load_model(path).predict(images, verbose=0)
    np.testing.assert_allclose(run.load().encode(images), codes, atol=1e-5)
    with pytest.raises(cae.ConfigError, match=r"must end in \.onnx"):
        cae.export(run, tmp_path / "model.keras", format="onnx", tell=quiet)


def test_scores_of_files_are_the_errors_of_their_reconstructions(run, folder, tmp_path):
    report = cae.score(run, folder / "photos", metric="mse", out=tmp_path / "scored", tell=quiet)
    images = PIXELS / np.float32(255)
    errors = ((run.load().reconstruct(images) - images) ** 2).mean(axis=(1, 2, 3))
    assert sorted(report["scores"]) == [f"{number:02}.png" for number in range(len(PIXELS))]
    found = [report["scores"][f"{number:02}.png"] for number in range(len(PIXELS))]
    np.testing.assert_allclose(found, errors, rtol=1e-4)
    assert (report.path / "scores.csv").exists()
    told = []
    again = cae.score(run, folder / "photos", metric="mse", tell=told.append)
    assert again.path is None
    assert [line for line in told if "browser" in line or "tmp" in line] == []
    with pytest.raises(cae.ConfigError, match=r"`size` must be one of auto, resize.*Received: size='big'"):
        cae.score(run, folder / "photos", size="big")
    np.save(tmp_path / "deep.npy", PIXELS.astype(np.uint16) * 16)
    options = {"metric": "mse", "value_range": (0, 4080), "size": "native", "tell": told.append}
    deep = cae.score(run, tmp_path / "deep.npy", save_maps=True, out=tmp_path / "maps", **options)
    np.testing.assert_allclose([deep["scores"][str(number)] for number in range(len(PIXELS))], errors, rtol=1e-4)
    assert len(list((tmp_path / "maps" / "maps").glob("*.npy"))) == len(PIXELS)


def test_a_prepared_folder_gives_its_pictures_back(folder, tmp_path):
    out = cae.prepare(folder / "photos", tmp_path / "shards", tell=quiet)
    data = {"source": "tfrecord", "path": str(out), "channels": 1, "validation_fraction": 0.1, "test_fraction": 0.1}
    parts = [cae.load_images(data, part, tell=quiet)[0] for part in ("train", "validation", "test")]
    found = sorted(pixels.tobytes() for pixels in np.concatenate(parts))
    assert found == sorted(pixels.tobytes() for pixels in PIXELS)
    with pytest.raises(cae.UserError, match="overwrite"):
        cae.prepare(folder / "photos", out, tell=quiet)


@pytest.mark.parametrize("given", [PIXELS, None, 3, ["a.yaml"]])
@pytest.mark.parametrize("function", [cae.train, cae.tune, cae.describe])
def test_what_is_no_configuration_is_refused_with_the_place_for_images(function, given):
    with pytest.raises(cae.ConfigError, match=r"^`config` must be a configuration: .* Received: .*`images`"):
        function(given)
    with pytest.raises(cae.ConfigError, match=r"Received: ndarray of shape \(12, 12, 10, 1\)"):
        function(PIXELS)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        *((function, "run") for function in (cae.load, cae.evaluate, cae.visualize, cae.score)),
        (lambda given: cae.export(given, "model.onnx"), "run"),
        (lambda given: cae.evaluate([given]), "run"),
        (cae.compare, "runs"),
        (lambda given: cae.compare([given, given]), "runs"),
        (lambda given: cae.score("run", images=given), "images"),
        (lambda given: cae.visualize("run", images=given), "images"),
        (lambda given: cae.export("run", given), "path"),
        (lambda given: cae.prepare(given, "out"), "folder"),
        (lambda given: cae.prepare("photos", given), "out"),
        (cae.load_images, "data"),
        (cae.Run, "path"),
    ],
)
def test_what_is_no_path_is_refused_by_the_name_of_its_argument(function, name):
    for given in (PIXELS, 3):
        with pytest.raises(cae.ConfigError, match=rf"^`{name}` must be .* Received: {type(given).__name__}"):
            function(given)


def test_a_path_in_the_place_of_images_is_answered_with_the_keys_that_take_it(folder):
    for argument, given, keys in (
        ("images", "photos", '{"data": {"source": "image_folder", "path": "photos"}}'),
        ("images", "x.npy", '{"data": {"source": "arrays", "path": "x.npy"}}'),
        ("images", "mnist", '{"data": {"source": "mnist"}}'),
        ("test_images", "more", '{"data": {"test_path": "more"}}'),
    ):
        with pytest.raises(cae.ConfigError) as caught:
            cae.train({}, **{"images": PIXELS, argument: given})
        assert str(caught.value) == (
            f"`{argument}` takes arrays and data sets. Received: the path {given}. Files are named in the"
            f" configuration: {keys}."
        )
    with pytest.raises(cae.UserError, match="`images` must be an array of numbers"):
        cae.train({}, images=["a.png", "b.png"])
