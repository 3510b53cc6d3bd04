"""The page of a run, made of the files that lie there."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from cae.pages.charts import draw_histogram, draw_lines, ticks
from cae.plan import make_plan
from cae.runs import RunDirectory
from cae.runs.page import write_run_page
from tests.comparison.report.parsed import Page

NAME = "<b>it's & a run"


@pytest.fixture
def run(tmp_path):
    """A run of 3 epochs, as far as its page looks at it."""
    folder = tmp_path / "experiment" / NAME
    folder.mkdir(parents=True)
    model = {"encoder": {"filters": [4, 8]}, "decoder": {"upsampling": "max_unpool"}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"source": "bundled"}, "model": model}))
    rows = [{"epoch": n, "step": n, "loss": 1.0 / n, "val_loss": 1.5 / n, "val_psnr": 20.0 + n} for n in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = {"status": "finished", "epochs": 3, "image_shape": [28, 28, 1], "best": rows[-1], "wall_seconds": 9.0}
    summary["warnings"] = [{"code": "few_steps", "message": "only 3 steps. Set `training.epochs`."}]
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "reconstructions.png").write_bytes(b"")
    return RunDirectory(folder)


def test_a_run_that_was_not_measured_says_how_to_and_what_makes_it_doubtful(run):
    write_run_page(run)
    text = run.page.read_text()
    page = Page(text)
    assert "<b>it" not in text
    assert "Not measured yet" in text
    assert "only 3 steps. Set <code>training.epochs</code>." in text
    words = "".join(page.text)
    assert f"experiment/{NAME}" in words
    from cae.config import load_config

    plan = make_plan(load_config(run.config).model, (28, 28, 1))
    for operation in (*plan.encoder, *plan.decoder):
        if operation.macs:
            assert f"<small>{operation.name}</small>" in text
    assert words.count("switches, ") == 4  # given by two poolings, taken by two unpoolings
    assert [image["src"] for image in page.every("img")] == ["reconstructions.png"]
    lines = [re.findall(r"[\d.]+", points["points"]) for points in page.every("polyline")]
    assert [len(line) for line in lines] == [6, 6, 6]  # PSNR, loss, validation loss: 3 epochs each
    heights = [float(height) for height in lines[0][1::2]]
    assert heights == sorted(heights, reverse=True)  # PSNR rises, and the top of a picture is 0


def test_a_measured_run_shows_its_verdict_and_the_pictures_of_its_evaluation(run):
    run.evaluation.mkdir()
    results = {"images": 10, "split": "test", "psnr": 21.5, "ssim": 0.7, "warnings": []}
    results |= {"verdict": {"text": "Verdict: the mean PSNR, 21.50 dB, is below PCA by 1.00 dB."}}
    (run.evaluation / "results.json").write_text(json.dumps(results))
    (run.evaluation / "reconstructions.png").write_bytes(b"")
    write_run_page(run)
    text = run.page.read_text()
    assert results["verdict"]["text"] in text
    assert "few_steps" not in text
    assert "only 3 steps" not in text  # the evaluation repeats the warnings that still hold
    assert [image["src"] for image in Page(text).every("img")] == ["evaluation/reconstructions.png"]
    addresses = [link["href"] for link in Page(text).every("a") if not link["href"].startswith("#")]
    assert all((run.path / address).is_file() for address in addresses)


def test_damaged_files_cost_the_page_and_nothing_else(run):
    run.evaluation.mkdir()
    for content in ("[]", "{", '{"images": {}, "verdict": []}'):
        (run.evaluation / "results.json").write_text(content)
        write_run_page(run)
    run.summary.write_text("{}")
    write_run_page(run)


def test_the_page_needs_neither_tensorflow_nor_matplotlib(run):
    code = (
        "import sys; from pathlib import Path; from cae.runs.directory import RunDirectory\n"
        f"from cae.runs.page import write_run_page; write_run_page(RunDirectory(Path({str(run.path)!r})))\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert run.page.exists()


def test_charts_hold_their_numbers_and_stay_inside():
    assert ticks(0.00012, 0.0021) == pytest.approx([0.0005, 0.001, 0.0015, 0.002])
    constant = draw_lines("loss", "epoch", {"training": [(1.0, 3.0)]})
    assert 44 <= constant.lines["training"][0][0] <= 392
    counts = draw_histogram("scores", "mse", {"normal": [0.0, 0.0, 1.0], "anomalous": [4.0]}, (8.0, "threshold"))
    heights = {label: [bar[3] for bar in bars if bar[3]] for label, bars in counts.bars.items()}
    assert [height / heights["anomalous"][0] for height in heights["normal"]] == pytest.approx([2, 1])
    assert counts.mark[0] == 392.0
    assert draw_histogram("scores", "mse", {"images": [0.0, 0.0]}).bars["images"]
