"""Training steps of each decoder kind, beside plain Keras, PyTorch and the machine's limit.

    python -m benchmarks.training --json OUT [--quick] [--sizes ...] [--kinds ...] [--precisions ...]

Every contestant trains the same model on images in memory: the same function of the same weights, which is checked
before a figure counts, as many parameters, mean squared error, Adam. The program also computes what it logs (MAE, PSNR,
SSIM, gradient norm), and reads through its own stream of batches.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.children import Child
from benchmarks.contestants.exchange import read_arrays, write_arrays
from benchmarks.models import KERAS_ONLY, KINDS, PRECISIONS, SIZES, Size, Task, plan_task, training_flops
from benchmarks.pictures import make_pictures
from benchmarks.record import Measurement, count_repetitions, make_parser, save, tell
from benchmarks.timing import summarise, take_turns

LIBRARIES = {
    "cae": "benchmarks.contestants.ours",
    "keras": "benchmarks.contestants.plain_keras",
    "torch": "benchmarks.contestants.pytorch",
}
# How far reconstructions in [0, 1] may differ for the same weights.
TOLERANCES = {"float32": 1e-4, "mixed_bfloat16": 5e-2}
_CHECKED_IMAGES = 8
# Resizing convolves many more pixels than a transposed convolution: what is left of that difference.
_PAIR = ("resize_nearest", "conv_transpose_3")


def main() -> int:
    """Measure all that the options ask for."""
    parser = make_parser(__doc__, repetitions=5)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), metavar="SIZE", help=", ".join(SIZES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), metavar="PRECISION")
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=_present(), metavar="LIBRARY")
    options = parser.parse_args()
    repetitions = count_repetitions(options)
    measurements = []
    for size_name in options.sizes:
        size = SIZES[size_name]
        steps = max(2, size.steps // 4) if options.quick else size.steps
        for precision in options.precisions:
            for kind in options.kinds:
                case = {"size": size_name, "precision": precision, "kind": kind}
                libraries = [one for one in options.libraries if one != "torch" or kind not in KERAS_ONLY]
                measurements.append(measure(case, size, libraries, repetitions, steps))
                tell(measurements[-1])
            if set(_PAIR) <= set(options.kinds):
                measurements += compare_kinds(size_name, precision, options.libraries, repetitions, steps)
    return save("training", options, measurements)


def measure(case: Mapping[str, str], size: Size, libraries: Sequence[str], repetitions: int, steps: int) -> Measurement:
    """Let the libraries train one model in turns."""
    task = make_task(case["kind"], size, case["precision"])
    plan = plan_task(task)
    flops = training_flops(plan, task.compute_type)
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(_start(name, task, steps)) for name in libraries}
        peak = stack.enter_context(Child("benchmarks.limit", compute_type=task.compute_type))
        refused, facts = _compare(children, task)
        facts |= {"parameters": plan.parameters, "flops_per_image": flops}
        if refused:
            return Measurement(case, "images/s", {}, facts=facts, refused=refused)
        for child in children.values():
            _warm_up(child, steps)
        measures = [_images_per_second(child, task.batch_size, steps) for child in children.values()]
        values = take_turns([*measures, lambda: {"peak": peak.ask("measure")}], repetitions)
    peaks = values.pop("peak")
    facts["peak_flops"] = {**summarise(peaks), "values": peaks}
    for name, rates in values.items():
        shares = [rate * flops / limit for rate, limit in zip(rates, peaks, strict=True)]
        facts[f"share_of_peak {name}"] = summarise(shares)["median"]
    return Measurement(case, "images/s", values, facts=facts)


def compare_kinds(
    size_name: str, precision: str, libraries: Sequence[str], repetitions: int, steps: int
) -> list[Measurement]:
    """Let each library train two kinds in turns: resizing is told as a share of the transposed convolution's speed."""
    size, measurements = SIZES[size_name], []
    tasks = {kind: make_task(kind, size, precision) for kind in _PAIR}
    for library in libraries:
        with contextlib.ExitStack() as stack:
            children = {kind: stack.enter_context(_start(library, task, steps)) for kind, task in tasks.items()}
            for child in children.values():
                _warm_up(child, steps)
            rates = take_turns(
                [_named(kind, _images_per_second(child, size.batch_size, steps)) for kind, child in children.items()],
                repetitions,
            )
        shares = [a / b for a, b in zip(*(rates[kind] for kind in _PAIR), strict=True)]
        case = {"size": size_name, "precision": precision, "kind": " against ".join(_PAIR), "library": library}
        facts = {"share": summarise(shares)["median"], "shares": shares}
        measurements.append(Measurement(case, "images/s", rates, facts=facts))
        tell(measurements[-1])
    return measurements


def make_task(kind: str, size: Size, precision: str) -> Task:
    """The task of a kind at a size."""
    return Task(kind, list(size.image_shape), list(size.filters), size.batch_size, precision)


def _present() -> list[str]:
    """The libraries that are installed."""
    return [name for name in LIBRARIES if name == "cae" or importlib.util.find_spec(name)]


def _start(library: str, task: Task, steps: int) -> Child:
    return Child(LIBRARIES[library], rounds_of=steps, **task.words())


def _warm_up(child: Child, steps: int) -> None:
    """Trace, compile and fill caches: a first call, and one as it will be measured."""
    child.ask("train", steps=1)
    child.ask("train", steps=steps)


def _images_per_second(child: Child, batch_size: int, steps: int) -> Callable[[], dict[str, float]]:
    return lambda: {name: steps * batch_size / seconds for name, seconds in child.ask("train", steps=steps).items()}


def _named(kind: str, measure: Callable[[], dict[str, float]]) -> Callable[[], dict[str, float]]:
    """Tell a contestant's last figure under the kind's name: of Keras, that of its batches alone."""
    return lambda: {kind: list(measure().values())[-1]}


def _compare(children: Mapping[str, Child], task: Task) -> tuple[str | None, dict[str, object]]:
    """Give all contestants the first one's weights; says why they must not be compared, and by how much they differ."""
    counts = {name: child.ask("count_parameters") for name, child in children.items()}
    if len(set(counts.values())) > 1:
        return f"the numbers of parameters differ: {counts}", {}
    height, width, channels = task.image_shape
    made: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        weights, images = str(Path(folder, "weights.npz")), str(Path(folder, "images.npz"))
        write_arrays(images, [make_pictures(_CHECKED_IMAGES, (height, width, channels)) / 255.0])
        first, *others = children
        if others:
            children[first].ask("save_weights", path=weights)
        for name, child in children.items():
            if name != first:
                child.ask("load_weights", path=weights)
            out = str(Path(folder, f"{name}.npz"))
            child.ask("reconstruct", images=images, out=out)
            made[name] = read_arrays(out)[0]
    differences = {name: float(np.abs(made[name] - made[first]).max()) for name in others}
    facts: dict[str, object] = {"greatest_difference": differences}
    if not all(difference <= TOLERANCES[task.precision] for difference in differences.values()):
        return f"reconstructions differ from {first}'s for the same weights: {differences}", facts
    return None, facts


if __name__ == "__main__":
    sys.exit(main())
