"""Whatever is written, the answer is a configuration or a message: never another error, never a long wait."""

import copy

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cae.config import ConfigError, RunConfig, load_config
from cae.config.shape import root_shape
from tests.config.test_load import EVERY_KEY

fuzzed = settings(max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3) | st.dates()
)
words = st.sampled_from(sorted({part for path in root_shape().paths() for part in path} | {"extends", "0", "resize"}))
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | scalars, inner, max_size=5),
    max_leaves=25,
)
# Pieces that mean something to YAML.
signs = [*"~:-?[]{},|>'\"#@`=\\", "\\U", "&x", "*x", "<<", "!t", "!!int", "a", "model", "kind", "1e3", "0x", ".nan"]
spaces = [" ", "\n", "\n  ", "\n- ", ": ", "\t", "\r", "\n---\n", "\n...\n", "%YAML 1.2\n", "\x85", "\ufeff", "\u2028"]
pieces = st.lists(st.sampled_from([*signs, *spaces, "9" * 5000]), max_size=40).map("".join)


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "a.yaml"

    def ask(content, *overrides):
        path.write_bytes(content)
        try:
            assert isinstance(load_config(path, overrides), RunConfig)
        except ConfigError as error:
            for line in str(error).split("\n"):
                assert line.startswith((f"{path}:", "--set ", "...")), line

    return ask


@fuzzed
@given(content=st.binary(max_size=200))
def test_any_bytes_have_an_answer(answer, content):
    answer(content)


@fuzzed
@given(text=st.text(max_size=200))
def test_any_text_has_an_answer(answer, text):
    answer(text.encode("utf-8", errors="surrogatepass"))


@fuzzed
@given(text=pieces)
def test_any_yaml_has_an_answer(answer, text):
    answer(text.encode())


@fuzzed
@given(value=anything)
def test_any_data_has_an_answer(answer, value):
    answer(yaml.safe_dump(value, allow_unicode=True).encode())


@fuzzed
@given(path=st.sampled_from(list(root_shape().paths())), value=anything, other=anything)
def test_any_value_in_any_key_has_an_answer(answer, path, value, other):
    root = copy.deepcopy(yaml.safe_load(EVERY_KEY))
    section = root
    for part in path[:-1]:
        if not isinstance(section.get(part), dict):
            section[part] = {}
        section = section[part]
    section[path[-1]] = value
    if isinstance(other, dict):
        section.update(other)
    answer(yaml.safe_dump(root, allow_unicode=True).encode())


keys = st.lists(words | st.sampled_from(["grid", "0", "1", "7", "x"]), min_size=1, max_size=5).map(".".join)
paths = st.sampled_from([".".join(path) for path in root_shape().paths()])


@fuzzed
@given(
    overrides=st.lists(
        st.text(max_size=20)
        | st.tuples(
            keys | paths, anything.map(lambda value: yaml.safe_dump(value, default_flow_style=True)) | pieces
        ).map("=".join),
        max_size=4,
    )
)
def test_any_override_has_an_answer(answer, overrides):
    answer(EVERY_KEY.encode(), *overrides)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",
        "&x a: *x",
        "&x [&x [*x]]",
        "data: &d {source: idx, path: a, augmentation: *d}",
        "grid: &g {seed: *g}",
        "grid: {data: [[[[]]], {path: {path: [x]}}]}",
        "grid: {grid.grid: [{grid: {data: {path: a}}}]}",
        "grid: {'': [1]}",
        "grid: {.: [1], ..: [2], model.: [3]}",
        "'': {'': ''}",
        "extends: ''",
        "extends: .",
        "extends: /",
        "extends: ~nobody-of-this-name/a.yaml",
        "model: {encoder: {filters: [" + "9" * 90 + "]}}",
        "training: {optimizer: {learning_rate: " + "9" * 90 + "}}",
        "seed: 0x" + "f" * 90,
        "data: {path: " + "x" * 5000 + "}",
        "model: {decoder: {upsampling: " + "[" * 20 + "]" * 20 + "}}",
        "name: " + "a" * 200_000,
        "a" * 200_000 + ": 1",
    ],
)
def test_what_has_broken_other_readers_has_an_answer(answer, text):
    answer(text.encode())
