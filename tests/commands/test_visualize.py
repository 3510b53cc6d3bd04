"""`python -m cae visualize` on trained runs."""

import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cae.commands.main import main
from tests.conftest import make_images

MODEL = "model: {encoder: {filters: [4, 8]}, bottleneck: {kind: dense, units: 5}, decoder: {upsampling: max_unpool}}\n"
LAYERS = ["stage_1_conv_1", "stage_1_pool", "stage_2_conv_1", "stage_2_pool", "latent"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, image_file):
    """A run of one epoch on tiny images, in which map 2 of the first convolution is dead."""
    from cae.runs import open_run
    from cae.runs.trained import load_trained_run
    from cae.runs.weights import save_weights
    from cae.workflows.planning import load_splits_with_progress

    folder = tmp_path_factory.mktemp("trained")
    config = folder / "config.yaml"
    config.write_text(f"data: {{source: arrays, path: {image_file}}}\ntraining: {{epochs: 1, batch_size: 8}}\n{MODEL}")
    assert main(["train", str(config), "--runs-dir", str(folder)]) == 0
    run = folder / "default" / "run"
    autoencoder = load_trained_run(open_run(run), load_splits_with_progress).autoencoder
    first = autoencoder.encoder.get_layer("stage_1_conv_1")
    kernel, bias = first.get_weights()
    kernel[..., 2], bias[2] = 0, -1
    first.set_weights([kernel, bias])
    save_weights(run / "model.weights.h5", autoencoder)
    return run


@pytest.fixture(scope="module")
def visualized(trained):
    """The run with everything drawn, in a copy, and what stood in its files before."""
    run = trained.parent / "visualized"
    shutil.copytree(trained, run)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert main(["visualize", str(run), "--top", "3", "--maps", "all"]) == 0
    return run, before


def record_of(folder):
    return json.loads((folder / "visualization.json").read_text())


def test_every_layer_has_its_pictures_and_the_run_stays_as_it_was(visualized):
    run, before = visualized
    folder = run / "visualization"
    for name in LAYERS:
        kinds = ["", "_activations"] if name.endswith("pool") else ["", "_kernels", "_activations"]
        assert set(record_of(folder)["layers"][name]["pictures"].values()) == {f"{name}{kind}.png" for kind in kinds}
        for kind in kinds:
            with Image.open(folder / f"{name}{kind}.png") as picture:
                assert picture.mode == "RGB"
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    # TensorBoard shows them in the run; nothing else is new.
    assert [name.rpartition(".")[2] for name in after.keys() - before.keys()] == ["visualization"]
    assert {name: after[name] for name in before} == before


def test_the_record_is_what_numpy_finds_on_the_whole_validation_split(visualized, image_file):
    import keras

    from cae.runs import open_run
    from cae.runs.trained import load_trained_run
    from cae.workflows.planning import load_splits_with_progress

    run, _ = visualized
    record = record_of(run / "visualization")
    restored = load_trained_run(open_run(run), load_splits_with_progress)
    validation = restored.splits.validation
    assert record["images"] == len(validation) == 18
    encoder = restored.autoencoder.encoder
    pixels = np.load(image_file)[[int(name) for name in validation.names]].astype(np.float32) / 255
    maps = np.asarray(keras.Model(encoder.input, encoder.get_layer("stage_2_conv_1_relu").output)(pixels))
    layer = record["layers"]["stage_2_conv_1"]
    assert layer["shape"] == list(maps.shape[1:])
    assert layer["receptive_field"] == [8, 8]
    for number, row in enumerate(layer["statistics"]):
        assert row["mean"] == pytest.approx(maps[..., number].mean(), rel=1e-4, abs=1e-6)
        assert row["maximum"] == pytest.approx(maps[..., number].max(), rel=1e-4, abs=1e-6)
        strongest = np.sort(maps[..., number].max(axis=(1, 2)))[::-1][:3]
        assert [top["value"] for top in row["top"]] == pytest.approx(strongest[strongest > 0], rel=1e-4)
        for top in row["top"]:
            assert maps[top["image"], top["row"], top["column"], number] == pytest.approx(top["value"], rel=1e-4)
            assert top["name"] == validation.names[top["image"]]
    assert record["layers"]["latent"]["receptive_field"] == [15, 10]


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.images, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.addresses += [attributes[key] for key in ("src", "href") if key in attributes]
        if tag == "img":
            self.images.append(attributes)


def test_the_page_holds_everything_and_describes_its_pictures(visualized):
    run, _ = visualized
    text = (run / "visualization" / "index.html").read_text()
    page = _Page()
    page.feed(text)
    # Every map by itself, under its heading; besides kernels, which poolings have none of, and maps of one image.
    assert len(page.images) == sum(layer["maps"] for layer in record_of(run / "visualization")["layers"].values()) + 8
    assert "<figcaption>map 2: never responds</figcaption>" in text
    assert text.index('<h2 id="latent">') < text.index('<h2 id="stage_1_conv_1">')  # the deepest first
    assert "steps only: its kernels are still close to random" in text
    assert all(any(name in image["alt"] for name in LAYERS) for image in page.images)
    assert all(address.startswith(("data:image/png;base64,", "data:,", "#")) for address in page.addresses)
    assert "1 of 4 maps of stage_1_conv_1 never responds" in text


def test_tensorboard_gets_every_picture_once_however_often_it_is_drawn(trained, run_command, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / "events.out.tfevents.1.other").write_bytes(b"")
    for _ in range(2):
        code, _, err = run_command(
            "visualize", trained, "--layer", "stage_1_conv_1", "--top", 1, "--maps", "0", "--out", tmp_path
        )
        assert code == 0, err
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2
    events = EventAccumulator(str(next(tmp_path.glob("*.visualization"))), size_guidance={"tensors": 0})
    events.Reload()
    tags = {f"{kind}/stage_1_conv_1" for kind in ("features", "kernels", "activations")}
    assert set(events.Tags()["tensors"]) == tags
    assert all(len(events.Tensors(tag)) == 1 for tag in tags)


def test_dead_maps_are_said_and_the_folder_comes_last(trained, run_command, tmp_path):
    code, out, err = run_command(
        "visualize", trained, "--layer", "stage_1", "--method", "guided", "--maps", "top:1", "--out", tmp_path
    )
    assert code == 0, err
    assert out.splitlines() == ["1 of 4 maps of stage_1_pool never responds", str(tmp_path)]
    assert f"tensorboard --logdir {tmp_path}" in err
    layer = record_of(tmp_path)["layers"]["stage_1_pool"]
    assert layer["dead"] == [2]
    assert layer["statistics"][2]["top"] == []
    assert record_of(tmp_path)["method"] == "guided"


def test_images_can_be_a_folder_a_file_or_an_array_without_the_runs_own(trained, run_command, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(re.sub(r"path: .*\.npy", "path: /nowhere.npy", config))
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, pixels in enumerate(make_images(3, 30, 40, 3)):
        Image.fromarray(pixels).save(folder / f"photo {number}.png")
    np.save(tmp_path / "pictures.npy", make_images(4, 15, 10))
    for path, names in [
        (folder, {"photo 0.png", "photo 1.png", "photo 2.png"}),
        (folder / "photo 1.png", {"photo 1.png"}),
        (tmp_path / "pictures.npy", {"0", "1", "2", "3"}),
    ]:
        code, _, err = run_command("visualize", run, "--layer", "latent", "--maps", "0", "--images", path)
        assert code == 0, err
        record = record_of(run / "visualization")
        assert {top["name"] for top in record["layers"]["latent"]["statistics"][0]["top"]} == names
        assert record["images"] == len(names)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--layer", "stage_7"], 2, ["stage_7", *LAYERS]),
        (["--layer", "stage_1_conv_1", "--maps", "2,4"], 2, ["stage_1_conv_1", "0 to 3", "Received: 4"]),
        (["--maps", "most"], 2, ["all", "top:N", "most"]),
        (["--top", "0"], 2, ["1 to 100", "Received: 0"]),
        (["--method", "magic"], 2, ["deconvnet", "gradient", "guided"]),
        (["--set", "model.encoder.filters=[3]"], 2, ["data"]),
        (["--images", "/nowhere/at/all"], 1, ["/nowhere/at/all"]),
        (["--out", "/proc/self/fdinfo/x"], 1, ["/proc/self/fdinfo/x"]),
    ],
)
def test_what_cannot_be_done_is_said_with_what_there_is(trained, run_command, arguments, code, words):
    got, out, err = run_command("visualize", trained, *arguments)
    assert got == code
    assert out == ""
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_a_run_without_weights_or_with_broken_ones_is_said(trained, run_command, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "model.weights.h5").write_bytes(b"not weights")
    for _ in range(2):
        code, _, err = run_command("visualize", run)
        assert code == 1
        assert "model.weights.h5" in err
        (run / "model.weights.h5").unlink(missing_ok=True)
    code, _, err = run_command("visualize", tmp_path)
    assert code == 1
    assert "is not a run" in err


def test_values_that_are_not_finite_are_said(trained, run_command, tmp_path):
    from cae.runs import open_run
    from cae.runs.trained import load_trained_run
    from cae.runs.weights import save_weights
    from cae.workflows.planning import load_splits_with_progress

    run = tmp_path / "run"
    shutil.copytree(trained, run)
    autoencoder = load_trained_run(open_run(run), load_splits_with_progress).autoencoder
    latent = autoencoder.encoder.get_layer("latent")
    latent.set_weights([np.full_like(weight, np.nan) for weight in latent.get_weights()])
    save_weights(run / "model.weights.h5", autoencoder)
    code, _, err = run_command("visualize", run, "--layer", "latent")
    assert code == 1
    assert "must be finite numbers" in err


def test_pictures_of_an_earlier_call_go_and_other_files_stay(trained, tmp_path):
    out = tmp_path / "out"
    assert main(["visualize", str(trained), "--maps", "0", "--top", "1", "--out", str(out)]) == 0
    (out / "mine.png").write_bytes(b"of the user")
    assert (out / "stage_1_conv_1.png").exists()
    latent = ["--layer", "latent", "--method", "gradient"]
    assert main(["visualize", str(trained), "--maps", "0", "--top", "1", "--out", str(out), *latent]) == 0
    told = {file for layer in record_of(out)["layers"].values() for file in layer["pictures"].values()}
    assert {path.name for path in out.glob("*.png")} == told | {"mine.png"}


@pytest.mark.parametrize("place", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_file_in_place_of_the_record_is_named_and_not_waited_for(trained, run_command, tmp_path, place):
    place(tmp_path / "visualization.json")
    code, _, err = run_command("visualize", trained, "--maps", "0", "--top", "1", "--out", tmp_path)
    assert code == 1
    assert f"{tmp_path}/visualization.json: this is not a regular file" in err


def test_what_is_doubtful_in_given_images_is_said(trained, tmp_path, capsys):
    np.save(tmp_path / "mask.npy", (make_images(1, 15, 10)[0, ..., 0] > 128).astype(np.uint8))
    arguments = ["--images", str(tmp_path / "mask.npy"), "--maps", "0", "--top", "1", "--out", str(tmp_path / "out")]
    assert main(["visualize", str(trained), *arguments]) == 0
    err = capsys.readouterr().err
    assert "the shape (15, 10) is read as one gray image" in err
    assert "values go from 0 to 1" in err


def test_images_that_cannot_be_read_are_left_out_and_counted(trained, tmp_path, capsys):
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.fromarray(make_images(1, 15, 10)[0, ..., 0]).save(folder / "good.png")
    (folder / "bad.png").write_bytes(b"no image")
    arguments = ["--images", str(folder), "--maps", "0", "--top", "1", "--out", str(tmp_path / "out")]
    assert main(["visualize", str(trained), *arguments]) == 0
    err = capsys.readouterr().err
    assert "1 file that cannot be read left out" in err
    assert "showing 1 image to 5 layers" in err
    assert record_of(tmp_path / "out")["images"] == 1
