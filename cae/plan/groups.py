"""Operations as people count them: each with what only finishes it."""

from __future__ import annotations

from collections.abc import Iterable

from cae.kinds.normalization import Normalization
from cae.kinds.operations import Activation, Dropout, Operation


def grouped(operations: Iterable[Operation]) -> list[list[Operation]]:
    """Join normalisation, activation and dropout to the operation before them.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> groups = grouped(make_plan(ModelSection(), (28, 28, 1)).encoder)
        >>> [[operation.name for operation in group] for group in groups[:2]]
        [['stage_1_conv_1', 'stage_1_conv_1_relu'], ['stage_1_pool']]
    """
    groups: list[list[Operation]] = []
    for operation in operations:
        if groups and isinstance(operation, Activation | Normalization | Dropout):
            groups[-1].append(operation)
        else:
            groups.append([operation])
    return groups
