"""The form that a rule of `cae.plan.lowering` chooses, beside the other one, on this processor and on lesser ones.

    python -m benchmarks.forms --json OUT [--quick] [--instructions ...]

One rule asks for the processor: whether forms with fewer multiplications are the faster ones. Whole training steps are
taken both ways. What oneDNN, which computes the convolutions, may use of the processor is limited by its variable
ONEDNN_MAX_CPU_ISA.
"""

from __future__ import annotations

import contextlib
import sys

from benchmarks.children import Child
from benchmarks.machine import cpu_flags
from benchmarks.models import PRECISIONS, SIZES
from benchmarks.record import OURS, Measurement, count_repetitions, make_parser, save, tell
from benchmarks.timing import take_turns
from benchmarks.training import make_task
from cae.plan import lowering

# oneDNN's name of a set of instructions, with what the processor must have for it.
INSTRUCTIONS = {
    "AVX2": "avx2",
    "AVX512_CORE": "avx512f",
    "AVX512_CORE_BF16": "avx512_bf16",
    "AVX512_CORE_AMX": "amx_bf16",
}
# Of others the two forms are the same but for the last convolution, which all have.
KINDS = ("resize_nearest", "fixed_unpool", "conv_transpose_3")
_OTHER = "other form"


def main() -> int:
    """Measure with each set of instructions that is here."""
    parser = make_parser(__doc__, repetitions=5)
    here = [name for name, flag in INSTRUCTIONS.items() if flag in cpu_flags()]
    parser.add_argument("--instructions", nargs="+", choices=here, default=here, metavar="SET", help=", ".join(here))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), metavar="SIZE", help=", ".join(SIZES))
    options = parser.parse_args()
    measurements = []
    for instructions in options.instructions:
        # oneDNN has no convolution of bfloat16 for AVX2.
        for precision in PRECISIONS[: 1 if instructions == "AVX2" else None]:
            for size in options.sizes:
                for kind in KINDS[:1] if options.quick else KINDS:
                    case = {"instructions": instructions, "size": size, "precision": precision, "kind": kind}
                    measurements.append(measure(case, count_repetitions(options), quick=options.quick))
                    tell(measurements[-1])
    return save("forms", options, measurements)


def measure(case: dict[str, str], repetitions: int, *, quick: bool) -> Measurement:
    """Images a second in the form that the rule chooses, and in the other one, in turns."""
    size, instructions = SIZES[case["size"]], case["instructions"]
    task = make_task(case["kind"], size, case["precision"])
    steps = max(2, size.steps // 4) if quick else size.steps
    device = lowering.Device(has_matrix_units=instructions.endswith("AMX"))
    chosen = lowering._Target(device, task.compute_type, training=True).multiplications_count
    with contextlib.ExitStack() as stack:
        children = {
            name: stack.enter_context(
                Child(
                    "benchmarks.contestants.our_forms",
                    {"ONEDNN_MAX_CPU_ISA": instructions},
                    fewer_multiplications=fewer,
                    rounds_of=steps,
                    **task.words(),
                )
            )
            for name, fewer in ((OURS, chosen), (_OTHER, not chosen))
        }
        for child in children.values():
            child.ask("train", steps=1)
            child.ask("train", steps=steps)

        def rate(name: str) -> dict[str, float]:
            return {name: steps * size.batch_size / children[name].ask("train", steps=steps)["cae"]}

        values = take_turns([lambda: rate(OURS), lambda: rate(_OTHER)], repetitions)
    return Measurement(case, "images/s", values)


if __name__ == "__main__":
    sys.exit(main())
