"""Whether images are those that a run was begun with: what it held out then may be trained on now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cae.data.identity import identify
from cae.errors import RunWarning, UserError

if TYPE_CHECKING:
    from cae.data.image_set import Splits
    from cae.runs.directory import RunDirectory


def check_same_images(directory: RunDirectory, splits: Splits) -> None:
    """Refuse to go on with a training on other images; runs that wrote nothing down of theirs pass.

    Raises:
        UserError: those for training or validation are others, or others in number.
    """
    changes = [_change(directory, part, identify(getattr(splits, part))) for part in ("train", "validation")]
    if any(changes):
        raise UserError(
            f"{directory.path}: the data have changed since this run was begun: {', '.join(filter(None, changes))}."
            " Images that were held out may be trained on now, or the other way round. Bring the old images back, or"
            " start again with --overwrite."
        )


def warn_of_other_images(directory: RunDirectory, training_images: Mapping[str, Any]) -> list[RunWarning]:
    """Say that a run was trained on other images than those that are for training now.

    Args:
        directory: of the run.
        training_images: from `cae.data.identity.identify`.
    """
    change = _change(directory, "train", training_images)
    if not change:
        return []
    message = (
        f"The training images have changed since the training: {change}. So what is measured here may have been trained"
        " on, and baselines are fitted to other images than the model."
    )
    return [RunWarning("other_images", message)]


def _change(directory: RunDirectory, part: str, now: Mapping[str, Any]) -> str:
    """How a part differs from the run's, in words; empty where it does not, or where the run does not say."""
    begun = _images_of(directory).get(part, {})
    if all(now[key] == value for key, value in begun.items()):
        return ""
    title = "training" if part == "train" else part
    if begun["number"] != now["number"]:
        return f"{begun['number']:,} {title} images then, {now['number']:,} now"
    return f"as many {title} images, {now['number']:,}, but not the same ones in the same order"


def _images_of(directory: RunDirectory) -> dict[str, dict[str, Any]]:
    """Of each part number and digest; of runs by earlier versions numbers alone, once they have ended."""
    try:
        if found := directory.read_environment().get("images"):
            return dict(found)
        numbers = directory.read_summary().get("images", {}) if directory.summary.exists() else {}
    except UserError:  # damaged: no reason to lose a run
        return {}
    return {part: {"number": number} for part, number in numbers.items() if isinstance(number, int)}
