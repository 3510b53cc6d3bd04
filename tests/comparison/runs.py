"""Runs as their directories would tell them, without directories."""

from pathlib import Path

from cae.comparison.contenders import RunRecord
from cae.config import RunConfig
from cae.runs import RunDirectory

IMAGES = {"train": 80, "validation": 10, "test": 10}


def make_run(
    upsampling="resize",
    seed=0,
    *,
    name=None,
    folder="runs/e",
    steps=50,
    status="finished",
    images=None,
    environment=None,
    training_images=1,
    **changes,
):
    """A run with changes, such as training__epochs=3; without a status it was killed, and wrote rows but no summary."""
    values = {"model": {"decoder": {"upsampling": upsampling}}, "seed": seed, "name": name or f"run{seed}"}
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = values
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    config = RunConfig.model_validate(values)
    summary = {"status": status, "steps": steps, "epochs": 5, "images": images or IMAGES} if status else {}
    rows = [{"epoch": 5, "step": steps}] if steps is not None else []
    directory = RunDirectory(Path(folder) / config.name)
    return RunRecord(directory, config, summary, rows, environment or {}, training_images)
