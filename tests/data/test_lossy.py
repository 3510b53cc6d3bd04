"""Images that were compressed with loss, and images that only look as if they were."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from cae.data.formats.image_files import Compression, find_compression
from cae.data.image_set import ArraySet
from cae.data.lossy import grid_strength, warn_of_loss


def photographs(number: int, side: int = 64, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Pictures with the power spectrum of photographs, one over the square of the frequency, uint8."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((number, channels, side, side))) / frequency
    noise = np.fft.irfft2(spectrum, (side, side)).transpose(0, 2, 3, 1)
    shared = noise.mean(axis=-1, keepdims=True) * 2 + noise
    return np.clip(128 + 50 * shared / shared.std(), 0, 255).astype(np.uint8)


def through(image: np.ndarray, file_format: str = "JPEG", **options) -> np.ndarray:
    """What is left of an image behind a file."""
    return np.array(Image.open(io.BytesIO(encode(image, file_format, **options)))).reshape(image.shape)


def encode(image: np.ndarray, file_format: str = "JPEG", **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image.squeeze()).save(content, file_format, **options)
    return content.getvalue()


@pytest.mark.parametrize("quality", [1, 20, 50, 75, 90, 95, 100])
@pytest.mark.parametrize(("sampling", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_a_jpeg_file_tells_its_quality_and_the_resolution_of_its_colours(quality, sampling, name):
    content = encode(photographs(1)[0], quality=quality, subsampling=sampling)
    assert find_compression(content, 10**6) == Compression("JPEG", quality, name)


def test_a_gray_jpeg_file_has_no_resolution_of_colours():
    assert find_compression(encode(photographs(1, channels=1)[0], quality=60), 10**6) == Compression("JPEG", 60)


@pytest.mark.parametrize(
    ("options", "is_lossy"),
    [({"quality": 80}, True), ({"lossless": True}, False), ({"quality": 80, "exif": b"Exif\0\0VP8 abcd" * 3}, True)],
)
@pytest.mark.parametrize("frames", [1, 3])
def test_webp_is_lossy_or_not_as_its_chunks_say(options, is_lossy, frames):
    more = [Image.fromarray(image) for image in photographs(frames - 1, seed=1)] if frames > 1 else []
    options = {**options, "save_all": bool(more), "append_images": more}
    if not is_lossy:
        options["exif"] = b"Exif\0\0VP8 abcd"  # only looks like a chunk
    found = find_compression(encode(photographs(1)[0], "WEBP", **options), 10**6)
    assert found == (Compression("lossy WebP") if is_lossy else None)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF"])
def test_lossless_files_say_nothing(file_format):
    assert find_compression(encode(photographs(1)[0], file_format), 10**6) is None


@pytest.mark.parametrize("quality", [10, 50, 75, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_that_went_through_jpeg_show_its_grid(quality, channels):
    images = photographs(12, channels=channels)
    assert grid_strength([through(image, quality=quality) for image in images]) > 0.25
    assert grid_strength(images) < 0.15


def test_the_grid_is_found_in_floating_point_of_another_contrast():
    images = [through(image, quality=80) for image in photographs(24)]
    assert grid_strength([0.1 + image.astype(np.float32) / 255 * 0.7 for image in images]) > 0.25


@pytest.mark.parametrize(
    "name",
    ["noise", "black and white", "squares of eight", "squares of five", "ramps", "constant", "few levels", "tiny"],
)
def test_pictures_that_were_never_compressed_have_no_grid(name):
    rng = np.random.default_rng(0)
    bits = (rng.random((64, 64, 64, 1)) < 0.5).astype(np.uint8) * 255
    slopes = rng.random((64, 2)) * 3
    pictures = {
        "noise": rng.integers(0, 256, (64, 64, 64, 3)).astype(np.uint8),
        "black and white": bits,
        "squares of eight": bits[:, :8, :8].repeat(8, 1).repeat(8, 2),
        "squares of five": bits[:, :12, :12].repeat(5, 1).repeat(5, 2),
        "ramps": np.array([np.add.outer(a * np.arange(64), b * np.arange(64)) for a, b in slopes])[..., None]
        % 256
        // 1,
        "constant": np.full((9, 64, 64, 3), 77, np.uint8),
        "few levels": photographs(64) // 32 * 32,
        "tiny": photographs(64)[:, :5, :7],
    }[name]
    assert grid_strength(list(pictures.astype(np.uint8))) < 0.15


def test_images_made_smaller_after_compression_cannot_be_known():
    images = [through(image, quality=75) for image in photographs(24)]
    smaller = [np.asarray(Image.fromarray(image).resize((40, 40), Image.Resampling.BICUBIC)) for image in images]
    assert grid_strength(smaller) < 0.15


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_array_of_jpeg_copies_is_told(dtype):
    images = np.stack([through(image, quality=75) for image in photographs(40, side=32)])
    images = images if dtype == np.uint8 else images.astype(np.float32) / 255
    (warning,) = warn_of_loss(ArraySet(images))
    assert warning.code == "lossy_source"
    assert "8x8 blocks of JPEG" in warning.message
    assert warn_of_loss(ArraySet(photographs(40, side=32))) == []


@pytest.fixture
def folder(tmp_path):
    def write(name, images, ending, **options):
        path = tmp_path / name
        path.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(path / f"{number}{ending}", **options)
        return path

    return write


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        f"data: {{source: image_folder, path: {tmp_path / 'images'}, channels: 3}}\n"
        "model: {encoder: {filters: [2]}, bottleneck: {kind: spatial, channels: 1}, decoder: {upsampling: resize}}\n"
        "training: {epochs: 1, batch_size: 32}\n"
    )
    return file


@pytest.mark.parametrize(
    ("ending", "options", "said"),
    [(".webp", {"quality": 83}, "24 of 24 files looked at are lossy WebP. "), (".webp", {"lossless": True}, None)],
)
def test_a_dry_run_tells_of_lossy_files_and_of_them_only(ending, options, said, folder, config, run_command):
    folder("images", photographs(30, side=16), ending, **options)
    code, _, err = run_command("train", config, "--dry-run")
    assert code == 0, err
    assert ("compressed with loss" in err) == (said is not None)
    assert (said or "") in err


def test_training_says_it_with_its_images_and_in_its_summary_and_evaluation_repeats_it(
    folder, config, run_command, tmp_path
):
    folder("images", photographs(30, side=16), ".jpg", quality=83)
    code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 0, err
    (line,) = (line for line in err.splitlines() if line.startswith("Images: "))
    assert line.endswith("; compressed with loss")
    said = "24 of 24 files looked at are JPEG of quality about 83, most with colours at half the resolution (4:2:0)"
    assert f"Warning: images were compressed with loss: {said}" in err
    run = tmp_path / "runs" / "default" / "run"
    warnings = json.loads((run / "summary.json").read_text())["warnings"]
    (told,) = (one for one in warnings if one["code"] == "lossy_source")
    code, out, err = run_command("evaluate", run)
    assert code == 0, err
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert [one for one in results["warnings"] if one["code"] == "lossy_source"] == [told]
    assert said in out


def test_png_copies_of_jpeg_files_in_a_folder_are_told(folder):
    from cae.config.data import ImageFolderData
    from cae.data.load import load_splits

    images = photographs(40, side=32)
    for name, pixels in {"lossless": images, "copies": [through(image, quality=75) for image in images]}.items():
        section = ImageFolderData(path=str(folder(name, pixels, ".png")), channels=3, image_size=(20, 20))
        found = warn_of_loss(load_splits(section).train)
        assert [warning.code for warning in found] == ["lossy_source"] * (name == "copies")
