import math
import time

import pytest

from cae.config.yaml.nodes import plain, resolve
from cae.config.yaml.reader import MAX_BYTES, MAX_DEPTH, read_yaml


def read(text):
    """The plain value of a document without problems."""
    node, problems = read_yaml(text, "a.yaml")
    assert problems == []
    return plain(node)


def complaints(text):
    return [str(problem) for problem in read_yaml(text, "a.yaml")[1]]


# Section 10.3.2 of YAML 1.2.2, its example 10.9 included, and where YAML 1.1 (PyYAML) reads otherwise.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-19", -19),
        ("+12", 12),
        ("010", 10),
        ("0o7", 7),
        ("0o10", 8),
        ("0x3A", 58),
        ("0.", 0.0),
        ("-0.0", 0.0),
        (".5", 0.5),
        ("+12e03", 12000.0),
        ("-2E+05", -200000.0),
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text, value):
    result = read(f"key: {text}")["key"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("no", "No", "yes", "on", "off", "y", "n", "nUll", "tRUE", "2001-12-14", "2001-12-14t21:59:43.10-05:00"),
        *("1_000", "0b101", "190:20:30", "0o8", "-0x1", "-0o7", "1e", "e3", "inf", "nan", "-.nan", "1.2.3", "=", "١٢"),
    ],
)
def test_words_that_only_yaml_1_1_reads_otherwise_are_text(text):
    assert read(f"key: {text}") == {"key": text}


def test_not_a_number_is_read():
    assert math.isnan(resolve(".nan"))


def test_quoted_words_are_text():
    assert read("a: 'true'\nb: \"1\"\nc: |\n  2\nd: >-\n  null") == {"a": "true", "b": "1", "c": "2\n", "d": "null"}


def test_keys_and_values_know_their_line_and_column():
    node, _ = read_yaml("model:\n  encoder: {filters: [32,\n    64]}\n", "a.yaml")
    filters = node.value["model"].value["encoder"].value["filters"]
    assert str(filters.key_place) == "a.yaml:2:13"
    assert str(filters.place) == "a.yaml:2:22"
    assert [str(item.place) for item in filters.value] == ["a.yaml:2:23", "a.yaml:3:5"]


def test_columns_count_characters_after_a_byte_order_mark_and_wide_characters():
    node, _ = read_yaml("\ufeff{ä😀: x}".encode(), "a.yaml")
    assert str(node.value["ä😀"].key_place) == "a.yaml:1:2"
    assert str(node.value["ä😀"].place) == "a.yaml:1:6"


def test_an_empty_document_is_null():
    for text in ("", "# only a comment\n", "---\n", "\n\n"):
        assert read(text) is None


def test_a_key_that_is_given_twice_is_refused_with_both_places():
    assert complaints("a: 1\nb:\n  c: 2\n  c: 3\na: 4") == [
        "a.yaml:4:3: b.c: the key is given twice, first in line 3, column 3",
        "a.yaml:5:1: a: the key is given twice, first in line 1, column 1",
    ]


def test_the_same_key_in_quotes_is_the_same_key():
    assert complaints("a: 1\n'a': 2") == ["a.yaml:2:1: a: the key is given twice, first in line 1, column 1"]


@pytest.mark.parametrize("key", ["1", "true", "null", "~", "1.5", "? [a, b]\n", "? {a: b}\n"])
def test_a_key_that_is_not_text_is_refused(key):
    (line,) = complaints(f"a:\n  {key}: x" if key[0] != "?" else f"{key}: x")
    assert line.startswith("a.yaml:")
    assert line.endswith("a key must be text; put it in quotes")


def test_a_merge_key_is_refused():
    assert complaints("a: &x {b: 1}\nc:\n  <<: *x") == [
        "a.yaml:3:3: c: merge keys (<<) are not part of YAML 1.2; use `extends`"
    ]


def test_a_tag_is_refused():
    assert complaints("a: !!python/object/apply:os.system [ls]") == [
        "a.yaml:1:4: a: tags are not allowed; received tag:yaml.org,2002:python/object/apply:os.system"
    ]


def test_an_alias_stands_for_a_copy_at_its_own_place():
    node, problems = read_yaml("a: &x [1, 2]\nb: *x", "a.yaml")
    assert problems == []
    assert plain(node) == {"a": [1, 2], "b": [1, 2]}
    assert str(node.value["b"].place) == "a.yaml:2:4"


def test_aliases_to_nothing_or_to_what_contains_them_are_refused():
    assert complaints("a: *x") == ["a.yaml:1:4: nothing before this has the anchor &x"]
    assert complaints("a: &x [1, *x]") == ["a.yaml:1:11: the alias *x stands inside what it stands for"]


@pytest.mark.parametrize("item", ["[{0}, {0}]", "{{a: {0}, b: {0}}}", "[{0}]"])
def test_an_alias_bomb_is_refused_at_once(item):
    lines = ["a0: &a0 [1, 2, 3]"]
    lines += [f"a{number}: &a{number} {item.format(f'*a{number - 1}')}" for number in range(1, 400)]
    start = time.process_time()
    (line,) = complaints("\n".join(lines))
    assert time.process_time() - start < 1.0
    assert line.endswith("more than 5000 values, aliases unfolded")


def test_values_nested_too_deep_are_refused():
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    for text in ("[" * 60_000, "{a: " * 15_000, "- " * 30_000, "? " * 30_000):
        assert complaints(text)[0].endswith(f"values are nested more than {MAX_DEPTH} deep")


def test_a_file_that_is_too_large_is_refused():
    assert read("#" * MAX_BYTES) is None
    assert complaints("#" * (MAX_BYTES + 1)) == [f"a.yaml: a configuration has at most {MAX_BYTES} bytes"]


def test_numbers_of_thousands_of_digits_are_refused_quickly():
    for digits in ("9" * 60_000, "0x" + "f" * 60_000, "1e" + "9" * 5000, "." + "1" * 5000):
        (line,) = complaints(f"a: {digits}")
        assert line == f"a.yaml:1:4: a: a number has at most 100 characters; received {len(digits)}"


def test_a_second_document_is_refused():
    assert complaints("a: 1\n---\nb: 2") == ["a.yaml:2:1: a second document begins; only one is allowed"]


def test_bytes_that_are_not_utf_8_are_refused_with_their_place():
    assert complaints("a: ä\nb: ".encode() + b"\xff") == ["a.yaml:2:4: not UTF-8 text: byte 0xff"]


def test_control_characters_are_refused_whether_written_or_escaped():
    assert complaints("a: 1\nb: \x00") == ["a.yaml:2:4: the character '\\x00' is not allowed"]
    assert complaints(r'a: "\0"') == ["a.yaml:1:4: a: the character '\\x00' is not allowed"]
    assert complaints(r'a: "\ud800"') == ["a.yaml:1:4: a: the character '\\ud800' is not allowed"]
    assert complaints(r'a: "\UFFFFFFFF"') == ["a.yaml:1:7: not YAML: no such character"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n\tb: 1", "a.yaml:2:1: not YAML: a tab; YAML is indented with spaces"),
        ("a: [1, 2\nb: 3", "a.yaml:2:2: not YAML: the list that began with `[` in line 1 needs a comma or `]` here"),
        ("a: {b: 1", "a.yaml:1:9: not YAML: the mapping that began with `{` in line 1 needs a comma or `}` here"),
        ("a: 'b\n\nc: d", "a.yaml:1:4: not YAML: the quotation mark is not closed"),
        ("a: b: c", "a.yaml:1:5: not YAML: no `key: value` can stand here; check the indentation, or quote the text"),
        (
            "a: 1\n  b: 2",
            "a.yaml:2:4: not YAML: no `key: value` can stand here; check the indentation, or quote the text",
        ),
        (
            "a:\n    b: 1\n  c: 2",
            "a.yaml:3:3: not YAML: this does not line up with the lines before; check the indentation",
        ),
        ("a: @b", "a.yaml:1:4: not YAML: this character cannot begin a value; put quotes round the text"),
        ("a: 1\nb", "a.yaml:2:2: not YAML: a key without its colon; write `key: value`"),
        ("a: [", "a.yaml:1:5: not YAML: a value is missing here"),
        ("{}\n}", "a.yaml:2:1: not YAML: something is left over after the end of the document"),
    ],
)
def test_syntax_errors_say_where_and_what_to_do(text, line):
    assert complaints(text) == [line]


def test_an_override_has_no_line_and_column():
    _, problems = read_yaml("[1", "--set seed=[1", key="seed")
    assert str(problems[0]).startswith("--set seed=[1: not YAML: ")
