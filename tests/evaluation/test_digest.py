"""When an evaluation may be taken for that of another time."""

import numpy as np

from cae.config import RunConfig
from cae.data.image_set import ArraySet
from cae.data.load import load_splits
from cae.evaluation.evaluation_set import EvaluationSet, digest_evaluation, digest_images
from cae.evaluation.results import evaluate_run, find_evaluation
from cae.runs import RunDirectory
from cae.runs.trained import load_trained_run
from tests.conftest import make_images


def test_images_are_known_by_their_pixels_and_order_whatever_holds_them():
    pixels = make_images(150, 9, 7)
    whole = digest_images(ArraySet(pixels))
    rows = np.random.default_rng(0).permutation(150)
    assert digest_images(ArraySet(pixels[np.argsort(rows)], rows=rows)) == whole
    assert digest_images(ArraySet(pixels[::-1])) != whole
    assert digest_images(ArraySet(pixels[:-1])) != whole
    one_pixel = pixels.copy()
    one_pixel[149, 8, 6] ^= 1
    assert digest_images(ArraySet(one_pixel)) != whole


def test_what_figures_depend_on_changes_the_digest_and_nothing_else():
    def digest(images="i", training=9, weights="w", **settings):
        return digest_evaluation(weights, RunConfig.model_validate(settings), images, training)

    first = digest()
    assert digest(name="other", experiment="other", data={"source": "bundled"}) == first
    changed = [
        digest(images="j"),
        digest(training=8),
        digest(seed=1),
        digest(model={"decoder": {"upsampling": "resize"}}),
        digest(objective={"corruption": {"kind": "gaussian"}}),
        digest(training=9, data={"validation_fraction": 0.2}),
    ]
    assert len({first, digest(weights="v"), *changed}) == len(changed) + 2


def test_weights_that_were_replaced_while_they_were_measured_are_measured_again(write_config, run_command, tmp_path):
    config = write_config("model: {encoder: {filters: [2]}, decoder: {upsampling: resize}}\ntraining: {epochs: 1}")
    code, _, err = run_command("train", config, "--runs-dir", tmp_path)
    assert code == 0, err
    run = RunDirectory(tmp_path / "default" / "run")
    trained = load_trained_run(run, load_splits)
    measured_on = EvaluationSet(trained.splits, "test")
    loaded = run.weights.read_bytes()
    run.weights.write_bytes(b"those of the next epoch")
    evaluate_run(trained, measured_on, run.evaluation, lambda line: None)
    assert find_evaluation(run, trained.config, measured_on, run.evaluation) is None
    run.weights.write_bytes(loaded)
    assert find_evaluation(run, trained.config, measured_on, run.evaluation) is not None
