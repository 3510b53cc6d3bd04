"""Ablations: the test error without the code, or without the switches that bypass it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from cae.evaluation.measure import Change, Measurer
from cae.messages import counted

if TYPE_CHECKING:
    from cae.config.objective import Corruption
    from cae.data.image_set import ImageSet
    from cae.plan import Plan
    from cae.runs.trained import TrainedRun
    from cae.training.objective import Objective


def measure_ablations(
    trained: TrainedRun, objective: Objective, corruption: Corruption, images: ImageSet
) -> dict[str, dict[str, float]]:
    """Measure a run with its latent set to zero and, when it has switches, with these exchanged.

    Args:
        trained: the run.
        objective: its objective.
        corruption: of its inputs.
        images: a split.

    Returns:
        For each ablation the means of the loss and of every metric: `latent_zeroed`; with switches also
        `switches_fixed`, all to the top-left of their windows, and, of two images or more, `switches_shuffled`, each
        image decoded with those of another one, or `switches_own` where the decoder was trained with those.
    """
    changes: dict[str, Change] = {"latent_zeroed": lambda latent, switches: (tf.zeros_like(latent), switches)}
    if trained.plan.switches:
        changes["switches_fixed"] = _fix_switches(trained.plan)
        if len(images) > 1:
            # Rolled forwards in training, back to their own images; or the other way round.
            is_shuffled = all(pool.switches and pool.switches.shuffled for pool in trained.plan.switches)
            changes["switches_own" if is_shuffled else "switches_shuffled"] = _roll_switches(-1 if is_shuffled else 1)
    batch_size = _batch_size_without_a_single_image(len(images), trained.config.training.images_at_once)
    compiled = trained.autoencoder.compiled
    for name, change in changes.items():
        if (name, batch_size) not in compiled:
            compiled[name, batch_size] = Measurer(trained.autoencoder, objective, corruption, batch_size, change)
    return {name: compiled[name, batch_size].measure(images).means() for name in counted(changes, len(changes))}


def in_words(mse: float, ablations: Mapping[str, Mapping[str, float]], switch_bits: int) -> str:
    """Say how much of a reconstruction came through the switches; empty for a run without.

    Example:
        >>> print(in_words(0.002, {"switches_shuffled": {"mse": 0.05}, "switches_fixed": {"mse": 0.03}}, 1568))
        Much came through the switches (up to 1,568 bits an image): with those of another image the MSE is 25.0 times
        as high (0.05000 instead of 0.00200), with all to the top-left 15.0 times (0.03000).
    """
    if "switches_own" in ablations:
        own = ablations["switches_own"]["mse"]
        return (
            "A control: the decoder was trained with the switches of other images, and is measured with them, so that"
            f"\nnothing bypasses the code. With each image's own the MSE is {_times(own, mse)} as high"
            f" ({own:.5f} instead of {mse:.5f})."
        )
    if "switches_shuffled" not in ablations:
        return ""
    shuffled, fixed = ablations["switches_shuffled"]["mse"], ablations["switches_fixed"]["mse"]
    amount = "Much" if shuffled > 2 * mse else "Some" if shuffled > 1.1 * mse else "Little"
    return (
        f"{amount} came through the switches (up to {switch_bits:,} bits an image): with those of another image the MSE"
        f" is {_times(shuffled, mse)}\nas high ({shuffled:.5f} instead of {mse:.5f}), with all to the top-left"
        f" {_times(fixed, mse)} ({fixed:.5f})."
    )


def _times(error: float, mse: float) -> str:
    return f"{error / mse:.1f} times" if mse else "infinitely many times"


def _fix_switches(plan: Plan) -> Change:
    # Where all values are alike the first real cell is the maximum, padding left aside.
    fixed = [pool.make_fixed_layer()(tf.zeros((1, *pool.input_shape)))[1] for pool in plan.switches]

    def fix(latent: Any, switches: list[Any]) -> tuple[Any, list[Any]]:
        pairs = zip(fixed, switches, strict=True)
        return latent, [tf.broadcast_to(tf.cast(top_left, old.dtype), tf.shape(old)) for top_left, old in pairs]

    return fix


def _roll_switches(by: int) -> Change:
    """Give each image the switches of the one so many places before it in the batch."""
    return lambda latent, switches: (latent, [tf.roll(one, by, axis=0) for one in switches])


def _batch_size_without_a_single_image(images: int, batch_size: int) -> int:
    """A batch size that leaves no image alone in the last batch, where it would meet its own switches."""
    batch_size = max(2, batch_size)
    while images % batch_size == 1 and images > 1:
        batch_size += 1
    return batch_size
