"""`python -m tests.faults.loop FOLDER COMMAND ...` lets each command meet a fault at each of its steps.

Runs with the shim before the C library (LD_PRELOAD). Whatever changes a file below FOLDER counts as a step: each in its
turn fails once (`once`), or it and all that follow (`dead`), which is to the disk what a SIGKILL just before that step
is. After each fault every file must be whole or absent and the same command must go through. Prints a line of JSON for
each command. `--stop SEED` does one thing only, at a step chosen by chance, and leaves the files: `--way kill` is
killed there in earnest.

TensorFlow starts once for all of this, and what is computed is computed once: only files are tried.
"""

import argparse
import atexit
import contextlib
import csv
import ctypes
import functools
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

COUNT, ONCE, DEAD, KILL = range(4)
HIDDEN = re.compile(r"\.(writing-|whole|old-)")
CONFIG = """
experiment: e
name: {name}
seed: {seed}
data: {{source: image_folder, path: {images}, channels: 1, cache: disk}}
model: {{encoder: {{filters: [2]}}}}
training: {{epochs: 1, batch_size: 16, optimizer: {{name: sgd, learning_rate: 0.01}}}}
logging: {{probe_images: 2}}
"""
GRID = "grid: {seed: [0, 1]}\n"

shim = ctypes.CDLL(None)


@dataclass(frozen=True)
class Case:
    """One command: what it is given, and what has to be there when it has gone through.

    `marks` are files that promise that all others of their folder are there; `folders` are either old, new or absent.
    """

    arguments: list
    marks: list = field(default_factory=list)
    folders: list = field(default_factory=list)
    prepare: object = None


def make_cases(root):
    runs, out = root / "runs" / "e", root / "out"
    run, other = runs / "a", runs / "b"

    def old_results(folder):
        folder.mkdir()
        (folder / "old.txt").write_text("old")

    def old_export():
        out.mkdir()
        (out / "saved_model.pb").write_text("old")
        (out / "old.txt").write_text("old")

    def old_shards():
        call("prepare", root / "few", out, "--image-size", 4, 4)

    def codes():
        shutil.copyfile(root / "codes.npz", root / "given.npz")

    data = ["--set", f"data.path={root / 'images'}"]
    return {
        "train": Case(
            ["train", root / "c.yaml", "--runs-dir", root / "new", "--resume"], [root / "new/e/c/summary.json"]
        ),
        "overwrite": Case(
            ["train", root / "a.yaml", "--runs-dir", root / "runs", "--overwrite"], [run / "summary.json"]
        ),
        "grid": Case(["train", root / "grid.yaml", "--runs-dir", root / "new"]),
        "evaluate": Case(
            ["evaluate", run, "--projector", "--no-features"],
            [run / "evaluation/results.json", run / "evaluation/projector/projector_config.pbtxt"],
        ),
        "compare": Case(["evaluate", run, other], [runs / "comparison/comparison.json"]),
        "visualize": Case(["visualize", run], [run / "visualization/visualization.json"]),
        "reconstruct": Case(["reconstruct", run, root / "few", "--out", out, "--error-maps"], folders=[out]),
        "reconstruct over": Case(
            ["reconstruct", run, root / "few.npy", "--out", out, "--format", "npy", "--overwrite"],
            [out / "scores.csv"],
            prepare=functools.partial(old_results, out),
        ),
        "score": Case(["score", run, root / "few", "--out", out, "--fpr", 0.4], folders=[out]),
        "score into": Case(
            ["score", run, root / "few", "--out", out], [out / "results.json"], prepare=functools.partial(out.mkdir)
        ),
        "encode npz": Case(["encode", run, root / "few", "--out", out / "codes.npz"]),
        "encode h5": Case(["encode", run, root / "few", "--out", out / "codes.h5"]),
        "decode": Case(["decode", run, root / "codes.npz", "--out", out], folders=[out]),
        "export keras": Case(["export", run, "--format", "keras", "--out", out / "model.keras", *data]),
        "export savedmodel": Case(
            ["export", run, "--format", "savedmodel", "--out", out, *data], folders=[out], prepare=old_export
        ),
        "prepare": Case(["prepare", root / "few", out, "--overwrite"], folders=[out], prepare=old_shards),
        "figure": Case(["describe", root / "a.yaml", "--figure", root / "model.svg"]),
    }


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
        except Exception:
            code = "traceback"
            traceback.print_exc()
    return code, out.getvalue(), err.getvalue()


def once(module, name, key=lambda *arguments, **options: None):
    """Have a function compute the same only once."""
    real, kept = getattr(module, name), {}

    def remembered(*arguments, **options):
        which = key(*arguments, **options)
        if which not in kept:
            kept[which] = real(*arguments, **options)
        return kept[which]

    setattr(module, name, remembered)


def compute_once():
    """Keep models, compiled steps, measurements and drawings from one call to the next."""
    from cae.engine import start_engine

    start_engine()
    import cae.comparison.compare
    import cae.comparison.events.write
    import cae.comparison.measuring
    import cae.comparison.report.page
    import cae.evaluation.results
    import cae.export.export
    import cae.features.describe
    import cae.inference.trained_autoencoder
    import cae.plan_figure.file
    import cae.runs.trained
    import cae.training.tensorboard
    import cae.visualization.results
    from cae.grid.workers import Children
    from cae.training.train import Training

    def by_weights(directory, *_):
        return directory.digest_weights()

    once(cae.runs.trained, "load_autoencoder", by_weights)
    model = cae.inference.trained_autoencoder.TrainedAutoencoder
    real_load = model.load
    model.load = lambda directory, tell=print: real_load(directory, tell)
    once(model, "load", by_weights)
    once(cae.visualization.results, "_survey")
    once(cae.visualization.results, "_draw")
    once(cae.features.describe, "take_sample", lambda network, images, **options: options["most"])
    once(cae.comparison.compare, "make_exhibits")
    once(cae.comparison.report.write, "comparison_picture")
    once(cae.comparison.events.write, "comparison_picture")
    once(cae.plan_figure.file, "draw_plan")
    # Four tenths of a training of this size, and one event of many.
    cae.training.tensorboard._write_graphs = lambda autoencoder: None
    cae.export.export.check_parity = lambda *args, **options: []
    if os.environ.get("CAE_FAULTS") != "all":
        copy_exports(cae.export.export.WRITERS)
    Children.train = lambda children, arguments: call("train", *arguments)[0]
    evaluate, write, evaluations = cae.evaluation.results.evaluate_run, cae.evaluation.results.write_evaluation, {}

    def evaluate_once(trained, measured_on, out, tell):
        def write_and_keep(folder, *files):
            evaluations[trained.weights_digest] = files
            write(folder, *files)

        if trained.weights_digest not in evaluations:
            cae.evaluation.results.write_evaluation = write_and_keep
            return evaluate(trained, measured_on, out, tell)
        write(out, *evaluations[trained.weights_digest])
        return evaluations[trained.weights_digest][0]

    cae.evaluation.results.evaluate_run = cae.comparison.measuring.evaluate_run = evaluate_once
    make_state, states = Training._make_state, {}

    def make_state_once(training):
        key = training.config.seed
        if key not in states:
            state = make_state(training)
            states[key] = state, state.to_checkpoint()
        state, start = states[key]
        state.restore(start)
        return state

    Training._make_state = make_state_once


def copy_exports(writers):
    """Have models converted once, and written by Python: what matters to files is how they take their places."""
    kept = Path(tempfile.mkdtemp(prefix="cae-exports-"))
    atexit.register(shutil.rmtree, kept)

    def copying(kind, write):
        def copy(part, path, *arguments):
            model = kept / ("model" if kind == "savedmodel" else f"model{path.suffix}")
            if not model.exists():
                write(part, model, *arguments)
            if kind == "savedmodel":
                shutil.copytree(model, path, dirs_exist_ok=True)
            else:
                shutil.copyfile(model, path)

        return copy

    for kind, write in list(writers.items()):
        writers[kind] = copying(kind, write)


def make_template(root):
    """Two trained runs, images and codes; all that commands are given."""
    import numpy as np
    from PIL import Image

    from tests.conftest import make_images

    images = make_images(24, 8, 8)
    for number, image in enumerate(images):
        for folder in ["images/train", *(["images/test", "few"] if number < 4 else [])]:
            path = root / folder / f"class{number % 2}" / f"{folder[-2:]}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    np.save(root / "few.npy", images[:3])
    for seed, name in enumerate("abc"):
        text = CONFIG.format(name=name, seed=seed % 2, images=root / "images")
        (root / f"{name}.yaml").write_text(text)
        if name != "c":
            check(call("train", root / f"{name}.yaml", "--runs-dir", root / "runs"))
    (root / "grid.yaml").write_text(CONFIG.format(name="g", seed=0, images=root / "images") + GRID)
    check(call("encode", root / "runs/e/a", root / "few", "--out", root / "codes.npz"))
    shutil.rmtree(root / "cache")


def check(called):
    assert called[0] == 0, called[2]
    return called


def arm(root, number, mode):
    shim.faults_arm(os.fsencode(root), ctypes.c_long(number), mode)


@contextlib.contextmanager
def faults(root, number, mode):
    """Gives a list that holds, after the block, the steps that were taken."""
    steps = []
    arm(root, number, mode)
    try:
        yield steps
    finally:
        steps += [shim.faults_name(step).decode() for step in range(1, shim.faults_count() + 1)]
        arm("", 0, COUNT)


def read(path):
    """Read a file back with another program's eyes; raises where it is not whole."""
    import h5py
    import numpy as np
    from PIL import Image

    if path.suffix in (".json",):
        json.loads(path.read_text())
    elif path.suffix == ".jsonl":
        for line in path.read_text().splitlines():
            json.loads(line)
    elif path.suffix == ".csv":
        rows = list(csv.reader(path.read_text().splitlines()))
        assert len({len(row) for row in rows}) == 1
    elif path.suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            assert [arrays[name] for name in arrays.files]
    elif path.suffix == ".npy":
        np.load(path)
    elif path.suffix == ".h5":
        with h5py.File(path) as file:
            file.visititems(lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None)
    elif path.suffix in (".html", ".svg"):
        assert path.read_text().rstrip().endswith(f"</{path.suffix[1:]}>")
    elif path.suffix == ".keras":
        import zipfile

        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


def names_in(folder):
    """Names of the files below a folder, those alike whose names carry times, and none of hidden leftovers."""
    found = set()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not any(HIDDEN.match(part) for part in path.relative_to(folder).parts):
            found.add(re.sub(r"tfevents\.[^/]*?(\.\w+)?$", r"tfevents\1", name))
    return found


def content_of(folder):
    return {name: (folder / name).read_bytes() for name in names_in(folder) if "tfevents" not in name}


class Loop:
    def __init__(self, root, template, case):
        self.root, self.template, self.case = root, template, case
        self.folders_before = {}

    def reset(self):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root)
        if self.case.prepare is not None:
            self.case.prepare()
        self.folders_before = {folder: names_in(folder) for folder in self.case.folders if folder.exists()}

    def count(self):
        """Run it without a fault, twice, for what is computed once; notes the steps and what is there in the end."""
        for _ in range(2):
            self.reset()
            with faults(self.root, 0, COUNT) as self.steps:
                check(call(*self.case.arguments))
        # What only saves time may be missing: commands go on without a cache.
        self.expected = {name for name in names_in(self.root) if not name.startswith("cache/")}
        self.folders_after = {folder: names_in(folder) for folder in self.case.folders}
        return len(self.steps)

    def meet(self, number):
        """Meet a fault, then death at the same step of the next try, and then none; gives what is wrong on the way."""
        self.reset()
        problems = self.try_once(number, ONCE)
        if problems or self.is_done():
            self.reset()
        problems += self.try_once(number, DEAD)
        code, _, err = call(*self.case.arguments)
        # What is there whole need not be made again.
        if code != 0 and not ("already" in err and self.is_done()):
            problems.append(f"does not go through afterwards: {err[-300:]}")
        problems += [f"afterwards {problem}" for problem in self.look()]
        if not self.is_done():
            problems.append(f"afterwards missing: {sorted(self.expected - names_in(self.root))}")
        if left := [str(path) for path in self.root.rglob(".*") if HIDDEN.match(path.name)]:
            problems.append(f"left: {left}")
        return problems

    def marks_from(self, mark):
        """A mark, and those of folders in its folder."""
        return [mark, *(one for one in self.case.marks if mark.parent in one.parent.parents)]

    def is_done(self):
        """Whether all files are there that the command writes."""
        return self.expected <= names_in(self.root)

    def try_once(self, number, mode):
        with faults(self.root, number, mode):
            code, _, err = call(*self.case.arguments)
        problems = []
        if code == "traceback" or "Traceback" in err:
            problems.append(f"traceback: {err[-1500:]}")
        elif code not in (0, 1):
            problems.append(f"exit code {code}: {err[-300:]}")
        elif code == 1 and "error:" not in err and "failed" not in err:
            problems.append(f"no reason: {err[-300:]}")
        way = {ONCE: "fails once", DEAD: "is the last"}[mode]
        return [
            f"where step {number} ({self.steps[number - 1]}) {way}: {problem}" for problem in problems + self.look()
        ]

    def look(self):
        problems = []
        for name in names_in(self.root):
            if "tfevents" in name:
                continue
            try:
                read(self.root / name)
            except Exception as error:
                problems.append(f"{name} is not whole: {error!r}"[:300])
        for mark in self.case.marks:
            if mark.exists() and '"status": "failed"' not in mark.read_text():
                here, *others = (f"{one.parent.relative_to(self.root)}/" for one in self.marks_from(mark))
                missing = {name for name in self.expected - names_in(self.root) if name.startswith(here)}
                if missing := {name for name in missing if not name.startswith(tuple(others))}:
                    problems.append(f"{mark.name} is there without {sorted(missing)}")
        for folder in self.case.folders:
            found = names_in(folder) if folder.exists() else None
            if found not in (self.folders_before.get(folder), self.folders_after[folder]):
                problems.append(f"{folder} is neither old nor new: {sorted(found or ['absent'])}")
        return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--stop", type=int)
    parser.add_argument("--way", choices=["dead", "kill"])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    shim.faults_name.restype, shim.faults_name.argtypes = ctypes.c_char_p, [ctypes.c_long]
    shim.faults_count.restype = ctypes.c_long
    template, root = options.folder / "template", options.folder / "root"
    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    root.mkdir(parents=True)
    compute_once()
    make_template(root)
    root.rename(template)
    for name in options.cases:
        loop = Loop(root, template, make_cases(root)[name])
        started, number, found = time.monotonic(), loop.count(), []
        once = time.monotonic() - started
        if options.profile:
            import cProfile

            loop.reset()
            cProfile.runctx("call(*loop.case.arguments)", globals(), {"loop": loop}, sort="cumtime")
            continue
        if options.stop is not None:
            loop.reset()
            step = random.Random(options.stop).randint(1, number)
            with faults(root, step, KILL if options.way == "kill" else DEAD):
                call(*loop.case.arguments)
            return
        print(f"{name}: {number} steps, {once:.2f} s for two calls", file=sys.stderr, flush=True)
        for step in range(1 + random.Random(name).randrange(options.every), number + 1, options.every):
            found += [f"{name}, step {step}: {problem}" for problem in loop.meet(step)]
        seconds = time.monotonic() - started
        print(
            json.dumps({"case": name, "steps": number, "once": once, "seconds": seconds, "problems": found}), flush=True
        )


if __name__ == "__main__":
    main()
