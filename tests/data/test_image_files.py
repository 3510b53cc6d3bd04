"""Single image files: formats, modes, orientation, transparency, depth, damage."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from cae.data.formats.image_files import BadImageError, decode, read_header
from cae.data.formats.image_headers import scan

WHITE = (255, 255, 255)
PLENTY = 10**8


def noise(height=9, width=14, channels=3, seed=0, top=256, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, top, (height, width, channels), dtype)


def smooth(height=24, width=32):
    y, x = np.mgrid[:height, :width]
    return np.stack([7 * y, 7 * x, 255 - 4 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)


def read(path, background=WHITE, max_pixels=PLENTY):
    """Decode, and check on the way that header and pixels agree."""
    pixels = decode(str(path), max_pixels, background)
    header = read_header(str(path), max_pixels)
    assert (header.height, header.width) == pixels.shape[:2]
    assert header.deep == (pixels.dtype == np.float32)
    assert scan([str(path)], max_pixels).bad == {}
    return pixels


def why_refused(path):
    """Why the scan refuses a file."""
    return scan([str(path)], PLENTY).bad[0]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bytes(values, color_type, extra=b""):
    """A PNG file with 16 bits a channel, which Pillow cannot write; color_type as in the PNG specification."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">2I5B", width, height, 16, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("ending", "options", "tolerance"),
    [
        ("png", {}, 0),
        ("bmp", {}, 0),
        ("webp", {"lossless": True}, 0),
        ("webp", {"quality": 95}, 12),
        ("jpg", {"quality": 95, "subsampling": 0}, 8),
        ("jpg", {"quality": 95, "subsampling": 0, "progressive": True}, 8),
    ],
)
def test_colour_files_of_every_format(tmp_path, ending, options, tolerance):
    image = smooth()
    Image.fromarray(image).save(tmp_path / f"a.{ending}", **options)
    pixels = read(tmp_path / f"a.{ending}")
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - image).max() <= tolerance


@pytest.mark.parametrize("ending", ["png", "bmp", "gif"])
def test_gray_files_have_one_channel_or_three_equal_ones(tmp_path, ending):
    gray = noise(channels=1)
    Image.fromarray(gray[..., 0]).save(tmp_path / f"a.{ending}")
    pixels = read(tmp_path / f"a.{ending}")
    assert (pixels == gray).all()


def test_the_content_counts_and_not_the_ending(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.jpg", format="PNG")
    assert np.array_equal(read(tmp_path / "a.jpg"), noise())


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_an_animation_is_its_first_picture(tmp_path, ending):
    frames = [Image.new("RGB", (6, 5), color) for color in ("red", "blue")]
    options = {"lossless": True} if ending == "webp" else {}
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], **options)
    assert (read(tmp_path / f"a.{ending}") == (255, 0, 0)).all()


def test_one_bit_files_are_black_and_white(tmp_path):
    bits = noise(channels=1, top=2)[..., 0].astype(bool)
    for ending in ("png", "bmp"):
        Image.fromarray(bits).save(tmp_path / f"a.{ending}", bits=1)
        assert np.array_equal(read(tmp_path / f"a.{ending}")[..., 0], bits * 255)


def test_palette_files_have_their_colours(tmp_path):
    indices = noise(channels=1, top=4)[..., 0]
    colors = np.array([(10, 20, 30), (250, 0, 0), (0, 99, 0), (1, 2, 255)], np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(colors.tobytes())
    for ending in ("png", "gif", "bmp"):
        image.save(tmp_path / f"a.{ending}")
        assert np.array_equal(read(tmp_path / f"a.{ending}"), colors[indices])


def test_cmyk_files_become_rgb(tmp_path):
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, 4:] = (0, 255, 255, 0)  # magenta and yellow make red
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.jpg", quality=100, subsampling=0)
    pixels = read(tmp_path / "a.jpg").astype(int)
    assert np.abs(pixels[:, :4] - 255).max() <= 4
    assert np.abs(pixels[:, 4:] - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (10, 200, 90)])
@pytest.mark.parametrize("ending", ["png", "webp"])
def test_alpha_is_laid_over_the_background(tmp_path, ending, background):
    rgba = noise(channels=4)
    rgba[0, 0, 3], rgba[0, 1, 3] = 0, 255
    image = Image.fromarray(rgba)
    image.save(tmp_path / f"a.{ending}", **({"lossless": True, "exact": True} if ending == "webp" else {}))
    pixels = read(tmp_path / f"a.{ending}", background)
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + np.array(background) * (1 - alpha)
    assert np.abs(pixels - expected).max() <= 1.0
    assert tuple(pixels[0, 0]) == background
    assert np.array_equal(pixels[0, 1], rgba[0, 1, :3])


def test_gray_alpha_is_laid_over_the_background(tmp_path):
    la = noise(channels=2)
    Image.fromarray(la, "LA").save(tmp_path / "a.png")
    alpha = la[..., 1:] / 255
    expected = la[..., :1] * alpha + np.array((10, 200, 90)) * (1 - alpha)
    assert np.abs(read(tmp_path / "a.png", (10, 200, 90)) - expected).max() <= 1.0


@pytest.mark.parametrize("mode", ["P", "P with alpha", "L", "RGB", "GIF"])
def test_transparent_colours_show_the_background(tmp_path, mode):
    background = (9, 99, 199)
    chosen = np.zeros((5, 6), bool)
    chosen[1:3, 2:5] = True
    path = tmp_path / ("a.gif" if mode == "GIF" else "a.png")
    if mode in ("P", "P with alpha", "GIF"):
        image = Image.fromarray(chosen.astype(np.uint8))
        image.putpalette([200, 10, 10, 10, 10, 200])
        image.save(path, transparency=bytes([255, 0]) if mode == "P with alpha" else 1)
        others = (200, 10, 10)
    elif mode == "L":
        Image.fromarray(np.where(chosen, 77, 180).astype(np.uint8)).save(path, transparency=77)
        others = (180, 180, 180)
    else:
        rgb = np.where(chosen[..., None], (1, 2, 3), (180, 181, 182)).astype(np.uint8)
        Image.fromarray(rgb).save(path, transparency=(1, 2, 3))
        others = (180, 181, 182)
    pixels = read(path, background)
    assert (pixels[chosen] == background).all()
    assert (pixels[~chosen] == others).all()


def test_16_bit_gray_is_kept_exactly(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(values).save(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    assert pixels.shape == (256, 256, 1)
    assert np.array_equal(np.round(pixels[..., 0].astype(float) * 65535), values)


@pytest.mark.parametrize(("channels", "color_type"), [(3, 2), (4, 6), (2, 4)])
def test_16_bit_colour_and_alpha_are_kept(tmp_path, channels, color_type):
    values = noise(channels=channels, top=65536, dtype=np.uint16)
    if channels in (2, 4):
        values[0, 0, -1], values[0, 1, -1] = 0, 65535
    (tmp_path / "a.png").write_bytes(png_bytes(values, color_type))
    pixels = read(tmp_path / "a.png", (0, 51, 255))
    unit = values / 65535
    alpha = unit[..., -1:] if channels in (2, 4) else 1.0
    color = unit[..., :1] if channels == 2 else unit[..., :3]
    np.testing.assert_allclose(pixels, color * alpha + np.array([0.0, 0.2, 1.0]) * (1 - alpha), atol=2e-7)


def test_a_transparent_16_bit_gray_shows_the_background(tmp_path):
    values = np.array([[1000, 1001], [1002, 1000]], np.uint16)
    (tmp_path / "a.png").write_bytes(png_bytes(values[..., None], 0, chunk(b"tRNS", struct.pack(">H", 1000))))
    pixels = read(tmp_path / "a.png", (0, 51, 255))
    np.testing.assert_allclose(pixels[[0, 1], [0, 1]], [(0.0, 0.2, 1.0)] * 2, atol=1e-7)
    np.testing.assert_allclose(pixels[0, 1] * 65535, [1001] * 3, atol=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_exif_orientation_is_applied(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"png": {}, "jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}}[ending]
    path = tmp_path / f"a.{ending}"
    Image.fromarray(smooth(16, 24)).save(path, exif=exif, **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert expected.shape == ((24, 16, 3) if orientation >= 5 else (16, 24, 3))
    assert np.array_equal(read(path), expected)


def test_exif_orientation_is_applied_to_deep_files(tmp_path):
    values = noise(channels=3, top=65536, dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate a quarter clockwise
    content = png_bytes(values, 2, chunk(b"eXIf", exif.tobytes()[6:]))
    (tmp_path / "a.png").write_bytes(content)
    pixels = read(tmp_path / "a.png")
    np.testing.assert_allclose(pixels, np.rot90(values, k=-1) / 65535, atol=1e-7)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0"]
)
def test_senseless_exif_changes_nothing(tmp_path, exif):
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(smooth()).save(tmp_path / "b.jpg", quality=95)
    assert np.array_equal(read(tmp_path / "a.jpg"), read(tmp_path / "b.jpg"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is no image", "not a PNG"),
        (b"\x89PNG\r\n\x1a\n", "not a PNG|damaged|PNG"),
        (None, "No such file"),
    ],
)
def test_files_that_are_no_images_are_told(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    for use in (lambda path: read_header(path, PLENTY), lambda path: decode(path, PLENTY, WHITE)):
        with pytest.raises(BadImageError, match=reason):
            use(str(tmp_path / "a.png"))


def test_other_formats_are_not_images_here(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.png", format="TIFF")
    with pytest.raises(BadImageError, match="not a PNG, JPEG, BMP, GIF or WebP"):
        read_header(str(tmp_path / "a.png"), PLENTY)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "bmp"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_files_are_found_by_the_scan_and_not_decoded(tmp_path, ending, kept):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(noise(60, 50)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert why_refused(path)
    with pytest.raises(BadImageError):
        decode(str(path), PLENTY, WHITE)


def test_a_truncated_16_bit_colour_file_is_found(tmp_path):
    content = png_bytes(noise(60, 50, top=65536, dtype=np.uint16), 2)
    (tmp_path / "a.png").write_bytes(content[:-2000])
    assert "damaged" in why_refused(tmp_path / "a.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp"])
def test_bytes_after_the_end_do_no_harm(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(smooth()).save(path)
    before = read(path)
    with path.open("ab") as file:
        file.write(b"appended by a camera" * 3)
    assert np.array_equal(read(path), before)


def test_too_many_pixels_are_refused_by_the_header_alone(tmp_path):
    # A file of 60 bytes that claims 60000 x 60000 pixels.
    header = struct.pack(">2I5B", 60000, 60000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(content)
    assert "60000x60000 is 3600000000 pixels, more than `data.max_pixels` (100000000)" in why_refused(
        tmp_path / "a.png"
    )
    with pytest.raises(BadImageError, match="max_pixels"):
        decode(str(tmp_path / "a.png"), PLENTY, WHITE)


def test_as_many_pixels_as_allowed_are_read_even_beyond_pillows_own_limit(tmp_path):
    Image.fromarray(noise(10, 10)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", max_pixels=100).shape == (10, 10, 3)
    with pytest.raises(BadImageError, match="max_pixels"):
        read_header(str(tmp_path / "a.png"), 99)
    Image.new("1", (20000, 10000)).save(tmp_path / "b.png")  # Pillow alone would refuse 200 million pixels
    assert read_header(str(tmp_path / "b.png"), 2 * 10**8)[:2] == (10000, 20000)


def test_the_scan_decodes_only_files_without_their_end_mark(tmp_path, monkeypatch):
    for ending in ("png", "jpg", "gif", "bmp", "webp"):
        Image.fromarray(smooth()).save(tmp_path / f"a.{ending}")
    paths = sorted(map(str, tmp_path.iterdir()))
    monkeypatch.setattr("cae.data.formats.image_headers.decode", lambda *args, **kwargs: pytest.fail("decoded"))
    assert scan(paths, PLENTY).sizes == {(24, 32): 0}
