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

`import cae` alone waits for nothing; what trains, loads and measures starts TensorFlow. Errors you can fix raise
`cae.UserError`, or `cae.ConfigError` for the configuration; their messages are for people.
All functions work in notebooks, as [the tour](tour.ipynb) shows; type hints are shipped. `overrides` are what `--set`
is on the command line. What the command line does is in [Using the program](using.md).

With what you have in Keras:

```python
import keras
import cae

(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()


def charbonnier(images, reconstructions):
    return keras.ops.mean(keras.ops.sqrt((images - reconstructions) ** 2 + 1e-6), axis=(1, 2, 3))


result = cae.train(
    {"model": {"encoder": {"filters": [32, 64]}}, "training": {"epochs": 10}},
    images=x_train,
    labels=y_train,
    test_images=(x_test, y_test),
    optimizer=keras.optimizers.Lion(3e-4),
    loss=charbonnier,
    callbacks=[keras.callbacks.CSVLogger("log.csv"), keras.callbacks.EarlyStopping(patience=3)],
)
result.plot()
model = result.load()
model.predict(x_test[:10])  # float32 in [0, 1]
model.save("model.keras")  # keras.models.load_model("model.keras") opens it, without this package
```
"""

SECTIONS = {
    "Train and load": ("train", "tune", "load", "load_images", "describe"),
    "Measure and use": ("evaluate", "compare", "visualize", "export", "score", "prepare"),
    "What training gives": ("TrainingResult", "Run", "Report"),
    "A trained model": ("TrainedAutoencoder",),
    "Configuration, and parts of your own": (
        "RunConfig",
        "register_upsampling",
        "register_corruption",
        "register_downsampling",
        "register_loss",
        "register_metric",
        "register_optimizer",
        "register_source",
    ),
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
