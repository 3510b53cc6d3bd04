"""The first look: a real TensorBoard over ten decoders with three seeds shows something everywhere, without a click.

The runs are written by the program's own writers; a test of the commands trains real ones.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cae.comparison.events import write_events
from cae.features.projector import tint, write_projector
from cae.measures.catalogue import metric
from cae.pictures import reconstruction_grid
from cae.runs import RunDirectory
from cae.runs.events import replace_events
from cae.runs.probe_images import (
    FIGURES,
    SimpleCode,
    figures_summary,
    inputs_summary,
    pictures_summary,
    simple_codes_summary,
)
from cae.training.tensorboard import TensorBoardWriter
from scripts.make_pictures import FIRST_LOOK, look_at
from tests.comparison.example import make_example
from tests.conftest import make_images
from tests.tensorboard_plugin.conftest import ask, serving
from tests.tensorboard_plugin.tab import PATIENCE_MS
from tests.tensorboard_plugin.waiting import wait_for

DECODERS, SEEDS, EPOCHS = 10, 3, 3
EXPERIMENT = "compare_decoders"


def write_run(run, contender, images, level):
    """What a training of few epochs leaves for TensorBoard, without the training."""
    path = RunDirectory(Path(run.path))
    path.path.mkdir(parents=True)
    path.config.write_text("")
    writer = TensorBoardWriter(path)
    settings = {"upsampling": contender.upsampling, "seed": run.seed, "training.optimizer.learning_rate": 0.003}
    kind, _, variant = contender.label.partition(" ")
    if variant:
        option = "interpolation" if kind == "resize" else "kernel_size"
        settings[f"model.decoder.upsampling.{option}"] = variant
    sizes = {"parameters": contender.parameters, "code_values": 196, "switch_bits": contender.code["switch_bits"]}
    writer.write_configuration("experiment: compare_decoders", {**settings, **sizes})
    noise = np.random.default_rng(level).normal(0, 0.04, images.shape)
    for epoch in range(1, EPOCHS + 1):
        made = np.clip(images + (0.5 + level / 10) * noise / epoch, 0, 1)
        figures = {name: metric(name).per_image(images, made) for name in ("mse", "mae", "psnr", "ssim")}
        means = {name: float(values.mean()) for name, values in figures.items()}
        means["loss"] = means["mse"]
        diagnostics = {"learning_rate": 0.003, "gradient_norm": 1.0, "images_per_second": 900.0}
        writer.write_scalars({**{name: 0.9 * value for name, value in means.items()}, **diagnostics}, means, 8 * epoch)
        writer.write_picture(reconstruction_grid(images, made), 8 * epoch)
        if epoch == 1:
            writer.write_probes(inputs_summary(images, [f"{n}.png" for n in range(len(images))]), 8 * epoch)
        writer.write_probes(pictures_summary(made), 8 * epoch)
        writer.write_probes(figures_summary({name: figures[name] for name in FIGURES}), 8 * epoch)
    writer.close()


def write_runs(logdir):
    """Ten decoders with three seeds, compared, one of them with codes; gives the comparison."""
    folder = logdir / EXPERIMENT
    comparison, exhibits = make_example(DECODERS, SEEDS)
    images = make_images(4, 28, 28) / 255.0
    contenders = []
    for level, contender in enumerate(comparison.contenders):
        runs = tuple(
            replace(run, path=str(folder / name), name=name)
            for run in contender.runs
            for name in [run.name.replace("-seed", "-s")]
        )
        for run in runs:
            write_run(run, contender, images, level)
        contenders.append(replace(contender, runs=runs))
    comparison = replace(comparison, contenders=tuple(contenders))
    pictures = [np.full_like(images, level) for level in (0.1, 0.2, 0.3, 0.4, 0.5)]
    codes = [
        SimpleCode(name, 32, "test", {"psnr": 9.0}, {one: [9.0] * len(images) for one in FIGURES})
        for name in ("mean_image", "pca", "resize", "block_klt", "zonal_dct")
    ]
    replace_events(Path(contenders[0].runs[0].path), ".baselines", [(0, simple_codes_summary(codes, pictures))])
    write_events(comparison, exhibits, folder / "comparison", folder)
    codes = np.random.default_rng(0).normal(size=(40, 6))
    classes = np.arange(40) % 4
    pictures = tint(make_images(40, 28, 28) / 255.0, classes)
    columns = {"class": [f"class {number}" for number in classes], "image": [f"{number}" for number in range(40)]}
    projector = Path(contenders[0].runs[0].path) / "evaluation" / "projector"
    write_projector(projector, codes, pictures, columns, "Codes: see Projector.")
    return comparison


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The log directory, what was compared, and the address of a TensorBoard that has read both."""
    logdir = tmp_path_factory.mktemp("first_look")
    comparison = write_runs(logdir)
    with serving((logdir, "auto")) as (address,):
        wait_for(lambda: len(ask(address, "runs")[1]["runs"]) == DECODERS * SEEDS)
        yield logdir, comparison, address


def test_each_training_is_one_run_and_all_are_fewer_than_tensorboard_ticks(shown):
    logdir, comparison, _ = shown
    folders = {file.parent.relative_to(logdir / EXPERIMENT) for file in logdir.rglob("*tfevents*")}
    trainings = {run.name for contender in comparison.contenders for run in contender.runs}
    others = {".", "comparison"}  # its table and its pictures; and the codes of the one run that has them
    assert {str(folder) for folder in folders} - trainings - others == {f"{folders_of_codes(comparison)}"}
    assert len(folders) <= 40


def folders_of_codes(comparison):
    return Path(comparison.contenders[0].runs[0].name) / "evaluation" / "projector"


@pytest.fixture(scope="module")
def page(browser):
    """TensorBoard's page takes seconds to load: from one dashboard to the next it stays, as for users."""
    found = browser.new_page(viewport={"width": 1440, "height": 900})
    found.set_default_timeout(PATIENCE_MS)
    yield found
    found.close()


@pytest.mark.parametrize("dashboard", FIRST_LOOK)
def test_every_dashboard_shows_something_without_a_click(page, shown, dashboard):
    _, _, address = shown
    if not dashboard:
        page.goto("about:blank")  # what is found first is found by a page that is new
    # Of more than five metrics, TensorBoard's table hides the last ones until they are ticked.
    found = look_at(page, address, dashboard, DECODERS * SEEDS, ("psnr", "ssim", "mse"))
    if dashboard == "timeseries":
        # Curves of ticked runs stand in the card's table.
        page.locator("scalar-card").first.filter(has_text="-s0").wait_for()
    elif dashboard == "text":
        page.locator("tf-markdown-view", has_text="| place").wait_for()
    elif dashboard == "":
        frame = found.element_handle().content_frame()
        frame.locator("td.reconstruction[data-step='24']").first.wait_for()
        heads = frame.locator("thead [data-column]")
        assert heads.count() == DECODERS + 3  # one seed of each, and baselines
        assert frame.locator("#picker").is_visible()
        assert frame.evaluate("(g => g.scrollWidth <= g.clientWidth)(document.getElementById('grid'))")
        frame.wait_for_function(f"document.querySelectorAll('tbody tr:last-child .psnr').length === {DECODERS + 3}")
        frame.locator("tbody tr:last-child td.best").wait_for()
        for row in frame.locator("tbody tr").all():
            values = [float(text.split()[0]) for text in row.locator(".psnr").all_inner_texts()]
            assert values[-3:] == [9.0] * 3
            assert values == sorted(values, reverse=True)  # of these runs the order is the same for every image
            assert row.locator("td.best .psnr").inner_text().startswith(f"{max(values):.2f}")


def test_every_run_has_all_test_metrics_in_the_table_of_hyperparameters(shown):
    _, comparison, address = shown
    body = {"experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN"], "startIndex": 0, "sliceSize": 100}
    request = urllib.request.Request(
        f"{address}data/plugin/hparams/session_groups", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        groups = {group["name"]: group for group in json.loads(answer.read())["sessionGroups"]}
    runs = {f"{run.name}, {EXPERIMENT}": run for contender in comparison.contenders for run in contender.runs}
    assert groups.keys() == runs.keys()
    for name, run in runs.items():
        found = {one["name"]["tag"]: one["value"] for one in groups[name]["metricValues"]}
        assert found.keys() == {f"test/{metric}" for metric in run.metrics}
        assert groups[name]["hparams"]["seed"] == str(run.seed)


def test_every_dashboard_is_there_and_that_of_decoders_is_the_first(shown):
    with urllib.request.urlopen(f"{shown[2]}data/plugins_listing", timeout=60) as answer:
        listed = json.loads(answer.read())
    there = [name for name, plugin in listed.items() if plugin["enabled"]]
    assert there[0] == "cae"
    assert {"timeseries", "scalars", "custom_scalars", "images", "text", "hparams", "projector"} <= set(there)
