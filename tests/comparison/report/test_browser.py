"""The page in a real browser: from disk, without complaints, and never wider than its window."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from cae.comparison.report import write_report
from tests.comparison.example import make_example

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

# A phone, what is between a phone and a screen, and a screen.
WIDTHS = (390, 641, 800, 961, 1100, 1440)

# Shows a page in a frame of several widths and tells what it measured there.
WRAPPER = """<!DOCTYPE html><body><iframe width="390" height="800" style="border: 0" srcdoc="{page}"></iframe>
<script>
onload = () => {{
  const frame = document.querySelector("iframe"), inside = frame.contentDocument;
  const root = inside.documentElement;
  const images = [...inside.images];
  inside.querySelectorAll("details").forEach(one => one.open = true);
  const tables = [...inside.querySelectorAll("table")];
  const measure = width => (frame.width = width, {{
    view: root.clientWidth,
    content: Math.max(root.scrollWidth, inside.body.scrollWidth),
    images: images.length,
    broken: images.filter(image => !image.complete || image.naturalWidth === 0).length,
    wide: images.filter(image => image.getBoundingClientRect().right > root.clientWidth).length,
    tables: tables.filter(one => one.getBoundingClientRect().right > root.clientWidth).map(one => one.id),
  }});
  const measured = {widths}.map(measure);
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
    keys = ("kind", "blur", "train_switches", "switches", "unpool", "interpolation", "kernel_size", "initializer")
    settings = {f"model.decoder.upsampling.{key}": "per_channel" for key in keys} | {"model.decoder.filters": [16, 5]}
    names = [
        f"{kind}_{period}"
        for kind in ("phase_amplitude", "phase_amplitude_noise", "prominence_db")
        for period in (2, 4)
    ]
    names += [f"{kind}unevenness_stage_{stage}" for kind in ("", "overlap_") for stage in (3, 2, 1)]
    contenders = tuple(
        replace(one, settings=settings, artefacts=dict.fromkeys(names, one.metrics["mse"]))
        for one in comparison.contenders
    )
    write_report(replace(comparison, contenders=contenders), exhibits, folder)
    return folder / "comparison.html"


def test_the_page_opens_from_disk_without_complaints(report, tmp_path):
    page, console = visit(report, tmp_path)
    assert console == []
    assert "<title>Comparison of decoders: compare_decoders</title>" in page
    assert page.rstrip().endswith("</html>")


def test_windows_of_every_width_show_the_whole_page(report, tmp_path):
    wrapper = tmp_path / "wrapper.html"
    page = html.escape(report.read_text(encoding="utf-8"))
    wrapper.write_text(WRAPPER.format(widths=list(WIDTHS), page=page), encoding="utf-8")
    seen, console = visit(wrapper, tmp_path)
    assert len(console) == 1
    assert "measured the page" in console[0]
    found = json.loads(html.unescape(re.search(r"<body>(\[.*\])", seen)[1]))
    for width, measured in zip(WIDTHS, found, strict=True):
        assert width - 20 <= measured["view"] <= width
        assert measured["content"] <= measured["view"], width
        assert measured["images"] == 2 + 3 * (1 + 6) + 1 + 1
        assert measured["broken"] == measured["wide"] == 0
        assert measured["tables"] == [], width  # none is wider than the page
