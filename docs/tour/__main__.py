"""Run `docs/tour.ipynb` from its first cell to its last, and keep what it shows.

    python -m docs.tour

It is edited in Jupyter or by hand; this makes its outputs those of the program as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "tour.ipynb"
SECONDS_A_CELL = 300

# Speeds and times differ from run to run, and say more of the machine than of the program.
_MACHINE = re.compile(r", [\d,]+ images/s, [\d:?]+ left")


def run(notebook: Path, out: Path) -> None:
    """Execute a notebook in a folder of its own, and write it with its outputs.

    Args:
        notebook: Is read.
        out: Is written, and may be the same.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell ended with an exception.
    """
    content = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory(prefix="cae-tour-") as folder:
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(content, timeout=SECONDS_A_CELL, record_timing=False, resources=resources)
        # The program is the one beside the notebook, whatever is installed.
        client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
        for cell in content.cells:
            cell.metadata.clear()
            for output in cell.get("outputs", ()):
                _tidy(output, folder)
    content.metadata.language_info = {"name": "python"}
    nbformat.write(content, out)


def _tidy(output: Any, folder: str) -> None:
    """Take away what only this machine would show."""
    if output.output_type == "stream":
        output.text = _MACHINE.sub("", output.text).replace(f"{folder}/", "")
    output.get("metadata", {}).clear()


def main() -> None:
    """Run it in its place, or elsewhere."""
    parser = argparse.ArgumentParser(description="Run docs/tour.ipynb and keep its outputs.")
    parser.add_argument("--out", type=Path, default=NOTEBOOK, help="where to write it; default: in its place")
    run(NOTEBOOK, parser.parse_args().out)


if __name__ == "__main__":
    main()
