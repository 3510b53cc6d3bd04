"""How a nearest resize and its convolution are computed: together or one after the other."""

from __future__ import annotations

from cae.folding import can_fold, folding_is_faster
from cae.plan.operations import ResizeConvolution
from cae.plan.plan import Plan

_COMPUTE_DTYPES = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


def format_forms(plan: Plan, precision: str) -> list[str]:
    """Say of each nearest resize which form the layer chooses on this machine's CPU.

    Args:
        plan: the model's.
        precision: `training.precision`.

    Returns:
        One line for each.
    """
    return [_form(op, precision) for op in plan.decoder if isinstance(op, ResizeConvolution)]


def _form(operation: ResizeConvolution, precision: str) -> str:
    size, target = operation.input_shape[:2], operation.output_shape[:2]
    compute_dtype = _COMPUTE_DTYPES.get(precision, precision)
    side = operation.folded_kernel_size
    if not can_fold(size, target, operation.factor):
        how = f"one after the other, since {target[0]}x{target[1]} is cropped"
    elif not folding_is_faster(operation.kernel_size, compute_dtype):
        how = f"one after the other, which is faster here in {compute_dtype}"
    else:
        how = (
            f"on a CPU as one conv_transpose {side}x{side}: {operation.folded_macs:,} MACs instead of"
            f" {operation.macs:,}"
        )
    return f"{operation.name}: resize and convolution are computed {how}"
