"""The grid in a real browser: the right pixels for the right run, image and step."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cae.measures.spectrum import power_spectrum
from cae.pictures import scale_colors
from tests.tensorboard_plugin.conftest import HOSTILE, NOISY, SUBPIXEL, UNPOOL, ask
from tests.tensorboard_plugin.tab import expected
from tests.tensorboard_plugin.waiting import wait_for


def test_each_run_shows_its_own_pixels_and_the_slider_those_of_its_step(tab, steps):
    tab.open_in_tensorboard()
    for run in (SUBPIXEL, UNPOOL):
        shown = tab.pixels(tab.cell(run, 5, steps[-1]).locator("canvas"))
        assert (shown == expected(tab, 5, run, kind="reconstruction", step=steps[-1])).all()
    slider = tab.frame.locator("#step")
    slider.fill("0")
    for run in (SUBPIXEL, UNPOOL):
        shown = tab.pixels(tab.cell(run, 5, steps[0]).locator("canvas"))
        assert (shown == expected(tab, 5, run, kind="reconstruction", step=steps[0])).all()
    assert f"step {steps[0]}" in tab.frame.locator("#step-text").inner_text()


def test_figures_stand_under_their_pictures(tab, steps):
    tab.open()
    figures = ask(tab.address, "figures", run=UNPOOL)[1][str(steps[-1])]
    text = tab.cell(UNPOOL, 7, steps[-1]).locator(".figures").inner_text()
    assert text == f"{figures['psnr'][7]:.2f} dB {figures['ssim'][7]:.4f}"


def test_pictures_are_as_large_as_all_columns_have_room_for(tab, steps):
    tab.open()
    picture = tab.cell(UNPOOL, 0, steps[-1]).locator("canvas")
    assert picture.bounding_box()["width"] == 290  # as wide as 10 pixels can be: two runs use the window
    tab.page.set_viewport_size({"width": 500, "height": 900})
    wait_for(lambda: picture.bounding_box()["width"] == 110)
    assert tab.frame.evaluate("(g => g.scrollWidth <= g.clientWidth)(document.getElementById('grid'))")


def test_baselines_are_columns_beside_the_decoders_the_best_of_all_first(tab):
    content = ask(tab.address, "runs")[1]
    columns = [*content["simple"], *(run for run in content["runs"] if run["name"] in (SUBPIXEL, UNPOOL))]
    shown = [one for one in columns if one.get("kind") in (None, "mean_image", "resize", "pca")]
    shown.sort(key=lambda one: (-one["last"]["evaluation/test/psnr"], one["name"]))
    names = [one["name"] for one in shown]
    tab.open(runs=names[::-1])
    tab.frame.locator("tbody tr:last-child .psnr").nth(len(names) - 1).wait_for()
    cells = tab.frame.locator("tbody tr").first.locator("td.reconstruction").all()
    assert [cell.get_attribute("data-run") for cell in cells] == names
    figures = [next(reversed(ask(tab.address, "figures", run=name)[1].values()))["psnr"] for name in names]
    for image, row in enumerate(tab.frame.locator("tbody tr").all()):
        best = max(one[image] for one in figures)
        expected_best = [name for name, one in zip(names, figures, strict=True) if one[image] == best]
        assert [cell.get_attribute("data-run") for cell in row.locator("td.best").all()] == expected_best
    head = tab.frame.locator("thead .simple .label", has_text="PCA")
    assert "best linear code" in head.get_attribute("title")
    pca = next(one["name"] for one in shown if one.get("kind") == "pca")
    tab.frame.locator("button[data-value=signed]").click()
    tab.cell(pca, 0, 0, "signed")
    tab.frame.locator(f"input[data-name='{pca}']").uncheck()
    head.wait_for(state="detached")


def test_runs_are_chosen_in_the_list(tab):
    tab.open(runs=[SUBPIXEL])
    assert tab.shown_runs() == [SUBPIXEL]
    tab.frame.locator(f"input[data-name='{UNPOOL}']").check()
    tab.frame.locator(f"thead [title='{UNPOOL}']").wait_for()
    assert sorted(tab.shown_runs()) == [SUBPIXEL, UNPOOL]
    tab.frame.locator(f"input[data-name='{SUBPIXEL}']").uncheck()
    tab.frame.locator(f"thead [title='{SUBPIXEL}']").wait_for(state="detached")
    assert tab.shown_runs() == [UNPOOL]


@pytest.mark.parametrize(
    ("show", "ends"), [("absolute", ["0.00", "0.25"]), ("signed", ["\N{MINUS SIGN}0.25", "+0.25"])]
)
def test_errors_are_coloured_on_the_shared_scale(tab, steps, show, ends):
    tab.open(show=show)
    shown = tab.pixels(tab.cell(SUBPIXEL, 2, steps[-1], show).locator("canvas"))
    made = expected(tab, 2, kind="reconstruction", step=steps[-1])[..., 0] / 255.0
    errors = made - expected(tab, 2, kind="input")[..., 0] / 255.0
    if show == "absolute":
        shares = np.clip(np.abs(errors) / 0.25, 0.0, 1.0)
        assert np.abs(shown.astype(int) - scale_colors(shares).astype(int)).max() <= 2  # 256 colours
    else:
        # Too bright is red, too dark is blue.
        assert (shown[errors > 0.03][:, 0] > shown[errors > 0.03][:, 2]).all()
        assert (shown[errors < -0.03][:, 0] < shown[errors < -0.03][:, 2]).all()
    assert re.findall("[\N{MINUS SIGN}+]?[\\d.]+", tab.frame.locator(".legend").inner_text()) == ends


def test_the_spectrum_is_that_of_the_artefact_measures(tab, steps):
    tab.open(show="spectrum")
    shown = tab.pixels(tab.cell(SUBPIXEL, 4, steps[-1], "spectrum").locator("canvas"))
    made = expected(tab, 4, kind="reconstruction", step=steps[-1])[None, ..., :1] / 255.0
    power = np.fft.fftshift(power_spectrum(made)[0])
    shares = np.clip((10 * np.log10(power + (1 / 255) ** 2 / 12) + 60) / 80, 0.0, 1.0)
    assert np.abs(shown.astype(int) - scale_colors(shares).astype(int)).max() <= 3


def test_rows_are_sorted_by_how_far_the_decoders_are_apart(tab, steps):
    tab.open(runs=[SUBPIXEL, UNPOOL], rows="disagreement")
    tab.cell(SUBPIXEL, 0, steps[-1])
    psnr = [ask(tab.address, "figures", run=run)[1][str(steps[-1])]["psnr"] for run in (SUBPIXEL, UNPOOL)]
    order = np.argsort(-np.std(psnr, axis=0), kind="stable")
    tab.row_names()
    cells = tab.frame.locator("td.input").all()
    wait_for(lambda: [int(cell.get_attribute("data-image")) for cell in cells] == order.tolist())


def test_runs_on_other_images_are_a_set_of_their_own(tab):
    probes = {run["name"]: run["probes"] for run in ask(tab.address, "runs")[1]["runs"]}
    tab.open(probes=probes[NOISY])
    tab.frame.locator("th.corrupted", has_text="gaussian").wait_for()
    assert tab.shown_runs() == [NOISY]
    shown = tab.pixels(tab.frame.locator("td.corrupted:not(.waiting)[data-step] canvas").nth(2))
    assert (shown == expected(tab, 2, NOISY, kind="corrupted")).all()


def test_hostile_names_are_shown_and_do_nothing(tab, steps):
    name = f"decoders/{HOSTILE}"
    tab.open(runs=[SUBPIXEL, name])
    tab.frame.locator("td.reconstruction[data-step]").first.wait_for()
    assert name in tab.shown_runs()
    assert tab.frame.locator("label.run", has_text=HOSTILE).count() == 1
    tab.frame.locator("td.reconstruction canvas").first.click()
    tab.frame.locator("#stage[open]").wait_for()
    tab.frame.locator("button[data-value=summary]").click()
    tab.frame.locator(".report .card").wait_for()
    pictures = tab.frame.locator("img").all()
    assert all(picture.get_attribute("src").startswith("data:image/") for picture in pictures)
    assert tab.frame.evaluate("window.taken") is None
