"""How convolutions are computed on a CPU: with the enlarging before them as one, or several pixels at once."""

from __future__ import annotations

from cae.forms import can_fold, folding_is_faster, has_few_filters, pixels_at_once
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
    size, side = operation.input_shape[:2], operation.kernel_size
    is_faster = folding_is_faster(operation.enlarging, size, side, compute_dtype)
    return is_faster and _fits(operation)


def format_forms(plan: Plan, precision: str) -> list[str]:
    """Say in which form enlarging convolutions and those to few filters are computed on this machine's CPU.

    Args:
        plan: the model's.
        precision: `training.precision`.

    Returns:
        One line for each.
    """
    dtype = precision.removeprefix("mixed_")
    enlargings = [_form(op, dtype) for op in plan.decoder if isinstance(op, EnlargingConvolution)]
    narrow = [line for op in plan.operations for line in _narrow_form(op, dtype)]
    return enlargings + narrow


def _fits(operation: EnlargingConvolution) -> bool:
    size, target = operation.input_shape[:2], operation.output_shape[:2]
    return can_fold(operation.enlarging, size, target, operation.factor, operation.kernel_size)


def _form(operation: EnlargingConvolution, compute_dtype: str) -> str:
    size, target = operation.input_shape[:2], operation.output_shape[:2]
    side = operation.folded_kernel_size
    if is_folded(operation, compute_dtype):
        blur = " and a blur while training" if operation.enlarging == "bilinear" else ""
        how = (
            f"on a CPU as one conv_transpose {side}x{side}{blur}: {operation.folded_macs:,} MACs instead of"
            f" {operation.macs:,}"
        )
    elif any(operation.factor * n != m for n, m in zip(size, target, strict=True)) and not _fits(operation):
        how = f"one after the other, since {target[0]}x{target[1]} is cropped"
    elif not _fits(operation):
        how = f"one after the other, since a blur cannot follow a kernel of even side {operation.kernel_size}"
    elif operation.enlarging == "bilinear" and compute_dtype != "float32":
        how = f"one after the other in {compute_dtype}"
    else:
        how = f"one after the other, which is faster here in {compute_dtype}"
    enlarging = "fixed_unpool" if operation.enlarging == "fixed_unpool" else f"{operation.enlarging} resize"
    return f"{operation.name}: {enlarging} and convolution are computed {how}"


def _narrow_form(operation: Operation, compute_dtype: str) -> list[str]:
    if not isinstance(operation, Convolution) or operation.strides > 1:
        return []
    side, size = operation.kernel_size, operation.output_shape[:2]
    kernel_shape = (side, side, operation.input_shape[2], operation.output_shape[2])
    if not has_few_filters(kernel_shape):
        return []
    at_once = pixels_at_once(kernel_shape, size, compute_dtype)
    how = [f"{at_once}x{at_once} pixels at once"] if at_once > 1 else []
    how += ["the gradient of its kernel as the mirrored convolution's"] if side % 2 else []
    return [f"{operation.name}: on a CPU computed {', '.join(how)}"] if how else []
