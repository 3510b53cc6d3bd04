"""The autoencoders that contestants train: told once, in words that every framework can follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cae.config import RunConfig
from cae.plan import Plan, make_plan
from cae.plan.lowering import lower, lowered_macs, this_cpu

# Name of each decoder kind, with the program's own setting.
KINDS: dict[str, dict[str, Any]] = {
    "resize_nearest": {"kind": "resize", "interpolation": "nearest"},
    "resize_bilinear": {"kind": "resize", "interpolation": "bilinear"},
    "max_unpool": {"kind": "max_unpool"},
    "fixed_unpool": {"kind": "fixed_unpool"},
    "conv_transpose_3": {"kind": "conv_transpose", "kernel_size": 3},
    "conv_transpose_4": {"kind": "conv_transpose", "kernel_size": 4},
    "subpixel": {"kind": "subpixel"},
    "bilinear_additive": {"kind": "bilinear_additive"},
    "carafe": {"kind": "carafe"},
    "dysample": {"kind": "dysample"},
    "haar": {"kind": "haar"},
    "learned_indices": {"kind": "learned_indices"},
    "max_unpool_per_place": {"kind": "max_unpool", "switches": "per_place"},
    "max_unpool_repeat": {"kind": "max_unpool", "unpool": "repeat"},
    "conv_transpose_3_blur": {"kind": "conv_transpose", "kernel_size": 3, "blur": True},
}
KERAS_ONLY = ("learned_indices", "max_unpool_per_place", "max_unpool_repeat", "conv_transpose_3_blur")
"""Kinds that are measured as whole models, and beside Keras alone."""
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class Size:
    """A model size, and how much of it is measured at a time.

    Args:
        image_shape: (height, width, channels), each side a power of two.
        filters: channels of each encoder stage.
        batch_size: images in a step.
        steps: steps in a round.
    """

    image_shape: tuple[int, int, int]
    filters: tuple[int, ...]
    batch_size: int
    steps: int


SIZES = {
    "32x32x3": Size((32, 32, 3), (32, 64, 128), batch_size=128, steps=16),
    "64x64x3": Size((64, 64, 3), (64, 128, 256), batch_size=32, steps=6),
}


@dataclass(frozen=True)
class Task:
    """One model to train: convolution, ReLU and 2x2 max pooling in each stage; the mirror as a decoder; sigmoid.

    Args:
        kind: a key of `KINDS`.
        image_shape: (height, width, channels).
        filters: channels of each encoder stage.
        batch_size: images in a step.
        precision: `float32` or `mixed_bfloat16`.
    """

    kind: str
    image_shape: Sequence[int]
    filters: Sequence[int]
    batch_size: int
    precision: str

    @property
    def decoder_filters(self) -> list[int]:
        """Channels of each decoder stage, from the code outwards."""
        return [*reversed(self.filters[:-1]), self.filters[0]]

    @property
    def compute_type(self) -> str:
        """Name of the type that layers compute in."""
        return self.precision.removeprefix("mixed_")

    def words(self) -> dict[str, Any]:
        """The fields, for another process."""
        return asdict(self)


def make_config(task: Task) -> RunConfig:
    """The program's configuration of a task."""
    return RunConfig.model_validate(
        {
            "model": {
                "encoder": {
                    "filters": list(task.filters),
                    "downsampling": "learned_indices" if task.kind == "learned_indices" else "max_pool",
                },
                "bottleneck": {"kind": "none"},
                "decoder": {"upsampling": KINDS[task.kind]},
            },
            "training": {"batch_size": task.batch_size, "precision": task.precision},
        }
    )


def plan_task(task: Task) -> Plan:
    """The program's plan of a task."""
    height, width, channels = task.image_shape
    return make_plan(make_config(task).model, (height, width, channels))


def training_flops(plan: Plan, compute_type: str) -> int:
    """Floating-point operations that one image's training step cannot do without, in the form that is faster here.

    Forward, gradient of the inputs and gradient of the kernels take two for each multiply-accumulate; the image itself
    needs no gradient. A nearest resize that is folded into its convolution spares multiplications of the plain one.

    Example:
        >>> plan = plan_task(Task("conv_transpose_3", (4, 4, 1), (2,), 1, "float32"))
        >>> plan.macs  # 4x4 pixels x 9 x 2, 2x2 pixels x 9 x 2 x 2, 4x4 pixels x 9 x 2
        720
        >>> training_flops(plan, "float32")  # 2 x (3 x 720 - 288)
        3744
    """
    macs = lowered_macs(lower(plan.operations, this_cpu(), compute_type, training=True))
    return 2 * (3 * macs - plan.encoder[0].macs)
