"""Runs as training leaves them, with weights that nobody trained: quick to make, and no less a model."""

import json

import yaml

from cae.config import load_config
from cae.engine import start_engine
from cae.plan import make_plan

CONVOLUTIONAL = {"encoder": {"filters": [4, 6]}, "bottleneck": {"kind": "spatial", "channels": 3}}
DENSE = {"encoder": {"filters": [4]}, "bottleneck": {"kind": "dense", "units": 5}}
SWITCHES = {"encoder": {"filters": [4]}, "decoder": {"upsampling": "max_unpool"}}


def make_run(folder, image_shape, model, seed=0, **sections):
    """Write config.yaml, summary.json and model.weights.h5; the data that the configuration names need not exist."""
    start_engine()
    from cae.model import build_autoencoder
    from cae.runs.weights import save_weights

    folder.mkdir(parents=True)
    config = {"seed": seed, "data": {"source": "arrays", "path": str(folder / "gone.npy")}, "model": model, **sections}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "summary.json").write_text(json.dumps({"status": "finished", "image_shape": list(image_shape)}))
    loaded = load_config(folder / "config.yaml")
    plan = make_plan(loaded.model, image_shape)
    autoencoder = build_autoencoder(plan, seed=seed, precision=loaded.training.precision)
    save_weights(folder / "model.weights.h5", autoencoder)
    return folder
