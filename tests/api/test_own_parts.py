"""Parts of your own, registered or installed, are what a configuration can choose: of every sort in one way."""

import importlib.metadata
import json
import os
import re

import keras
import numpy as np
import pytest

import cae
from cae.commands.main import main
from cae.comparison.compare import check_metric
from cae.config import check_config, load_config, registration
from cae.config.data import SOURCES
from cae.config.objective import CORRUPTIONS, OWN_TERMS, Reconstruction
from cae.config.training import OPTIMIZERS
from cae.kinds.catalogue import DOWNSAMPLINGS, UPSAMPLINGS
from cae.measures.catalogue import metrics_per_image
from tests.conftest import ROOT, make_images
from tests.docs.pages import blocks

IMAGES = make_images(40, 12, 10)


@pytest.fixture(autouse=True)
def _only_the_parts_that_were_there():
    yield
    for sort, name in list(registration._origins):
        if sort == "loss":
            del OWN_TERMS[name], Reconstruction.model_fields[name]
    for sections in (UPSAMPLINGS, DOWNSAMPLINGS, CORRUPTIONS, OPTIMIZERS, SOURCES):
        sections[:] = [one for one in sections if not one.__name__.startswith("Own_")]
    registration.OWN_METRICS.clear()
    registration._origins.clear()
    registration._read_lists_anew()


@pytest.fixture
def parts():
    """What the documents register, one of each sort."""
    (code,) = (block for block in blocks((ROOT / "docs" / "using.md").read_text(), "python") if "fourth_power" in block)
    names = {"__name__": __name__}
    exec(code, names)
    return names


@pytest.fixture
def config(parts):
    """A configuration with all of them but the metric, which needs no key."""
    return {
        "data": {"source": "discs", "options": {"number": 30}},
        "model": {
            "encoder": {"filters": [4], "downsampling": "mean_and_mix"},
            "bottleneck": {"channels": 2},
            "decoder": {"upsampling": "resize"},
        },
        "objective": {
            "reconstruction": {"fourth_power": 2.0},
            "corruption": {"kind": "darker", "options": {"least": 0.7}},
        },
        "training": {"epochs": 1, "batch_size": 16, "optimizer": {"name": "plain", "options": {"momentum": 0.5}}},
    }


def test_parts_of_all_sorts_train_evaluate_and_load_and_the_run_says_where_they_are_from(parts, config, tmp_path):
    from cae.training.objective import Objective, corrupt

    result = cae.train(config, runs_dir=tmp_path, tell=lambda line: None)
    config = load_config(result.path / "config.yaml")
    images = np.random.default_rng(0).random((2, 12, 10, 1), np.float32)
    expected = 2 * (0.75 * images) ** 4
    found = Objective(config.objective).per_image(images, images / 4, images)
    np.testing.assert_allclose(found, expected.mean(axis=(1, 2, 3)), rtol=1e-5)
    ratio = corrupt(images, config.objective.corruption, (0, 1)).numpy() / images
    assert ((ratio > 0.69) & (ratio < 1)).all()
    assert result.summary["images"] == {"train": 27, "validation": 3, "test": 3, "skipped": {}}
    plan = cae.describe(config)
    assert "mean_and_mix 2x2" in repr(plan)
    assert plan["parameters"] == result.load().keras.count_params()
    measured = cae.evaluate(result, features=False, tell=lambda line: None)
    test_images = parts["discs"](None, 30)["test"][..., np.newaxis]
    reconstructions = result.load().predict(corrupt(test_images, config.objective.corruption, (20140422, 0)))
    worst = np.abs(test_images - reconstructions).max(axis=(1, 2, 3))
    np.testing.assert_allclose(measured["worst_pixel"], worst.mean(), rtol=1e-3)
    origins = json.loads((result.path / "environment.json").read_text())["parts"]
    assert origins["fourth_power"].startswith(f"{__name__}.")
    assert set(registration.known_here_alone(config)) >= {"fourth_power", "darker", "plain", "discs", "mean_and_mix"}


@pytest.mark.parametrize("sort", registration.SORTS)
def test_names_that_are_taken_or_no_words_are_refused(sort):
    taken = {"upsampling": "resize", "downsampling": "max_pool", "loss": "mse", "metric": "psnr"}
    taken |= {"corruption": "gaussian", "optimizer": "adam", "source": "mnist"}
    register = getattr(cae, f"register_{sort}")
    for name in (taken[sort], "Two Words"):
        with pytest.raises(cae.UserError, match=f"register_{sort}: the name must be a new word"):
            register(name, print)
    with pytest.raises(cae.UserError, match=r"is needed|must be a class"):
        register("mine", 3)


def boom(*given, **options):
    raise RuntimeError("boom")


FAILING = [
    ("loss", boom, {}, "objective.reconstruction.odd: the part that it names fails: RuntimeError: boom"),
    ("loss", lambda images, made: images, {}, "objective.reconstruction.odd: must depend on the reconstructions"),
    ("loss", lambda images, made: made[0], {}, "objective.reconstruction.odd: must give values for each image"),
    (
        "corruption",
        lambda images, seed: images[:, 1:],
        {},
        "must give images of the shape that it takes, (2, 12, 10, 1)",
    ),
    ("corruption", lambda images, seed: images, {"options": {"least": 1}}, "objective.corruption: the part that it"),
    ("source", lambda path: boom(), {}, "data.source: the part that it names fails: RuntimeError: boom"),
    ("source", lambda path: IMAGES, {"options": {"nmber": 3}}, "data.source: the part that it names fails: TypeError"),
    ("optimizer", keras.optimizers.SGD, {"options": {"momentm": 0.5}}, "training.optimizer: the part that it names"),
    ("optimizer", boom, {}, "training.optimizer: the part that it names fails: RuntimeError: boom"),
]


@pytest.mark.parametrize(("sort", "part", "options", "message"), FAILING)
def test_what_a_part_of_your_own_does_wrong_is_said_with_its_key(sort, part, options, message, tmp_path):
    getattr(cae, f"register_{sort}")("odd", part)
    values = {"objective": {}, "training": {"steps": 1, "batch_size": 8}, "model": {"encoder": {"filters": [2]}}}
    given = {} if sort == "source" else {"images": IMAGES}
    chosen = {"odd": 1.0} if sort == "loss" else {"name" if sort == "optimizer" else "kind": "odd", **options}
    if sort == "loss":
        values["objective"]["reconstruction"] = chosen
    elif sort == "corruption":
        values["objective"]["corruption"] = chosen
    elif sort == "source":
        values["data"] = {"source": "odd", **options}
    else:
        values["training"]["optimizer"] = chosen
    with pytest.raises(cae.UserError, match=re.escape(message)):
        cae.train(values, runs_dir=tmp_path, tell=lambda line: None, **given)


def test_a_metric_of_your_own_must_give_a_value_for_each_image():
    cae.register_metric("odd", lambda images, made: 3.0)
    with pytest.raises(cae.UserError, match=re.escape("odd: must give a value for each image, shape (40,)")):
        metrics_per_image(IMAGES / np.float32(255), IMAGES / np.float32(255))


UNKNOWN = {
    "upsampling": {"model": {"decoder": {"upsampling": "zigzag"}}},
    "downsampling": {"model": {"encoder": {"downsampling": {"kind": "zigzag"}}}},
    "loss": {"objective": {"reconstruction": {"zigzag": 1.0}}},
    "corruption": {"objective": {"corruption": "zigzag"}},
    "optimizer": {"training": {"optimizer": {"name": "zigzag"}}},
    "source": {"data": {"source": "zigzag"}},
}


@pytest.mark.parametrize("sort", UNKNOWN)
def test_a_word_that_nothing_is_like_may_come_with_a_package_or_be_registered(sort, tmp_path):
    hint = rf"zigzag.*if it comes with another package, install that; .*call cae\.register_{sort} before$"
    with pytest.raises(cae.ConfigError, match=hint):
        check_config(UNKNOWN[sort])
    (tmp_path / "environment.json").write_text(json.dumps({"parts": {"zigzag": "own.Zigzag of own-parts 2.0"}}))
    (tmp_path / "config.yaml").write_text(json.dumps(UNKNOWN[sort]))
    with pytest.raises(cae.ConfigError, match=r"zigzag.*; the run was trained with own\.Zigzag of own-parts 2\.0: "):
        load_config(tmp_path / "config.yaml")


def test_words_that_are_near_one_or_stand_where_nothing_can_be_registered_get_no_such_hint():
    for values in (
        {"model": {"decoder": {"upsampling": "max_unpol"}}},
        {"model": {"decoder": {"upsampling": 3}}},
        {"model": {"bottleneck": "zigzag"}},
        {"training": {"schedule": "zigzag"}},
    ):
        with pytest.raises(cae.ConfigError) as error:
            check_config(values)
        assert "another package" not in str(error.value)


def test_a_protocol_can_name_a_metric_of_your_own(capsys, tmp_path):
    cae.register_metric("odd", lambda images, made: np.zeros(len(images)))
    assert main(["protocol", str(tmp_path / "none.yaml"), "--metric", "odd"]) == 2
    assert "none.yaml" in capsys.readouterr().err  # the metric is known, and the file is looked for


def test_an_unknown_metric_may_come_with_a_package_or_be_registered(capsys, tmp_path):
    hint = "if it comes with another package, install that; if it is your own, call cae.register_metric before"
    for command in ("evaluate", "protocol"):
        with pytest.raises(SystemExit):
            main([command, str(tmp_path), "--metric", "zigzag"])
        assert hint in " ".join(capsys.readouterr().err.split())
    with pytest.raises(cae.ConfigError, match=f"zigzag'?; {hint}"):
        cae.compare([tmp_path, tmp_path], metric="zigzag")
    with pytest.raises(cae.ConfigError, match=r"'sim'; did you mean ssim\?"):
        cae.compare([tmp_path, tmp_path], metric="sim")
    with pytest.raises(cae.ConfigError, match=f"received zigzag; {hint}"):
        check_metric("zigzag", (16, 16, 1))
    with pytest.raises(cae.ConfigError, match=r"received ms_ssim\.$"):  # of larger images
        check_metric("ms_ssim", (16, 16, 1))


def test_an_installed_package_is_imported_when_a_configuration_names_its_part_and_not_before(tmp_path, monkeypatch):
    (tmp_path / "own_loss.py").write_text("def cubed(images, made):\n    return abs(images - made) ** 3\n")
    information = tmp_path / "own_loss-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own-loss\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[cae.losses]\ncubed = own_loss:cubed\n")
    (information / "top_level.txt").write_text("own_loss\n")
    monkeypatch.syspath_prepend(tmp_path)
    check_config({})
    assert registration.own_parts() == {}
    config = check_config({"objective": {"reconstruction": {"cubed": 1.0}}})
    assert config.objective.reconstruction.weights == {"cubed": 1.0}
    assert registration.own_parts() == {"cubed": "own_loss.cubed of own-loss 1.0"}
    assert registration.known_here_alone(config) == []  # other processes find it by themselves
    (tmp_path / "environment.json").write_text(json.dumps({"parts": {"gone": "own.gone of own-parts 2.0"}}))
    (tmp_path / "config.yaml").write_text("objective: {corruption: gone}\n")
    with pytest.raises(cae.ConfigError, match=r"own\.gone of own-parts 2\.0: install that package"):
        load_config(tmp_path / "config.yaml")


def test_packages_are_looked_through_once_for_many_configurations_and_again_when_one_is_installed(
    tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    looked, look = [], importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **which: looked.append(which) or look(**which))
    for seed in range(5):
        check_config({"seed": seed, "grid": {"seed": [1, 2]}})
    assert len(looked) == 1
    (tmp_path / "own_late.py").write_text("def fourth(images, made):\n    return (images - made) ** 4\n")
    information = tmp_path / "own_late-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own-late\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[cae.losses]\nfourth = own_late:fourth\n")
    os.utime(tmp_path, (0, 0))  # the clock of some file systems is slower than this test
    assert check_config({"objective": {"reconstruction": {"fourth": 1.0}}}).objective.reconstruction.weights
    assert len(looked) == 2
