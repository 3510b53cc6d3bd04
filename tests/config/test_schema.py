import json
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

import cae.config.data
import cae.config.model
import cae.config.objective
import cae.config.run
import cae.config.training
from cae.config import RunConfig, load_config
from cae.config.schema_walk import Shape, make_schema, root_shape
from cae.kinds.catalogue import BOTTLENECKS, DOWNSAMPLINGS, LINEAR_PATHS, NORMALIZATIONS, UPSAMPLINGS
from cae.section import Section
from tests.config.test_load import EVERY_KEY

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(CONFIGS.glob("*.yaml"))

MODULES = [cae.config.data, cae.config.run, cae.config.model, cae.config.objective, cae.config.training]
KINDS = [*UPSAMPLINGS, *DOWNSAMPLINGS, *BOTTLENECKS, *NORMALIZATIONS, *LINEAR_PATHS]
# Not sections themselves, but what sections are made from.
BASES = {Section, cae.config.data.AnyData, *(kind.__base__ for kind in KINDS)}
SECTIONS = (
    {
        value
        for module in MODULES
        for value in (*vars(module).values(), *KINDS)
        if isinstance(value, type) and issubclass(value, BaseModel)
    }
    - BASES
    - {base for kind in BASES for base in kind.__mro__}
)


def test_the_committed_schema_is_current():
    """Otherwise run: python -m cae.config.schema_walk > configs/schema.json."""
    assert json.loads((CONFIGS / "schema.json").read_text()) == make_schema()


@pytest.mark.parametrize("section", sorted(SECTIONS, key=str), ids=lambda section: section.__name__)
def test_every_key_has_a_sentence_and_a_default(section):
    assert section.__doc__
    for key, field in section.model_fields.items():
        assert field.description, key
        assert field.description[0].isupper() or field.description[0] in "`1.", key
        assert field.description.endswith("."), key
        assert not field.is_required() or key == "source", key


def test_every_key_in_the_schema_has_its_description_and_default():
    def check(path):
        shape = root_shape().at(path)
        assert shape is not None
        assert shape.schema.get("description"), path

    paths = list(root_shape().paths())
    assert len(paths) > 70
    for path in paths:
        check(path)


def choices(shape, path=()):
    if shape.options:
        yield path, shape
    for key, inner in shape.keys.items():
        yield from choices(inner, (*path, key))


def test_the_default_choice_is_the_one_a_silent_configuration_makes():
    found = dict(choices(root_shape()))
    assert len(found) == 9
    silent = RunConfig()
    for path, shape in found.items():
        value = silent
        for key in path:
            value = getattr(value, key)
        assert getattr(value, shape.options.by) == shape.options.default, path
        # ... and it is that choice with all its defaults.
        assert value == type(value)()


def test_a_choice_lists_its_words_in_the_order_of_its_sections():
    shape = root_shape().at(("model", "decoder", "upsampling"))
    assert isinstance(shape, Shape)
    assert list(shape.options.shapes) == [
        *("resize", "max_unpool", "fixed_unpool", "conv_transpose", "subpixel", "bilinear_additive"),
        *("carafe", "dysample", "haar", "learned_indices"),
    ]


ACCEPTED = [
    "{}",
    EVERY_KEY,
    "extends: other.yaml",
    "data: mnist",
    "data: {image_size: [28, 28]}",
    "model: {decoder: {upsampling: max_unpool}, bottleneck: none}",
    "model: {decoder: {upsampling: [resize, {kind: conv_transpose, kernel_size: 2}, {kernel_size: 2}]}}",
    "model: {encoder: {downsampling: {pool_size: 3}, normalization: batch}}",
    "training: {optimizer: sgd, schedule: cosine, early_stopping: {patience: 3}, xla: true}",
    "logging: {image_epochs: [1, 2, 10]}",
    "grid: {model.decoder.upsampling.kind: [resize, max_unpool], seed: [0, 1]}",
]
REFUSED = [
    "modell: {}",
    "seed: x",
    "seed: -1",
    "data: mnits",
    "model: {decoder: {upsampling: {kind: resize, kernel_size: 4}}}",
    "model: {decoder: {upsampling: {interpolation: bilinear}}}",
    "model: {decoder: {upsampling: []}}",
    "training: {optimizer: {name: sgd, beta_1: 0.5}}",
    "data: {image_size: [28]}",
    "grid: {seed: 1}",
]


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(make_schema())
    return jsonschema.Draft202012Validator(make_schema())


def test_the_schema_takes_what_the_program_takes(validator):
    shipped = [path.read_text(encoding="utf-8") for path in SHIPPED]
    for text in [*ACCEPTED, *shipped]:
        assert list(validator.iter_errors(yaml.safe_load(text))) == [], text


def test_the_schema_refuses_what_the_program_refuses(validator):
    for text in REFUSED:
        assert list(validator.iter_errors(yaml.safe_load(text))) != [], text


@pytest.mark.parametrize("text", [text for text in ACCEPTED if "extends" not in text])
def test_the_program_takes_what_the_schema_takes(load, text):
    stages = "model: {encoder: {filters: [8, 8, 8]}, "
    load(text.replace("model: {", stages, 1) if "[resize, {kind" in text else text)


@pytest.mark.parametrize("text", REFUSED)
def test_the_program_refuses_what_the_schema_refuses(problems, text):
    assert len(problems(text)) == 1


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_configuration_loads_and_says_what_it_is_for(path):
    load_config(path)
    head = path.read_text(encoding="utf-8").splitlines()
    for word in ("# Purpose:", "# Command:", "# Time:", "# Result:"):
        assert any(line.startswith(word) for line in head), word
