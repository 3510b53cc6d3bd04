"""Which part of a data set a folder or an array is by its name: `train`, `Testing`, `x_val`, `images/valid`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from cae.errors import UserError

PARTS = ("train", "validation", "test")

WORDS = {
    "train": ("training", "train", "trn"),
    "validation": ("validations?", "validating", "validate", "valid", "vals?", "development", "devel", "dev"),
    "test": ("testing", "tests?", "tst", "hold[ _-]?out", "held[ _-]?out"),
    # What is called so is the test part, or beside one the validation part.
    "either": ("evaluations?", "evaluating", "eval"),
}
# Words that say nothing of the part: `x_train`, `test_images`, `val2017`, `training set`.
_NEUTRAL = r"(?:x|images?|imgs?|pictures?|pics?|photos?|samples?|files?|data|sets?|splits?|parts?|folder|[\W\d_])*"
_WORD = "|".join(f"(?P<{part}>{'|'.join(words)})" for part, words in WORDS.items())
_WHOLE = re.compile(rf"{_NEUTRAL}(?:{_WORD}){_NEUTRAL}", re.IGNORECASE)
# A word between others: `DIV2K_train_HR`, `trainA`.
_INSIDE = re.compile(rf"(?<![a-zA-Z])(?i:{_WORD})(?![a-z])")


def choose_parts(names: Iterable[str], given: Collection[str] = ()) -> dict[str, str]:
    """Find the parts among names of folders that lie side by side.

    Names belong together when nothing but the part's word tells them apart. There are parts only where there is one
    for training and at least one for validation or test.

    >>> choose_parts(["Train", "valid", "TESTING", "notes"])
    {'train': 'Train', 'validation': 'valid', 'test': 'TESTING'}
    >>> choose_parts(["seg_train", "seg_test", "seg_pred"]), choose_parts(["train", "bus", "test_tube"])
    ({'train': 'seg_train', 'test': 'seg_test'}, {})

    Args:
        names: Of the folders.
        given: Parts that are known already, and not looked for.

    Raises:
        UserError: Two names are of the same part, or there is more than one set of parts.
    """
    families: dict[str, dict[str, list[str]]] = defaultdict(lambda: {part: [] for part in (*PARTS, "either")})
    for name in sorted(names):
        if found := _read(name):
            part, rest = found
            families[rest][part].append(name)
    complete: dict[str, list[list[str]]] = {}
    for rest, family in families.items():
        family["validation" if family["test"] else "test"] += family.pop("either")
        if family["train"] and (family["validation"] or family["test"]):
            complete[rest] = [[] if part in given else family[part] for part in PARTS]
    # Beside train/ and test/, train_masks/ and test_masks/ are no second set.
    chosen = [complete[""]] if "" in complete else list(complete.values())
    doubled = [folders for family in chosen for folders in family if len(folders) > 1]
    if doubled or len(chosen) > 1:
        several = doubled[0] if doubled else [folder for family in chosen for folders in family for folder in folders]
        raise UserError(f"each part of the data must be one folder. Received: {', '.join(several)}.")
    return {part: folders[0] for part, folders in zip(PARTS, chosen[0], strict=True) if folders} if chosen else {}


def part_of(name: str) -> str | None:
    """Find the part that a name by itself says, or None.

    >>> part_of("x_train"), part_of("Validation Set"), part_of("test_tubes"), part_of("trains")
    ('train', 'validation', None, None)
    """
    found = _read(name)
    if found is None or found[1]:
        return None
    return "test" if found[0] == "either" else found[0]


def _read(name: str) -> tuple[str, str] | None:
    """The part's word of a name, and what else the name says, in small letters."""
    if match := _WHOLE.fullmatch(name):
        return match.lastgroup or "", ""
    if match := _INSIDE.search(name):
        return match.lastgroup or "", (name[: match.start()] + " " + name[match.end() :]).lower()
    return None
