"""What names of arrays say: which array has images, which has labels, and which belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_IMAGE_WORDS = {"x", "image", "images", "img", "imgs", "picture", "pictures", "data", "pixels", "inputs"}
# In the order in which they are taken where several arrays could be the labels.
_LABEL_WORDS = ("y", "labels", "label", "lbls", "lbl", "targets", "target", "classes", "class", "cls")
_PARTS = {
    "train": {"train", "training", "trn", "tr"},
    "validation": {"validation", "valid", "val", "dev"},
    "test": {"test", "testing", "tst", "te"},
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z\d]+")
_GLUED = re.compile(rf"([xy])({'|'.join(_PART_OF)})")


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
    """All words, with `*` in the place of those above."""

    @property
    def part(self) -> str:
        """`train`, `validation` or `test` where the name says no more than that of its images."""
        return _PART_OF.get(self.rest[0], "") if not self.label and len(self.rest) == 1 else ""


def read_name(name: str) -> Meaning:
    """Read an array's name: words are told by `_`, `/` and the like, and by capitals."""
    found = [word.lower() for piece in re.split(r"[\W_]+", name) for word in _WORD.findall(piece)]
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
        name: Of the array of images.
        others: Names of all arrays in its file.
    """
    own = read_name(name)

    def distance(labels: Meaning) -> tuple[bool, bool, int]:
        return labels.form != own.form, (labels.label == "y") != (own.image == "x"), _LABEL_WORDS.index(labels.label)

    found = {other: read_name(other) for other in others if other != name}
    fitting = [other for other, meaning in found.items() if meaning.label and meaning.rest == own.rest]
    return sorted(fitting, key=lambda other: (distance(found[other]), other))
