"""The whole page in a real browser: links, the summary, TensorBoard around it, errors and nothing."""

from __future__ import annotations

import json
import time

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from cae.runs.probe_images import inputs_summary, pictures_summary
from tests.comparison.report.parsed import Page
from tests.tensorboard_plugin.conftest import SUBPIXEL, UNPOOL, ask, serving
from tests.tensorboard_plugin.tab import Tab
from tests.tensorboard_plugin.waiting import wait_for


def test_a_link_restores_the_whole_view(tab, browser, steps):
    tab.open_in_tensorboard(runs=[UNPOOL, SUBPIXEL])
    tab.frame.locator("#step").fill("1")
    tab.frame.locator("button[data-value=signed]").click()
    tab.frame.locator("#order").select_option("last/validation/psnr")
    tab.frame.locator("#rows").select_option("disagreement")
    tab.frame.locator("#loupe-toggle").click()
    tab.frame.locator("#top button[data-value=s]").click()
    tab.cell(UNPOOL, 0, steps[1], "signed")
    heads, rows = tab.shown_runs(), tab.row_names()
    tab.page.wait_for_url(lambda url: "%22size%22" in url)
    other = Tab(browser, tab.address)
    other.page.goto(tab.page.url)
    other.find_frame().cell(UNPOOL, 0, steps[1], "signed")
    assert other.shown_runs() == heads
    assert other.row_names() == rows
    assert other.frame.locator("#loupe").count() == 1
    assert other.frame.locator("button[data-value=s]").get_attribute("aria-pressed") == "true"
    other.page.close()
    assert other.complaints == []


# After so long the page looks for what is new.
REFRESH_MS = 5000


def test_the_summary_is_the_report_in_the_colours_of_the_tab(tab, runs):
    tab.page.clock.install()
    tab.open(view="summary")
    card = tab.frame.locator(".report .card .answer")
    card.wait_for()
    shown = Page(ask(tab.address, "comparison", experiment="decoders")[1].decode())
    assert card.inner_text().startswith("Undecided: ")
    ranking = tab.frame.locator("#ranking")
    assert not ranking.is_visible()
    tab.frame.locator(".report nav a", has_text="Decoders").click()
    ranking.wait_for()
    cells = ranking.locator("tbody tr").first.locator("th, td").all_inner_texts()
    assert cells == shown.tables["ranking"][1]
    pictures = tab.frame.locator(".report img").all()
    assert len(pictures) == len(shown.every("img"))
    assert all(picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0 for picture in pictures)
    assert "view" in tab.page.url  # contents do not take the address's place
    colour = "element => getComputedStyle(element).borderLeftColor"
    light = tab.frame.locator(".report .card").evaluate(colour)
    tab.frame.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert tab.frame.locator(".report .card").evaluate(colour) != light
    record = runs / "decoders" / "comparison" / "comparison.json"
    whole = record.read_text()
    try:
        record.write_text(json.dumps({**json.loads(whole), "title": "made anew"}))
        tab.page.clock.fast_forward(REFRESH_MS)
        tab.frame.locator(".report h1", has_text="made anew").wait_for()
    finally:
        record.write_text(whole)


def test_the_run_filter_of_tensorboard_holds_here_too(tab):
    tab.open_in_tensorboard("?runFilter=unpool")
    tab.frame.locator("#picker", has_text="hides 3").wait_for()
    assert tab.shown_runs() == [UNPOOL]


def test_dark_mode_is_that_of_tensorboard(tab):
    tab.open_in_tensorboard()
    tab.frame.locator("td.reconstruction[data-step]").first.wait_for()
    light = tab.frame.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.page.evaluate("document.body.classList.toggle('dark-mode')")
    wait_for(lambda: tab.frame.evaluate("getComputedStyle(document.body).backgroundColor") != light)


def test_an_error_of_the_server_is_shown(tab):
    tab.page.route("**/figures?*", lambda route: route.fulfill(status=500, json={"error": "the disk is gone"}))
    tab.open()
    tab.frame.locator("#failure", has_text="the disk is gone").wait_for()
    tab.page.unroute("**/figures?*")
    tab.frame.locator("#failure button").click()
    tab.frame.locator(".psnr", has_text="dB").first.wait_for()
    tab.frame.locator("#failure .failure").wait_for(state="detached")
    tab.complaints = [one for one in tab.complaints if "500" not in one]


def write(writer, step, *summaries):
    for summary in summaries:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.flush()


def test_an_empty_log_directory_says_what_to_do_and_what_is_new_appears_by_itself(browser, tmp_path):
    logdir = tmp_path / "not yet"
    images = np.zeros((2, 8, 8, 1))
    with serving((logdir, "auto")) as (address,):
        tab = Tab(browser, address)
        tab.page.clock.install()
        tab.open(runs=None)
        tab.frame.locator(".notice", has_text="python train.py configs/compare_decoders.yaml").wait_for()
        writer = EventFileWriter(str(logdir / "mine" / "first" / "validation"))
        write(writer, 1, inputs_summary(images, ["a.png", "b.png"]), pictures_summary(images))
        wait_for(lambda: ask(address, "runs")[1]["runs"])
        tab.page.clock.fast_forward(REFRESH_MS)
        assert (tab.pixels(tab.cell("mine/first", 1, 1).locator("canvas")) == 0).all()
        assert tab.frame.locator("#step-text").inner_text() == "step 1 (last)"
        write(writer, 2, pictures_summary(images + 0.4))
        wait_for(lambda: len(ask(address, "runs")[1]["runs"][0]["steps"]) == 2)
        tab.page.clock.fast_forward(REFRESH_MS)
        assert (tab.pixels(tab.cell("mine/first", 1, 2).locator("canvas")) == 102).all()
        assert tab.frame.locator("#step-text").inner_text() == "step 2 (last)"
        writer.close()
        tab.page.close()
        assert tab.complaints == []
