"""The parts of a data set by the usual names, of folders and of arrays."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import chain
from typing import NamedTuple

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
        names: of the folders.
        given: parts that are known already, and not looked for.

    Raises:
        UserError: two names are of the same part, or there is more than one set of parts.
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


_IMAGE_WORDS = {"x", "image", "images", "img", "imgs", "picture", "pictures", "data", "pixels", "inputs"}
# In the order in which they are taken where several arrays could be the labels.
_LABEL_WORDS = ("y", "labels", "label", "lbls", "lbl", "targets", "target", "classes", "class", "cls")
# Beside the usual words for parts; folders are not called so.
_SHORT = {"tr": "train", "te": "test"}
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z\d]+")
_GLUED = re.compile(rf"([xy])({'|'.join([*chain(*WORDS.values()), *_SHORT])})")


class Meaning(NamedTuple):
    """What an array's name says.

    >>> read_name("y_train")
    Meaning(image='', label='y', rest=('train',), form=('*', 'train'))
    >>> read_name("validImages"), read_name("dev/images").part
    (Meaning(image='images', label='', rest=('valid',), form=('valid', '*')), 'validation')
    """

    image: str
    """The word that says that it has images; empty where none does."""
    label: str
    """The word that says that it has labels; empty where none does."""
    rest: tuple[str, ...]
    """All other words; images and labels that belong together have the same."""
    form: tuple[str, ...]
    """All words, with `*` for those above."""

    @property
    def part(self) -> str:
        """`train`, `validation` or `test` where the name says no more than that of its images."""
        word = self.rest[0] if not self.label and len(self.rest) == 1 else ""
        return _SHORT.get(word) or part_of(word) or ""


def read_name(name: str) -> Meaning:
    """Read an array's name: words are separated by `_`, `/` and the like, and by capitals."""
    found = [word.lower() for piece in re.split(r"[\W_]+", name) for word in _PIECE.findall(piece)]
    glued = [(word, _GLUED.fullmatch(word)) for word in found]
    words = [part for word, match in glued for part in (match.groups() if match else (word,))]
    image = next((word for word in words if word in _IMAGE_WORDS), "")
    label = next((word for word in words if word in _LABEL_WORDS), "")
    form = tuple("*" if word in _IMAGE_WORDS or word in _LABEL_WORDS else word for word in words)
    return Meaning(image, label, tuple(word for word in form if word != "*"), form)


def find_labels(name: str, others: Iterable[str]) -> list[str]:
    """Find the arrays that have an array's labels by their names, the likeliest first.

    >>> names = ["x_train", "y_train", "x_val", "y_test", "test_images", "test_labels"]
    >>> find_labels("x_train", names), find_labels("x_val", names), find_labels("test_images", names)
    (['y_train'], [], ['test_labels', 'y_test'])

    Args:
        name: of the array of images.
        others: names of all arrays in its file.
    """
    own = read_name(name)

    def distance(labels: Meaning) -> tuple[bool, bool, int]:
        return labels.form != own.form, (labels.label == "y") != (own.image == "x"), _LABEL_WORDS.index(labels.label)

    found = {other: read_name(other) for other in others if other != name}
    fitting = [other for other, meaning in found.items() if meaning.label and meaning.rest == own.rest]
    return sorted(fitting, key=lambda other: (distance(found[other]), other))
