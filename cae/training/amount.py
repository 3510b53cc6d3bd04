"""How much a training does: images in a step, steps, epochs; and what fits the images where the user leaves it open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cae.errors import ConfigError

if TYPE_CHECKING:
    from cae.config.training import TrainingSection

# What `auto` means; the sentences of the keys in `cae.config.training` say the same.
_BATCH_SIZES = (8, 128)
_STEPS_PER_EPOCH = 32
_BYTES_OF_STEP = 2_000_000_000
_STEPS = 2000
_EPOCHS = (10, 500)


@dataclass(frozen=True)
class Amount:
    """What a training does from its beginning to its end.

    >>> Amount(batch_size=8, steps_per_epoch=21, steps=50).epochs
    3

    Args:
        batch_size: images in a step.
        steps_per_epoch: the last of them may have fewer images.
        steps: of the whole training; the last epoch may have fewer than the others.
    """

    batch_size: int
    steps_per_epoch: int
    steps: int

    @property
    def epochs(self) -> int:
        """Epochs, the last one included however short it is: each ends with a validation."""
        return -(-self.steps // self.steps_per_epoch)

    def last_epoch(self, epoch: int, step: int) -> int:
        """The number of the last epoch of a training that takes up at a step, with so many epochs ended.

        One that had ended within an epoch, and goes on for more steps, has that epoch twice.

        >>> Amount(batch_size=8, steps_per_epoch=4, steps=40).last_epoch(epoch=8, step=30)
        11
        """
        return epoch + self.epochs - step // self.steps_per_epoch

    @classmethod
    def of(cls, section: TrainingSection, num_images: int) -> Amount:
        """The amount that a section states, as `resolve` gives it.

        Args:
            section: the `training` section, with nothing left open.
            num_images: for training.
        """
        assert section.batch_size != "auto"
        per_epoch = _steps_per_epoch(num_images, section.batch_size)
        if section.steps is not None:
            return cls(section.batch_size, per_epoch, section.steps)
        assert section.epochs != "auto"
        return cls(section.batch_size, per_epoch, section.epochs * per_epoch)


def resolve(section: TrainingSection, num_images: int, bytes_per_image: int) -> TrainingSection:
    """Put numbers where a section says `auto`: the same ones for the same images and model, on every machine.

    >>> from cae.config.training import TrainingSection
    >>> small = resolve(TrainingSection(), num_images=168, bytes_per_image=1_000_000)
    >>> small.batch_size, small.epochs
    (8, 96)
    >>> large = resolve(TrainingSection(), num_images=54_000, bytes_per_image=1_000_000)
    >>> large.batch_size, large.epochs
    (128, 10)

    Args:
        section: the `training` section.
        num_images: for training.
        bytes_per_image: that a step takes for each image, from `cae.plan.memory`.

    Raises:
        ConfigError: the learning rate is to rise for longer than the training lasts.
    """
    batch_size = section.batch_size
    if batch_size == "auto":
        batch_size = auto_batch_size(num_images, bytes_per_image)
    per_epoch = _steps_per_epoch(num_images, batch_size)
    epochs = section.epochs
    if epochs == "auto" and section.steps is None:
        epochs = min(max(-(-_STEPS // per_epoch), _EPOCHS[0]), _EPOCHS[1])
    resolved = section.model_copy(update={"batch_size": batch_size, "epochs": epochs})
    amount = Amount.of(resolved, num_images)
    warmup_epochs = getattr(section.schedule, "warmup_epochs", 0.0)
    if warmup_epochs * per_epoch > amount.steps:
        raise ConfigError(
            f"training.schedule.warmup_epochs: must be at most the {amount.steps / per_epoch:g} epochs of the whole"
            f" training; received {warmup_epochs:g}"
        )
    return resolved


def auto_batch_size(num_images: int | None, bytes_per_image: int) -> int:
    """What `batch_size: auto` is.

    >>> auto_batch_size(1620, 1_000_000), auto_batch_size(None, 1_000_000), auto_batch_size(1620, 150_000_000)
    (32, 128, 8)

    Args:
        num_images: for training; None, where nobody knows it yet, gives the most that it can be.
        bytes_per_image: that a step takes for each image.
    """
    fewest, most = _BATCH_SIZES
    wanted = most if num_images is None else max(fewest, _power_of_two(num_images // _STEPS_PER_EPOCH))
    return min(wanted, most, _power_of_two(_BYTES_OF_STEP // max(1, bytes_per_image)))


def _steps_per_epoch(num_images: int, batch_size: int) -> int:
    from cae.data.batch_shares import steps_per_epoch  # imports NumPy, which takes time

    return steps_per_epoch(num_images, batch_size)


def _power_of_two(number: int) -> int:
    """The largest one that is not above a number, 1 at least."""
    return 1 << max(0, number.bit_length() - 1)
