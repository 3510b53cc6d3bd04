"""Runs as their directories would tell them, without directories."""

from pathlib import Path

from cae.comparison.contenders import Run
from cae.config import RunConfig
from cae.runs import RunDirectory

IMAGES = {"train": 80, "validation": 10, "test": 10}


def make_run(upsampling="resize", seed=0, *, name=None, steps=50, status="finished", images=None, **changes):
    """A run with changes, such as training__epochs=3."""
    values = {"model": {"decoder": {"upsampling": upsampling}}, "seed": seed, "name": name or f"run{seed}"}
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = values
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    config = RunConfig.model_validate(values)
    summary = {"status": status, "steps": steps, "epochs": 5, "images": images or IMAGES} if status else {}
    return Run(RunDirectory(Path("runs/e") / config.name), config, summary, [{"epoch": 5, "step": steps}])
