"""What names of arrays say: which array has images, which has labels, and which belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from cae.data.part_names import WORDS, part_of

_IMAGE_WORDS = {"x", "image", "images", "img", "imgs", "picture", "pictures", "data", "pixels", "inputs"}
# In the order in which they are taken where several arrays could be the labels.
_LABEL_WORDS = ("y", "labels", "label", "lbls", "lbl", "targets", "target", "classes", "class", "cls")
# Beside the usual words for parts; folders are not called so.
_SHORT = {"tr": "train", "te": "test"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z\d]+")
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
    """All words, with `*` in the place of those above."""

    @property
    def part(self) -> str:
        """`train`, `validation` or `test` where the name says no more than that of its images."""
        word = self.rest[0] if not self.label and len(self.rest) == 1 else ""
        return _SHORT.get(word) or part_of(word) or ""


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
