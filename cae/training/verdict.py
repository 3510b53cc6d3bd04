"""Whether a training deserves trust: what makes its results doubtful, each with the likely remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cae.data.order import steps_per_epoch
from cae.run_warning import RunWarning

if TYPE_CHECKING:
    from cae.config.training import TrainingSection

# Adam's first hundreds of steps go into leaving the initial weights behind, whatever the images are.
FEW_STEPS = 300


def foreseen(section: TrainingSection, num_images: int) -> list[RunWarning]:
    """Find what is doubtful before the first step.

    >>> from cae.config.training import TrainingSection
    >>> [warning.code for warning in foreseen(TrainingSection(epochs=10, batch_size=128), num_images=210)]
    ['few_steps']

    Args:
        section: the `training` section.
        num_images: for training.
    """
    per_epoch = steps_per_epoch(num_images, section.batch_size)
    total = section.epochs * per_epoch
    if total >= FEW_STEPS:
        return []
    return [
        RunWarning(
            "few_steps",
            f"the whole training has {total} steps ({section.epochs} epochs of {per_epoch}, with {num_images} images in"
            f" batches of {section.batch_size}), too few to learn much. Raise training.epochs to"
            f" {-(-FEW_STEPS // per_epoch)} or more, or lower training.batch_size.",
        )
    ]
