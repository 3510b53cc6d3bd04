"""Whether images are those that a run was begun with: what it held out then may be trained on now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cae.config import load_config
from cae.data.identity import is_same
from cae.errors import RunWarning, UserError
from cae.messages import number_of

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits
    from cae.runs.directory import RunDirectory

Identity = Mapping[str, Any]
"""Which images a part has; from `cae.data.identity.identify`, or a number alone."""


def check_same_images(directory: RunDirectory, splits: Splits) -> None:
    """Refuse to go on with a training on other images; runs that wrote nothing down of theirs pass.

    Raises:
        UserError: those for training or validation are others, or others in number.
    """
    then, now = _images_of(directory), splits.identities
    changes = [_change(part, then[part], now[part]) for part in ("train", "validation") if part in then]
    if any(changes):
        raise _changed_data(str(directory.path), [change for change in changes if change])


def check_same_number(place: str, then: int, now: int) -> None:
    """Refuse a checkpoint of a training on more or fewer images.

    Raises:
        UserError: the numbers of training images differ.
    """
    if change := _change("train", {"number": then}, {"number": now}):
        raise _changed_data(place, [change])


def warn_of_other_images(
    directory: RunDirectory, splits: Splits, section: DataSection, used: Collection[str], *, fits: bool = True
) -> list[RunWarning]:
    """Say that a run was trained on other images than those that are for training now, where that matters.

    Args:
        directory: of the run.
        splits: the run's data as they are now.
        section: which data these are.
        used: the parts that the model is given.
        fits: whether baselines or scores are fitted to training images.
    """
    then, now = _images_of(directory), splits.identities
    change = _change("train", then["train"], now["train"]) if "train" in then else ""
    others = [part for part in used if part not in then or not is_same(then[part], now[part])]
    if not change or not (others or fits):
        return []
    message = f"The training images have changed since the training: {change}."
    if fits:
        message += " Baselines and fitted scores use the images of now, and the model was trained on those of then."
    held_out = [part for part in others if part != "train"]
    # Classes are chosen after images are held out: those that are held out of one choice are so of any other.
    if held_out and section.classes == load_config(directory.config).data.classes:
        title = " and ".join(held_out).capitalize()
        message += f" {title} images may have been trained on, if they were among the data then."
    return [RunWarning("other_images", message)]


def _changed_data(place: str, changes: Sequence[str]) -> UserError:
    return UserError(
        f"{place}: the data have changed since this run was begun: {'; '.join(changes)}. Images that were held out may"
        " be trained on now, or the other way round. Bring the old images back, or start again with --overwrite."
    )


def _change(part: str, then: Identity, now: Identity) -> str:
    """How a part differs from the run's, in words; empty where it does not, as far as that is known."""
    if is_same(then, now) is not False:
        return ""
    noun = f"{'training' if part == 'train' else part} image"
    if then["number"] != now["number"]:
        return f"{number_of(then['number'], noun)} then, {now['number']:,} now"
    return f"{number_of(now['number'], noun)}, as before, but other ones or in another order"


def _images_of(directory: RunDirectory) -> dict[str, Identity]:
    """Which images each part had; of runs by earlier versions numbers alone, once they have ended."""
    try:
        if found := directory.read_environment().get("images"):
            return dict(found)
        numbers = directory.read_summary().get("images", {}) if directory.summary.exists() else {}
    except UserError:  # damaged: no reason to lose a run
        return {}
    return {part: {"number": number} for part, number in numbers.items() if isinstance(number, int)}
