"""Whether a training deserves trust: what makes its results doubtful, each with the likely remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cae.run_warning import RunWarning
from cae.training.amount import Amount

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
        section: the `training` section, with nothing left open.
        num_images: for training.
    """
    amount = Amount.of(section, num_images)
    if amount.steps >= FEW_STEPS:
        return []
    if section.steps is None:
        enough = -(-FEW_STEPS // amount.steps_per_epoch)
        remedy = f"Raise training.epochs to {enough} or more, or leave it and training.batch_size to `auto`."
    else:
        remedy = f"Raise training.steps to {FEW_STEPS} or more."
    return [
        RunWarning(
            "few_steps",
            f"the whole training has {amount.steps} steps (epochs of {amount.steps_per_epoch}, with {num_images} images"
            f" in batches of {amount.batch_size}), too few to learn much. {remedy}",
        )
    ]
