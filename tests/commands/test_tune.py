"""`tune`: the learning-rate range test."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

import cae
from cae.training.range_test import has_diverged, suggest

STEPS = 60


def test_a_rate_is_suggested_from_training_images_with_its_picture_and_the_command_to_type(
    run_command, write_config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = write_config("model: {encoder: {filters: [4]}}\ntraining: {batch_size: 16, optimizer: adam}")
    code, out, err = run_command("tune", config, "--steps", STEPS, "--set", "experiment=mine")
    assert code == 0, err
    folder = tmp_path / "tuning" / "mine" / "run"
    assert out.splitlines()[-1] == str(folder.relative_to(tmp_path))
    found = json.loads((folder / "learning_rate.json").read_text())
    rates, losses = found["rates"], found["losses"]
    np.testing.assert_allclose(rates, np.geomspace(1e-6, 10, STEPS)[: len(rates)], rtol=1e-6)
    assert len(losses) == len(rates)
    assert min(losses) < 0.9 * np.mean(losses[:10])
    assert found["suggestion"] == pytest.approx(found["lowest_at"] / 10, rel=0.05)
    with Image.open(folder / "learning_rate.png") as picture:
        assert picture.size[0] > 300
    (line,) = (line for line in err.splitlines() if line.startswith("Next: "))
    words = shlex.split(line.removeprefix("Next: "))
    assert words[:3] == ["python", "train.py", str(config)]
    assert words[-1] == f"training.optimizer.learning_rate={found['suggestion']:g}"
    assert "experiment=mine" in words
    assert not (tmp_path / "runs").exists()
    # From Python it is the same, with the same seed and images.
    again = cae.tune(config, overrides=["experiment=mine"], steps=STEPS, tell=lambda line: None)
    assert (again.suggestion, again.losses) == (found["suggestion"], losses)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lowest", "1", "--highest", "0.1"], "above it. Received: 1, 0.1"),
        (["--lowest", "0"], "above 0"),
        (["--steps", "3"], "at least 20 steps. Received: 3"),
        (["--set", "grid.seed=[0, 1]"], "grid"),
    ],
)
def test_what_cannot_be_tested_is_a_mistake_that_is_named(run_command, write_config, arguments, words):
    code, _, err = run_command("tune", write_config(), *arguments)
    assert (code, words in err) == (2, True), err


def test_a_loss_that_falls_at_no_rate_gives_no_suggestion():
    rates = np.geomspace(1e-3, 1.0, 50)
    with pytest.raises(cae.UserError, match="falls at no rate"):
        suggest(rates, 1.0 + rates, 50)
    with pytest.raises(cae.UserError, match="--lowest"):
        suggest(rates[:2].tolist(), [1.0, 2.0], 50)


def test_losses_below_zero_diverge_by_the_same_rule():
    falling = [-1.0 - 0.01 * step for step in range(50)]
    assert not has_diverged(falling, 100)
    assert has_diverged([*falling, *([0.0] * 10)], 100)
