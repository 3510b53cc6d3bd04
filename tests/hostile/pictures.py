"""Broken, absurd and malicious image files, made here, each with what must become of it."""

import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image

ENDINGS = ("png", "jpg", "bmp", "gif", "webp")
HUGE = 60_000


class Case(NamedTuple):
    """A file, and either the pixels that it shows or words of the reason for which it is refused."""

    name: str
    content: bytes
    expected: np.ndarray | str
    tolerance: int = 0


def smooth(height=24, width=32):
    """A picture that even JPEG keeps, uint8."""
    y, x = np.mgrid[:height, :width]
    return np.stack([7 * y, 7 * x, 255 - 4 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)


RGB = smooth()
GRAY = RGB[..., :1]
LOSSY = {"jpg": 8, "webp": 12}


def encoded(image, ending, **options):
    """Encode an array or a Pillow image."""
    content = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if ending in ("jpg", "webp"):
        options = {"quality": 95, **options}
    if ending == "jpg":
        options = {"subsampling": 0, **options}
    image.save(content, {"jpg": "JPEG"}.get(ending, ending), **options)
    return content.getvalue()


def chunk(kind, content, checksum=None):
    """A PNG chunk."""
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(*chunks, width=32, height=24, depth=8, color=2, pixels=None):
    """A PNG file of its chunks between IHDR and IDAT; `pixels` stands for the compressed rows."""
    rows = b"".join(b"\0" + row.tobytes() for row in RGB) if pixels is None else pixels
    header = struct.pack(">2I5B", width, height, depth, color, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_bytes(content, position, replacement):
    """Write other bytes at a place of a file."""
    return content[:position] + replacement + content[position + len(replacement) :]


def kinds():
    """Files of every format and kind that must be read as what they show."""
    palette = Image.fromarray(RGB).quantize(16)
    shown = np.asarray(palette.convert("RGB"))
    for ending in ENDINGS:
        yield Case(f"plain.{ending}", encoded(RGB, ending), RGB, LOSSY.get(ending, 40 if ending == "gif" else 0))
    for ending in ("png", "gif", "bmp"):
        yield Case(f"palette.{ending}", encoded(palette, ending), shown)
        yield Case(f"gray.{ending}", encoded(GRAY[..., 0], ending), GRAY)
    bits = GRAY[..., 0] > 99
    yield Case("bits.png", encoded(bits, "png"), bits[..., np.newaxis] * np.uint8(255))
    yield Case("gray-alpha.png", encoded(Image.fromarray(np.dstack([GRAY, 0 * GRAY]), "LA"), "png"), 0 * RGB + 255)
    for ending, exact in (("png", {}), ("webp", {"lossless": True, "exact": True})):
        alpha = np.where(bits, 255, 0).astype(np.uint8)
        over_white = np.where(bits[..., np.newaxis], RGB, 255)
        yield Case(f"alpha.{ending}", encoded(np.dstack([RGB, alpha]), ending, **exact), over_white)
    transparent = encoded(palette, "png", transparency=0)
    hidden = np.asarray(palette)[..., np.newaxis] == 0
    yield Case("palette-transparency.png", transparent, np.where(hidden, 255, shown))
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80
    yield Case("deep-gray.png", encoded(deep, "png"), deep[..., np.newaxis] / np.float32(65535))
    colour = np.stack([deep, deep[::-1], deep.T.reshape(24, 32)], axis=-1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colour)
    yield Case("deep-colour.png", png(depth=16, pixels=rows), colour / np.float32(65535))
    inks = Image.fromarray(np.dstack([255 - RGB, 0 * GRAY]), "CMYK")  # which JPEG stores inverted, as Adobe does
    yield Case("cmyk.jpg", encoded(inks, "jpg"), RGB, 8)
    yield Case("progressive.jpg", encoded(RGB, "jpg", progressive=True), RGB, 8)
    yield Case("appended.jpg", encoded(RGB, "jpg") + b"<?php system('id');" * 99, RGB, 8)
    two = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    many = io.BytesIO()
    two[0].save(many, "MPO", save_all=True, append_images=two[1:], quality=95, subsampling=0)
    yield Case("stereo.jpg", many.getvalue(), RGB, 8)
    for ending, options, tolerance in (("gif", {}, 40), ("webp", {"lossless": True}, 0), ("png", {}, 0)):
        moving = encoded(two[0], ending, save_all=True, append_images=two[1:], **options)
        yield Case(f"moving.{ending}", moving, RGB, tolerance)
    for one, other in zip(ENDINGS, ENDINGS[1:] + ENDINGS[:1], strict=True):
        tolerance = LOSSY.get(one, 40 if one == "gif" else 0)
        yield Case(f"{one}-called.{other}", encoded(RGB, one), RGB, tolerance)


TURNED = {  # by the EXIF standard: which side of the stored picture is the top, and which the left
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image[::-1].swapaxes(0, 1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image[:, ::-1].swapaxes(0, 1),
}


def turned():
    """Files with an EXIF orientation, sound or senseless."""
    for orientation, turn in TURNED.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield Case(f"turned-{orientation}.jpg", encoded(RGB, "jpg", exif=exif), turn(RGB), 8)
    entry = struct.pack("<HHHII", 1, 0x0112, 3, 1, 6)
    for number, exif in enumerate(
        [
            b"Exif\0\0garbage",
            b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 65535),  # promises 65,535 entries
            b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 2**32 - 1, 2**32 - 1),
            b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 99),
            b"Exif\0\0II*\0\x08\0\0\0" + entry[:-1],  # cut off
        ]
    ):
        yield Case(f"senseless-exif-{number}.jpg", encoded(RGB, "jpg", exif=exif), RGB, 8)


def bombs():
    """Files that promise, or unfold to, far more than they are."""
    plain = {ending: encoded(RGB, ending) for ending in ENDINGS}
    too_large = "more than `data.max_pixels`"
    yield Case("bomb.png", png(width=HUGE, height=HUGE), too_large)
    yield Case("bomb-most.png", png(width=2**31 - 1, height=2**31 - 1), too_large)
    yield Case("bomb.bmp", with_bytes(plain["bmp"], 18, struct.pack("<2i", HUGE, HUGE)), too_large)
    yield Case("bomb.gif", with_bytes(plain["gif"], 6, struct.pack("<2H", HUGE, HUGE)), too_large)
    frame = plain["jpg"].index(b"\xff\xc0")
    yield Case("bomb.jpg", with_bytes(plain["jpg"], frame + 5, struct.pack(">2H", HUGE, HUGE)), too_large)
    most = (16_383).to_bytes(2, "little")  # all that a WebP file of one picture can claim
    start = plain["webp"].index(b"\x9d\x01\x2a") + 3
    yield Case("bomb.webp", with_bytes(plain["webp"], start, most * 2), too_large)
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (HUGE - 1).to_bytes(3, "little") * 2
    moving = canvas + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    yield Case("bomb-moving.webp", b"RIFF" + struct.pack("<I", 4 + len(moving)) + b"WEBP" + moving, "")
    million = zlib.compress(bytes(100_000_000), 9)
    yield Case("bomb-text.png", png(chunk(b"zTXt", b"Comment\0\0" + million)), "")
    yield Case("bomb-itext.png", png(chunk(b"iTXt", b"Comment\0\1\0\0\0" + million)), "")
    yield Case("bomb-profile.png", png(chunk(b"iCCP", b"icc\0\0" + million)), "")
    yield Case(
        "bomb-texts.png", png(*[chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(10**6))) for n in range(99)]), ""
    )
    yield Case("bomb-rows.png", png(pixels=bytes(100_000_000)), 0 * RGB)
    slow = encoded(RGB, "jpg", progressive=True)
    last = slow.rindex(b"\xff\xda")
    yield Case("bomb-scans.jpg", slow[:last] + slow[last:-2] * 400 + slow[-2:], "scans")


def damaged():
    """Files of which a part is missing or wrong."""
    yield Case("empty.png", b"", "empty")
    yield Case("text.jpg", b"<html><script>alert(1)</script>", "not a PNG")
    yield Case("tiff.jpg", encoded(RGB, "tiff"), "not a PNG")
    yield Case("icon.png", encoded(RGB, "ico"), "not a PNG")
    yield Case("vectors.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n", "not a PNG")
    yield Case("no-rows.png", png(pixels=b""), "")
    yield Case("few-rows.png", png(pixels=bytes(99)), "")
    yield Case("no-size.png", png(width=0, height=24), "")
    yield Case("negative.bmp", with_bytes(encoded(RGB, "bmp"), 18, struct.pack("<2i", -5, 24)), "")
    whole = png()
    yield Case("wrong-checksum.png", with_bytes(whole, whole.index(b"IEND") - 8, b"\1\2\3\4"), RGB)
    yield Case("wrong-zlib.png", with_bytes(whole, whole.index(b"IDAT") + 6, b"\xff" * 40), "")
    yield Case("wrong-palette.png", png(color=3, pixels=b"\0" * 800), "")


def corpus():
    """Every case."""
    return [*kinds(), *turned(), *bombs(), *damaged()]
