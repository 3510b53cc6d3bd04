"""Image files that are removed or cut off while a training reads them."""

import pytest
from PIL import Image

from tests.conftest import make_images
from tests.faults.runs import stop, summary

CONFIG = """
data: {{source: image_folder, path: {path}, channels: 1, on_bad_image: {on_bad_image}}}
model: {{encoder: {{filters: [2]}}}}
training: {{epochs: 100000, batch_size: 16}}
"""


@pytest.fixture
def training(train, tmp_path):
    """Train on a folder of images, and do something to its files after an epoch; gives run, exit code and stderr."""

    def run(on_bad_image, damage, then):
        images = tmp_path / "images"
        images.mkdir()
        for number, pixels in enumerate(make_images(40, 12, 10)[..., 0]):
            Image.fromarray(pixels).save(images / f"{number:02d}.png")
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.format(path=images, on_bad_image=on_bad_image))
        files = sorted(images.iterdir())
        code, err = train(config, "--runs-dir", tmp_path / "runs", then={1: lambda: damage(files), **then})
        return tmp_path / "runs" / "default" / "run", files, code, err

    return run


def cut(file):
    file.write_bytes(file.read_bytes()[:60])


def test_a_lost_image_ends_the_training_with_its_name_and_the_way_out(training):
    # Only some of them are for training and validation; whichever is read first is named.
    run, files, code, err = training("error", lambda files: [file.unlink() for file in files], {})
    assert code == 1, err
    (message,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert any(f"{file}: the image cannot be read: No such file or directory" in message for file in files)
    assert "data.on_bad_image: skip" in message
    assert summary(run)["status"] == "failed"
    assert summary(run)["error"] in message


def test_with_skip_training_goes_on_and_names_the_lost_and_the_cut_images(training):
    def damage(files):
        for number, file in enumerate(files[::3]):
            cut(file) if number % 2 else file.unlink()

    run, files, code, err = training("skip", damage, {5: stop})
    assert code == 143, err
    damaged = files[::3]
    replaced = summary(run)["replaced_images"]
    # All of training and validation that were damaged, and nothing else.
    assert len(damaged) - summary(run)["images"]["test"] <= len(replaced) <= len(damaged)
    assert set(replaced) <= {str(file) for file in damaged}
    for name, reason in replaced.items():
        assert f"{name}: another image was taken in its place: {reason}" in err
    assert any("No such file" in reason for reason in replaced.values())
    assert any("No such file" not in reason for reason in replaced.values())
