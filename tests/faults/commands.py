"""The commands that meet faults, and what they are given."""

import contextlib
import functools
import io
import shutil
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from tests.conftest import make_images

CONFIG = """
experiment: e
name: {name}
seed: {seed}
data: {{source: image_folder, path: {images}, channels: 1, cache: {cache}}}
model: {{encoder: {{filters: [2]}}}}
training: {{epochs: 1, batch_size: 4, optimizer: {{name: sgd, learning_rate: 0.01}}}}
logging: {{probe_images: 2}}
"""
GRID = "grid: {seed: [0, 1]}\n"


@dataclass(frozen=True)
class Case:
    """One command: what it is given, and what has to be there when it has gone through.

    `marks` are files that promise that all others of their folder are there, but for those whose names hold `later`;
    `folders` are either old, new or absent. What `repeats` has hardly a step that other commands do not have.
    """

    arguments: list
    marks: list = field(default_factory=list)
    folders: list = field(default_factory=list)
    prepare: object = None
    later: str = "\0"
    repeats: bool = False


def make_cases(root):
    given, runs, out = root.parent / "given", root / "runs" / "e", root / "out"
    run, other = runs / "a", runs / "b"

    def old_results(folder):
        folder.mkdir()
        (folder / "old.txt").write_text("old")

    def old_export():
        out.mkdir()
        (out / "saved_model.pb").write_text("old")
        (out / "old.txt").write_text("old")

    def old_shards():
        call("prepare", given / "few", out, "--image-size", 4, 4)

    data = ["--set", f"data.path={given / 'images'}"]
    return {
        "train": Case(
            ["train", given / "c.yaml", "--runs-dir", root / "new", "--resume"],
            [root / "new/e/c/summary.json"],
            later="index.html",
        ),
        "overwrite": Case(
            ["train", given / "a.yaml", "--runs-dir", root / "runs", "--overwrite"],
            [run / "summary.json"],
            later="index.html",
            repeats=True,
        ),
        "grid": Case(["train", given / "grid.yaml", "--runs-dir", root / "new", "--jobs", 1], repeats=True),
        "evaluate": Case(
            ["evaluate", run, "--projector", "--no-features"],
            [run / "evaluation/results.json", run / "evaluation/projector/projector_config.pbtxt"],
        ),
        "compare": Case(
            ["evaluate", run, other], [runs / "comparison/comparison.json"], later="tfevents", repeats=True
        ),
        "visualize": Case(["visualize", run, "--maps", 0, "--top", 1], [run / "visualization/visualization.json"]),
        "reconstruct": Case(["reconstruct", run, given / "few", "--out", out, "--error-maps"], folders=[out]),
        "reconstruct over": Case(
            ["reconstruct", run, given / "few.npy", "--out", out, "--format", "npy", "--overwrite"],
            [out / "scores.csv"],
            prepare=functools.partial(old_results, out),
        ),
        "score": Case(["score", run, given / "few", "--out", out, "--fpr", 0.5, "--metric", "mse"], folders=[out]),
        "score into": Case(
            ["score", run, given / "few", "--out", out], [out / "results.json"], prepare=functools.partial(out.mkdir)
        ),
        "encode npz": Case(["encode", run, given / "few", "--out", out / "codes.npz"]),
        "encode h5": Case(["encode", run, given / "few", "--out", out / "codes.h5"]),
        "decode": Case(["decode", run, given / "codes.npz", "--out", out], folders=[out]),
        "export keras": Case(["export", run, "--format", "keras", "--out", out / "model.keras", *data]),
        "export savedmodel": Case(
            ["export", run, "--format", "savedmodel", "--out", out, *data], folders=[out], prepare=old_export
        ),
        "prepare": Case(["prepare", given / "few", out, "--overwrite"], folders=[out], prepare=old_shards),
        "figure": Case(["describe", given / "a.yaml", "--figure", root / "model.svg"]),
    }


def make_template(root):
    """Two trained runs, and, outside of what is watched, images, configurations and codes for commands to read."""
    given = root.parent / "given"
    images = make_images(10, 8, 8)
    for number, image in enumerate(images):
        for folder in ["images/train", *(["images/test", "few"] if number < 4 else [])]:
            path = given / folder / f"class{number % 2}" / f"{folder[-2:]}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    np.save(given / "few.npy", images[:3])
    for seed, name in enumerate("abc"):
        text = CONFIG.format(name=name, seed=seed % 2, images=given / "images", cache="disk" if name == "c" else "none")
        (given / f"{name}.yaml").write_text(text)
        if name != "c":
            check(call("train", given / f"{name}.yaml", "--runs-dir", root / "runs"))
    (given / "grid.yaml").write_text(CONFIG.format(name="g", seed=0, images=given / "images", cache="none") + GRID)
    check(call("encode", root / "runs/e/a", given / "few", "--out", given / "codes.npz"))
    shutil.rmtree(root / "cache")


def call(*arguments):
    """Run a command here; gives exit code, stdout and stderr."""
    from cae.commands.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = error.code
            if code == 143:  # somebody wants this program to end, not the command
                raise
    return code, out.getvalue(), err.getvalue()


def check(called):
    assert called[0] == 0, called[2]
    return called
