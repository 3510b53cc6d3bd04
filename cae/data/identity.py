"""Whether the images of a part are those of another time: what a run writes down of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet


class Look(NamedTuple):
    """A cheap look at a set's images in their order, without reading them as a whole."""

    kind: Literal["files", "records", "rows", "none"]
    """What is looked at: names and lengths of files, lengths and checksums in a table of records, rows of the pixels in
    an array, or nothing."""
    content: Iterable[bytes] = ()
    """What was seen: the same for the same images, wherever they lie, and on every machine."""


def identify(images: ImageSet) -> dict[str, Any]:
    """Say which images a set has: their `number`, the `look` at them, and a `digest` of what was seen.

    >>> import numpy as np
    >>> from cae.data.image_set import ArraySet
    >>> images = ArraySet(np.zeros((10, 4, 6), np.uint8))
    >>> before, after = (identify(images.take(np.array(rows))) for rows in ([0, 1], [1, 0]))
    >>> before["number"], before["look"], is_same(before, after), is_same(before, before)
    (2, 'rows', False, True)
    """
    look = images.first_look()
    found = hashlib.sha256()
    for seen in look.content:
        found.update(seen)
    return {"number": len(images), "look": look.kind, "digest": found.hexdigest()[:16] if look.kind != "none" else ""}


def is_same(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool | None:
    """Whether images are those of another time; None where as many are there, and no more is known.

    Digests say something only where they rest on the same look: a folder's and that of the shards made of it differ.

    Args:
        then: from `identify`, or a number alone.
        now: likewise.
    """
    if then["number"] != now["number"]:
        return False
    look = now.get("look", "none")
    if look == "none" or then.get("look") != look:
        return None
    return bool(then["digest"] == now["digest"])
