"""The tab in a browser, for tests to drive."""

from __future__ import annotations

import io
import json
import urllib.parse

import numpy as np
from PIL import Image

from tests.tensorboard_plugin.conftest import SUBPIXEL, UNPOOL, ask

# All that is waited for is a condition, so that a quick machine does not wait: this is for slow ones.
PATIENCE_MS = 60_000
READ_PIXELS = "c => [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"


class Tab:
    """The tab on a page of its own.

    Args:
        browser: to open it in.
        address: TensorBoard's.
    """

    def __init__(self, browser, address):
        self.address = address
        # High enough for all rows: what nobody sees is not drawn.
        self.page = browser.new_page(viewport={"width": 1300, "height": 6000})
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.frame = self.page

    def _hear(self, message):
        # TensorBoard itself asks for an icon that it does not have, and loads a library twice.
        if message.type == "error" and "favicon.ico" not in message.location.get("url", ""):
            self.complaints.append(message.text)

    def open(self, **view):
        """Open a view as TensorBoard does in a frame; by default the two decoders, not the copy of one of them."""
        self.page.goto(f"{self.address}data/plugin_entry.html?name=cae#{link(view)}")
        return self

    def open_in_tensorboard(self, query="", **view):
        """Open a view within TensorBoard, whose own page takes seconds to load."""
        self.page.goto(f"{self.address}{query}#cae&{link(view)}")
        return self.find_frame()

    def find_frame(self):
        """Find the tab in TensorBoard's page."""
        self.frame = self.page.wait_for_selector("iframe[src*='name=cae']").content_frame()
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

    def row_names(self):
        """Names of the images in their order, once it is known how far apart their pictures are."""
        self.frame.locator("tbody tr:last-child .spread", has_text="dB").wait_for()
        return self.frame.locator("tbody th .name").all_inner_texts()


def link(view):
    """A view's part of an address."""
    if not {"runs", "probes"} & set(view):
        view = {**view, "runs": [SUBPIXEL, UNPOOL]}
    return f"p.cae.view={urllib.parse.quote(json.dumps(view))}"


def expected(tab, image, run=SUBPIXEL, **query):
    """An image out of the run's sheet, as the server has it; sheets of 12 have 4 columns."""
    status, sheet = ask(tab.address, "sheet", run=run, **query)
    assert status == 200
    top, left = image // 4 * 15, image % 4 * 10
    gray = np.array(Image.open(io.BytesIO(sheet)))[top : top + 15, left : left + 10]
    return np.repeat(gray[..., None], 3, axis=2)
