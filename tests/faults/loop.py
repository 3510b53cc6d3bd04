"""`python -m tests.faults.loop FOLDER COMMAND ...` lets each command meet a fault at each of its steps.

Runs with the shim before the C library (LD_PRELOAD). Whatever changes a file below FOLDER counts as a step. At each
step in its turn, or with `--seed` at one of each kind, the command, from the same start every time, meets each WAY: the
step fails once (`once`), it and all that follow fail (`full`), or the process is killed there by SIGKILL (`kill`).
After each fault every file must be whole or absent, and the same command must go through. Prints a line of JSON for
each command.

All kills of a command share one process, forked for it, since what a kill leaves is what is there when it comes: the
process stops at each step, a copy of the files is taken, and at the last of the steps it is killed indeed.

TensorFlow starts once for all of this, and nothing is computed again: only the writing of files is tried.
"""

import argparse
import atexit
import contextlib
import csv
import ctypes
import functools
import gc
import hashlib
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
from PIL import Image

from tests.conftest import make_images

COUNT, ONCE, FULL, STOP = range(4)
WAYS = {"once": ONCE, "full": FULL, "kill": STOP}
FEWEST = 20  # steps that a command meets, where it has so many
# What differs between steps of one kind: random parts of names, numbers, the run.
VARIABLE = re.compile(r"writing-.{8}|\.[0-9]+\.[^/]*|[0-9a-f]{32}|\d+|(?<=/e/)[^/ ]+")
HIDDEN = re.compile(r"\.(writing-|whole|old-)")
SECONDS = 60
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

shim = ctypes.CDLL(None)


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
    """Keep what is computed from one call to the next, and let nothing wait for threads, which a fork does not have."""
    os.cpu_count = lambda: 1  # fewer threads to read images, whose starts take longer than these
    os.environ["OMP_NUM_THREADS"] = "1"  # for scikit-learn, which comes with TensorFlow and finds neighbours for scores
    from cae.engine import start_engine

    start_engine()
    import tensorflow as tf

    # With a single thread each, what is left to compute is computed where it is called for, in a fork too.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import cae.commands.main
    import cae.comparison.compare
    import cae.comparison.events.write
    import cae.comparison.measuring
    import cae.comparison.report.page
    import cae.config.yaml.files
    import cae.data.dividing
    import cae.data.lossy
    import cae.evaluation.results
    import cae.exporting.export
    import cae.features.describe
    import cae.inference.trained_autoencoder
    import cae.plan_figure.draw
    import cae.runs.trained
    import cae.training.train
    import cae.visualization.results
    from cae.grid.runner import Children

    def by_weights(directory, *_):
        return directory.digest_weights()

    once(cae.config.yaml.files, "read_yaml", lambda text, source, **options: (text, source, *options.values()))
    once(cae.runs.trained, "load_autoencoder", by_weights)
    model = cae.inference.trained_autoencoder.TrainedAutoencoder
    real_load = model.load
    model.load = lambda directory, tell=print: real_load(directory, tell)
    once(model, "load", by_weights)
    once(cae.visualization.results, "_survey")
    once(cae.visualization.results, "_draw")
    once(cae.features.describe, "take_sample", lambda network, images, **options: options["most"])
    once(cae.comparison.compare, "make_exhibits")
    once(cae.comparison.compare, "describe_environment")
    once(cae.comparison.report.page, "comparison_picture")
    once(cae.comparison.report.page, "render_page")
    once(cae.comparison.events.write, "comparison_picture")
    once(cae.plan_figure.draw, "draw_plan")
    once(cae.data.dividing, "find_shared")
    once(cae.data.lossy, "warn_of_loss")
    once(cae.training.train, "describe_environment")
    once(cae.comparison.report.page, "render_markdown")
    once(cae.visualization.results, "make_page")
    once(cae.config.yaml.files, "to_yaml", repr)
    once(cae.commands.main, "_make_parser", lambda arguments: arguments[0])
    encode_pictures_once()
    draw_plan_once()
    # Gives back the memory of models, of which there are no new ones here.
    cae.comparison.measuring.keras = cae.comparison.measuring.gc = SimpleNamespace(
        backend=SimpleNamespace(clear_session=int), collect=int
    )
    cae.exporting.export.check_parity = lambda *args, **options: []
    copy_exports(cae.exporting.export.WRITERS)
    Children.train = lambda children, arguments: call("train", *arguments)[0]
    evaluate_once()
    replace_networks()
    replace_steps()
    read_records_here()


def encode_pictures_once():
    save, kept = Image.Image.save, {}

    def save_bytes(image, target, format="PNG", **options):
        if options:
            return save(image, target, format, **options)
        key = image.tobytes(), image.size, format
        if key not in kept:
            encoded = io.BytesIO()
            save(image, encoded, format)
            kept[key] = encoded.getvalue()
        with open(target, "wb") if isinstance(target, str | Path) else contextlib.nullcontext(target) as file:
            file.write(kept[key])
        return None

    Image.Image.save = save_bytes


def draw_plan_once():
    import cae.plan_figure.draw

    class Canvas(cae.plan_figure.draw.FigureCanvasSVG):
        kept = None

        def print_svg(self, path, **options):
            if self.kept is None:
                drawn = io.StringIO()
                super().print_svg(drawn, **options)
                Canvas.kept = drawn.getvalue().splitlines(keepends=True)
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(self.kept)

    cae.plan_figure.draw.FigureCanvasSVG = Canvas


def evaluate_once():
    import cae.comparison.measuring
    import cae.evaluation.results

    evaluate, write, evaluations = cae.evaluation.results.evaluate_run, cae.evaluation.results.write_evaluation, {}

    def evaluate_or_write(trained, measured_on, out, tell):
        def write_and_keep(folder, *files):
            evaluations[trained.weights_digest] = files
            write(folder, *files)

        if trained.weights_digest not in evaluations:
            cae.evaluation.results.write_evaluation = write_and_keep
            return evaluate(trained, measured_on, out, tell)
        write(out, *evaluations[trained.weights_digest])
        return evaluations[trained.weights_digest][0]

    cae.evaluation.results.evaluate_run = cae.comparison.measuring.evaluate_run = evaluate_or_write


def replace_networks():
    """Networks that need no arithmetic."""
    from cae.inference.network import Network

    def fill(inputs, shape):
        return np.full((len(inputs), *shape), 0.5, np.float32) * inputs.mean(dtype=np.float32)

    Network.reconstruct = lambda network, images: images * np.float32(0.9)
    Network.encode = lambda network, images: fill(images, network.code_shape)
    Network.decode = lambda network, codes: fill(codes, network.plan.image_shape)


def replace_steps():
    """Trainings that read the images, count their steps and change a weight, and compute nothing."""
    import cae.training.loop
    import cae.training.tensorboard
    from cae.data.pixels import to_float
    from cae.training.step import Steps
    from cae.training.train import Training

    make_state, states = Training._make_state, {}

    def make_state_once(training):
        key = training.config.seed
        if key not in states:
            state = make_state(training)
            states[key] = state, state.to_checkpoint()
        state, start = states[key]
        state.restore(start)
        return state

    def read_batches(images, size, *_, **__):
        for first in range(0, len(images), size):
            yield to_float(images.read(np.arange(first, min(first + size, len(images)))))

    def train(steps, batches, number, sums):
        for _ in range(number):
            next(batches)
        steps.step.assign_add(number)
        kernel = steps.autoencoder.model.trainable_variables[0]
        kernel.assign(kernel * 1.01)
        return sums + 1

    Training._make_state = make_state_once
    cae.training.train.make_training_batches = cae.training.loop.make_batches = read_batches
    cae.training.tensorboard.make_batches = read_batches
    Steps.train = train
    Steps.validate = lambda steps, batches, number: steps.zero_sums() + 1
    Steps.reconstruct = lambda steps, images, number, count: (images, images, images)
    # Traces the model; one event of many.
    cae.training.tensorboard._write_graphs = lambda autoencoder: None


def read_records_here():
    """Read event files without the threads of tf.data."""
    import tensorflow as tf
    from tensorflow.python.lib.io import _pywrap_record_io

    tf.data.TFRecordDataset = lambda path: SimpleNamespace(
        as_numpy_iterator=lambda: iter(_pywrap_record_io.RecordIterator(path, ""))
    )


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


def check(called):
    assert called[0] == 0, called[2]
    return called


@contextlib.contextmanager
def faults(root, number, mode, stops=()):
    """Gives a list that holds, after the block, the steps that were taken."""
    steps = []
    shim.faults_arm(os.fsencode(root), ctypes.c_long(number), mode)
    for stop in stops:
        shim.faults_stop_at(ctypes.c_long(stop))
    try:
        yield steps
    finally:
        steps += [shim.faults_name(step).decode() for step in range(1, shim.faults_count() + 1)]
        shim.faults_arm(b"", 0, COUNT)


def fork_that_stops(root, numbers, arguments):
    """Begin a command in a process of its own that stops at these steps."""
    child = os.fork()
    if not child:
        code = 1
        try:
            with faults(root, 0, STOP, numbers):
                code = call(*arguments)[0]
        finally:
            os._exit(code if isinstance(code, int) else 1)
    return child


def wait_for_stop(child):
    """Wait until a process stops; gives why it does not."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if found:
            return "" if os.WIFSTOPPED(status) else f"ended with {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.001)
    kill(child)
    return "does not end"


def kill(child):
    """Kill a process; gives its exit code, -9 for the kill."""
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@functools.cache
def read(path, digest):
    """Read a file back with another program's eyes, once for the same bytes; gives what is wrong."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            *lines, end = path.read_text().split("\n")
            for line in lines:
                json.loads(line)
            # Files that grow by lines are read up to where a kill has cut the last one.
            assert not end or path.name == "metrics.jsonl"
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
    except Exception as error:
        return f"{path} is not whole: {error!r}"[:300]
    return ""


def kind_of(step):
    """What is done to what: the ending of the file, or its name, or that of the folder."""
    operation, _, path = VARIABLE.sub("", step).partition(" ")
    name = path.rpartition("/")[2]
    return operation, Path(name).suffix or name


def files_in(folder):
    """Paths of the files below a folder by their names, those alike whose names carry times; no hidden leftovers."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not HIDDEN.match(name)]
        for file in files:
            if not HIDDEN.match(file):
                path = os.path.join(place, file)
                name = re.sub(r"tfevents\.[^/]*?(\.\w+)?$", r"tfevents\1", os.path.relpath(path, folder))
                found[name] = Path(path)
    return found


class Loop:
    def __init__(self, root, template, case):
        self.root, self.template, self.case = root, template, case
        self.folders_before = {}

    def reset(self):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root)
        if self.case.prepare is not None:
            self.case.prepare()
        self.folders_before = {folder: set(files_in(folder)) for folder in self.case.folders if folder.exists()}

    def count(self):
        """Run it without a fault, twice, for what is computed once; notes the steps and what is there in the end."""
        for _ in range(2):
            self.reset()
            with faults(self.root, 0, COUNT) as self.steps:
                check(call(*self.case.arguments))
        # What only saves time may be missing: commands go on without a cache.
        self.expected = {name for name in files_in(self.root) if not name.startswith("cache/")}
        self.folders_after = {folder: set(files_in(folder)) for folder in self.case.folders}
        return len(self.steps)

    def choose(self, seed, ways):
        """One step of each kind with one of the ways, and with the next seed others; more steps where these are few.

        Of a command that repeats others, any few.
        """
        kinds = {}
        for number, step in enumerate(self.steps, start=1):
            kinds.setdefault(kind_of(step), []).append(number)
        # A kind of few steps meets each of them in every way, too: its steps change when its ways have all been.
        chosen = [] if self.case.repeats else [numbers[seed // len(ways) % len(numbers)] for numbers in kinds.values()]
        others = sorted(set(range(1, 1 + len(self.steps))) - set(chosen))
        chosen += random.Random(seed).sample(others, min(len(others), max(0, FEWEST - len(chosen))))
        return [(step, ways[(seed + at) % len(ways)]) for at, step in enumerate(chosen)]

    def meet(self, chosen):
        """Meet faults, and after each of them none; gives what is wrong on the way."""
        problems = []
        for number, way in chosen:
            if way != "kill":
                self.reset()
                problems += self.recover(number, way, self.suffer(number, way))
        kills = sorted(number for number, way in chosen if way == "kill")
        copies, ending = self.kill_at(kills) if kills else ([], "")
        for number, copy in zip(kills, copies, strict=False):  # fewer where it ended before
            shutil.rmtree(self.root)
            copy.rename(self.root)
            problems += self.recover(number, "kill", [])
        return problems + ([f"not killed at {kills[len(copies)]}: {ending}"] if ending else [])

    def suffer(self, number, way):
        with faults(self.root, number, WAYS[way]):
            code, _, err = call(*self.case.arguments)
        if "Traceback" in err or "--debug shows where" in err:
            return [f"an error that nobody thought of: {err[-1500:]}"]
        if code not in (0, 1):
            return [f"exit code {code}: {err[-300:]}"]
        return [] if code == 0 or "error:" in err or "failed" in err else [f"no reason: {err[-300:]}"]

    def kill_at(self, numbers):
        """What kills at these steps leave: copies of all files, and why there are fewer."""
        self.reset()
        copies, child = [], fork_that_stops(self.root, numbers, self.case.arguments)
        for number in numbers:
            if ending := wait_for_stop(child):
                return copies, ending
            if number == numbers[-1] and (code := kill(child)) != -signal.SIGKILL:
                return copies, f"ended with {code}"
            copies.append(self.root.with_name(f"left-{number}"))
            shutil.copytree(self.root, copies[-1], symlinks=True)
            if number != numbers[-1]:
                os.kill(child, signal.SIGCONT)
        return copies, ""

    def recover(self, number, way, problems):
        """Look at what a fault has left, and go on from there; gives these problems and what is wrong besides."""
        problems = problems + self.look()
        code, _, err = call(*self.case.arguments)
        # What is there whole need not be made again.
        if code != 0 and not ("already" in err and self.is_done()):
            problems.append(f"does not go through afterwards: {err[-300:]}")
        problems += [f"afterwards {problem}" for problem in self.look()]
        if not self.is_done():
            problems.append(f"afterwards missing: {sorted(self.expected - files_in(self.root).keys())}")
        if left := [str(path) for path in self.root.rglob(".*") if HIDDEN.match(path.name)]:
            problems.append(f"left: {left}")
        problems += [f"not as its checksum says: {finding}" for finding in self.verify()]
        return [f"step {number} ({self.steps[number - 1]}), {way}: {problem}" for problem in problems]

    def verify(self):
        """Files that are not what the checksums of their folder say."""
        from cae.runs.checksums import verify

        found = [finding for checksums in self.root.rglob("checksums.json") for finding in verify(checksums.parent)]
        return [finding for finding in found if finding.state in ("changed", "missing")]

    def marks_from(self, mark):
        """A mark, and those of folders in its folder."""
        return [mark, *(one for one in self.case.marks if mark.parent in one.parent.parents)]

    def is_done(self):
        """Whether all files are there that the command writes."""
        return self.expected <= files_in(self.root).keys()

    def look(self):
        found, problems = files_in(self.root), []
        for name, path in found.items():
            if "tfevents" not in name:
                problems.append(read(path, hashlib.sha256(path.read_bytes()).digest()))
        for mark in self.case.marks:
            if mark.exists() and '"status": "failed"' not in mark.read_text():
                here, *others = (f"{one.parent.relative_to(self.root)}/" for one in self.marks_from(mark))
                missing = {name.removeprefix(here) for name in self.expected - found.keys() if name.startswith(here)}
                others = tuple(other.removeprefix(here) for other in others)
                if missing := {n for n in missing if not n.startswith(others) and self.case.later not in n}:
                    problems.append(f"{mark.name} is there without {sorted(missing)}")
        for folder in self.case.folders:
            inside = set(files_in(folder)) if folder.exists() else None
            if inside not in (self.folders_before.get(folder), self.folders_after[folder]):
                problems.append(f"{folder} is neither old nor new: {sorted(inside or ['absent'])}")
        return list(filter(None, problems))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["once", "kill"])
    parser.add_argument("--seed", type=int, help="one step of each kind and one way each, with the next seed others")
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
        before, number = cpu_seconds(), loop.count()
        # What is there by now stays; forks need not copy what the garbage collector would touch.
        gc.collect()
        gc.freeze()
        if options.seed is None:
            chosen = list(itertools.product(range(1, 1 + number), options.ways))
        else:
            chosen = loop.choose(options.seed, options.ways)
        found = [f"{name}, {problem}" for problem in loop.meet(chosen)]
        told = {
            "case": name,
            "steps": number,
            "met": len(chosen),
            "seconds": round(cpu_seconds() - before, 2),
            "problems": found,
        }
        print(json.dumps(told), flush=True)


def cpu_seconds():
    """Of this process and those that it forked."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
