"""Configurations on top of each other: extended files, `--set` and grid values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cae.config.schema_walk import Options, Shape, as_index, root_shape
from cae.config.yaml.nodes import Node, Path, Problem, dotted, from_plain

# Keys of `training` of which only one counts: the one that is stated last takes the other's place.
_RIVALS = {"epochs": "steps", "steps": "epochs"}


def merge(low: Node, high: Node, shape: Shape | None = None) -> Node:
    """Lay one configuration on top of another: mappings are merged, everything else is replaced.

    Where `high` makes another choice (`kind: resize` on `kind: conv_transpose`), the keys that `low` gave
    to the old choice are dropped, since they mean nothing to the new one.

    Args:
        low: the configuration that is extended.
        high: the configuration that extends it.
        shape: what may stand there; the whole configuration when left out.
    """
    return _merge(_without_rivals(low, _stated_rivals(high)), high, shape or root_shape())


def _stated_rivals(tree: Node) -> set[str]:
    training = tree.value.get("training") if isinstance(tree.value, dict) else None
    keys = training.value if training is not None and isinstance(training.value, dict) else {}
    return {key for key in _RIVALS if key in keys and keys[key].value is not None}


def _without_rivals(tree: Node, stated: set[str]) -> Node:
    """Drop the keys whose place is taken by what is stated on top of a tree."""
    sections = tree.value
    if not stated or not isinstance(sections, dict) or "training" not in sections:
        return tree
    training = sections["training"]
    if not isinstance(training.value, dict):
        return tree
    dropped = {_RIVALS[key] for key in stated} - stated
    rest = {key: child for key, child in training.value.items() if key not in dropped}
    return replace(tree, value={**sections, "training": replace(training, value=rest)})


def _merge(low: Node, high: Node, shape: Shape | None) -> Node:
    options = shape.options if shape else None
    low, high = _in_full(low, options), _in_full(high, options)
    if not isinstance(low.value, dict) or not isinstance(high.value, dict):
        return high
    children = dict(low.value)
    if options and options.by in high.value:
        children = _still_meant(children, high.value[options.by], options)
    for key, child in high.value.items():
        below = children.get(key)
        inner = shape.child(key) if shape else None
        children[key] = child if below is None else _merge(below, child, inner)
    return replace(high, value=children)


def _in_full(node: Node, options: Options | None) -> Node:
    """Write `max_pool` as `{kind: max_pool}`."""
    if options is None or not isinstance(node.value, str):
        return node
    return replace(node, value={options.by: Node(node.value, node.place, node.key_place)})


def _still_meant(children: dict[str, Node], choice: Node, options: Options) -> dict[str, Node]:
    """Drop the keys of an old choice; keep those that mean the same for every choice."""
    old = children[options.by].value if options.by in children else options.default
    if old == choice.value:
        return children
    return {key: child for key, child in children.items() if key in options.shared}


@dataclass(frozen=True)
class Override:
    """A value for one dotted key."""

    path: Path
    value: Node


def apply(root: Node, overrides: Sequence[Override]) -> tuple[Node, list[Problem]]:
    """Set dotted keys, in an order that does not depend on the order in which they are given.

    Whole sections come before keys in them, and choices before the keys that belong to them. Of the same key
    given twice the last counts. A choice drops the old choice's keys as in `merge`, but not those which
    another override gives.

    Returns:
        The new tree, and what could not be set.
    """
    keys = {override.path[1]: override.value for override in overrides if override.path[:-1] == ("training",)}
    root = _without_rivals(root, {key for key in _RIVALS if key in keys and keys[key].value is not None})
    problems: list[Problem] = []
    applied: list[Path] = []
    for override in sorted(overrides, key=_precedence):
        whole = any(override.path[: len(path)] == path for path in applied if len(path) < len(override.path))
        try:
            root = _Setting(override, whole).on(root, root_shape(), override.path)
        except IndexError as error:
            problems.append(Problem(override.value.place, override.path, str(error)))
        applied.append(override.path)
    return root, problems


def _precedence(override: Override) -> tuple[int, bool]:
    parent = root_shape().at(override.path[:-1])
    is_choice = parent is not None and parent.options is not None and override.path[-1] == parent.options.by
    return len(override.path), not is_choice


@dataclass(frozen=True)
class _Setting:
    """One override on its way down the tree."""

    override: Override
    on_override: bool
    """Whether the sections on the way were given by an override themselves, so that no old keys are there."""

    def on(self, node: Node | None, shape: Shape | None, path: Path) -> Node:
        """Return `node` with the value at `path` set.

        Raises:
            IndexError: the path leads into a list without being an index of it.
        """
        if not path:
            return self.override.value
        part, options = path[0], shape.options if shape else None
        node = _in_full(self.way_through(node, shape, part), options)
        if isinstance(node.value, list):
            index = self.index(node.value, path)
            items = list(node.value)
            items[index] = self.on(items[index], shape.items(index) if shape else None, path[1:])
            return replace(node, value=items)
        if not isinstance(node.value, dict):  # a key inside a number, say: left to validation to refuse
            node = self.empty
        children = dict(node.value) if isinstance(node.value, dict) else {}
        if options and path == (options.by,) and not self.on_override:
            children = _still_meant(children, self.override.value, options)
        key = str(part)
        children[key] = self.on(children.get(key), shape.child(key) if shape else None, path[1:])
        return replace(node, value=children)

    @property
    def empty(self) -> Node:
        """A section that says nothing yet."""
        return Node({}, self.override.value.place, self.override.value.place)

    def way_through(self, node: Node | None, shape: Shape | None, part: str | int) -> Node:
        """Return what is there; where nothing is, the default list that an index means, or an empty section."""
        if node is not None and node.value is not None:
            return node
        by_default = shape.default if shape and node is None else None
        if as_index(part) is not None and isinstance(by_default, list):
            return from_plain(by_default, self.override.value.place)
        return self.empty

    def index(self, items: list[Node], path: Path) -> int:
        """Return the index that the next part of the path is."""
        way = dotted(self.override.path[: len(self.override.path) - len(path)])
        index = as_index(path[0])
        if index is None:
            raise IndexError(f"{way} is a list here; set it as a whole, or one item with {way}.0 and so on")
        if index >= len(items):
            raise IndexError(f"{way} has {len(items)} items here, the first with index 0")
        return index
