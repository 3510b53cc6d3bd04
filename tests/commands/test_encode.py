"""`python -m cae encode` and `decode`."""

import numpy as np
import pytest
from PIL import Image

from cae.inference import TrainedAutoencoder
from tests.conftest import make_images
from tests.inference.runs import CONVOLUTIONAL, SWITCHES, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory, image_file):
    folder = tmp_path_factory.mktemp("runs")
    return make_run(
        folder / "experiment" / "run", (15, 10, 1), CONVOLUTIONAL, data={"source": "arrays", "path": str(image_file)}
    )


@pytest.fixture
def photos(tmp_path):
    """Pictures of the model's size in class folders."""
    images = make_images(5, 15, 10, seed=8)[..., 0]
    for number, name in enumerate(["cat/1", "cat/2", "dog/1", "dog/2", "dog/3"]):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def test_codes_of_a_folder_come_with_names_and_classes(run, photos, run_command, tmp_path):
    out = tmp_path / "codes.npz"
    code, stdout, stderr = run_command("encode", run, photos, "--out", out)
    assert code == 0, stderr
    assert stdout.splitlines() == ["5 codes of shape (4, 3, 3), with classes", str(out)]
    model = TrainedAutoencoder.load(run)
    with np.load(out, allow_pickle=False) as found:
        assert found["names"].tolist() == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "dog/3.png"]
        assert found["classes"].tolist() == ["cat", "cat", "dog", "dog", "dog"]
        np.testing.assert_allclose(found["codes"], model.encode(make_images(5, 15, 10, seed=8)), atol=1e-6)
    assert run_command("encode", run, photos, "--out", tmp_path / "pooled.npz", "--pool", "max")[0] == 0
    with np.load(tmp_path / "pooled.npz") as pooled, np.load(out) as found:
        np.testing.assert_array_equal(pooled["codes"], found["codes"].max((1, 2)))


def test_codes_of_the_runs_own_data_are_in_the_splits_order(run, run_command, tmp_path, image_file):
    code, _, stderr = run_command("encode", run, "--split", "validation", "--out", tmp_path / "codes.h5")
    assert code == 0, stderr
    import h5py

    with h5py.File(tmp_path / "codes.h5") as found:
        rows = [int(name) for name in found["names"].asstr()[...]]
        assert len(set(rows)) == 18
        assert "classes" not in found
        expected = TrainedAutoencoder.load(run).encode(np.load(image_file)[rows])
        np.testing.assert_allclose(found["codes"][...], expected, atol=1e-6)


def test_a_named_array_comes_with_its_own_labels_and_with_no_others(run, run_command, tmp_path):
    images = {f"x_{part}": make_images(6, 15, 10, seed=seed) for seed, part in enumerate(["train", "val", "test"])}
    np.savez(tmp_path / "a.npz", y_train=np.full(6, 1), y_test=np.arange(6) + 10, **images)
    for name, said in (("x_test", "labels are those in y_test"), ("x_val", "no labels")):
        out = tmp_path / f"{name}.npz"
        code, stdout, stderr = run_command("encode", run, tmp_path / "a.npz", "--array", name, "--out", out)
        assert code == 0, stderr
        assert f"a.npz: {name}: {said}" in stderr
        with np.load(out) as found:
            assert ("classes" in found) == (name == "x_test") == ("with classes" in stdout)
            if name == "x_test":
                assert found["classes"].tolist() == ["10", "11", "12", "13", "14", "15"]


def test_decoding_a_file_gives_the_pictures_that_reconstruct_gives(run, photos, run_command, tmp_path):
    codes = tmp_path / "codes.npz"
    assert run_command("encode", run, photos, "--out", codes)[0] == 0
    code, stdout, stderr = run_command("decode", run, codes, "--out", tmp_path / "decoded")
    assert code == 0, stderr
    assert stdout.splitlines() == ["5 images", str(tmp_path / "decoded")]
    assert run_command("reconstruct", run, photos, "--out", tmp_path / "reconstructed")[0] == 0
    files = sorted(path.relative_to(tmp_path / "decoded") for path in (tmp_path / "decoded").rglob("*.png"))
    assert len(files) == 5
    for file in files:
        with Image.open(tmp_path / "decoded" / file) as one, Image.open(tmp_path / "reconstructed" / file) as other:
            np.testing.assert_allclose(np.asarray(one, int), np.asarray(other, int), atol=1)


def test_codes_that_mean_nothing_to_a_run_are_refused(run, photos, run_command, tmp_path):
    other = make_run(tmp_path / "other", (15, 10, 1), CONVOLUTIONAL, seed=1)
    switches = make_run(tmp_path / "switches", (15, 10, 1), SWITCHES)
    codes, pooled = tmp_path / "codes.npz", tmp_path / "pooled.npz"
    assert run_command("encode", run, photos, "--out", codes)[0] == 0
    assert run_command("encode", run, photos, "--out", pooled, "--pool", "mean")[0] == 0
    np.savez(tmp_path / "wrong.npz", codes=np.zeros((2, 4, 3, 5)))
    np.savez(tmp_path / "bad_name.npz", codes=np.zeros((1, 4, 3, 3)), names=np.array(["../../out.png"]))
    for decoder, file, message in [
        (other, codes, "were made by other weights, of the run experiment/run"),
        (run, pooled, "--pool mean) cannot be decoded"),
        (switches, codes, "does not hold these switches"),
        (run, tmp_path / "wrong.npz", r"must have shape (images, 4, 3, 3). Received: (2, 4, 3, 5)"),
        (run, tmp_path / "bad_name.npz", "must not lead out of the folder"),
        (run, tmp_path / "missing.npz", "No such file"),
    ]:
        code, _, stderr = run_command("decode", decoder, file, "--out", tmp_path / "out")
        assert code == 1
        assert message in stderr
        assert not (tmp_path / "out").exists()


def test_changed_codes_of_ones_own_are_decoded(run, run_command, tmp_path):
    codes = np.random.default_rng(0).normal(size=(3, 4, 3, 3))
    np.savez(tmp_path / "mine.npz", codes=codes)
    code, _, stderr = run_command("decode", run, tmp_path / "mine.npz", "--out", tmp_path / "out")
    assert code == 0
    assert "does not say which run made these codes" in stderr
    expected = TrainedAutoencoder.load(run).decode(codes)
    with Image.open(tmp_path / "out" / "2.png") as found:
        np.testing.assert_array_equal(np.asarray(found), np.rint(expected[2, ..., 0] * 255).astype(np.uint8))


def test_an_unreadable_picture_is_left_out_of_names_and_codes_alike(run, photos, run_command, tmp_path):
    (photos / "cat" / "1b.png").write_bytes(b"nonsense")
    code, _, stderr = run_command("encode", run, photos, "--out", tmp_path / "codes.npz")
    assert code == 1
    assert "cat/1b.png: left out" in stderr
    with np.load(tmp_path / "codes.npz") as found:
        assert len(found["names"]) == len(found["codes"]) == len(found["classes"]) == 5
        assert "cat/1b.png" not in found["names"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "codes.csv"], "must end in .npz, .h5, .hdf5, .parquet"),
        (["--out", "{there}"], "is there already; --overwrite replaces it"),
        (["--out", "codes.npz", "--pool", "sum"], "must be one of none, mean, max; received sum"),
    ],
)
def test_mistakes_are_told(run, image_file, run_command, tmp_path, arguments, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.npz").touch()
    code, _, stderr = run_command("encode", run, image_file, *(a.format(there="there.npz") for a in arguments))
    assert code == 2
    assert message in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there.npz"]
