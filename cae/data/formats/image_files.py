"""Image files decoded to pixels: upright, with alpha over the background, 16 bits kept."""

from __future__ import annotations

import functools
import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from cae.data.pixels import to_float, to_pixels
from cae.files import why


def decode_deep_png(content: bytes) -> np.ndarray:
    """Decode a PNG file at its full depth with TensorFlow's decoder, loaded when the first such file is met.

    Args:
        content: the whole file.

    Returns:
        (height, width, channels) as uint16: gray, gray and alpha, RGB, or RGBA.

    Raises:
        ValueError: the file is damaged.
    """
    import tensorflow as tf

    try:
        with tf.device("CPU"):
            return tf.io.decode_png(content, dtype=tf.uint16).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError("the PNG data are damaged") from error


def encode_deep_png(pixels: np.ndarray) -> bytes:
    """Encode pixels as a PNG file with 16 bits a channel.

    Args:
        pixels: (height, width, 1 or 3), float32 in [0, 1].
    """
    import tensorflow as tf

    with tf.device("CPU"):
        return tf.io.encode_png(np.round(pixels * 65535.0).astype(np.uint16)).numpy()


_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
# Orientations 5 to 8 of the EXIF standard lay the picture on its side.
_SIDEWAYS = 5

# A pixel takes at most 8 bytes uncompressed; the rest is for EXIF and the like.
_PIXEL_BYTES, _OTHER_BYTES = 8, 1 << 26

# Photographs come in about 10 scans, and each scan of a large picture costs time however few bytes it has.
_MOST_SCANS = 100

# Damaged EXIF does not make a picture unreadable, and there is nothing to do about it.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

Color = tuple[int, ...]


class BadImageError(Exception):
    """An image file that cannot be used; the message is the reason, without the file's name."""


class ImageHeader(NamedTuple):
    """What a scan needs to know of an image."""

    height: int
    width: int
    deep: bool
    """More than 8 bits a channel."""
    complete: bool
    """The file has the end that its format demands; without it, only decoding tells whether pixels are missing."""


def read_header(path: str, max_pixels: int) -> ImageHeader:
    """Read size and depth without decoding pixels, and look at the file's end.

    Raises:
        BadImageError: the file is missing, empty, no image of a known format, or has more than `max_pixels` pixels.
    """
    with _opened(path, max_pixels) as (image, file):
        width, height = image.size
        if _orientation(image) >= _SIDEWAYS:
            width, height = height, width
        return ImageHeader(height, width, _is_deep(image), _has_its_end(image.format or "", file))


class Compression(NamedTuple):
    """How the pixels of a file were compressed with loss."""

    kind: str
    """`JPEG` or `lossy WebP`."""
    quality: int | None = None
    """From 1 to 100, as libjpeg counts; None where the file does not tell."""
    subsampling: str = ""
    """`4:4:4`, `4:2:2` or `4:2:0`; empty for gray, and where the file does not tell."""


def find_compression(source: str | bytes, max_pixels: int) -> Compression | None:
    """Find whether an image file was compressed with loss, without decoding pixels; None where it was not.

    Args:
        source: a file's path, or what a file would hold.
        max_pixels: most pixels that the image may have.

    Raises:
        BadImageError: the file cannot be read.
    """
    with _opened(source, max_pixels) as (image, file):
        if image.format == "WEBP":
            file.seek(0)
            return Compression("lossy WebP") if _is_lossy_webp(file.read()) else None
        if not isinstance(image, JpegImageFile):
            return None
        sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(get_sampling(image), "") if image.layers == 3 else ""
        table = image.quantization.get(0)
        return Compression("JPEG", _estimate_quality(sum(table)) if table else None, sampling)


def _estimate_quality(total: int) -> int:
    """The quality for which libjpeg's table of brightness has the sum that comes closest."""
    return min(_sums_by_quality(), key=lambda one: abs(one[1] - total))[0]


@functools.cache
def _sums_by_quality() -> list[tuple[int, int]]:
    sums = []
    for quality in range(1, 101):
        content = io.BytesIO()
        Image.new("L", (8, 8)).save(content, "JPEG", quality=quality)
        with Image.open(content, formats=["JPEG"]) as image:
            assert isinstance(image, JpegImageFile)
            sums.append((quality, sum(image.quantization[0])))
    return sums


def _is_lossy_webp(content: bytes, first: int = 12) -> bool:
    """Whether a picture's chunk is `VP8 ` and not `VP8L`; an animation has its frames' chunks in `ANMF`."""
    while first + 8 <= len(content):
        name, size = content[first : first + 4], int.from_bytes(content[first + 4 : first + 8], "little")
        if name == b"VP8 " or (name == b"ANMF" and _is_lossy_webp(content[first + 24 : first + 8 + size], 0)):
            return True
        first += 8 + size + size % 2
    return False


def decode(
    source: str | bytes,
    max_pixels: int,
    background: Color,
    value_range: tuple[float, float] | None = None,
    watch: Callable[[np.ndarray], None] = lambda values: None,
) -> np.ndarray:
    """Decode an image, turned upright, transparent pixels over `background`.

    Args:
        source: a file's path, or what a file would hold.
        max_pixels: most pixels that the image may have.
        background: red, green and blue, 0 to 255.
        value_range: the stored values that become 0 and 1, see `cae.data.pixels.to_pixels`; None for what the file's
            depth says.
        watch: is shown the values, (1, ...), as they are stored, before the range is applied.

    Returns:
        (height, width, 1) for gray and black-and-white files without transparency, else (height, width, 3); uint8, or
        float32 in [0, 1] for 16-bit files and with a range.

    Raises:
        BadImageError: the file cannot be decoded.
    """
    with _opened(source, max_pixels) as (image, file):
        orientation = _orientation(image)
        if value_range is None and not _is_deep(image):
            pixels = _decode_8_bit(image, background)
            watch(pixels[np.newaxis])
        else:
            values, opacity = _read_stored(image, file)
            watch((values if opacity is None else values[opacity[..., 0] > 0])[np.newaxis])
            pixels = _over(to_pixels(values, value_range), opacity, background)
        return _turn_upright(pixels, orientation)


@contextmanager
def _opened(source: str | bytes, max_pixels: int) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """Open an image and check its size; whatever goes wrong inside the block becomes a `BadImageError`."""
    # `max_pixels` takes the place of Pillow's own guard, which warns at 89 million pixels whatever the user allows.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with _bytes_of(source, max_pixels) as file, Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise BadImageError(
                    f"{width}x{height} is {width * height} pixels, more than `data.max_pixels` ({max_pixels})"
                )
            _check_scans(image, file)
            yield image, file
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError("not a PNG, JPEG, BMP, GIF or WebP image, or damaged at its start") from None
    except Exception as error:  # decoders raise whatever they stumble over
        raise BadImageError(why(error) if str(error) else "the data are damaged") from error


def _check_scans(image: Image.Image, file: BinaryIO) -> None:
    if "progressive" in image.info:
        position = file.tell()
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        file.seek(position)
        if scans > _MOST_SCANS:
            raise BadImageError(f"{scans} scans, and a progressive JPEG file has at most {_MOST_SCANS} here")


def _bytes_of(source: str | bytes, max_pixels: int) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    status = os.stat(source)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise BadImageError("not a regular file")
    if status.st_size == 0:
        raise BadImageError("the file is empty")
    if status.st_size > max_pixels * _PIXEL_BYTES + _OTHER_BYTES:  # some decoders read the whole file at once
        raise BadImageError(f"{status.st_size} bytes, more than `data.max_pixels` ({max_pixels}) pixels can take")
    return open(source, "rb")


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    try:
        # Image's own method: PngImageFile's decodes the whole picture when it finds no EXIF before the pixels.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF does not make the picture unreadable
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation >= _SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _is_deep(image: Image.Image) -> bool:
    """Whether a channel has 16 bits; Pillow says so for gray, and hides it in the decoder's name for colour."""
    return image.mode.startswith("I") or any("16B" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _decode_8_bit(image: Image.Image, background: Color) -> np.ndarray:
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
        return np.asarray(canvas)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., np.newaxis]
    return np.asarray(image.convert("RGB"))


def _read_stored(image: Image.Image, file: BinaryIO) -> tuple[np.ndarray, np.ndarray | None]:
    """Read values as they are stored, (height, width, 1 or 3), and opacity in [0, 1] where there is any."""
    if image.mode.startswith("I"):
        # Older versions of Pillow give 16-bit gray as 32-bit integers.
        values = np.asarray(image).astype(np.uint16)[..., np.newaxis]
        transparent = image.info.get("transparency")
        return values, (values != transparent).astype(np.float32) if isinstance(transparent, int) else None
    if _is_deep(image):
        file.seek(0)
        values = decode_deep_png(file.read())
        has_opacity = values.shape[-1] in (2, 4)
        return (values[..., :-1], to_pixels(values[..., -1:])) if has_opacity else (values, None)
    if image.has_transparency_data:
        values = np.asarray(image.convert("RGBA"))
        return values[..., :3], to_float(values[..., 3:])
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., np.newaxis], None
    return np.asarray(image.convert("RGB")), None


def _over(pixels: np.ndarray, opacity: np.ndarray | None, background: Color) -> np.ndarray:
    """Lay float pixels over the background; where nothing is transparent they stay."""
    if opacity is None:
        return pixels
    return pixels * opacity + to_float(np.array(background, np.uint8)) * (1 - opacity)


def _has_its_end(file_format: str, file: BinaryIO) -> bool:
    """Whether the file ends, or is as long, as its format demands."""
    file.seek(0)
    head = file.read(8)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 12))
    tail = file.read(12)
    if file_format == "PNG":
        return tail[4:8] == b"IEND"
    if file_format == "GIF":
        return tail.endswith(b"\x3b")
    if file_format == "BMP":
        return 0 < int.from_bytes(head[2:6], "little") <= size
    if file_format == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 <= size
    return tail.endswith(b"\xff\xd9")
