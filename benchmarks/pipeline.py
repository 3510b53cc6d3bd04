"""Input: images a second from every kind of source, and how long a folder takes to open.

    python -m benchmarks.pipeline --json OUT [--quick] [--images N] [--side PIXELS]

JPEG files are made for the occasion. The program checks each file's header when it opens a folder, and brings images to
size with an antialiasing filter; Keras lists the files, and samples bilinearly without one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.children import ROOT, Child
from benchmarks.pictures import write_jpegs
from benchmarks.record import Measurement, count_repetitions, make_parser, save, tell
from benchmarks.timing import take_turns

_MODULE = "benchmarks.contestants.streams"
_SHAPE = [64, 64, 3]
_BATCH_SIZE = 128


def main() -> int:
    """Measure every source."""
    parser = make_parser(__doc__, repetitions=5)
    parser.add_argument("--images", type=int, metavar="N", help="JPEG files; default: 5000, or 500 with --quick")
    parser.add_argument("--side", type=int, default=160, metavar="PIXELS", help="of the square files; default: 160")
    options = parser.parse_args()
    repetitions, number = count_repetitions(options), options.images or (500 if options.quick else 5000)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        # What the program keeps for later runs goes away with the rest.
        os.environ["XDG_CACHE_HOME"] = str(folder / "user_cache")
        write_jpegs(folder / "jpegs", number, options.side)
        measurements = [measure_opening(folder, number, repetitions)]
        tell(measurements[-1])
        for source, section, plain in _sources(folder):
            measurements.append(measure_reading(source, section, plain, number, repetitions))
            tell(measurements[-1])
    return save("pipeline", options, measurements)


def measure_opening(folder: Path, number: int, repetitions: int) -> Measurement:
    """Seconds until a folder is open: with no file known, with all of them known, and Keras' own.

    The system's cache of files is warm in each case.
    """
    section = {"source": "image_folder", "path": str(folder / "jpegs")}
    with _ours(section, number) as ours, _plain({"path": section["path"], "cache": None}, number) as plain:
        for child in (ours, plain):
            child.ask("open")

        def measure_first() -> dict[str, float]:
            shutil.rmtree(folder / "user_cache", ignore_errors=True)
            first = ours.ask("open")
            return {"cae": ours.ask("open"), "cae, first time": first}

        values = take_turns([measure_first, lambda: {"keras, no checks": plain.ask("open")}], repetitions)
    return Measurement({"source": "folder", "what": f"opening {number:,} files"}, "s", values, more_is_better=False)


def measure_reading(
    source: str, section: dict[str, Any] | None, plain: dict[str, Any] | None, number: int, repetitions: int
) -> Measurement:
    """Images a second over whole epochs, caches filled.

    Args:
        source: its name in the results.
        section: the program's `data` section; None for images in memory.
        plain: arguments of `PlainStream`; None where there is nothing like it.
        number: images.
        repetitions: rounds of one epoch.
    """
    with contextlib.ExitStack() as stack:
        children = {"cae": stack.enter_context(_ours(section, number))}
        if section is not None:
            children["cae"].ask("open")
        if plain is not None:
            children["keras"] = stack.enter_context(_plain(plain, number))
        for child in children.values():
            child.ask("read")
        measures = [lambda name=name, child=child: {name: child.ask("read")} for name, child in children.items()]
        values = take_turns(measures, repetitions)
    return Measurement({"source": source, "what": "reading"}, "images/s", values)


def _sources(folder: Path) -> list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]:
    jpegs = {"source": "image_folder", "path": str(folder / "jpegs")}
    plain = {"path": jpegs["path"], "cache": None}
    as_files, as_pixels = _prepare(folder, "as_files"), _prepare(folder, "as_pixels", "--image-size", "64", "64")
    return [
        ("arrays in memory", None, {"path": None, "cache": None}),
        ("folder", jpegs, plain),
        ("folder, cache: memory", jpegs | {"cache": "memory"}, plain | {"cache": "memory"}),
        ("folder, cache: disk", jpegs | {"cache": "disk"}, plain | {"cache": str(folder / "keras_cache")}),
        ("tfrecord, files as they are", {"source": "tfrecord", "path": as_files}, None),
        ("tfrecord, brought to size", {"source": "tfrecord", "path": as_pixels}, None),
    ]


def _prepare(folder: Path, name: str, *arguments: str) -> str:
    out = str(folder / name)
    command = [sys.executable, "-m", "cae", "prepare", str(folder / "jpegs"), out, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out


def _ours(section: dict[str, Any] | None, number: int) -> Child:
    return Child(_MODULE, whose="cae", section=section, shape=_SHAPE, number=number, batch_size=_BATCH_SIZE)


def _plain(words: dict[str, Any], number: int) -> Child:
    return Child(_MODULE, whose="keras", shape=_SHAPE, number=number, batch_size=_BATCH_SIZE, **words)


if __name__ == "__main__":
    sys.exit(main())
