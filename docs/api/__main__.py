"""Write `docs/api.md` from the docstrings.

    python -m docs.api

Nothing of the package is imported: the source is read (with griffe, which mkdocstrings reads with as well).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import griffe

from docs.api.markdown import describe

ROOT = Path(__file__).parents[2]
DOCUMENT = Path(__file__).parents[1] / "api.md"

INTRODUCTION = """\
<!-- Written by `python -m docs.api` from the docstrings; changes here are overwritten. -->
# Python API

```python
import cae

result = cae.train("configs/quickstart.yaml")
model = result.load()  # later, and elsewhere: cae.load("runs/quickstart/conv_transpose")
```

`import cae` alone waits for nothing; `cae.train`, `cae.tune`, `cae.load`, `cae.evaluate` and `cae.layers` start
TensorFlow. What is the user's to mend is a `cae.UserError`, or a `cae.ConfigError` for the configuration: both have
messages for people.
All functions work in notebooks, as [the tour](tour.ipynb) shows; type hints are shipped. `overrides` are what `--set`
is on the command line, and messages that say `--resume` or `--overwrite` mean the arguments of that name. What the
command line does with trained runs is in [Using what was trained](using.md).
"""

SECTIONS = {
    "Train, load, evaluate": ("train", "load", "evaluate", "tune"),
    "What training gives": ("TrainingResult", "Run"),
    "A trained model": ("TrainedAutoencoder",),
    "Configuration": ("RunConfig", "register_upsampling"),
    "Errors": ("UserError", "ConfigError"),
}


def page() -> str:
    """Return the text of the page."""
    package = griffe.load("cae", search_paths=[ROOT], docstring_parser="google", resolve_aliases=True)
    blocks = [INTRODUCTION.rstrip()]
    for title, names in SECTIONS.items():
        blocks.append(f"## {title}")
        for name in names:
            blocks += describe(package[name], f"cae.{name}", 3, with_members=True)
    layers = package["layers"]
    blocks += ["## Layers", layers.docstring.value]
    for name in sorted(layers.exports):
        blocks += describe(layers[str(name)], f"cae.layers.{name}", 3, with_members=False)
    return "\n\n".join(blocks) + "\n"


def main() -> None:
    """Write the page."""
    argparse.ArgumentParser(description="Write docs/api.md from the docstrings.").parse_args()
    DOCUMENT.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
