"""Make the pictures of README and docs again, each by the commands that stand beside it in the text.

    python scripts/make_pictures.py [--runs-dir runs] [NAME ...]
    python scripts/make_pictures.py dashboards --quick --runs-dir FOLDER

| name | pictures | time on 2 cores |
|---|---|---|
| quickstart | docs/images/quickstart.png, model.png | 2 minutes |
| dashboards | docs/images/tensorboard_tab.png and dashboard_*.png, as README's commands leave them | 12 minutes |
| comparison | docs/images/comparison.png, tensorboard_tab_*.png | 10 minutes |
| codes | docs/codes: needs the complete Fashion-MNIST | 10 minutes |
| features | docs/features: likewise | 5 minutes |
| upsampling | docs/upsampling | a minute |
| zoo | docs/zoo, from its records | seconds |

`dashboards` fails unless every dashboard shows something without a click. With --quick it looks at ten decoders with
three seeds, one epoch of tiny models each, and puts its pictures into the folder of runs.

Runs that are there already are taken as they are. Screenshots need `playwright` (requirements-dev.txt) and a Chromium.
The pictures of docs/study are made with its records, by `docs/study/reproduce.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from cae.measures.catalogue import METRICS, metric

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# What the text names, by the group of pictures that it makes; `runs` stands for --runs-dir.
README = (
    "python train.py",
    "python evaluate.py runs/quickstart/conv_transpose --projector",
    "python train.py configs/compare_decoders.yaml",
    "python evaluate.py runs/compare_decoders",
)
COMMANDS = {
    "dashboards": README,
    "quickstart": (
        *README[:2],
        "python -m cae describe configs/quickstart.yaml --figure model.png",
    ),
    "comparison": README[2:],
    "codes": (
        "python train.py configs/fashion_mnist_codes.yaml",
        "python evaluate.py runs/fashion_mnist_codes/code_64-seed=0 --projector",
    ),
    "features": (
        "python train.py configs/fashion_mnist_features.yaml",
        "python -m cae visualize runs/fashion_mnist/features --maps top:12",
    ),
    "upsampling": ("python -m docs.upsampling",),
    "zoo": ("python -m docs.zoo",),
}

# A single run that is there would get another name; a grid passes over its runs.
TRAINED = {
    "python train.py": "quickstart/conv_transpose",
    "python train.py configs/fashion_mnist_features.yaml": "fashion_mnist/features",
}
TINY = ("training.epochs=1", "model.encoder.filters=[4, 8]")
QUICK = {README[0]: TINY, README[2]: (*TINY, "grid.seed=[0, 1, 2]")}


def main() -> int:
    """Run the commands, then take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMMANDS)}; default: all")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    parser.add_argument("--quick", action="store_true", help="tiny models, for `dashboards`: three seeds of each")
    options = parser.parse_args()
    if unknown := set(options.names) - set(COMMANDS):
        parser.error(f"{', '.join(sorted(unknown))}: must be of {', '.join(COMMANDS)}")
    runs = options.runs_dir.resolve()
    for name in options.names or COMMANDS:
        for command in COMMANDS[name]:
            run(command, runs, QUICK if options.quick else {})
        if name == "dashboards":
            take_dashboards(runs, runs if options.quick else IMAGES)
        PICTURES.get(name, lambda runs: None)(runs)
    return 0


def run(command: str, runs: Path, changes: Mapping[str, Sequence[str]]) -> None:
    """Run a command of the text, perhaps with more words, unless the run that it trains is there."""
    if command in TRAINED and (runs / TRAINED[command] / "summary.json").exists():
        return
    _, *words = command.split()
    words = [str(runs / word.partition("/")[2]) if word.startswith("runs/") else word for word in words]
    if words[0] == "train.py":
        words += ["--runs-dir", str(runs), *changes.get(command, ())]
    print(f"$ {command}", flush=True)
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)


# What each dashboard shows without a click: an element, and words in the first one of its kind.
FIRST_LOOK = {
    "": ("iframe[src*='name=cae']", ()),  # the tab of decoders comes first
    "timeseries": ("scalar-card", ("loss",)),
    "custom_scalars": ("tf-custom-scalar-multi-line-chart-card", ("Matches ({curves})",)),
    "images": ("tf-image-loader img", ()),
    "hparams": ("tf-hparams-table-view", ()),
    "text": ("tf-text-loader tf-markdown-view", ()),
    "projector": ("iframe[src*='name=projector']", ()),
}

MEASURED = tuple(one.name for one in METRICS if one.name != "ms_ssim")  # which small images do not have


def look_at(page: Any, address: str, dashboard: str, num_runs: int, metrics: Iterable[str] = MEASURED) -> Any:
    """Open a dashboard of a TensorBoard over so many trainings, and wait for what it shows; gives the element."""
    element, words = FIRST_LOOK[dashboard]
    if dashboard == "hparams":
        words = tuple(f"test {metric(name).full_title}" for name in metrics)
    page.goto(f"{address}#{dashboard}")
    first = page.locator(element).first
    first.wait_for()
    for word in words:  # training and validation are a curve each
        first.filter(has_text=word.format(curves=2 * num_runs)).wait_for()
    if dashboard == "images":
        first.evaluate("image => image.decode()")
    elif dashboard == "projector":
        points = first.content_frame.locator("iframe").content_frame.locator(".numDataPoints")
        points.filter(has_text=re.compile("[1-9]")).wait_for()
    elif dashboard == "":
        frame = first.element_handle().content_frame()
        frame.locator("td.reconstruction[data-step]").first.wait_for()
        frame.locator("tbody tr:last-child td.best").wait_for()
    return first


def take_dashboards(runs: Path, out: Path) -> None:
    """Every dashboard as it is found, in a window of 1440x900."""
    num_runs = len([*runs.glob("*/**/model.weights.h5")])
    with browsing() as browser, serving(runs) as address:
        for dashboard in FIRST_LOOK:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            look_at(page, address, dashboard, num_runs)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(3_000)  # curves and points come into their places
            # Not whose machine it is.
            page.get_by_text(str(runs), exact=True).evaluate_all("all => all.forEach(one => one.textContent = 'runs')")
            save(page.screenshot(), out / (f"dashboard_{dashboard}.png" if dashboard else "tensorboard_tab.png"))
            page.close()


def take_quickstart(runs: Path) -> None:
    """Best, median and worst reconstructions, and the model."""
    evaluation = runs / "quickstart" / "conv_transpose" / "evaluation"
    shutil.copy(evaluation / "reconstructions.png", IMAGES / "quickstart.png")
    shutil.move(ROOT / "model.png", IMAGES / "model.png")


def take_comparison(runs: Path) -> None:
    """The tab in TensorBoard, and the page of a comparison."""
    folder = runs / "compare_decoders"
    with browsing() as browser, serving(folder) as address:
        for file, size, dark, view in TAB:
            page = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)))
            part = f"&p.cae.view={urllib.parse.quote(json.dumps(view))}" if view else ""
            page.goto(f"{address}?darkMode={str(dark).lower()}#cae{part}")
            frame = page.wait_for_selector("iframe[src*='name=cae']").content_frame()
            if view.get("view") == "summary":
                frame.locator(".report .card").wait_for()
            else:
                frame.locator("tbody tr:last-child .spread", has_text="dB").wait_for()
                page.wait_for_load_state("networkidle")
            page.mouse.move(0, 0)
            save(page.screenshot(), IMAGES / file)
            page.close()
        page = browser.new_page(viewport={"width": 1000, "height": 1580})
        page.goto((folder / "comparison" / "comparison.html").as_uri())
        save(page.screenshot(), IMAGES / "comparison.png")


# Each picture of the tab with the window's size, whether it is dark, and what differs from the first view.
TAB: tuple[tuple[str, tuple[int, int], bool, dict[str, Any]], ...] = (
    (
        "tensorboard_tab_errors.png",
        (1280, 820),
        True,
        {
            "show": "signed",
            "rows": "disagreement",
            "order": "hyperparameters/upsampling",
            "loupe": True,
            "point": {"image": 4, "x": 14, "y": 17},
            "picker": False,
        },
    ),
    (
        "tensorboard_tab_wipe.png",
        (1280, 820),
        False,
        {"row": 4, "stage": {"mode": "wipe", "a": "resize_nearest", "b": "max_unpool", "position": 0.5}},
    ),
    ("tensorboard_tab_summary.png", (1280, 820), False, {"view": "summary"}),
)


def take_codes(runs: Path) -> None:
    """Neighbours, interpolation and traversal, and the projector after a few seconds of turning."""
    run_path = runs / "fashion_mnist_codes" / "code_64-seed=0"
    for name in ("neighbours.png", "interpolation.png", "traversal.png"):
        shutil.copy(run_path / "evaluation" / name, DOCS / "codes" / name)
    with browsing() as browser, serving(run_path) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 820})
        look_at(page, address, "projector", 1)
        page.wait_for_timeout(10_000)  # thumbnails and PCA are computed in the browser
        save(page.screenshot(), DOCS / "codes" / "projector.png")


def take_features(runs: Path) -> None:
    """The pictures of the feature maps that the page shows."""
    for picture in (DOCS / "features").glob("*.png"):
        shutil.copy(runs / "fashion_mnist" / "features" / "visualization" / picture.name, picture)


PICTURES: dict[str, Callable[[Path], None]] = {
    "quickstart": take_quickstart,
    "comparison": take_comparison,
    "codes": take_codes,
    "features": take_features,
}


@contextlib.contextmanager
def browsing() -> Iterator[Any]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(logdir: Path) -> Iterator[str]:
    """A TensorBoard with the tab; gives its address."""
    command = [sys.executable, "-m", "cae", "tensorboard", str(logdir), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("TensorBoard: ").strip()
        finally:
            process.terminate()


def save(screenshot: bytes, path: Path) -> None:
    """Keep a screenshot with 256 colours: a fraction of the size, and not seen."""
    path.write_bytes(screenshot)
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
    print(path, flush=True)


if __name__ == "__main__":
    sys.exit(main())
