"""YAML text to a tree of values that know their line and column."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from yaml.error import Mark, MarkedYAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from cae.config.yaml.nodes import Node, Path, Place, Problem, Scalar, num_values, resolve

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
# Aliases count with all that they stand for, so that a few lines cannot unfold into a memory full of values.
MAX_VALUES = 5_000

# A tab or a line break may stand in a text; other control characters and halves of surrogate pairs come
# from escapes such as "\\0" only, and would break file names and terminals.
UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# What PyYAML says, and what to say instead; {began} is the line of the opening bracket.
_PLAINER = (
    ("character '\\t' that cannot start", "a tab; YAML is indented with spaces"),
    ("that cannot start any token", "this character cannot begin a value; put quotes round the text"),
    ("mapping values are not allowed", "no `key: value` can stand here; check the indentation, or quote the text"),
    ("could not find expected ':'", "a key without its colon; write `key: value`"),
    ("expected <block end>", "this does not line up with the lines before; check the indentation"),
    ("expected ',' or ']'", "the list that began with `[` in line {began} needs a comma or `]` here"),
    ("expected ',' or '}'", "the mapping that began with `{{` in line {began} needs a comma or `}}` here"),
    ("expected the node content", "a value is missing here"),
    ("found unexpected end of stream", "the quotation mark is not closed"),
    ("found unexpected document separator", "the quotation mark is not closed"),
    ("expected '<document start>'", "something is left over after the end of the document"),
)


def read_yaml(text: bytes | str, source: str, *, key: str | None = None) -> tuple[Node | None, list[Problem]]:
    r"""Read one YAML document, keeping the place of each key and value.

    Plain words mean what YAML 1.2 says (see `cae.config.yaml.nodes.resolve`). Refused are: a key given twice,
    keys that are not text, merge keys, tags, several documents, aliases to what contains them, control
    characters, and anything beyond `MAX_BYTES`, `MAX_DEPTH` and `MAX_VALUES`.

    >>> node, problems = read_yaml("seed: 1\nseed: 2", "a.yaml")
    >>> print(problems[0])
    a.yaml:2:1: seed: the key is given twice, first in line 1, column 1

    Args:
        text: the document, in UTF-8 when in bytes; an empty one is null.
        source: name of the file in messages, or the command line argument.
        key: the KEY when `text` is the VALUE of `--set KEY=VALUE`; messages then have no line and column.

    Returns:
        The tree (None when the text could not be read to its end), and what is wrong.
    """
    composer = _Composer(source, key)
    try:
        return composer.read(text), composer.problems
    except _UnreadableError as error:
        return None, [*composer.problems, error.problem]


class _UnreadableError(Exception):
    """Reading cannot go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Events(Reader, Scanner, Parser):
    """PyYAML's parser without what makes Python objects of the events."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


class _Composer:
    """Builds the tree from the parser's events."""

    def __init__(self, source: str, key: str | None) -> None:
        self.source = source
        self.key = key
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}  # None while what the anchor names is still being read
        self.num_values = 0

    def read(self, text: bytes | str) -> Node:
        """Return the only document's root."""
        if len(text) > MAX_BYTES:
            raise self.stop(None, f"a configuration has at most {MAX_BYTES} bytes")
        if isinstance(text, bytes):
            text = self.decoded(text)
        try:
            self.events = _Events(text)
        except ReaderError as error:
            message = f"the character {chr(error.character)!r} is not allowed"
            raise self.stop(_mark_after(text[: error.position]), message) from None
        self.next()  # the beginning of the stream
        if isinstance(event := self.next(), StreamEndEvent):
            return Node(None, self.place(event.start_mark))
        root = self.node(self.next(), (), 0)
        self.next()  # the end of the document
        if not isinstance(event := self.next(), StreamEndEvent):
            raise self.stop(event.start_mark, "a second document begins; only one is allowed")
        return root

    def decoded(self, text: bytes) -> str:
        """Return the characters of a UTF-8 file, with or without a byte order mark."""
        try:
            return text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = text[: error.start].decode("utf-8", errors="replace")
            hint = "" if self.source.endswith((".yaml", ".yml")) else "; images are given with --data"
            reason = f"not UTF-8 text: byte 0x{text[error.start]:02x}{hint}"
            raise self.stop(_mark_after(before), reason) from None

    def next(self) -> Any:
        """Return the next event, or stop at what is not YAML."""
        try:
            return self.events.get_event()
        except MarkedYAMLError as error:
            raise self.stop(*_in_plain_words(error)) from None
        except (ValueError, OverflowError):  # an escape such as "\\UFFFFFFFF"
            raise self.stop(self.events.get_mark(), "not YAML: no such character") from None

    def node(self, event: Any, path: Path, depth: int) -> Node:
        """Read the value that begins with `event`."""
        if depth > MAX_DEPTH:
            raise self.stop(event.start_mark, f"values are nested more than {MAX_DEPTH} deep")
        if isinstance(event, AliasEvent):
            return self.alias(event)
        self.count(1, event)
        if event.tag is not None:
            self.report(event.start_mark, path, f"tags are not allowed; received {event.tag}")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, MappingStartEvent):
            node = Node(self.mapping(path, depth), self.place(event.start_mark))
        elif isinstance(event, SequenceStartEvent):
            node = Node(self.sequence(path, depth), self.place(event.start_mark))
        else:
            node = Node(self.scalar(event, path), self.place(event.start_mark))
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def mapping(self, path: Path, depth: int) -> dict[str, Node]:
        """Read the entries of a mapping; of a key that is given twice the first counts."""
        children: dict[str, Node] = {}
        while not isinstance(event := self.next(), MappingEndEvent):
            key = self.node(event, path, depth + 1)
            text = key.value
            if isinstance(text, str):
                child = replace(self.node(self.next(), (*path, text), depth + 1), key_place=key.place)
            else:
                self.node(self.next(), path, depth + 1)
                self.report(event.start_mark, path, "a key must be text; put it in quotes")
                continue
            if text == "<<" and event.implicit[0]:
                self.report(event.start_mark, path, "merge keys (<<) are not part of YAML 1.2; use `extends`")
            elif text in children:
                first = children[text].key_place
                where = f", first in line {first.line}, column {first.column}" if first and first.line else ""
                self.report(event.start_mark, (*path, text), f"the key is given twice{where}")
            else:
                children[text] = child
        return children

    def sequence(self, path: Path, depth: int) -> list[Node]:
        """Read the items of a list."""
        items: list[Node] = []
        while not isinstance(event := self.next(), SequenceEndEvent):
            items.append(self.node(event, (*path, len(items)), depth + 1))
        return items

    def scalar(self, event: ScalarEvent, path: Path) -> Scalar:
        """Return what a word means; one in quotes, and a block of text, is text."""
        if unusable := UNUSABLE.search(event.value):
            self.report(event.start_mark, path, f"the character {unusable.group()!r} is not allowed")
            return UNUSABLE.sub("", event.value)
        try:
            return resolve(event.value) if event.implicit[0] else event.value
        except ValueError as error:
            self.report(event.start_mark, path, str(error))
            return None

    def alias(self, event: AliasEvent) -> Node:
        """Return what an alias stands for, as if it were written there."""
        if event.anchor not in self.anchors:
            raise self.stop(event.start_mark, f"nothing before this has the anchor &{event.anchor}")
        node = self.anchors[event.anchor]
        if node is None:
            raise self.stop(event.start_mark, f"the alias *{event.anchor} stands inside what it stands for")
        self.count(num_values(node), event)
        return replace(node, place=self.place(event.start_mark))

    def count(self, num_values: int, event: Any) -> None:
        """Stop at an alias bomb, or at a file that cannot be a configuration."""
        self.num_values += num_values
        if self.num_values > MAX_VALUES:
            raise self.stop(event.start_mark, f"more than {MAX_VALUES} values, aliases unfolded")

    def place(self, mark: Any) -> Place:
        """Return the place that a mark of PyYAML's points to."""
        if self.key is not None or mark is None:
            return Place(self.source, key=self.key)
        return Place(self.source, mark.line + 1, mark.column + 1)

    def report(self, mark: Any, path: Path, message: str) -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(self.place(mark), path, message))

    def stop(self, mark: Any, message: str) -> _UnreadableError:
        """Make the problem that ends the reading."""
        return _UnreadableError(Problem(self.place(mark), (), message))


def _mark_after(text: str) -> Mark:
    return Mark("", 0, text.count("\n"), len(text) - (text.rfind("\n") + 1), None, 0)


def _in_plain_words(error: MarkedYAMLError) -> tuple[Any, str]:
    """Return where the parser failed and why."""
    said = str(error.problem)
    message = next((plainer for theirs, plainer in _PLAINER if theirs in said), None)
    if message is None:
        return error.problem_mark or error.context_mark, f"not YAML: {said}"
    began = error.context_mark
    mark = began if began and "quotation" in message else error.problem_mark
    return mark, "not YAML: " + message.format(began=began.line + 1 if began else "?")
