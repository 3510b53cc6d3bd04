"""`tune:` in a grid: trials on validation images for each decoder, then its runs with the best values."""

import json
import math
import sys

import pytest

from cae.commands.main import main
from cae.config import load_config, save_config
from cae.grid import runner
from cae.runs import RunDirectory
from cae.training.outcome import NonFiniteLossError

TEXT = """
experiment: e
name: g
model: {encoder: {filters: [2]}}
training: {epochs: 3, batch_size: 64, optimizer: {learning_rate: 0.01}}
grid: {model.decoder.upsampling.kind: [resize, subpixel], seed: [0, 1]}
tune: {%s}
"""
RATES = "values: {training.optimizer.learning_rate: [0.001, 0.01, 0.1]}, epochs: 2"


class Killed(BaseException):
    """What ends a process at once."""


@pytest.fixture
def trained(monkeypatch):
    """Let no run be trained, but say at once what it reaches: `trained.psnr` of its configuration; lists what ran."""

    class Trained(list):
        @staticmethod
        def psnr(config):
            """Resizing is best at a rate of 0.1, sub-pixels at 0.001; other seeds differ by less than that."""
            best = -1 if config.model.decoder.upsampling.kind == "resize" else -3
            distance = abs(math.log10(config.training.optimizer.learning_rate) - best)
            return 20 - distance + 0.01 * (config.seed % 7) + 0.1 * math.log(config.training.epochs)

    found = Trained()

    def train(children, arguments):
        config = load_config(arguments[0])
        run = RunDirectory(arguments[2] / config.experiment / config.name)
        psnr = found.psnr(config)
        found.append(f"{config.experiment}/{config.name}")
        run.path.mkdir(parents=True)
        save_config(config, run.config)
        best = {"epoch": 1, "step": 1, "val_loss": 0.1, "val_psnr": psnr}
        how = {"status": "finished"} if psnr else {"status": "failed", "error": str(NonFiniteLossError(1, 1))}
        run.summary.write_text(json.dumps({**how, "best": best, "last": best}))
        return 0 if psnr else 1

    monkeypatch.setattr(runner.Children, "train", train)
    return found


def records(runs):
    return {path.name: json.loads(path.read_text()) for path in sorted((runs / "e" / "trials").glob("*.json"))}


def learning_rates(runs):
    found = {}
    for path in sorted((runs / "e").glob("*-g/config.yaml")):
        config = load_config(path)
        found[config.name] = config.training.optimizer.learning_rate
    return found


def test_each_decoder_gets_its_best_value_for_all_its_seeds_and_a_second_start_trains_nothing(
    trained, write_config, run_command, tmp_path
):
    config, runs = write_config(TEXT % RATES), tmp_path / "runs"
    code, out, err = run_command("train", config, "--runs-dir", runs)
    assert code == 0, err
    assert learning_rates(runs) == {
        "resize-s0-g": 0.1,
        "resize-s1-g": 0.1,
        "subpixel-s0-g": 0.001,
        "subpixel-s1-g": 0.001,
    }
    # Only the runs are results; trials come first, with a seed and epochs of their own.
    assert out.splitlines() == [str(runs / "e" / name) for name in learning_rates(runs)]
    assert all("/trial-" in name for name in trained[:6])  # side by side or not
    assert "resize-g/trial-learning_rate=0.001,epochs=2,seed=1000" in trained[:6]
    assert len(trained) == 2 * 3 + 4
    found = records(runs)["resize-g.json"]
    assert found["chosen"] == {"training.optimizer.learning_rate": 0.1}
    assert found["budget"] == {"candidates": 3, "trainings": 3, "epochs": 6}
    assert [one["is_own"] for one in found["tried"]] == [False, True, False]
    wanted = [20 - distance + 0.01 * (1000 % 7) + 0.1 * math.log(2) for distance in (2, 1, 0)]
    assert [one["mean"] for one in found["tried"]] == pytest.approx(wanted)
    assert found["runs"] == ["resize-s0-g", "resize-s1-g"]

    before = records(runs)
    trained.clear()
    assert run_command("train", config, "--runs-dir", runs)[0] == 0
    assert (trained, records(runs)) == ([], before)
    code, out, _ = run_command("train", config, "--runs-dir", runs, "--dry-run")
    assert code == 0
    assert "tuning resize-g: 3 of training.optimizer.learning_rate with 1 seed and 2 epochs; chosen:" in out


def test_a_trial_that_diverges_is_judged_once_and_a_decoder_without_any_other_is_not_trained(
    trained, write_config, run_command, tmp_path
):
    trained.psnr = lambda config: None if config.model.decoder.upsampling.kind == "resize" else 20.0
    config, runs = write_config(TEXT % RATES), tmp_path / "runs"
    code, _, err = run_command("train", config, "--runs-dir", runs)
    assert code == 1
    assert "Not tuned, so that their runs are not trained: resize-g" in err
    # Equal values: the first counts.
    assert learning_rates(runs) == {"subpixel-s0-g": 0.001, "subpixel-s1-g": 0.001}
    assert records(runs)["resize-g.json"]["tried"][0]["val_psnr"] == [None]
    trained.clear()
    assert run_command("train", config, "--runs-dir", runs)[0] == 1
    assert trained == []


def test_halving_lets_the_better_half_go_on_with_twice_the_epochs_and_all_decoders_try_the_same(
    trained, write_config, run_command, tmp_path
):
    tune = "values: {training.optimizer.learning_rate: {low: 1.0e-4, high: 1.0}}, search: halving, trials: 5, epochs: 2"
    runs = tmp_path / "runs"
    code, _, err = run_command("train", write_config(TEXT % tune), "--runs-dir", runs)
    assert code == 0, err
    found = list(records(runs).values())
    for record in found:
        assert [(one["round"], one["epochs"]) for one in record["tried"]] == [(1, 2)] * 5 + [(2, 4)] * 3 + [(3, 8)] * 2
        assert record["budget"] == {"candidates": 5, "trainings": 10, "epochs": 5 * 2 + 3 * 4 + 2 * 8}
        rates = [one["values"]["training.optimizer.learning_rate"] for one in record["tried"]]
        assert rates[0] == 0.01  # the configuration's own
        assert len({*rates}) == 5
        assert all(1e-4 <= rate <= 1 for rate in rates)
        best = max(record["tried"][-2:], key=lambda one: one["mean"])
        assert record["chosen"] == best["values"]
    assert [one["values"] for one in found[0]["tried"][:5]] == [one["values"] for one in found[1]["tried"][:5]]


def test_optuna_proposes_by_what_was_reached_and_a_grid_that_is_killed_leaves_the_same_record(
    trained, write_config, run_command, tmp_path, monkeypatch
):
    pytest.importorskip("optuna")
    values = "{training.optimizer.learning_rate: {low: 1.0e-6, high: 1.0e2}, model.encoder.activation: [relu, gelu]}"
    tune = f"values: {values}, search: tpe, trials: 14, epochs: 2"
    config, whole, killed = write_config(TEXT % tune), tmp_path / "whole", tmp_path / "killed"
    reached = trained.psnr
    trained.psnr = lambda config: None if config.training.optimizer.learning_rate > 10 else reached(config)
    code, _, err = run_command("train", config, "--runs-dir", whole, "--jobs", 1)
    assert code == 0, err
    for record in records(whole).values():
        assert record["budget"] == {"candidates": 14, "trainings": 14, "epochs": 28}
        tried = [one["values"] for one in record["tried"]]
        assert tried[0] == {"training.optimizer.learning_rate": 0.01, "model.encoder.activation": "relu"}
        assert {one["round"] for one in record["tried"]} == {1}
        assert len({json.dumps(one) for one in tried}) == 14
        best = 0.1 if record["decoder"].startswith("resize") else 0.001
        off = [abs(math.log10(one["training.optimizer.learning_rate"] / best)) for one in tried]
        assert sum(off[-7:]) < sum(off[:7])  # nearer, once there is something to go by
        means = [one["mean"] for one in record["tried"] if one["mean"] is not None]
        assert record["chosen"] == next(one["values"] for one in record["tried"] if one["mean"] == max(means))
    train, left = runner.Children.train, [6]

    def die(children, arguments):
        left[0] -= 1
        if not left[0]:
            raise Killed
        return train(children, arguments)

    monkeypatch.setattr(runner.Children, "train", die)
    with pytest.raises(Killed):
        main(["train", str(config), "--runs-dir", str(killed), "--jobs", "1"])
    assert records(killed) == {}
    trained.clear()
    assert run_command("train", config, "--runs-dir", killed, "--jobs", 1)[0] == 0
    assert records(killed) == records(whole)
    assert len(trained) == 2 * 14 + 4 - 5


def test_a_search_that_needs_optuna_says_how_to_get_it(write_config, run_command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    tune = "values: {training.batch_size: [8, 16, 32]}, search: tpe, trials: 2"
    code, _, err = run_command("train", write_config(TEXT % tune), "--runs-dir", tmp_path / "runs", "--dry-run")
    assert code == 2
    assert "`pip install optuna`, or use search: random or halving" in err


def test_shards_divide_decoders_and_budgets_share_trials_that_have_epochs_of_their_own(
    trained, write_config, run_command, tmp_path
):
    config, runs = write_config(TEXT % RATES), tmp_path / "runs"
    words = ["train", config, "--runs-dir", runs, "grid.training.epochs=[2, 4]", "--shard"]
    assert run_command(*words, "2/2")[0] == 0
    assert set(learning_rates(runs).values()) == {0.001}
    assert len(learning_rates(runs)) == 4
    assert list(records(runs)) == ["subpixel-g.json"]
    assert run_command(*words, "1/2")[0] == 0
    assert len(learning_rates(runs)) == 8
    assert len(trained) == 2 * 3 + 8


def test_a_protocol_leaves_open_what_is_to_be_tuned_and_says_how(trained, write_config, run_command, tmp_path):
    config, runs = write_config(TEXT % RATES), tmp_path / "runs"
    code, _, err = run_command("protocol", config, "--runs-dir", runs)
    assert code == 0, err
    protocol = json.loads((runs / "e" / "protocol.json").read_text())
    assert protocol["runs"]["resize-s0-g"]["settings"]["training.optimizer.learning_rate"] == "tuned"
    assert protocol["tune"]["values"] == {"training.optimizer.learning_rate": [0.001, 0.01, 0.1]}


def test_a_tuned_grid_that_is_killed_and_started_again_leaves_the_record_of_an_undisturbed_one(
    write_config, run_command, tmp_path, monkeypatch
):
    from cae.training.journal import Journal

    config = write_config(
        TEXT.replace("[resize, subpixel], seed: [0, 1]", "[resize], seed: [0]")
        % "values: {training.optimizer.learning_rate: [0.01, 0.1]}, epochs: 2"
    )
    trials = []
    ended = Journal.epoch_ended

    def train(children, arguments):
        if arguments[2].name != "trials":  # the tuned runs themselves are not of interest
            return 1
        trials.append(arguments[0].stem)
        return main(["train", *map(str, arguments)])

    def die(journal, state, *others):
        ended(journal, state, *others)
        if len(trials) == 2 and state.counters.epoch == 1:
            raise Killed

    monkeypatch.setattr(runner.Children, "train", train)
    # One at a time, since they are trained in this process.
    assert run_command("train", config, "--runs-dir", tmp_path / "undisturbed", "--jobs", 1)[0] == 1
    assert not list((tmp_path / "undisturbed" / "e").rglob("events.out.tfevents.*"))
    trials.clear()
    monkeypatch.setattr(Journal, "epoch_ended", die)
    with pytest.raises(Killed):
        main(["train", str(config), "--runs-dir", str(tmp_path / "killed"), "--jobs", "1"])
    assert records(tmp_path / "killed") == {}
    monkeypatch.setattr(Journal, "epoch_ended", ended)
    assert run_command("train", config, "--runs-dir", tmp_path / "killed", "--jobs", 1)[0] == 1
    assert len(trials) == 3  # one before, the killed one, and that again
    found = records(tmp_path / "killed")
    assert found == records(tmp_path / "undisturbed")
    assert list(found) == ["resize-g.json"]
