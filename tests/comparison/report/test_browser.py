"""The page in a real browser: from disk, without complaints, and no wider than a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

from cae.comparison.report import write_report
from tests.comparison.example import make_example

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

PHONE_WIDTH = 390

# Shows a page in a frame as wide as a phone and tells what it measured there.
WRAPPER = """<!DOCTYPE html><body><iframe width="{width}" height="800" style="border: 0" srcdoc="{page}"></iframe>
<script>
onload = () => {{
  const inside = document.querySelector("iframe").contentDocument;
  const root = inside.documentElement;
  const images = [...inside.images];
  inside.querySelectorAll("details").forEach(one => one.open = true);
  const tables = [...inside.querySelectorAll("table")];
  const measured = {{
    view: root.clientWidth,
    content: Math.max(root.scrollWidth, inside.body.scrollWidth),
    images: images.length,
    broken: images.filter(image => !image.complete || image.naturalWidth === 0).length,
    wide: images.filter(image => image.getBoundingClientRect().right > root.clientWidth).length,
    tables: tables.filter(one => one.scrollWidth > root.clientWidth).length,
  }};
  console.log("measured the page");
  document.body.textContent = JSON.stringify(measured);
}};
</script></body>"""


def visit(path, tmp_path):
    """Load a file; gives the page as it stands after loading, and what went to the console."""
    command = [
        BROWSER,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--window-size=1200,800", "--virtual-time-budget=10000", "--dump-dom", path.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    labels = ("<script>document.title = 'taken'; console.error(1)</script>", "an_endless_name_" * 12)
    comparison, exhibits = make_example(6, labels=labels, images_per_block=1, image_shape=(60, 90, 3))
    write_report(comparison, exhibits, folder)
    return folder / "comparison.html"


def test_the_page_opens_from_disk_without_complaints(report, tmp_path):
    page, console = visit(report, tmp_path)
    assert console == []
    assert "<title>Comparison of decoders: compare_decoders</title>" in page
    assert page.rstrip().endswith("</html>")


def test_a_phone_shows_the_whole_width(report, tmp_path):
    wrapper = tmp_path / "wrapper.html"
    page = html.escape(report.read_text(encoding="utf-8"))
    wrapper.write_text(WRAPPER.format(width=PHONE_WIDTH, page=page), encoding="utf-8")
    seen, console = visit(wrapper, tmp_path)
    assert len(console) == 1
    assert "measured the page" in console[0]
    measured = json.loads(html.unescape(re.search(r"<body>(\{.*\})", seen)[1]))
    assert PHONE_WIDTH - 20 <= measured["view"] <= PHONE_WIDTH
    assert measured["content"] <= measured["view"]
    assert measured["images"] == 2 + 3 * (1 + 6) + 1 + 1
    assert measured["broken"] == measured["wide"] == 0
    assert measured["tables"] == 0  # none is wider than the page
