"""The tour: a notebook that runs, and is committed with what it shows."""

import re

import nbformat
import pytest

from docs.tour.__main__ import NOTEBOOK, run

SMALLER = (
    (r'"epochs": \d+', '"epochs": 1'),
    (r'"filters": \[16, 32\]', '"filters": [4, 8]'),
    (r'\{"source": "bundled"\}', '{"source": "bundled", "classes": [1, 7, 8, 9]}'),  # those that cells name
)


def read(path):
    return nbformat.read(path, as_version=4)


def sources(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def kinds_of_outputs(notebook):
    """For each cell of code, what it shows: `image/png`, `stdout` and the like, each once."""
    return [
        {kind for output in cell.outputs for kind in [*output.get("data", {}), output.get("name", "result")]}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.fixture(scope="module")
def committed():
    return read(NOTEBOOK)


def test_every_cell_runs_and_shows_what_the_committed_one_shows(committed, tmp_path):
    """With less to train: what is trained is as good as its training, the cells are the same."""
    shorter = read(NOTEBOOK)
    for pattern, instead in SMALLER:
        assert any(re.search(pattern, cell.source) for cell in shorter.cells)
        for cell in shorter.cells:
            cell.source = re.sub(pattern, instead, cell.source)
    for cell in shorter.cells:
        cell.outputs = []
    nbformat.write(shorter, tmp_path / "shorter.ipynb")
    run(tmp_path / "shorter.ipynb", tmp_path / "tour.ipynb")
    executed = read(tmp_path / "tour.ipynb")
    assert sources(executed) == sources(shorter)
    assert kinds_of_outputs(executed) == kinds_of_outputs(committed)


def test_the_committed_notebook_is_whole_and_small(committed):
    nbformat.validate(committed)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum("image/png" in kinds for kinds in kinds_of_outputs(committed)) >= 6
    assert NOTEBOOK.stat().st_size < 500_000


def test_the_committed_notebook_keeps_the_curves_of_each_training(committed):
    outputs = [output.get("data", {}) for cell in committed.cells for output in cell.get("outputs", ())]
    shown = [data["text/html"] for data in outputs if "text/html" in data]
    assert len(shown) == 2
    for html in shown:
        curves = re.findall(r'<polyline class="series-\d" points="([^"]*)"', html)
        assert [len(points.split()) for points in curves] == [6, 6, 6]  # PSNR, and loss of training and validation
        assert "<progress" not in html


def test_the_committed_notebook_shows_nothing_of_the_machine_it_ran_on(committed):
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert [folder for folder in ("tmp", "home", "root", "Users") if f"/{folder}/" in text] == []
    assert "images/s" not in text
