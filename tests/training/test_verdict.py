"""What is told of a training whose results deserve no trust, and where."""

import json

import cae
from cae.run_warning import RunWarning, from_json

SMALL = (
    "model: {encoder: {filters: [4]}, bottleneck: {kind: spatial, channels: 2}}\n"
    "training: {epochs: 2, batch_size: 64}\n"
)


def codes(found):
    return [warning["code"] for warning in found]


def test_few_steps_are_told_before_and_after_training_in_the_summary_and_by_evaluation(
    run_command, write_config, tmp_path
):
    code, out, err = run_command("train", write_config(SMALL), "--runs-dir", tmp_path / "runs")
    assert code == 0
    # 162 of 200 images in batches of 64 are 3 steps an epoch.
    sentence = "the whole training has 6 steps"
    before, _, after = err.partition("epoch 1/2")
    assert sentence in before
    assert sentence in after
    run = tmp_path / "runs" / "default" / "run"
    summary = json.loads((run / "summary.json").read_text())
    (warning,) = [one for one in summary["warnings"] if one["code"] == "few_steps"]
    assert sentence in warning["message"]
    assert "training.epochs" in warning["message"]

    code, out, _ = run_command("evaluate", run)
    assert code == 0
    assert f"Warning: {warning['message']}" in out
    assert warning in json.loads((run / "evaluation" / "results.json").read_text())["warnings"]


def test_python_gives_warnings_with_code_and_message(write_config, tmp_path):
    result = cae.train(write_config(SMALL), runs_dir=tmp_path / "runs", tell=lambda line: None)
    assert "few_steps" in [warning.code for warning in result.warnings]
    assert result.warnings == result.runs[0].warnings == tuple(from_json(result.summary["warnings"]))


def test_a_warning_given_twice_is_written_once():
    from cae.run_warning import as_json

    twice = [RunWarning("few_steps", "6 steps")] * 2
    assert from_json(as_json(twice)) == twice[:1]
