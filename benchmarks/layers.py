"""Single layers, forward and with their gradients, beside stock Keras and PyTorch.

    python -m benchmarks.layers --json OUT [--quick] [--layers ...] [--shapes ...] [--compute-types ...]

Measured are decoder stages (enlarge, convolve, ReLU) of every kind, max pooling that remembers its maxima, unpooling,
and both together; Keras pools with argmax and unpools with a scatter. Outputs and gradients of the same weights and
inputs are compared first: where they differ, the figures are refused.
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
from benchmarks.record import Measurement, count_repetitions, make_parser, save, tell
from benchmarks.single import LAYERS, SHAPES, LayerTask
from benchmarks.timing import take_turns

LIBRARIES = {
    "cae": "benchmarks.contestants.our_layer",
    "keras": "benchmarks.contestants.plain_layer",
    "torch": "benchmarks.contestants.torch_layer",
}
DIRECTIONS = ("forward", "forward and backward")
COMPUTE_TYPES = ("float32", "bfloat16")
# How far outputs and gradients may differ, as a share of their greatest magnitude.
TOLERANCES = {"float32": 1e-4, "bfloat16": 4e-2}


def main() -> int:
    """Measure all that the options ask for."""
    parser = make_parser(__doc__, repetitions=7)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), metavar="SHAPE")
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=LAYERS, metavar="LAYER", help=", ".join(LAYERS))
    parser.add_argument(
        "--compute-types", nargs="+", choices=COMPUTE_TYPES, default=COMPUTE_TYPES, metavar="TYPE", dest="types"
    )
    options = parser.parse_args()
    libraries = [name for name in LIBRARIES if name == "cae" or importlib.util.find_spec(name)]
    measurements = []
    for shape in options.shapes:
        for compute_type in options.types:
            for layer in options.layers:
                task = LayerTask(layer, SHAPES[shape], SHAPES[shape][3] // 2, compute_type)
                seconds = 0.05 if options.quick else 0.3
                found = measure(task, shape, libraries, count_repetitions(options), seconds)
                for measurement in found:
                    tell(measurement)
                measurements += found
    return save("layers", options, measurements)


def measure(
    task: LayerTask, shape: str, libraries: Sequence[str], repetitions: int, seconds: float
) -> list[Measurement]:
    """Let the libraries run one layer in turns; one measurement for each direction.

    Args:
        task: the layer.
        shape: its shape's name.
        libraries: keys of `LIBRARIES`.
        repetitions: rounds.
        seconds: how long each library's turn is, about.
    """
    measurements = []
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(Child(LIBRARIES[name], **task.words())) for name in libraries}
        refused, differences = _compare(children, task)
        for direction in DIRECTIONS:
            case = {"shape": shape, "type": task.compute_type, "layer": task.layer, "direction": direction}
            values: dict[str, list[float]] = {}
            if not refused:
                measures = [_milliseconds(name, child, direction, seconds) for name, child in children.items()]
                values = take_turns(measures, repetitions)
            facts = {"greatest_difference": differences}
            measurements.append(Measurement(case, "ms", values, more_is_better=False, facts=facts, refused=refused))
    return measurements


def _milliseconds(name: str, child: Child, direction: str, seconds: float) -> Callable[[], dict[str, float]]:
    """Warm up, find out how many calls fit into a turn, and give what measures them."""
    child.ask("time", what=direction, calls=1)
    calls = max(1, round(seconds / child.ask("time", what=direction, calls=2)))
    return lambda: {name: 1e3 * child.ask("time", what=direction, calls=calls)}


def _compare(children: Mapping[str, Child], task: LayerTask) -> tuple[str | None, dict[str, float]]:
    """Why the layers must not be compared, if so, and by how much they differ for the same weights and inputs.

    Differences are the greatest of output and gradients, each as a share of its greatest magnitude.
    """
    counts = {name: child.ask("count_parameters") for name, child in children.items()}
    if len(set(counts.values())) > 1:
        return f"the numbers of parameters differ: {counts}", {}
    made = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        weights, inputs = str(Path(folder, "weights.npz")), str(Path(folder, "inputs.npz"))
        write_arrays(inputs, task.make_inputs())
        first, *others = children
        children[first].ask("save_weights", path=weights)
        for name, child in children.items():
            if name != first:
                child.ask("load_weights", path=weights)
            out = str(Path(folder, f"{name}.npz"))
            child.ask("load_inputs", path=inputs)
            child.ask("write_results", out=out)
            made[name] = read_arrays(out)
    differences = {name: greatest_difference(made[name], made[first]) for name in others}
    if not all(difference <= TOLERANCES[task.compute_type] for difference in differences.values()):
        return f"outputs or gradients differ from {first}'s: {differences}", differences
    return None, differences


def greatest_difference(arrays: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """The greatest difference of any pair of arrays, each as a share of the second's greatest magnitude."""
    pairs = zip(arrays, others, strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12)) for a, b in pairs)


if __name__ == "__main__":
    sys.exit(main())
