"""`cae.train`, `cae.load` and `cae.evaluate`: from a configuration to arrays, without a command line."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest

import cae
from tests.conftest import make_images

TINY = {
    "encoder": {"filters": [4]},
    "bottleneck": {"kind": "spatial", "channels": 2},
    "decoder": {"upsampling": "resize"},
}


@pytest.fixture(scope="module")
def config(image_file):
    return {
        "experiment": "api",
        "data": {"source": "arrays", "path": image_file},
        "model": TINY,
        "training": {"epochs": 2, "batch_size": 64},
        "logging": {"image_epochs": [9], "tensorboard": False},
    }


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("api") / "runs"


@pytest.fixture(scope="module")
def trained(config, runs_dir):
    return cae.train(config, runs_dir=runs_dir, tell=lambda line: None)


def test_training_gives_the_run_with_what_it_holds(trained, runs_dir):
    assert trained.path == runs_dir / "api" / "run"
    assert trained.status == trained.summary["status"] == "finished"
    assert [row["epoch"] for row in trained.metrics] == [1, 2]
    assert trained.summary == json.loads((trained.path / "summary.json").read_text())
    assert [run.path for run in trained] == [trained.path]
    assert "finished" in repr(trained)


def test_the_trained_model_takes_and_gives_arrays(trained):
    images = make_images(3, 15, 10, seed=5)
    model = trained.load()
    reconstructions = model.reconstruct(images)
    assert (reconstructions.shape, reconstructions.dtype) == (images.shape, np.float32)
    assert model.encode(images).shape == (3, *model.code_shape)
    again = cae.load(str(trained.path))
    np.testing.assert_array_equal(again.reconstruct(images), reconstructions)
    np.testing.assert_array_equal(cae.load(trained).encode(images), model.encode(images))


def test_the_model_that_is_loaded_is_that_of_the_best_epoch(trained, image_file):
    # Validation's own figure, from the arrays that come out.
    from cae.data.load import load_splits

    validation = load_splits(trained.load().config.data).validation
    pixels = validation.read(np.arange(len(validation))).astype(np.float64) / 255
    errors = (trained.load().reconstruct(pixels) - pixels) ** 2
    np.testing.assert_allclose(errors.mean(), trained.summary["best"]["val_mse"], rtol=1e-4)


def test_evaluation_gives_what_it_writes_and_is_not_repeated(trained):
    told = []
    results = cae.evaluate(trained, tell=told.append)
    written = json.loads((trained.path / "evaluation" / "results.json").read_text())
    del written["seal"]  # of the file, not of the figures
    assert results == written
    assert results["images"] == trained.summary["images"]["test"]
    assert 0 < results["mse"] < 1
    told.clear()
    assert cae.evaluate(trained.path, tell=told.append) == results
    assert sum("measured already" in line for line in told) == 1


def test_an_evaluation_changes_no_key_but_of_the_data_and_knows_its_splits(trained):
    with pytest.raises(cae.ConfigError, match="test, validation, train"):
        cae.evaluate(trained, split="tests")
    with pytest.raises(cae.ConfigError, match="only keys of `data`"):
        cae.evaluate(trained, overrides=["seed=3"])


def test_a_run_that_is_there_is_kept_unless_told_otherwise(trained, config, runs_dir):
    weights = (trained.path / "model.weights.h5").read_bytes()
    with pytest.raises(cae.ConfigError, match="exists already"):
        cae.train(config, runs_dir=runs_dir)
    with pytest.raises(cae.ConfigError, match="exclude each other"):
        cae.train(config, runs_dir=runs_dir, resume=True, overwrite=True)
    with pytest.raises(cae.ConfigError, match="same configuration"):
        cae.train(config, overrides=["seed=1"], runs_dir=runs_dir, resume=True)
    told = []
    assert cae.train(config, runs_dir=runs_dir, resume=True, tell=told.append).summary == trained.summary
    assert any("nothing to resume" in line for line in told)
    assert (trained.path / "model.weights.h5").read_bytes() == weights


@pytest.mark.parametrize("kind", ["path", "text", "object"])
def test_a_file_and_a_checked_configuration_are_trained_as_the_mapping_is(kind, trained, runs_dir, tmp_path):
    file = trained.path / "config.yaml"
    config = {"path": file, "text": str(file), "object": trained.load().config}[kind]
    told = []
    assert cae.train(config, runs_dir=runs_dir, resume=True, tell=told.append).path == trained.path
    assert any("nothing to resume" in line for line in told)  # since it is the same configuration


def test_what_is_wrong_is_an_exception_and_never_the_end_of_the_program(config, tmp_path):
    with pytest.raises(cae.ConfigError, match=r"config: training\.epochs"):
        cae.train({**config, "training": {"epochs": -1}}, runs_dir=tmp_path)
    with pytest.raises(cae.UserError, match="nowhere"):
        cae.train({"data": {"source": "arrays", "path": "nowhere.npy"}}, runs_dir=tmp_path)
    with pytest.raises(cae.ConfigError, match="config: "):  # 15x10 pixels cannot be halved so often
        cae.train({**config, "model": {"encoder": {"filters": [2] * 9}}}, runs_dir=tmp_path)
    with pytest.raises(cae.ConfigError, match="no such file"):
        cae.train(tmp_path / "nowhere.yaml")
    with pytest.raises(cae.UserError, match="not a run"):
        cae.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_thread_can_train_and_leaves_signals_alone(config, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    results = []

    def work():
        results.append(cae.train(config, overrides=["training.epochs=1"], runs_dir=tmp_path, tell=lambda line: None))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [result.status for result in results] == ["finished"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_interrupt_is_a_keyboard_interrupt_after_which_training_goes_on(config, tmp_path):
    run = cae.Run(tmp_path / "api" / "run")

    def interrupt_after_an_epoch():
        while not run.metrics:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_after_an_epoch, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        cae.train(config, overrides=["training.epochs=100000"], runs_dir=tmp_path, tell=lambda line: None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run.status == "interrupted"
    assert run.summary["epochs"] >= 1
    assert list((run.path / "checkpoints").iterdir())


def test_a_grid_gives_a_run_for_each_combination_and_skips_what_is_done(config, tmp_path):
    short = {**config, "training": {"epochs": 1, "batch_size": 64}}
    done = cae.train({**short, "name": "run-seed=0"}, runs_dir=tmp_path, tell=lambda line: None)
    told = []
    result = cae.train({**short, "grid": {"seed": [0, 1]}}, runs_dir=tmp_path, tell=told.append)
    assert [run.path for run in result] == [tmp_path / "api" / f"run-seed={seed}" for seed in (0, 1)]
    assert [run.summary["status"] for run in result] == ["finished", "finished"]
    assert result.runs[0].summary == done.summary
    assert sum("finished already" in line for line in told) == 1
    assert (result.path, len(result)) == (tmp_path / "api", 2)
    with pytest.raises(cae.UserError, match="choose one of `runs`: run-seed=0, run-seed=1"):
        result.load()
    assert result.runs[1].load().image_shape == (15, 10, 1)


def test_a_grid_with_a_run_that_fails_says_which(config, tmp_path):
    (tmp_path / "api" / "run-seed=1").mkdir(parents=True)
    (tmp_path / "api" / "run-seed=1" / "letter.txt").write_text("not a run")
    grid = {**config, "grid": {"seed": [1]}}
    told = []
    with pytest.raises(cae.UserError, match=r"1 of 1 runs are not trained.*run-seed=1"):
        cae.train(grid, runs_dir=tmp_path, tell=told.append)
    assert any("holds files but no run" in line for line in told)
