"""In which form convolutions are computed on a CPU: with the enlarging before them as one, or as matrix products."""

from __future__ import annotations

from cae.forms import can_fold, folding_is_faster, products_are_faster
from cae.plan.convolutions import Convolution, EnlargingConvolution
from cae.plan.operations import Operation
from cae.plan.plan import Plan


def is_folded(operation: Operation, compute_dtype: str) -> bool:
    """Whether an operation is an enlarging and convolution whose enlarged map is never made, on a CPU.

    Args:
        operation: of a plan.
        compute_dtype: float type of the computation.
    """
    if not isinstance(operation, EnlargingConvolution):
        return False
    fits = can_fold(operation.enlarging, operation.input_shape[:2], operation.output_shape[:2], operation.factor)
    return fits and folding_is_faster(operation.kernel_size, compute_dtype)


def is_matrix_product(operation: Operation, compute_dtype: str) -> bool:
    """Whether an operation is a convolution to so few filters that it is computed as matrix products, on a CPU.

    Args:
        operation: of a plan.
        compute_dtype: float type of the computation.
    """
    if not isinstance(operation, Convolution) or operation.strides > 1:
        return False
    side = operation.kernel_size
    return products_are_faster((side, side, operation.input_shape[2], operation.output_shape[2]), compute_dtype)


def format_forms(plan: Plan, precision: str) -> list[str]:
    """Say in which form each enlarging convolution and each matrix product is computed on this machine's CPU.

    Args:
        plan: the model's.
        precision: `training.precision`.

    Returns:
        One line for each.
    """
    dtype = precision.removeprefix("mixed_")
    enlargings = [_form(op, dtype) for op in plan.decoder if isinstance(op, EnlargingConvolution)]
    products = [
        f"{op.name}: computed on a CPU as matrix products, which are shifted and added"
        for op in plan.operations
        if is_matrix_product(op, dtype)
    ]
    return enlargings + products


def _form(operation: EnlargingConvolution, compute_dtype: str) -> str:
    size, target = operation.input_shape[:2], operation.output_shape[:2]
    side = operation.folded_kernel_size
    if is_folded(operation, compute_dtype):
        how = (
            f"on a CPU as one conv_transpose {side}x{side}: {operation.folded_macs:,} MACs instead of"
            f" {operation.macs:,}"
        )
    elif not can_fold(operation.enlarging, size, target, operation.factor):
        how = f"one after the other, since {target[0]}x{target[1]} is cropped"
    else:
        how = f"one after the other, which is faster here in {compute_dtype}"
    return f"{operation.name}: {operation.enlarging} and convolution are computed {how}"
