"""The TensorBoard tab: how long until its pictures are there, and until they follow the slider.

    python -m benchmarks.tensorboard_tab --json OUT [--quick] [--runs N] [--images N] [--steps N] [--side PIXELS]

Event files are made for the occasion. A headless Chromium opens the tab; what is not looked at counts as well: the grid
is as long as its images, of which the window shows a part. Needs `playwright` (requirements-dev.txt) and a Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from benchmarks.children import ROOT
from benchmarks.record import OURS, Measurement, count_repetitions, make_parser, save, tell
from cae.runs.probe_images import figures_summary, inputs_summary, pictures_summary

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_KINDS = ("resize", "conv_transpose", "max_unpool", "subpixel")
# Resolves when every picture in the window shows the step, with the milliseconds since `start`.
_WAIT = """([step, start]) => new Promise((resolve) => {
  const isThere = (cell) => {
    const box = cell.getBoundingClientRect();
    const isSeen = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return !isSeen || (step === null ? cell.dataset.step !== undefined : cell.dataset.step === step);
  };
  const look = () => {
    const cells = [...document.querySelectorAll("td.reconstruction")];
    if (cells.length && cells.every(isThere)) resolve(performance.now() - start);
    else requestAnimationFrame(look);
  };
  look();
})"""
_MOVE = """(place) => {
  const slider = document.getElementById("step");
  const start = performance.now();
  slider.value = place;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
  return start;
}"""


def main() -> int:
    """Measure the tab."""
    parser = make_parser(__doc__, repetitions=5)
    for name, number in (("runs", 12), ("images", 16), ("steps", 50), ("side", 32)):
        parser.add_argument(f"--{name}", type=int, default=number, metavar="N", help=f"default: {number}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        write_runs(Path(name), options)
        with _serving(Path(name)) as address:
            measurements = measure(address, options, count_repetitions(options))
    for measurement in measurements:
        tell(measurement)
    return save("tensorboard_tab", options, measurements)


def write_runs(folder: Path, options: argparse.Namespace) -> None:
    """Write runs that get better from step to step, each with settings and a curve."""
    generator = np.random.default_rng(0)
    images = generator.random((options.images, options.side, options.side, 3), np.float32)
    names = [f"{number}.png" for number in range(options.images)]
    for run in range(options.runs):
        path = folder / "experiment" / f"run_{run:03}"
        settings = {"upsampling": _KINDS[run % len(_KINDS)], "seed": run // len(_KINDS)}
        _write(path, [(0, hparams.hparams_pb(settings, trial_id=path.name))])
        summaries = [(1, inputs_summary(images, names))]
        for step in range(1, options.steps + 1):
            noise = generator.normal(0.0, 0.5 / step, images.shape)
            figures = {name: generator.random(options.images) for name in ("psnr", "ssim", "mse")}
            summaries += [
                (step, pictures_summary(np.clip(images + noise, 0.0, 1.0))),
                (step, figures_summary(figures)),
                (step, scalar_pb("psnr", 10.0 + step / 10)),
            ]
        _write(path, summaries)


def _write(folder: Path, summaries: list[tuple[int, Summary]]) -> None:
    writer = EventFileWriter(str(folder))
    for step, summary in summaries:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "cae", "tensorboard", str(folder), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().removeprefix("TensorBoard: ").strip()
            _wait_until_read(f"{address}data/plugin/cae/runs")
            yield address
        finally:
            process.terminate()


def _wait_until_read(url: str) -> None:
    """Wait until TensorBoard has read all events: its answer does not change for a while."""
    last, since = b"", time.monotonic()
    while time.monotonic() - since < 3.0:
        with urllib.request.urlopen(url) as response:
            answer = response.read()
        if answer != last or b'"steps"' not in answer:
            last, since = answer, time.monotonic()
        time.sleep(0.2)


def measure(address: str, options: argparse.Namespace, repetitions: int) -> list[Measurement]:
    """Open the tab some times; move the slider right away, and once more when everything has been fetched ahead."""
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser_path is None:
        raise SystemExit("No Chromium is installed.")
    found: dict[str, list[float]] = {"first pictures": [], "slider, at once": [], "slider, fetched ahead": []}
    places = np.random.default_rng(1).integers(0, options.steps - 1, (2 * repetitions, 5)).tolist()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for number in range(repetitions):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}#cae")
            place: Any = page.wait_for_selector("iframe[src*='name=cae']")
            frame = place.content_frame()
            frame.wait_for_selector("td.reconstruction")
            # Its clock starts when the frame is opened.
            found["first pictures"].append(frame.evaluate(_WAIT, [None, 0]))
            found["slider, at once"] += _move(frame, places[2 * number])
            page.wait_for_load_state("networkidle")
            found["slider, fetched ahead"] += _move(frame, places[2 * number + 1])
            page.close()
        browser.close()
    facts = {name: getattr(options, name) for name in ("runs", "images", "steps", "side")}
    return [
        Measurement({"what": what}, "ms", {OURS: values}, more_is_better=False, facts=facts)
        for what, values in found.items()
    ]


def _move(frame: Any, places: list[int]) -> list[float]:
    """Milliseconds from moving the slider until all pictures in the window show its step."""
    times = []
    for place in places:
        start = frame.evaluate(_MOVE, place)
        times.append(frame.evaluate(_WAIT, [str(place + 1), start]))
    return times


if __name__ == "__main__":
    sys.exit(main())
