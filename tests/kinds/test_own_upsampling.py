"""Kinds that are added: by a file as the documents say, by a program, and by an installed package."""

from __future__ import annotations

import importlib
import re
import runpy
import shutil
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest

import cae
from cae.commands.main import main
from cae.config import check_config, registration
from cae.errors import ConfigError, UserError
from cae.grid import step_time
from cae.kinds.catalogue import UPSAMPLINGS, Resize
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.plan.lowering import Device, FoldedConvolution, lower
from cae.plan.table import format_plan
from tests.conftest import make_images

ROOT = Path(__file__).parents[2]
NO_PICTURES = {"image_epochs": [9], "tensorboard": False}


@pytest.fixture(autouse=True)
def _only_the_kinds_that_were_there():
    kinds = list(UPSAMPLINGS)
    yield
    UPSAMPLINGS[:] = kinds
    registration._origins.clear()
    registration._read_lists_anew()


@pytest.fixture
def repeat(tmp_path, monkeypatch):
    """The kind of docs/architecture.md, from a file of its own."""
    code = code_in("architecture.md", "To add a kind of upsampling")
    (tmp_path / "repeat_kind.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    cae.register_upsampling("repeat", importlib.import_module("repeat_kind").Repeat)


class Blend(keras.layers.Layer):
    """Repeats values, and mixes channels by a matrix that it learns."""

    def build(self, input_shape):
        self.mix = keras.layers.Dense(input_shape[-1] // 2, name="mix")
        self.mix.build(input_shape)

    def call(self, inputs):
        return keras.ops.repeat(keras.ops.repeat(self.mix(inputs), 2, axis=1), 2, axis=2)


def model(upsampling, filters=(4, 6)):
    encoder = {"filters": list(filters)}
    return {"model": {"encoder": encoder, "bottleneck": "none", "decoder": {"upsampling": upsampling}}}


def plan_of(upsampling, shape=(13, 10, 1), **encoder):
    return make_plan(check_config(model(upsampling, **encoder)).model, shape)


def code_in(document, title):
    """The first block of Python below a heading."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8").partition(f"## {title}\n")[2]
    return text.partition("```python\n")[2].partition("```")[0]


def test_the_lines_that_the_documents_register_a_layer_with_make_it_a_kind():
    definition, train, _ = code_in("using.md", "Compare a decoder of your own").partition("cae.train(")
    exec(definition, {"__name__": "own"})
    assert train
    assert plan_of("mine", (13, 10, 1)).decoder[0].summary == "mine x2"


@pytest.mark.usefixtures("repeat")
def test_the_kind_that_the_documents_add_is_described_and_computes_and_is_folded_as_resizing_is():
    plan, resizing = plan_of("repeat", (12, 8, 1)), plan_of("resize", (12, 8, 1))
    assert "repeat x2" in format_plan(plan)
    images = np.random.default_rng(0).random((2, 12, 8, 1), np.float32)
    repeated, resized = (build_autoencoder(one, seed=3).model(images) for one in (plan, resizing))
    np.testing.assert_array_equal(repeated, resized)
    forms = [
        [type(step) for step in lower(one.decoder, Device(), "float32", training=True)] for one in (plan, resizing)
    ]
    assert forms[0] == forms[1]
    assert FoldedConvolution in forms[0]


@pytest.mark.usefixtures("repeat")
def test_a_registered_layer_trains_beside_others_and_its_run_says_whose_it_was(tmp_path, write_config):
    cae.register_upsampling("blend", Blend)
    config = write_config(
        "model: {encoder: {filters: [4, 6]}, bottleneck: none, decoder: {upsampling: [repeat, blend]}}\n"
        "training: {steps: 2, epochs: auto, batch_size: 16}\nlogging: {image_epochs: [9]}\n"
    )
    result = cae.train(config, runs_dir=tmp_path)
    run = tmp_path / "default" / "run"
    images = np.random.default_rng(0).random((2, 15, 10, 1), np.float32)
    expected = cae.load(run).reconstruct(images)
    np.testing.assert_allclose(cae.load(result).reconstruct(images), expected)
    assert np.ptp(expected) > 0

    UPSAMPLINGS[:] = [kind for kind in UPSAMPLINGS if kind.model_fields["kind"].default != "blend"]
    registration._origins.clear()
    registration._read_lists_anew()
    with pytest.raises(ConfigError, match=r"must be one of .* received .*blend.*trained with \S+\.Blend: install"):
        cae.load(run)


def test_a_grid_whose_processes_would_not_know_a_kind_is_trained_in_this_one(tmp_path):
    cae.register_upsampling("blend", Blend)
    np.save(tmp_path / "images.npy", make_images(30, 12, 8))  # those of a file are no reason to train here
    config = model("resize") | {
        "data": {"source": "arrays", "path": str(tmp_path / "images.npy")},
        "grid": {"model.decoder.upsampling": ["blend", "resize"]},
        "training": {"steps": 1, "batch_size": 8},
        "logging": NO_PICTURES,
    }
    result = cae.train(config, runs_dir=tmp_path, tell=lambda line: None)
    assert [run.path.name for run in result] == ["blend", "resize"]
    assert [run.status for run in result] == ["finished", "finished"]


def test_a_layer_is_counted_with_its_weights_and_starts_alike_for_a_seed_and_odd_sizes_are_restored():
    cae.register_upsampling("blend", Blend)
    plan = plan_of("blend", shape=(13, 10, 1), filters=(4,))
    own = next(operation for operation in plan.decoder if operation.name == "stage_1_blend")
    assert own.parameters == 4 * 2 + 2
    first, again, other = (build_autoencoder(plan, seed=seed) for seed in (1, 1, 2))
    assert first.model.count_params() == plan.parameters
    assert first.model.output_shape == (None, 13, 10, 1)
    assert "decoder/stage_1_blend/mix/kernel" in first.weight_names
    kernel = first.weight_names.index("decoder/stage_1_blend/mix/kernel")
    np.testing.assert_array_equal(first.model.get_weights()[kernel], again.model.get_weights()[kernel])
    assert not np.array_equal(first.model.get_weights()[kernel], other.model.get_weights()[kernel])
    images = np.random.default_rng(0).random((2, 13, 10, 1), np.float32)
    np.testing.assert_allclose(first.decode(*first.encode(images)), first.model(images), atol=1e-5)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package in `examples`, as pip would leave it."""
    folder = ROOT / "examples" / "own_upsampling"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    information = tmp_path / "own_upsampling-0.1.0.dist-info"
    information.mkdir()
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["cae.upsamplings"].items()]
    (information / "entry_points.txt").write_text("\n".join(["[cae.upsamplings]", *lines]), encoding="utf-8")
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    (information / "top_level.txt").write_text("own_upsampling\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(folder)


def test_a_kind_that_is_not_installed_is_unknown():
    with pytest.raises(ConfigError, match=r"must be one of .* received .*unheard"):
        check_config(model("unheard"))


@pytest.mark.usefixtures("installed")
def test_a_kind_of_an_installed_package_needs_its_name_only():
    grid = {"grid": {"model.decoder.upsampling": ["blurred", "resize"]}}
    combinations = cae.config.expand_grid(check_config(model("resize") | grid))
    assert [one.name for one in combinations] == ["blurred", "resize"]
    assert [registration.known_here_alone(one) for one in combinations] == [[], []]  # each process finds it by itself
    assert registration.own_parts() == {"blurred": "own_upsampling.Blurred of own-upsampling 0.1.0"}
    with pytest.raises(ConfigError, match="did you mean blurred"):
        check_config(model("blured"))

    plan = plan_of("blurred", (12, 8, 1), filters=(4,))
    autoencoder = build_autoencoder(plan)
    values = np.random.default_rng(0).random((1, 6, 4, 4), np.float32)
    rows = np.pad(values.repeat(2, axis=1).repeat(2, axis=2), [(0, 0), (1, 1), (1, 1), (0, 0)])
    weights = np.array([0.25, 0.5, 0.25])
    expected = sum(
        weights[down] * weights[right] * rows[:, down : down + 12, right : right + 8]
        for down in range(3)
        for right in range(3)
    )
    np.testing.assert_allclose(autoencoder.decoder.get_layer("stage_1_blurred")(values), expected, atol=1e-6)


@pytest.mark.usefixtures("installed")
def test_steps_of_a_kind_of_an_installed_package_can_be_timed_in_a_process_that_has_not_read_the_configuration(
    monkeypatch,
):
    monkeypatch.setattr(step_time, "make_steps", lambda section, timed: lambda number: 2.0)
    mine, first = ({"decoder": {"upsampling": {"kind": kind}}} for kind in ("blurred", "resize"))
    timed = {"model": mine, "first": first, "objective": {}, "training": {}, "shape": [8, 8, 1]}
    assert step_time._find_widths([timed]) == [((32, 32), 2.0, 2.0)]


def test_the_package_to_copy_is_compared_with_built_in_kinds_and_named_where_it_is_missing(
    installed, tmp_path, monkeypatch, capsys
):
    for part in ("own_upsampling-0.1.0.dist-info", ROOT / "examples" / "own_upsampling" / "own_upsampling"):
        shutil.copytree(tmp_path / part, tmp_path / "packages" / Path(part).name)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))  # for the processes that train
    np.save(tmp_path / "images.npy", make_images(30, 12, 8))
    config = model("resize") | {
        "data": {"source": "arrays", "path": str(tmp_path / "images.npy")},
        "training": {"epochs": 1, "batch_size": 16},
        "logging": NO_PICTURES,
        "grid": {"model.decoder.upsampling": ["blurred", "resize"]},
    }
    result = cae.train(config, runs_dir=tmp_path)
    report = cae.compare(result)
    assert report["answer"]["use"]
    assert all(word in report.text for word in ("2 decoders", "blurred", "resize nearest"))

    monkeypatch.undo()
    UPSAMPLINGS[:] = [kind for kind in UPSAMPLINGS if kind.model_fields["kind"].default != "blurred"]
    registration._origins.clear()
    registration._read_lists_anew()
    missing = "the run was trained with own_upsampling.Blurred of own-upsampling 0.1.0: install that package"
    for function in (cae.load, cae.evaluate, cae.describe):
        with pytest.raises(ConfigError, match=re.escape(missing)):
            function(tmp_path / "default" / "blurred" / ("config.yaml" if function is cae.describe else ""))
    assert main(["evaluate", str(tmp_path / "default")]) == 2
    assert missing in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_the_tests_of_the_package_to_copy_go_through():
    tests = runpy.run_path(str(ROOT / "examples" / "own_upsampling" / "tests" / "test_blurred.py"))
    for name in [name for name in tests if name.startswith("test_")]:
        tests[name]()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resize", Blend), "'resize', which is built in"),
        (("Blend", Blend), "'Blend', which is no name of small letters"),
        (("blend", Blend, 1), "factor must be an integer from 2 to 16. Received: 1"),
        (("blend", Blend()), "layer_class must be a class"),
        (("blend", dict), "a class of Keras layers is needed. Received: dict"),
        (("blend", Resize), "Resize has another `kind`. Received: 'blend'"),
    ],
)
def test_what_cannot_be_registered_is_refused(arguments, message):
    with pytest.raises(UserError, match=re.escape(message)):
        cae.register_upsampling(*arguments)


def test_a_layer_that_fails_is_refused_with_what_it_says_in_one_line():
    @cae.register_upsampling("broken")
    class Broken(keras.layers.Layer):
        def call(self, inputs):
            raise RuntimeError("no such luck")

    with pytest.raises(UserError, match=r"^broken: the layer Broken fails on maps of shape .*: no such luck$"):
        plan_of("broken", filters=(4,))


def test_a_layer_that_does_not_enlarge_as_it_was_registered_is_refused_with_both_shapes():
    @cae.register_upsampling("thrice", factor=2)
    class Thrice(keras.layers.UpSampling2D):
        def __init__(self, **kwargs):
            super().__init__(3, **kwargs)

    with pytest.raises(UserError, match=re.escape("must give shape (None, 14, 10, 'channels') for (None, 7, 5, 4)")):
        plan_of("thrice", filters=(4,))
    pool = {"encoder": {"filters": [4], "downsampling": {"kind": "max_pool", "pool_size": 3}}}
    with pytest.raises(ConfigError, match=r"thrice enlarges by 2, .* must shrink; received 3"):
        check_config({"model": {**pool, "decoder": {"upsampling": "thrice"}}})
