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
    narrow = [_narrow_form(op, dtype) for op in plan.operations if _is_narrow(op)]
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
        how = f"one after the other, since a kernel of side {operation.kernel_size} allows no blur behind it"
    else:
        how = f"one after the other, which is faster here in {compute_dtype}"
    enlarging = "fixed_unpool" if operation.enlarging == "fixed_unpool" else f"{operation.enlarging} resize"
    return f"{operation.name}: {enlarging} and convolution are computed {how}"


def _is_narrow(operation: Operation) -> bool:
    return isinstance(operation, Convolution) and operation.strides == 1 and has_few_filters(_kernel_shape(operation))


def _narrow_form(operation: Operation, compute_dtype: str) -> str:
    assert isinstance(operation, Convolution)
    side = pixels_at_once(_kernel_shape(operation), operation.output_shape[:2], compute_dtype)
    forward = f"{side}x{side} pixels at once on a CPU, " if side > 1 else ""
    return f"{operation.name}: computed {forward}the gradient of its kernel as the mirrored convolution's"


def _kernel_shape(operation: Convolution) -> tuple[int, int, int, int]:
    return (operation.kernel_size, operation.kernel_size, operation.input_shape[2], operation.output_shape[2])
