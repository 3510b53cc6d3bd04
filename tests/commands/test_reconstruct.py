"""`python -m cae reconstruct` on pictures, folders, arrays and parts of a run's own data."""

import csv

import numpy as np
import pytest
from PIL import Image

from cae.inference import TrainedAutoencoder
from cae.pictures import error_colors
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, DENSE, make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, image_file):
    folder = tmp_path_factory.mktemp("runs")
    gray = {"data": {"source": "arrays", "path": str(image_file)}}
    return {
        "colour": make_run(folder / "colour", (16, 16, 3), CONVOLUTIONAL),
        "dense": make_run(folder / "dense", (16, 16, 3), DENSE),
        "gray": make_run(folder / "gray", (15, 10, 1), CONVOLUTIONAL, **gray),
    }


@pytest.fixture
def photos(tmp_path):
    """A folder as people have them: nested, of several formats and sizes, one turned, one broken."""
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    Image.fromarray(make_images(1, 40, 50, 3, seed=1)[0]).save(folder / "a.jpg", quality=95)
    Image.fromarray(make_images(1, 16, 16, 3, seed=2)[0]).save(folder / "deep" / "b.png")
    Image.fromarray(make_images(1, 21, 33, 1, seed=3)[0, ..., 0]).save(folder / "deep" / "er" / "gray.webp")
    turned = Image.Exif()
    turned[274] = 6  # lies on its side
    Image.fromarray(make_images(1, 20, 30, 3, seed=4)[0]).save(folder / "turned.jpg", exif=turned)
    return folder


def scores_of(folder):
    with open(folder / "scores.csv", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def picture(path):
    with Image.open(path) as opened:
        return np.asarray(opened)


def test_a_folder_is_reconstructed_with_its_names_and_sizes(runs, photos, run_command, tmp_path):
    out = tmp_path / "out"
    code, stdout, stderr = run_command("reconstruct", runs["colour"], photos, "--out", out, "--error-maps")
    assert code == 0, stderr
    assert stdout.splitlines()[-1] == str(out)
    sizes = {"a": (40, 50), "deep/b": (16, 16), "deep/er/gray": (21, 33), "turned": (30, 20)}
    rows = scores_of(out)
    assert list(rows) == ["a.jpg", "deep/b.png", "deep/er/gray.webp", "turned.jpg"]
    model = TrainedAutoencoder.load(runs["colour"])
    for (name, size), (file, row) in zip(sizes.items(), rows.items(), strict=True):
        made = picture(out / f"{name}.png")
        assert made.shape == (*size, 3)
        assert row["reconstruction"] == f"{name}.png"
        with Image.open(photos / file) as opened:
            upright = Image.new("RGB", opened.size)
            upright.paste(opened)
            image = np.asarray(upright.transpose(Image.Transpose.ROTATE_270) if name == "turned" else upright)
        expected = model.reconstruct(image)
        np.testing.assert_array_equal(made, np.rint(expected * 255).astype(np.uint8))
        mse = np.mean((image / 255.0 - expected) ** 2)
        assert float(row["mse"]) == pytest.approx(mse, rel=1e-4)
        assert float(row["score"]) == pytest.approx(model.score(image, metric="mse"), rel=1e-4)
        assert float(row["psnr"]) == pytest.approx(-10 * np.log10(mse), abs=1e-3)
        map_colors = error_colors(image[np.newaxis] / 255.0, expected[np.newaxis])[0]
        np.testing.assert_allclose(picture(out / "error_maps" / f"{name}.png"), map_colors, atol=1)
    assert "a.jpg and the like: 40x50, resized to the model's 16x16" in stderr


def test_a_broken_picture_is_named_and_the_others_are_done(runs, photos, run_command, tmp_path):
    (photos / "deep" / "broken.jpg").write_bytes((photos / "a.jpg").read_bytes()[:300])
    (photos / "empty.png").touch()
    (photos / "deep" / "er" / "gray.webp").unlink()
    code, _, stderr = run_command("reconstruct", runs["colour"], photos, "--resize", "--out", tmp_path / "report")
    assert code == 1
    assert "deep/broken.jpg: left out: " in stderr
    assert "empty.png: left out: the file is empty" in stderr
    assert "2 of 5 images cannot be read" in stderr
    assert len(scores_of(tmp_path / "report")) == 3
    skip = ["--resize", "--on-bad-image", "skip", "--out", tmp_path / "skip"]
    assert run_command("reconstruct", runs["colour"], photos, *skip)[0] == 0
    out = tmp_path / "error"
    code, _, stderr = run_command("reconstruct", runs["colour"], photos, "--out", out, "--on-bad-image", "error")
    assert code == 1
    assert "deep/broken.jpg: cannot be read" in stderr
    assert not (out / "scores.csv").exists()


def test_one_picture_through_a_dense_bottleneck_is_resized_or_tiled(runs, photos, run_command, tmp_path):
    model = TrainedAutoencoder.load(runs["dense"])
    image = picture(photos / "a.jpg")
    ways = {"resize": [], "tile": ["--tile"], "tile of 3": ["--tile", "3"]}
    for name, arguments in ways.items():
        out = tmp_path / name
        code, _, stderr = run_command("reconstruct", runs["dense"], photos / "a.jpg", "--out", out, *arguments)
        assert code == 0, stderr
        overlap = 3 if name.endswith("3") else None
        expected = model.reconstruct(image, size=name.split()[0], overlap=overlap)
        np.testing.assert_array_equal(picture(out / "a.png"), np.rint(expected * 255).astype(np.uint8))
    code, _, stderr = run_command(
        "reconstruct", runs["dense"], photos / "a.jpg", "--out", tmp_path / "native", "--native"
    )
    assert code == 1
    assert "a part of your own takes images of one size only, 16x16" in stderr
    code, _, stderr = run_command("reconstruct", runs["dense"], "--tile", photos, "--out", tmp_path / "x")
    assert code == 2
    assert "put --tile behind INPUT" in stderr


@pytest.mark.parametrize("ending", ["npy", "npz", "idx"])
def test_arrays_become_pictures_or_an_array(runs, run_command, tmp_path, ending):
    images = make_images(7, 15, 10, seed=9)
    path = tmp_path / f"images.{ending}"
    if ending == "npy":
        np.save(path, images)
    elif ending == "npz":
        np.savez(path, others=images[:2, :4], wanted=images)
    else:
        path.write_bytes(b"\0\0\x08\x03" + b"".join(side.to_bytes(4, "big") for side in (7, 15, 10)) + images.tobytes())
    expected = TrainedAutoencoder.load(runs["gray"]).reconstruct(images)
    named = ["--array", "wanted"] if ending == "npz" else []
    code, _, stderr = run_command("reconstruct", runs["gray"], path, "--out", tmp_path / "png", *named)
    assert code == 0, stderr
    for index in range(7):
        found = picture(tmp_path / "png" / f"{index}.png")
        np.testing.assert_array_equal(found, np.rint(expected[index, ..., 0] * 255).astype(np.uint8))
    code, _, _ = run_command("reconstruct", runs["gray"], path, "--out", tmp_path / "npy", "--format", "npy", *named)
    assert code == 0
    np.testing.assert_allclose(np.load(tmp_path / "npy" / "reconstructions.npy"), expected, atol=1e-6)
    assert sorted(path.name for path in (tmp_path / "npy").iterdir()) == ["reconstructions.npy", "scores.csv"]


@pytest.mark.parametrize("command", ["reconstruct", "encode", "score"])
@pytest.mark.parametrize("axes", ["height, width, channels", "height, width"])
def test_every_command_takes_an_array_of_one_image_as_python_does(runs, run_command, tmp_path, command, axes):
    image = make_images(1, 16, 24, 3)[0] if axes.endswith("channels") else make_images(1, 16, 24)[0, ..., 0]
    np.save(tmp_path / "one.npy", image)
    out = ["--out", tmp_path / ("codes.npz" if command == "encode" else "out")]
    code, _, stderr = run_command(command, runs["colour"], tmp_path / "one.npy", *out)
    assert code == 0, stderr
    assert f"one.npy: the shape {image.shape} is read as one " in stderr
    assert f"image, ({axes})" in stderr
    if command == "reconstruct":
        assert list(scores_of(tmp_path / "out")) == ["0"]
        made = TrainedAutoencoder.load(runs["colour"]).reconstruct(image)
        np.testing.assert_allclose(picture(tmp_path / "out" / "0.png") / 255, made, atol=1 / 255)


def test_a_part_of_the_runs_own_data_is_what_evaluate_measures(runs, run_command, tmp_path, image_file):
    from cae.config import load_config
    from cae.data.load import load_splits

    code, _, stderr = run_command("reconstruct", runs["gray"], "--split", "test", "--out", tmp_path / "out")
    assert code == 0, stderr
    test = load_splits(load_config(runs["gray"] / "config.yaml").data).test
    rows = scores_of(tmp_path / "out")
    assert list(rows) == list(test.names)
    scores = TrainedAutoencoder.load(runs["gray"]).score(test.read(np.arange(len(test))), metric="mse")
    np.testing.assert_allclose([float(row["score"]) for row in rows.values()], scores, rtol=1e-4)


def test_files_that_are_there_are_not_lost(runs, photos, run_command, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    (out / "a.png").write_text("old")
    command = ["reconstruct", runs["colour"], photos / "a.jpg", "--out", out]
    code, _, stderr = run_command(*command)
    assert code == 2
    assert "holds files already; --overwrite" in stderr
    assert (out / "a.png").read_text() == "old"
    assert run_command(*command, "--overwrite")[0] == 0
    assert picture(out / "a.png").shape == (40, 50, 3)
    assert (out / "mine.txt").read_text() == "kept"
    code, _, stderr = run_command("reconstruct", runs["colour"], photos, "--out", photos / "out", "--overwrite")
    assert code == 2
    assert "must not lie among the images" in stderr


def test_pictures_of_kinds_that_are_not_read_are_told_of(runs, photos, run_command, tmp_path):
    for name in ("drawing.svg", "notes.txt", "deep/scan.TIFF"):
        (photos / name).write_text("")
    code, out, stderr = run_command("reconstruct", runs["gray"], photos, "--out", tmp_path / "out")
    assert code == 0
    assert out.startswith("4 images")
    assert "3 files of other kinds left out: .svg (1), .tiff (1), .txt (1)" in stderr
    (tmp_path / "drawings").mkdir()
    (photos / "drawing.svg").rename(tmp_path / "drawings" / "drawing.svg")
    code, _, stderr = run_command("reconstruct", runs["gray"], tmp_path / "drawings", "--out", tmp_path / "other")
    assert code == 1
    assert "Image files end in .png" in stderr
    assert "Received: 1 file of other kinds left out: .svg." in stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{run}", "--out", "{out}"], 2, "Give INPUT or --split, one of them. Received: neither."),
        (["{run}", "{file}", "--split", "test", "--out", "{out}"], 2, "one of them"),
        (["{run}", "nowhere.png", "--out", "{out}"], 1, "there is no such file or folder"),
        (["{run}", "{file}", "--array", "x", "--out", "{out}"], 2, "only .npz and .h5 files have named arrays"),
        (["{run}", "{drawing}", "--out", "{out}"], 1, "Taken for an IDX file, since its name does not end in .png"),
        (["nowhere", "{file}", "--out", "{out}"], 1, "is not a run (there is no such folder)"),
        (["{run}", "{file}", "--out", "{out}", "--tile", "-3"], 2, "from 0 on"),
        (["{run}", "{file}", "--out", "{out}", "--set", "data.path=x"], 2, "no effect without --split"),
        (["{run}", "{photos}", "--out", "{out}", "--format", "npy"], 2, "needs an array as INPUT"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    runs, photos, image_file, run_command, tmp_path, arguments, code, message
):
    places = {"run": runs["gray"], "file": image_file, "out": tmp_path / "out", "photos": photos}
    places["drawing"] = tmp_path / "drawing.svg"
    places["drawing"].write_text("<svg/>")
    found, _, stderr = run_command("reconstruct", *(argument.format(**places) for argument in arguments))
    assert found == code
    assert message in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "out").exists()
