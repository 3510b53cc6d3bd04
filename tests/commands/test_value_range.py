"""`data.value_range` from training to everything after it, and warnings where images use a sliver of their type."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from cae.data.image_set import ArraySet
from cae.inference import TrainedAutoencoder
from tests.conftest import make_images

TINY = (
    "model: {encoder: {filters: [4]}, bottleneck: {kind: spatial, channels: 2}}\n"
    "training: {epochs: 1, batch_size: 32, optimizer: sgd}\n"
    "logging: {tensorboard: false}\n"
)


def ct_like(number, seed=0):
    """Signed values from -1000 to 3000."""
    pixels = make_images(number, 16, 12, seed=seed)[..., 0].astype(float)
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    return np.round(pixels * 4000 - 1000).astype(np.int16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranges")


@pytest.fixture
def train(folder, run_command):
    def run(name, path, *arguments, **keys):
        config = {"name": name, "data": {"source": "arrays", "path": str(path), **keys}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config) + TINY)
        code, _, stderr = run_command("train", folder / f"{name}.yaml", "--runs-dir", folder / "runs", *arguments)
        assert code == 0, stderr
        return folder / "runs" / "default" / name, stderr

    return run


def test_a_run_keeps_the_observed_range_and_everything_after_training_uses_it(folder, train, run_command, tmp_path):
    images, others = ct_like(100), ct_like(8, seed=1)
    np.savez(folder / "ct.npz", x_train=images, x_test=others)
    run, _ = train("ct", folder / "ct.npz", value_range="observed")
    config = yaml.safe_load((run / "config.yaml").read_text())
    low, high = config["data"]["value_range"]
    # The training part is what is left of the array when the validation images are held out.
    assert -1000 <= low < high <= 3000
    assert (low, high) != (-32768, 32767)
    _, again = train("ct", folder / "ct.npz", "--resume", value_range="observed")
    assert "finished already" in again

    unit = np.clip((others.astype(float) - low) / (high - low), 0, 1)
    told = []
    model = TrainedAutoencoder.load(run, told.append)
    expected = model.reconstruct(others)
    np.testing.assert_allclose(model.reconstruct(others.astype(np.float64)), expected, atol=1e-6)
    errors = np.square(unit - expected).mean(axis=(1, 2))
    np.testing.assert_allclose(model.score(others, metric="mse"), errors, rtol=1e-4)

    code, _, stderr = run_command("evaluate", run, "--out", tmp_path / "evaluation")
    assert code == 0, stderr
    assert json.loads((tmp_path / "evaluation" / "results.json").read_text())["mse"] == pytest.approx(
        errors.mean(), rel=1e-3
    )
    given = ["reconstruct", run, folder / "ct.npz", "--array", "x_test", "--format", "npy", "--out", tmp_path / "out"]
    code, _, stderr = run_command(*given)
    assert code == 0, stderr
    np.testing.assert_allclose(np.load(tmp_path / "out" / "reconstructions.npy")[..., 0], expected, atol=1e-5)
    code, _, stderr = run_command("encode", run, "--split", "test", "--out", tmp_path / "codes.npz")
    assert code == 0, stderr
    with np.load(tmp_path / "codes.npz") as codes:
        np.testing.assert_allclose(codes["codes"], model.encode(others), atol=1e-5)
    # An 8-bit picture cannot hold this range, and still goes from 0 to 255.
    picture = make_images(1, 16, 12, seed=3)[0, ..., 0]
    np.testing.assert_allclose(
        model.encode(picture), model.encode(np.round(low + picture / 255 * (high - low))), atol=1e-2
    )
    beyond = others.copy()
    beyond[0, 0, 0] = 9000
    told.clear()
    model.reconstruct(beyond)
    assert any("lie outside" in line and "9000" in line for line in told)


def test_masks_are_warned_of_by_every_command_and_read_on_their_range_when_told(folder, train, run_command, tmp_path):
    masks = (make_images(80, 16, 12)[..., 0] > 128).astype(np.uint8)
    np.save(folder / "masks.npy", masks)
    run, stderr = train("masks", folder / "masks.npy")
    assert "values go from 0 to 1, but 0 is read as black and 255 as white" in stderr
    assert "Set data.value_range: [0, 1]." in stderr
    warnings = json.loads((run / "summary.json").read_text())["warnings"]
    assert "narrow_value_range" in [warning["code"] for warning in warnings]
    code, stdout, stderr = run_command("evaluate", run, "--out", tmp_path / "evaluation")
    assert code == 0, stderr
    assert stdout.count("but 0 is read as black") == 1
    (tmp_path / "pictures").mkdir()
    for number, mask in enumerate(masks[:3]):
        Image.fromarray(mask).save(tmp_path / "pictures" / f"{number}.png")
    told = []
    model = TrainedAutoencoder.load(run, told.append)
    for work in (model.score, model.reconstruct):
        work(masks)
    assert len(told) == 1
    assert "values go from 0 to 1" in told[0]
    assert "Scale them, or train with data.value_range: [0, 1]." in told[0]
    for given in (folder / "masks.npy", tmp_path / "pictures"):
        for command in ("score", "reconstruct"):
            out = tmp_path / f"{command}-{given.name}"
            code, _, stderr = run_command(command, run, given, "--out", out)
            assert code == 0, stderr
            assert "values go from 0 to 1, but 0 is read as black and 255 as white" in stderr
            assert "Give --value-range 0 1." in stderr
            code, _, stderr = run_command(command, run, given, "--value-range", 0, 1, "--out", f"{out}-right")
            assert (code, "nearly black" in stderr) == (0, False), stderr
    expected = np.rint(model.reconstruct(masks[1] * np.uint8(255)) * 255)
    with Image.open(tmp_path / "reconstruct-pictures-right" / "1.png") as found:
        np.testing.assert_allclose(np.asarray(found, float), expected, atol=1)


def test_a_range_for_images_that_are_given_is_checked(folder, train, run_command, tmp_path):
    np.save(tmp_path / "unit.npy", np.random.default_rng(0).random((60, 16, 12)))
    run, stderr = train("unit", tmp_path / "unit.npy")
    assert "nearly black" not in stderr
    np.save(tmp_path / "bytes.npy", np.arange(256.0).repeat(3).reshape(4, 16, 12))
    code, _, stderr = run_command("score", run, tmp_path / "bytes.npy")
    assert (code, "values from 0 to 255. Give --value-range 0 255." in stderr) == (1, True), stderr
    assert run_command("score", run, tmp_path / "bytes.npy", "--value-range", 0, 255)[0] == 0
    code, _, stderr = run_command("score", run, tmp_path / "bytes.npy", "--value-range", 5, 5)
    assert (code, "LOW must be below HIGH. Received: 5 5" in stderr) == (2, True)
    code, _, stderr = run_command("score", run, "--split", "test", "--value-range", 0, 5)
    assert (code, "--set data.value_range=[LOW,HIGH]" in stderr) == (2, True)


def test_an_array_set_on_a_range_keeps_it_in_parts():
    values = np.arange(48, dtype=np.int32).reshape(3, 4, 4)
    part = ArraySet(values, value_range=(0, 47), image_size=(4, 4)).take(np.array([2]))
    np.testing.assert_allclose(part.read(np.array([0]))[0, ..., 0], values[2] / 47, rtol=1e-6)
