"""The tab in a real browser: the right pixels in the right place, by pointer, by keyboard and by link."""

from __future__ import annotations

import io
import json
import shutil
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from cae.artefacts.spectrum import power_spectrum
from cae.pictures.colors import scale_colors
from tests.tensorboard_plugin.conftest import HOSTILE, ask, serving
from tests.tensorboard_plugin.waiting import wait_for

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]

SUBPIXEL, UNPOOL, NOISY = "decoders/subpixel", "decoders/unpool", "denoising"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
READ_PIXELS = "c => [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
RECORD_STEPS = """() => {
  const text = document.getElementById("step-text");
  window.steps = [];
  const note = () => window.steps.at(-1) === text.textContent || window.steps.push(text.textContent);
  new MutationObserver(note).observe(text, {childList: true});
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield found
        found.close()


class Tab:
    """The tab on a page of TensorBoard.

    Args:
        browser: to open it in.
        address: TensorBoard's.
    """

    def __init__(self, browser, address):
        self.address = address
        # High enough for all rows: what nobody sees is not drawn.
        self.page = browser.new_page(viewport={"width": 1300, "height": 2200})
        self.page.set_default_timeout(15_000)
        self.complaints = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.frame = self.page.frame_locator("iframe[src*='name=cae']")

    def _hear(self, message):
        # TensorBoard itself asks for an icon that it does not have, and loads a library twice.
        if message.type == "error" and "favicon.ico" not in message.location.get("url", ""):
            self.complaints.append(message.text)

    def open(self, query="", **view):
        """Open a view in TensorBoard; by default the two decoders, not the copy of one of them."""
        if not {"runs", "probes"} & set(view):
            view["runs"] = [SUBPIXEL, UNPOOL]
        self.page.goto("about:blank")
        chosen = f"&p.cae.view={urllib.parse.quote(json.dumps(view))}" if view else ""
        self.page.goto(f"{self.address}{query}#cae{chosen}")
        return self

    def cell(self, run, image, step=None, show=None):
        """The cell that shows an image of a run, once it shows the step."""
        at = "" if step is None else f"[data-step='{step}']"
        at += "" if show is None else f"[data-show='{show}']"
        found = self.frame.locator(f"td.reconstruction[data-run={json.dumps(run)}][data-image='{image}']{at}")
        found.wait_for()
        return found

    def pixels(self, canvas):
        """Red, green and blue of a canvas, (height, width, 3)."""
        width, height, *values = canvas.evaluate(READ_PIXELS)
        return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]

    def shown_runs(self):
        heads = self.frame.locator("thead [data-column]")
        heads.first.wait_for()
        return [head.get_attribute("title") for head in heads.all()]

    def evaluate(self, script):
        return self.page.locator("iframe[src*='name=cae']").element_handle().content_frame().evaluate(script)


@pytest.fixture
def tab(browser, servers):
    found = Tab(browser, servers["slow"])
    yield found
    found.page.close()
    assert found.complaints == []


@pytest.fixture(scope="module")
def steps(servers):
    runs = {run["name"]: run for run in ask(servers["slow"], "runs")[1]["runs"]}
    return [step for step, _ in runs[SUBPIXEL]["steps"]]


def expected(tab, image, run=SUBPIXEL, **query):
    """An image out of the run's sheet, as the server has it; sheets of 12 have 4 columns."""
    status, sheet = ask(tab.address, "sheet", run=run, **query)
    assert status == 200
    top, left = image // 4 * 15, image % 4 * 10
    gray = np.array(Image.open(io.BytesIO(sheet)))[top : top + 15, left : left + 10]
    return np.repeat(gray[..., None], 3, axis=2)


def test_each_run_shows_its_own_pixels_and_the_slider_those_of_its_step(tab, steps):
    tab.open()
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


def test_runs_are_chosen_in_the_list(tab):
    tab.open(runs=[SUBPIXEL])
    assert tab.shown_runs() == [SUBPIXEL]
    tab.frame.locator(f"input[data-name='{UNPOOL}']").check()
    tab.frame.locator(f"thead [title='{UNPOOL}']").wait_for()
    assert sorted(tab.shown_runs()) == [SUBPIXEL, UNPOOL]
    tab.frame.locator(f"input[data-name='{SUBPIXEL}']").uncheck()
    tab.frame.locator(f"thead [title='{SUBPIXEL}']").wait_for(state="detached")
    assert tab.shown_runs() == [UNPOOL]


@pytest.mark.parametrize(("show", "low"), [("absolute", 0.0), ("signed", -0.25)])
def test_errors_are_coloured_on_the_shared_scale(tab, steps, show, low):
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
    legend = tab.frame.locator(".legend").inner_text()
    assert f"{low:g}" in legend
    assert "0.25" in legend


def test_the_spectrum_is_that_of_the_artefact_measures(tab, steps):
    tab.open(show="spectrum")
    shown = tab.pixels(tab.cell(SUBPIXEL, 4, steps[-1], "spectrum").locator("canvas"))
    made = expected(tab, 4, kind="reconstruction", step=steps[-1])[None, ..., :1] / 255.0
    power = np.fft.fftshift(power_spectrum(made)[0])
    shares = np.clip((10 * np.log10(power + (1 / 255) ** 2 / 12) + 60) / 80, 0.0, 1.0)
    assert np.abs(shown.astype(int) - scale_colors(shares).astype(int)).max() <= 3


def test_the_loupe_shows_the_same_pixels_of_every_column(tab, steps):
    tab.open(loupe=True, size="m")
    picture = tab.cell(SUBPIXEL, 1, steps[-1]).locator("canvas")
    picture.focus()
    box = picture.bounding_box()
    tab.page.mouse.move(box["x"] + 1, box["y"] + 1)
    tab.page.mouse.move(box["x"] + 6.5 * box["width"] / 10, box["y"] + 8.5 * box["height"] / 15)
    tab.frame.locator("#loupe", has_text="x 6, y 8").wait_for()
    for run in (SUBPIXEL, UNPOOL):
        enlarged = tab.pixels(tab.frame.locator(f"#loupe td[data-kind=reconstruction][data-run='{run}'] canvas"))
        around = expected(tab, 1, run, kind="reconstruction", step=steps[-1])[2:15, 0:10]
        # 13 pixels a side around (6, 8): the picture's rows 2 to 14, and its columns 0 to 9.
        assert (enlarged[0:13, 0:10] == around).all()
    value = expected(tab, 1, UNPOOL, kind="reconstruction", step=steps[-1])[8, 6, 0] / 255
    assert tab.frame.locator(f"#loupe td[data-run='{UNPOOL}'] .figures").last.inner_text() == f"{value:.2f}"
    tab.page.keyboard.press("Shift+ArrowRight")
    tab.frame.locator("#loupe", has_text="x 7, y 8").wait_for()


def test_the_wipe_shows_one_picture_on_each_side_of_the_border(tab, steps):
    stage = {"mode": "wipe", "a": SUBPIXEL, "b": UNPOOL, "position": 0.5}
    tab.open(row=3, stage=stage)
    tab.cell(UNPOOL, 3, steps[-1])
    shown = tab.pixels(tab.frame.locator("#stage-picture[data-shown=both]"))
    left = expected(tab, 3, SUBPIXEL, kind="reconstruction", step=steps[-1])
    right = expected(tab, 3, UNPOOL, kind="reconstruction", step=steps[-1])
    assert (shown[:, :5] == left[:, :5]).all()
    assert (shown[:, 5:] == right[:, 5:]).all()
    tab.frame.locator("#stage input[type=range]").fill("0.8")
    shown = tab.pixels(tab.frame.locator("#stage-picture"))
    assert (shown[:, :8] == left[:, :8]).all()
    assert (shown[:, 8:] == right[:, 8:]).all()


def test_blinking_shows_one_after_the_other_and_space_flips_by_hand(tab, steps):
    tab.open(row=3, stage={"mode": "blink", "a": SUBPIXEL, "b": UNPOOL, "position": 0.5})
    picture = tab.frame.locator("#stage-picture")
    tab.frame.locator("#stage-picture[data-shown=a]").wait_for()
    tab.frame.locator("#stage-picture[data-shown=b]").wait_for()
    tab.frame.locator("#blinking").click()
    pictures = {
        which: expected(tab, 3, run, kind="reconstruction", step=steps[-1])
        for which, run in (("a", SUBPIXEL), ("b", UNPOOL))
    }
    tab.frame.locator("#stage").evaluate("dialog => document.activeElement.blur()")
    for _ in range(2):
        before = picture.get_attribute("data-shown")
        tab.page.keyboard.press("Space")
        after = picture.get_attribute("data-shown")
        assert {before, after} == {"a", "b"}
        assert (tab.pixels(picture) == pictures[after]).all()
    tab.page.keyboard.press("Escape")
    tab.frame.locator("#stage[open]").wait_for(state="detached")


def test_everything_can_be_done_with_keys(tab, steps):
    tab.open()
    tab.cell(SUBPIXEL, 0, steps[-1]).locator("canvas").focus()
    tab.page.keyboard.press("ArrowLeft")
    tab.cell(SUBPIXEL, 0, steps[1])
    tab.page.keyboard.press("Home")
    tab.cell(SUBPIXEL, 0, steps[0])
    tab.page.keyboard.press("End")
    tab.cell(SUBPIXEL, 0, steps[-1])
    for key, show in (("2", "signed"), ("3", "absolute"), ("4", "spectrum"), ("1", "reconstruction")):
        tab.page.keyboard.press(key)
        tab.cell(SUBPIXEL, 0, steps[-1], show)
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Shift+ArrowRight")
    cell = tab.frame.locator("canvas:focus").locator("xpath=..")
    assert cell.get_attribute("data-image") == "1"
    assert cell.get_attribute("data-kind") == "reconstruction"
    tab.evaluate(RECORD_STEPS)
    tab.page.keyboard.press("Space")  # plays from the first step to the last one
    wait_for(
        lambda: tab.evaluate("window.steps") == [f"step {steps[0]}", f"step {steps[1]}", f"step {steps[2]} (last)"]
    )
    tab.page.keyboard.press("l")
    tab.frame.locator("#loupe").wait_for()
    tab.page.keyboard.press("w")
    tab.frame.locator("#stage[open] #stage-picture").wait_for()
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("?")
    tab.frame.locator("#help[open]").wait_for()


def test_a_link_restores_the_whole_view(tab, browser, steps):
    tab.open(runs=[UNPOOL, SUBPIXEL])
    tab.frame.locator("#step").fill("1")
    tab.frame.locator("button[data-value=signed]").click()
    tab.frame.locator("#order").select_option("last/validation/psnr")
    tab.frame.locator("#rows").select_option("disagreement")
    tab.frame.locator("#loupe-toggle").click()
    tab.frame.locator("#top button[data-value=s]").click()
    tab.cell(UNPOOL, 0, steps[1], "signed")
    heads = tab.shown_runs()
    rows = tab.frame.locator("tbody th .name").all_inner_texts()
    wait_for(lambda: "%22size%22" in tab.page.url)
    link = tab.page.url
    other = Tab(browser, tab.address)
    other.page.goto(link)
    other.cell(UNPOOL, 0, steps[1], "signed")
    assert other.shown_runs() == heads
    assert other.frame.locator("tbody th .name").all_inner_texts() == rows
    assert other.frame.locator("#loupe").count() == 1
    assert other.frame.locator("button[data-value=s]").get_attribute("aria-pressed") == "true"
    other.page.close()
    assert other.complaints == []


def test_rows_are_sorted_by_how_far_the_decoders_are_apart(tab, steps):
    tab.open(runs=[SUBPIXEL, UNPOOL], rows="disagreement")
    tab.cell(SUBPIXEL, 0, steps[-1])
    psnr = [ask(tab.address, "figures", run=run)[1][str(steps[-1])]["psnr"] for run in (SUBPIXEL, UNPOOL)]
    order = np.argsort(-np.std(psnr, axis=0), kind="stable")
    cells = tab.frame.locator("td.input").all()
    wait_for(lambda: [int(cell.get_attribute("data-image")) for cell in cells] == order.tolist())


def test_hostile_names_are_shown_and_do_nothing(tab, steps):
    name = f"decoders/{HOSTILE}"
    tab.open(runs=[SUBPIXEL, name])
    tab.frame.locator("td.reconstruction[data-step]").first.wait_for()
    assert name in tab.shown_runs()
    assert tab.frame.locator("label.run", has_text=HOSTILE).count() == 1
    tab.frame.locator("td.reconstruction canvas").first.click()
    tab.frame.locator("#stage[open]").wait_for()
    tab.frame.locator("button[data-value=summary]").click()
    tab.frame.locator("#curves svg.chart").wait_for()
    assert tab.frame.locator("img").count() == 0
    assert tab.evaluate("window.taken") is None


def test_the_summary_has_table_curves_and_points_that_open_their_pictures(tab):
    tab.open(view="summary")
    tab.frame.locator("#report table").first.wait_for()
    told = ask(tab.address, "comparison", experiment="decoders")[1]
    ranking = tab.frame.locator("#report table").first
    assert ranking.locator("caption").inner_text() == told["tables"]["ranking"]["caption"]
    assert ranking.locator("tbody tr").count() == 2
    assert tab.frame.locator("#report table", has_text="switches of another image").count() == 1
    tab.frame.locator("#curve").select_option("train/loss")
    tab.frame.locator("#curves svg[aria-label='train loss over steps']").wait_for()
    tab.frame.locator("#metric").select_option("ssim")
    point = next(point for point in told["points"] if point["runs"] == [UNPOOL])
    tab.frame.locator(f".point[data-label='{point['label']}']").click()
    tab.frame.locator(f"thead [title='{UNPOOL}']").wait_for()
    assert UNPOOL in tab.shown_runs()


def test_runs_on_other_images_are_a_set_of_their_own(tab):
    probes = {run["name"]: run["probes"] for run in ask(tab.address, "runs")[1]["runs"]}
    tab.open(probes=probes[NOISY])
    tab.frame.locator("th.corrupted", has_text="gaussian").wait_for()
    assert tab.shown_runs() == [NOISY]
    shown = tab.pixels(tab.frame.locator("td.corrupted:not(.waiting)[data-step] canvas").nth(2))
    assert (shown == expected(tab, 2, NOISY, kind="corrupted")).all()


def test_the_run_filter_of_tensorboard_holds_here_too(tab):
    tab.open("?runFilter=unpool")
    tab.frame.locator("#picker", has_text="hides 3").wait_for()
    assert tab.shown_runs() == [UNPOOL]


def test_dark_mode_is_that_of_tensorboard(tab):
    tab.open()
    tab.frame.locator("td.reconstruction[data-step]").first.wait_for()
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.page.evaluate("document.body.classList.toggle('dark-mode')")
    wait_for(lambda: tab.evaluate("getComputedStyle(document.body).backgroundColor") != light)


def test_an_error_of_the_server_is_shown(tab):
    tab.page.route("**/figures?*", lambda route: route.fulfill(status=500, json={"error": "the disk is gone"}))
    tab.open()
    tab.frame.locator("#failure", has_text="the disk is gone").wait_for()
    tab.page.unroute("**/figures?*")
    tab.frame.locator("#failure button").click()
    tab.frame.locator(".psnr", has_text="dB").first.wait_for()
    tab.frame.locator("#failure .failure").wait_for(state="detached")
    tab.complaints = [one for one in tab.complaints if "500" not in one]


def test_an_empty_log_directory_says_what_to_do_and_new_runs_appear_by_themselves(browser, runs, tmp_path):
    logdir = tmp_path / "not yet"
    with serving((logdir, "false")) as (address,):
        tab = Tab(browser, address).open(runs=None)
        tab.frame.locator(".notice", has_text="python train.py configs/compare_decoders.yaml").wait_for()
        shutil.copytree(runs / SUBPIXEL, logdir / "mine" / "first")
        tab.frame.locator("thead [title='mine/first']").wait_for(timeout=40_000)
        tab.page.close()
        assert tab.complaints == []
