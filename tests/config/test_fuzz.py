"""Whatever is written, the answer is a model's plan or a message: never another error, never a long wait.

CAE_FUZZ_EXAMPLES=10000 tries that many texts in all, instead of the few hundred of an ordinary run.
"""

import contextlib
import copy
import itertools
import math
import os
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cae.config import ConfigError, RunConfig, expand_grid, load_config
from cae.config.checks import known_image_size
from cae.config.schema_walk import root_shape
from cae.errors import UserError
from cae.plan import PlanError, make_plan
from cae.plan.table import format_plan
from cae.runs.read_back import peak_memory_bytes
from tests.config.test_load import EVERY_KEY

NUM_TESTS = 10
EXAMPLES = math.ceil(int(os.environ.get("CAE_FUZZ_EXAMPLES", "500")) / NUM_TESTS)
MOST_SECONDS = 3.0  # of this thread's time, for one text; under 1 where nothing else runs

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3) | st.dates()
) | st.sampled_from([10**90, -(10**90), 2**31, 2**63, 2**64, 1e308, "../../x", "/etc/passwd", "..", "CON", "a\x1b[2J"])
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
    """Ask for the plan of a configuration text; gives whether there was one."""
    path = tmp_path_factory.mktemp("fuzz") / "a.yaml"
    seconds = []

    def ask(content, *overrides):
        path.write_bytes(content)
        found = plan(overrides)
        if seconds[-1] >= MOST_SECONDS:  # a slow text is slow each time, a collection of other tests' garbage is not
            plan(overrides)
        assert seconds[-1] < MOST_SECONDS
        return found

    def plan(overrides):
        started = time.thread_time()
        try:
            config = load_config(path, overrides)
        except ConfigError as error:
            config = None
            for line in str(error).split("\n"):
                assert line.startswith((f"{path}:", "--set ", "...")), line
                assert line.isprintable(), line
        if config is not None:
            plan_one(config)
        seconds.append(time.thread_time() - started)
        return config is not None

    yield ask
    print(f"{len(seconds)} texts, {max(seconds):.2f} s at most, {peak_memory_bytes() / 1e6:.0f} MB")


def plan_one(config):
    """Plan what `describe` would, or the first model of a grid."""
    assert isinstance(config, RunConfig)
    config = expand_grid(config)[0]
    size = known_image_size(config.data) or (28, 28)
    with contextlib.suppress(PlanError, UserError):  # which `describe` tells like a wrong key
        assert format_plan(make_plan(config.model, (*size, config.data.channels or 1)))


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


sizes = st.sampled_from([1, 2, 3, 31, 255, 65_536, 2**31 - 1]) | st.integers(1, 2**31 - 1)
models = st.fixed_dictionaries(
    {},
    optional={
        "encoder": st.fixed_dictionaries(
            {"filters": st.lists(sizes, min_size=1, max_size=12)},
            optional={
                "kernel_size": st.integers(1, 31),
                "convs_per_stage": st.integers(1, 16),
                "residual_blocks": st.integers(0, 32),
                "normalization": st.sampled_from(["none", "batch", "layer"]),
                "downsampling": st.sampled_from(["max_pool", "strided_conv", {"kind": "max_pool", "pool_size": 16}]),
            },
        ),
        "bottleneck": st.just("none") | st.builds(lambda n: {"kind": "dense", "units": n}, sizes),
        "decoder": st.sampled_from(["resize", "max_unpool", "fixed_unpool", "subpixel"]).map(
            lambda kind: {"upsampling": kind}
        ),
    },
)


@fuzzed
@given(model=models, image_size=st.tuples(sizes, sizes).map(list))
def test_a_model_of_any_size_is_planned_or_refused(answer, model, image_size):
    data = {"source": "mnist", "image_size": image_size}
    text = yaml.safe_dump({"data": data, "model": model})
    assert answer(text.encode()) or "max_unpool" in text  # which needs switches


@fuzzed
@given(
    opening=st.sampled_from(["[", "{", "{a: ", "[{a: ", "- ", "? ", "a: [", "&x [", "!!map {", "'", '"', "|\n ", "\\"]),
    depth=st.integers(1, 10_000),
    closing=st.sampled_from(["", "]", "}", "}]", "1"]),
)
def test_any_depth_of_nesting_has_an_answer(answer, opening, depth, closing):
    answer(f"model: {opening * depth}{closing * depth}".encode())


@fuzzed
@given(
    key=st.sampled_from(["seed", "name", "model", "grid", "extends", "data: {path", "<<", "&", "*", "!", "%"]),
    unit=st.text(min_size=1, max_size=3)
    | st.sampled_from(["9", "a.", "a: ", "x, ", "\\x00", "\u202e", "\ufeff", "\n "]),
    length=st.integers(1, 100_000),
    quotes=st.sampled_from(["", "'", '"', "[", "{"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7"]),
)
def test_any_length_of_line_and_any_encoding_has_an_answer(answer, key, unit, length, quotes, encoding):
    text = f"{key}: {quotes}{unit * (length // len(unit))}{quotes}"
    answer(text.encode(encoding, errors="surrogatepass" if encoding != "utf-7" else "replace"))


@fuzzed
@given(
    grid=st.dictionaries(
        st.sampled_from([".".join(path) for path in root_shape().paths()])
        | st.text(max_size=9)
        | st.integers(0, 99).map(lambda number: f"k{number}"),
        st.lists(scalars | words | models, max_size=5) | st.integers(1, 1200).map(lambda number: list(range(number))),
        max_size=20,
    )
)
def test_any_grid_has_an_answer(answer, grid):
    answer(yaml.safe_dump({"grid": grid}, allow_unicode=True).encode())


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
        "name: " + "a" * 60_000,
        "a" * 60_000 + ": 1",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise("abcdefghij")),
        "grid: {" + ", ".join(f"k{number}: [1, 2]" for number in range(1200)) + "}",
        "grid: {" + ", ".join(f"model.encoder.k{number}: [1, 2]" for number in range(1200)) + "}",
        "grid: {seed: " + str(list(range(1000))) + ", model.encoder: [{" + "kernl: 1, " * 99 + "}]}",
        "grid: {seed: " + str(list(range(1000))) + "}\nlogging: {image_epochs: " + str([3] * 3500) + "}",
        "model: {decoder: {upsampling: [" + "resze, " * 4900 + "]}}",
        "model: {encoder: {filters: [" + "1, " * 4900 + "]}}",
        "seed: !!python/object/apply:os.system [exit]",
        "!!python/name:os.system x: 1",
        "<<: {seed: 1}",
        "seed: 10e400\ntraining: {epochs: 1e999, batch_size: 1:30:00}\nname: 2001-01-01",
        "extends: /dev/zero",
        "extends: /dev/stdin",
    ],
)
def test_what_has_broken_other_readers_has_an_answer(answer, text):
    answer(text.encode())
