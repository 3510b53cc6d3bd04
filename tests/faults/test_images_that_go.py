"""Image files that are removed or cut off while a training reads them."""

import signal

import pytest
from PIL import Image

from tests.conftest import make_images, start_process
from tests.faults.runs import count_rows, summary, wait_for_rows

CONFIG = """
data: {{source: image_folder, path: {path}, channels: 1, on_bad_image: {on_bad_image}}}
model: {{encoder: {{filters: [2]}}}}
training: {{epochs: 100000, batch_size: 16}}
"""


@pytest.fixture
def training(tmp_path):
    """Start to train on a folder of images; gives the process, the run and the files."""

    def start(on_bad_image):
        images = tmp_path / "images"
        images.mkdir()
        for number, pixels in enumerate(make_images(40, 12, 10)[..., 0]):
            Image.fromarray(pixels).save(images / f"{number:02d}.png")
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.format(path=images, on_bad_image=on_bad_image))
        process = start_process("train.py", config, "--runs-dir", tmp_path / "runs")
        run = tmp_path / "runs" / "default" / "run"
        wait_for_rows(run, 1, process)
        assert process.poll() is None, process.communicate()
        return process, run, sorted(images.iterdir())

    return start


def cut(file):
    file.write_bytes(file.read_bytes()[:60])


def test_a_lost_image_ends_the_training_with_its_name_and_the_way_out(training):
    process, run, files = training("error")
    # Only some of them are for training and validation; whichever is read first is named.
    for file in files:
        file.unlink()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    (message,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert any(f"{file}: the image cannot be read: No such file or directory" in message for file in files)
    assert "data.on_bad_image: skip" in message
    assert summary(run)["status"] == "failed"
    assert summary(run)["error"] in message


def test_with_skip_training_goes_on_and_names_the_lost_and_the_cut_images(training):
    process, run, files = training("skip")
    damaged = files[::3]
    for number, file in enumerate(damaged):
        cut(file) if number % 2 else file.unlink()
    wait_for_rows(run, count_rows(run) + 3, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    replaced = summary(run)["replaced_images"]
    # All of training and validation that were damaged, and nothing else.
    assert len(damaged) - summary(run)["images"]["test"] <= len(replaced) <= len(damaged)
    assert set(replaced) <= {str(file) for file in damaged}
    for name, reason in replaced.items():
        assert f"{name}: another image was taken in its place: {reason}" in err
    assert any("No such file" in reason for reason in replaced.values())
    assert any("No such file" not in reason for reason in replaced.values())
