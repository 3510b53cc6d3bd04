"""Take all images that were named through a model, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cae.errors import NonFiniteOutputError
from cae.files import printable
from cae.inference.inputs import Group, Inputs, read_groups
from cae.plan import PlanError

if TYPE_CHECKING:
    from cae.inference.any_size import AnySize, Way


class Compared(NamedTuple):
    """Images of one size, and what became of them."""

    indices: list[int]
    """Of the images among all."""
    images: np.ndarray
    """As they are: (batch, height, width, channels), uint8 or float32 in [0, 1]."""
    seen: np.ndarray
    """As the model saw them: smaller or larger where they were resized."""
    reconstructions: np.ndarray
    """What it made of that, float32 in [0, 1]."""


def compare_all(
    inputs: Inputs,
    sizes: AnySize,
    way: Way,
    *,
    on_bad: Callable[[str, str], None],
    tell: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Iterator[Compared]:
    """Reconstruct all images in their order.

    Args:
        inputs: the images.
        sizes: the model.
        way: what becomes of images of another size than the model's.
        on_bad: is given the name of each image that cannot be read or does not fit, and the reason.
        tell: is given a sentence for the first image of another size that is treated in one way.
        progress: is told the number done and the number of all: images, or tiles where there is but one image.
    """
    said: set[str] = set()
    total = len(inputs.names)
    for group in read_groups(inputs, sizes.batch_size, on_bad):
        size = group.pixels.shape[1:3]
        chosen = sizes.choose(way, size)
        try:
            seen, made = sizes.compare(group.pixels, chosen, progress if total == 1 else lambda done, total: None)
        except NonFiniteOutputError as error:
            raise error.named(printable(inputs.names[group.indices[error.index]])) from None
        except PlanError as error:
            _leave_out(group, inputs, str(error), on_bad)
            continue
        if chosen not in said and not sizes.is_own(size):
            said.add(chosen)
            name = printable(inputs.names[group.indices[0]])
            tell(f"{name}{' and the like' * (total > 1)}: {size[0]}x{size[1]}, {sizes.in_words(chosen)}")
        yield Compared(group.indices, group.pixels, seen, made)
        if total > 1:
            progress(group.indices[-1] + 1, total)


def _leave_out(group: Group, inputs: Inputs, reason: str, on_bad: Callable[[str, str], None]) -> None:
    for index in group.indices:
        on_bad(inputs.names[index], reason)
