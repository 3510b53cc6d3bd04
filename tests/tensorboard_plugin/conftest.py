"""Runs that were trained through the command line, and TensorBoard servers that show them."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cae.commands.main import main
from tests.sharing import made_once
from tests.tensorboard_plugin.waiting import wait_for
from tests.warm import WarmProcess

SUBPIXEL, UNPOOL, NOISY = "decoders/subpixel", "decoders/unpool", "denoising"
# Harmless only where names are shown and never parsed.
HOSTILE = '<img src=x onerror="window.taken=1">\'&amp;é 漢'

TEXT = """
experiment: decoders
name: {name}
seed: {seed}
model: {{encoder: {{filters: [4, 8]}}, decoder: {{upsampling: {upsampling}}}}}
training: {{epochs: 3, batch_size: 8, deterministic: true, optimizer: {{name: adam, learning_rate: 3.0e-3}}}}
logging: {{probe_images: 12}}
objective: {{corruption: {corruption}}}
"""
# `python -m cae`, whose TensorBoard looks for what is new each second; by itself it does every five.
LOOKING_OFTEN = """
import sys
from tensorboard import program
configure = program.TensorBoard.configure
program.TensorBoard.configure = lambda board, **flags: configure(board, **flags, reload_interval=1)
from cae.commands.main import main
sys.exit(main(sys.argv[1:]))
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
NOISE = "{kind: gaussian, stddev: 0.1}"
NONE = "{kind: none}"


def train(folder: Path, image_file: Path, name: str, upsampling: str, *, seed: int = 0, corruption: str = NONE) -> Path:
    """Train a tiny model on tiny images; gives the run directory."""
    config = folder / f"{name}.yaml"
    text = TEXT.format(name=name, seed=seed, upsampling=upsampling, corruption=corruption)
    config.write_text(f"data: {{source: arrays, path: {image_file}}}\n" + text, encoding="utf-8")
    assert main(["train", str(config), "--runs-dir", str(folder / "runs")]) == 0
    return folder / "runs" / "decoders" / name


@pytest.fixture(scope="package")
def runs(tmp_path_factory, image_file):
    """A log directory with two decoders, compared, the run of one also under a hostile name, and a denoising run."""
    trained = made_once(tmp_path_factory, "tab", lambda folder: train_all(folder, image_file))
    # Tests write to it for a while: each process has a copy.
    return shutil.copytree(trained / "runs", tmp_path_factory.mktemp("tab") / "runs")


def train_all(folder: Path, image_file: Path) -> None:
    """Make what `runs` shows."""
    subpixel = train(folder, image_file, "subpixel", "subpixel")
    train(folder, image_file, "unpool", "max_unpool", seed=1)
    experiment = subpixel.parent
    assert main(["evaluate", str(subpixel), str(experiment / "unpool"), "--out", str(experiment / "comparison")]) == 0
    noisy = train(folder, image_file, "noisy", "{kind: resize, interpolation: bilinear}", corruption=NOISE)
    shutil.move(noisy, experiment.parent / "denoising")
    shutil.copytree(subpixel, experiment / HOSTILE)


@contextlib.contextmanager
def serving(*folders_and_loading: tuple[Path, str]) -> Iterator[list[str]]:
    """Start TensorBoards, all at once since each takes a while; gives their addresses."""
    processes = [
        WarmProcess("-c", LOOKING_OFTEN, "tensorboard", folder, "--port", "0", "--load-fast", loading)
        for folder, loading in folders_and_loading
    ]
    try:
        yield [process.first_line().removeprefix("TensorBoard: ").strip() for process in processes]
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        ended = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    for _, err, code in ended:
        assert code == 130
        assert "Traceback" not in err


@pytest.fixture(scope="package")
def servers(runs):
    """Addresses of TensorBoards that have read the runs, with fast data loading and without."""
    with serving((runs, "true"), (runs, "false")) as (fast, slow):
        for address in (fast, slow):
            wait_for(lambda address=address: len(ask(address, "runs")[1]["runs"]) == 4)
        yield {"fast": fast, "slow": slow}


@pytest.fixture(params=["fast", "slow"])
def server(request, servers):
    """Each of them."""
    return servers[request.param]


def ask(address: str, route: str, **query: object) -> tuple[int, object]:
    """Status and content, decoded where it is JSON, of one of the plugin's routes."""
    url = urllib.parse.urljoin(address, f"data/plugin/cae/{route}{'?' if query else ''}{urllib.parse.urlencode(query)}")
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            status, kind, content = response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, kind, content = error.code, error.headers["Content-Type"], error.read()
    return status, json.loads(content) if kind.startswith("application/json") else content


@pytest.fixture(scope="package")
def browser():
    """A Chromium without a window; tests that need one are skipped where there is none."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def tab(browser, servers):
    """The tab in the browser, about which the browser has nothing to complain."""
    from tests.tensorboard_plugin.tab import Tab

    found = Tab(browser, servers["slow"])
    yield found
    found.page.close()
    assert found.complaints == []


@pytest.fixture(scope="package")
def steps(servers):
    """Steps at which the runs wrote pictures."""
    runs = {run["name"]: run for run in ask(servers["slow"], "runs")[1]["runs"]}
    return [step for step, _ in runs[SUBPIXEL]["steps"]]
