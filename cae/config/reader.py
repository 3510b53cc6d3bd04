"""YAML text to a tree of values that know their line and column."""

from __future__ import annotations

import re
from dataclasses import replace

from yaml.error import Mark, MarkedYAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
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

from cae.config.nodes import Node, Place, Problem, Scalar
from cae.config.scalars import resolve

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 32
# Aliases count with all that they stand for, so that a few lines cannot unfold into a memory full of values.
MAX_VALUES = 10_000

# A tab or a line break may stand in a text; the rest of the control characters, and halves of surrogate
# pairs, come from escapes such as "\\0" only and would break file names and terminals.
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# What PyYAML says, and what to say instead.
_PLAINER = (
    ("that cannot start any token", "a {character} cannot stand here; put quotes round a text that begins with it"),
    ("mapping values are not allowed here", "a second `key: value` on one line; quote a text that contains `: `"),
    ("could not find expected ':'", "a key without its colon; write `key: value`"),
    ("expected <block end>, but found", "this does not line up with the lines before; check the indentation"),
    ("expected ',' or ']'", "a list that began with [ needs a comma or ] here"),
    ("expected ',' or '}'", "a mapping that began with {{ needs a comma or }} here"),
    ("found unexpected end of stream", "a quotation mark is not closed"),
    ("found unexpected document separator", "a quotation mark is not closed"),
    ("found undefined alias", "an alias without its anchor"),
    ("found duplicate anchor", "an anchor that is given twice"),
)


def read_yaml(text: str, source: str, *, key: str | None = None) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document, keeping the place of each key and value.

    Plain words mean what YAML 1.2 says (see `cae.config.scalars.resolve`). Refused are: a key given twice,
    keys that are not text, merge keys, tags, several documents, aliases to what contains them, control
    characters, and anything beyond `MAX_CHARACTERS`, `MAX_DEPTH` and `MAX_VALUES`.

    >>> node, problems = read_yaml("seed: 1\\nseed: 2", "a.yaml")
    >>> print(problems[0])
    a.yaml:2:1: seed: the key is given twice, first in line 1, column 1

    Args:
        text: The document; an empty one is null.
        source: Name of the file in messages, or the command line argument.
        key: The KEY when `text` is the VALUE of `--set KEY=VALUE`; messages then have no line and column.

    Returns:
        The tree (None when the text could not be read to its end), and what is wrong.
    """
    composer = _Composer(source, key)
    try:
        return composer.read(text), composer.problems
    except _Unreadable as error:
        return None, [*composer.problems, error.problem]


class _Unreadable(Exception):
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

    def read(self, text: str) -> Node:
        if len(text) > MAX_CHARACTERS:
            self.stop(self.place_of(None), f"at most {MAX_CHARACTERS} characters; received {len(text)}")
        try:
            self.events = _Events(text)
        except ReaderError as error:
            self.stop(_place_in(text, error.position, self.place_of(None)), _unprintable(error.character))
        self.next()  # the stream's start
        if self.peek(StreamEndEvent):
            return Node(None, self.place(1, 1))
        self.next()  # the document's start
        root = self.node(self.next(), (), 0)
        if not self.peek(DocumentEndEvent):  # pragma: no cover
            raise AssertionError("a document has one root")
        self.next()
        if not self.peek(StreamEndEvent):
            self.stop(self.place_of(self.next().start_mark), "a second document; one is allowed")
        return root
