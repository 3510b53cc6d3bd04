"""The exact target size, which every enlarging layer checks alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from cae.layers import (
    BilinearAdditive2D,
    Conv2DTransposeToSize,
    DepthToSpace2D,
    FixedUnpooling2D,
    MaxUnpooling2D,
    Resize2D,
)


def with_switches(factor: int, output_size: Any) -> Callable[[Any], Any]:
    layer = MaxUnpooling2D(factor, output_size)
    return lambda inputs: layer((inputs, keras.ops.zeros_like(inputs, "uint8")))


ENLARGING: dict[str, Callable[[int, Any], Callable[[Any], Any]]] = {
    "max_unpooling": with_switches,
    "fixed_unpooling": lambda factor, size: FixedUnpooling2D(factor, size),
    "nearest": lambda factor, size: Resize2D(factor, "nearest", size),
    "bicubic": lambda factor, size: Resize2D(factor, "bicubic", size),
    "depth_to_space": lambda factor, size: DepthToSpace2D(factor, size),
    "bilinear_additive": lambda factor, size: BilinearAdditive2D(factor, size),
    "conv_transpose": lambda factor, size: Conv2DTransposeToSize(9, 3, factor, size),
}


@pytest.mark.parametrize("make", ENLARGING.values(), ids=ENLARGING)
@pytest.mark.parametrize("output_size", [(7, 13), (9, 15), [8, 14]])
def test_every_size_that_pools_to_the_input_is_restored(make: Any, output_size: Any) -> None:
    outputs = make(3, output_size)(np.ones((1, 3, 5, 9), "float32"))
    assert tuple(outputs.shape[1:3]) == tuple(output_size)


@pytest.mark.parametrize("make", ENLARGING.values(), ids=ENLARGING)
@pytest.mark.parametrize("output_size", [(6, 15), (10, 15), (9, 12), (9, 16)])
@pytest.mark.parametrize("symbolic", [False, True])
def test_a_size_that_does_not_pool_to_the_input_is_refused(
    make: Any, output_size: tuple[int, int], symbolic: bool
) -> None:
    inputs = keras.Input((3, 5, 9)) if symbolic else np.ones((1, 3, 5, 9), "float32")
    with pytest.raises(ValueError, match="`output_size` divided by the factor and rounded up must give"):
        make(3, output_size)(inputs)


@pytest.mark.parametrize("make", ENLARGING.values(), ids=ENLARGING)
@pytest.mark.parametrize("output_size", [7, (7,), (7, 0), (7, -1), (7.0, 7), ("7", 7), (True, 7), (7, 7, 7)])
def test_a_size_that_is_no_pair_of_positive_whole_numbers_is_refused(make: Any, output_size: Any) -> None:
    with pytest.raises(ValueError, match=r"`output_size` must be .* Received: output_size="):
        make(2, output_size)


@pytest.mark.parametrize(
    "make", [make for name, make in ENLARGING.items() if name != "conv_transpose"], ids=lambda _: ""
)
@pytest.mark.parametrize("factor", [1, 0, -2, 2.0, True, None])
def test_a_factor_that_does_not_enlarge_is_refused(make: Any, factor: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a whole number .* Received: "):
        make(factor, None)
