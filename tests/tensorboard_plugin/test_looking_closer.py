"""Loupe, wipe, blink and keys in a real browser."""

from __future__ import annotations

from tests.tensorboard_plugin.conftest import SUBPIXEL, UNPOOL
from tests.tensorboard_plugin.tab import Tab, expected
from tests.tensorboard_plugin.waiting import wait_for

RECORD_STEPS = """() => {
  const text = document.getElementById("step-text");
  window.steps = [];
  const note = () => window.steps.at(-1) === text.textContent || window.steps.push(text.textContent);
  new MutationObserver(note).observe(text, {childList: true});
}"""


def point_at(tab, run, image, step, x, y):
    """Move the pointer over a pixel."""
    picture = tab.cell(run, image, step).locator("canvas")
    box = picture.bounding_box()
    picture.hover(position={"x": (x + 0.5) / 10 * box["width"], "y": (y + 0.5) / 15 * box["height"]})


def click(tab):
    """Click where the pointer is."""
    tab.page.mouse.down()
    tab.page.mouse.up()


def test_the_loupe_shows_the_same_pixels_of_every_column(tab, steps):
    tab.open(loupe=True)
    point_at(tab, SUBPIXEL, 1, steps[-1], 6, 8)
    tab.frame.locator("#loupe", has_text="x 6, y 8").wait_for()
    for run in (SUBPIXEL, UNPOOL):
        tab.cell(run, 1, steps[-1])
        enlarged = tab.pixels(tab.frame.locator(f"#loupe td[data-kind=reconstruction][data-run='{run}'] canvas"))
        around = expected(tab, 1, run, kind="reconstruction", step=steps[-1])[2:15, 0:10]
        # 13 pixels a side around (6, 8): the picture's rows 2 to 14, and its columns 0 to 9.
        assert (enlarged[0:13, 0:10] == around).all()
    value = expected(tab, 1, UNPOOL, kind="reconstruction", step=steps[-1])[8, 6, 0] / 255
    assert tab.frame.locator(f"#loupe td[data-run='{UNPOOL}'] .figures").last.inner_text() == f"{value:.2f}"


def test_the_loupe_is_held_by_a_click_and_moved_by_keys_and_restored_by_a_link(tab, browser, steps):
    tab.open(loupe=True)
    point_at(tab, UNPOOL, 1, steps[-1], 6, 8)
    click(tab)
    tab.frame.locator("#loupe", has_text="x 6, y 8").filter(has_text="held").wait_for()
    point_at(tab, UNPOOL, 4, steps[-1], 2, 2)
    assert "x 6, y 8" in tab.frame.locator("#loupe").inner_text()
    assert tab.frame.locator("#stage[open]").count() == 0
    tab.page.keyboard.press("Shift+ArrowLeft")
    tab.frame.locator("#loupe", has_text="x 5, y 8").wait_for()
    tab.page.wait_for_url(lambda url: "%22x%22%3A5" in url)
    other = Tab(browser, tab.address)
    other.page.goto(tab.page.url)
    other.frame.locator("#loupe", has_text="x 5, y 8").filter(has_text="held").wait_for()
    other.page.close()
    click(tab)
    tab.frame.locator("#loupe", has_text="x 2, y 2").wait_for()
    assert "held" not in tab.frame.locator("#loupe").inner_text()


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
    tab.frame.evaluate(RECORD_STEPS)
    tab.page.keyboard.press("Space")  # plays from the first step to the last one
    wait_for(
        lambda: (
            tab.frame.evaluate("window.steps") == [f"step {steps[0]}", f"step {steps[1]}", f"step {steps[2]} (last)"]
        )
    )
    tab.page.keyboard.press("l")
    tab.frame.locator("#loupe").wait_for()
    tab.page.keyboard.press("w")
    tab.frame.locator("#stage[open] #stage-picture").wait_for()
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("?")
    tab.frame.locator("#help[open]").wait_for()
    told = tab.frame.locator("#help dl").inner_text().split("\n")
    assert "picture, signed error, absolute error, spectrum" in told
    assert len(told) == 2 * 11


def test_keys_bring_a_picture_into_sight_between_heads_and_loupe(tab, steps):
    tab.page.set_viewport_size({"width": 1300, "height": 800})
    tab.open(loupe=True)
    tab.cell(SUBPIXEL, 0, steps[-1]).locator("canvas").focus()
    for key in ["ArrowDown"] * 4 + ["ArrowUp"] * 3:
        tab.page.keyboard.press(key)
        picture = tab.frame.locator("canvas:focus").bounding_box()
        heads, loupe = (tab.frame.locator(part).bounding_box() for part in ("#grid thead", "#grid tfoot"))
        assert heads["y"] + heads["height"] <= picture["y"]
        assert picture["y"] + picture["height"] <= loupe["y"]


def test_keys_do_no_harm_where_no_run_is_chosen(tab, steps):
    tab.open(loupe=True)
    tab.cell(SUBPIXEL, 0, steps[-1])
    for run in (SUBPIXEL, UNPOOL):
        tab.frame.locator(f"input[data-name='{run}']").uncheck()
    tab.frame.locator(".notice", has_text="No run is chosen").wait_for()
    assert tab.frame.locator(f"input[data-name='{UNPOOL}']").is_visible()  # to be chosen again
    for key in ("ArrowDown", "Shift+ArrowRight", "w", "l"):
        tab.page.keyboard.press(key)
    assert tab.frame.locator("#stage[open]").count() == 0
