"""Configurations that are written in Python: the keys of a file, and its errors."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from cae.config import ConfigError, RunConfig, check_config, load_config

MODEL = {"encoder": {"filters": [4, 8]}, "decoder": {"upsampling": ["subpixel", {"kind": "resize"}]}}


def problems_of(values, overrides=()):
    with pytest.raises(ConfigError) as caught:
        check_config(values, overrides)
    return str(caught.value).splitlines()


def test_a_mapping_means_what_the_same_file_means(tmp_path):
    values = {"name": "one", "seed": 7, "model": MODEL, "data": {"source": "arrays", "path": "x.npy"}}
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump({**values, "data": {"source": "arrays", "path": str(Path("x.npy").absolute())}}))
    assert check_config(values) == load_config(file)


def test_overrides_are_laid_on_a_mapping_as_on_a_file():
    config = check_config({"training": {"epochs": 3}}, ["training.epochs=5", "seed=2"])
    assert (config.training.epochs, config.seed) == (5, 2)


def test_tuples_paths_and_numbers_of_numpy_are_taken_for_what_they_say(tmp_path):
    config = check_config(
        {
            "seed": np.int64(4),
            "data": {"source": "arrays", "path": tmp_path / "x.npy", "image_size": (12, np.int32(10))},
            "training": {"optimizer": {"name": "adam", "learning_rate": np.float32(0.5)}},
        }
    )
    assert config.seed == 4
    assert (config.data.path, config.data.image_size) == (str(tmp_path / "x.npy"), (12, 10))
    assert config.training.optimizer.learning_rate == 0.5


def test_a_mapping_extends_a_file_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("below.yaml").write_text(
        "name: below\ntraining: {epochs: 4, batch_size: 3}\ndata: {source: arrays, path: x.npy}\n"
    )
    config = check_config({"extends": "below.yaml", "training": {"epochs": 9}})
    assert (config.name, config.training.epochs, config.training.batch_size) == ("below", 9, 3)
    assert config.data.path == str(tmp_path / "x.npy")


def test_problems_name_keys_where_files_have_lines():
    found = problems_of({"training": {"epochs": 0, "batchsize": 3}, "model": {"decoder": {"upsampling": "max_unpol"}}})
    assert len(found) == 3
    assert "config: training.epochs: must be an integer of at least 1 or auto; received 0" in found
    assert "config: training.batchsize: unknown key; did you mean batch_size?" in found
    assert any(line.startswith("config: model.decoder.upsampling") and "max_unpool?" in line for line in found)


def test_a_problem_of_an_override_names_the_override():
    assert problems_of({}, ["training.epochs=0"])[0].startswith("--set training.epochs=0: must be")


def test_keys_that_disagree_are_found():
    model = {"encoder": {"downsampling": "average_pool"}, "decoder": {"upsampling": "max_unpool"}}
    assert ["max_unpool needs max_pool" in line for line in problems_of({"model": model})] == [True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": {1, 2}}, "config: seed: must be text, a number"),
        ({"data": {"image_size": np.zeros(2)}}, "config: data.image_size: must be text, a number"),
        ({3: "x"}, "config: a key must be text; received 3"),
        ({"name": "a\0b"}, r"config: name: the character '\x00' is not allowed"),
        ({"training": {"epochs": "3"}}, "write it without quotes"),
        ({"seed": True}, "config: seed: must be an integer"),
        ({"extends": "nowhere.yaml"}, "config: extends: nowhere.yaml: no such file"),
        ({"extends": 3}, "config: extends: must be the name of a file; received 3"),
        ({"training": [1]}, "config: training: must be a mapping"),
    ],
)
def test_what_no_file_could_say_is_refused(values, message):
    assert any(message in line for line in problems_of(values))


def test_a_mapping_that_contains_itself_is_refused():
    values = {"model": {}}
    values["model"]["model"] = values
    assert any("nested more than 32 deep" in line for line in problems_of(values))


def test_the_configuration_of_a_run_is_one_for_another(tmp_path):
    config = check_config({"model": MODEL, "data": {"source": "arrays", "path": "x.npy"}})
    assert check_config(config.model_dump()) == config
    assert check_config(RunConfig().model_dump()) == RunConfig()
