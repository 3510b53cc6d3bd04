"""In which form convolutions are computed on a CPU: with a nearest resize as one, or as matrix products."""

from __future__ import annotations

from cae.forms import can_fold, folding_is_faster, is_narrow
from cae.plan.convolutions import Convolution, ResizeConvolution
from cae.plan.operations import Operation
from cae.plan.plan import Plan


def is_folded(operation: Operation, compute_dtype: str) -> bool:
    """Whether an operation is a nearest resize and convolution whose enlarged map is never made, on a CPU.

    Args:
        operation: of a plan.
        compute_dtype: float type of the computation.
    """
    if not isinstance(operation, ResizeConvolution):
        return False
    fits = can_fold(operation.input_shape[:2], operation.output_shape[:2], operation.factor)
    return fits and folding_is_faster(operation.kernel_size, compute_dtype)


def is_matrix_product(operation: Operation) -> bool:
    """Whether an operation is a convolution to so few filters that it is computed as matrix products, on a CPU."""
    if not isinstance(operation, Convolution) or operation.strides > 1:
        return False
    side = operation.kernel_size
    return is_narrow((side, side, operation.input_shape[2], operation.output_shape[2]))


def format_forms(plan: Plan, precision: str) -> list[str]:
    """Say of each nearest resize which form the layer chooses on this machine's CPU, and of each matrix product.

    Args:
        plan: the model's.
        precision: `training.precision`.

    Returns:
        One line for each.
    """
    dtype = precision.removeprefix("mixed_")
    resizes = [_form(op, dtype) for op in plan.decoder if isinstance(op, ResizeConvolution)]
    products = [
        f"{op.name}: computed on a CPU as matrix products, which are shifted and added"
        for op in plan.operations
        if is_matrix_product(op)
    ]
    return resizes + products


def _form(operation: ResizeConvolution, compute_dtype: str) -> str:
    size, target = operation.input_shape[:2], operation.output_shape[:2]
    side = operation.folded_kernel_size
    if is_folded(operation, compute_dtype):
        how = (
            f"on a CPU as one conv_transpose {side}x{side}: {operation.folded_macs:,} MACs instead of"
            f" {operation.macs:,}"
        )
    elif not can_fold(size, target, operation.factor):
        how = f"one after the other, since {target[0]}x{target[1]} is cropped"
    else:
        how = f"one after the other, which is faster here in {compute_dtype}"
    return f"{operation.name}: resize and convolution are computed {how}"
