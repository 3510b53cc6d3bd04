"""Images whose headers are fine and whose pixels are not: found when a training reads its first ones."""

import pytest
from PIL import Image

from tests.conftest import make_images
from tests.faults.runs import summary

CONFIG = """
data: {{source: image_folder, path: {path}, channels: 1}}
model: {{encoder: {{filters: [2]}}}}
training: {{epochs: 1, batch_size: 16}}
"""


@pytest.fixture
def damaged(tmp_path):
    """A folder of pictures, each with a wrong byte in its pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, pixels in enumerate(make_images(60, 16, 16)[..., 0]):
        file = folder / f"{number:02d}.png"
        Image.fromarray(pixels).save(file)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    return folder


def test_images_with_damaged_pixels_end_a_training_with_the_name_of_one(damaged, run_command, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(path=damaged))
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 1, err
    assert "Traceback" not in err
    (message,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert any(f"{file}: the image cannot be read" in message for file in damaged.iterdir())
    found = summary(tmp_path / "runs" / "default" / "run")
    assert found["status"] == "failed"
    assert found["error"] in message
