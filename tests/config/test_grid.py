import math
import re

import pytest
import yaml

from cae.config import ConfigError, RunConfig, expand_grid
from cae.kinds.catalogue import ConvTranspose, MaxUnpool, Resize
from tests.conftest import ROOT


def test_every_combination_is_a_run(load):
    text = "grid: {model.decoder.upsampling.kind: [resize, max_unpool, subpixel], seed: [0, 1]}"
    runs = expand_grid(load(text))
    found = [(run.model.decoder.upsampling.kind, run.seed) for run in runs]
    assert found == [(kind, seed) for kind in ("resize", "max_unpool", "subpixel") for seed in (0, 1)]
    assert all(run.grid == {} for run in runs)


def test_a_configuration_without_a_grid_is_its_own_only_run():
    config = RunConfig(name="x", seed=3)
    assert expand_grid(config) == [config]


def test_a_run_differs_from_the_configuration_by_its_values_only(load):
    text = """
name: base
model: {decoder: {upsampling: {kind: conv_transpose, kernel_size: 3}}}
training: {epochs: 7, optimizer: {name: adam, learning_rate: 0.5}}
grid: {model.decoder.upsampling.kind: [conv_transpose, resize], training.optimizer.name: [sgd]}
"""
    first, second = expand_grid(load(text))
    assert first.model.decoder.upsampling == ConvTranspose(kernel_size=3)
    assert second.model.decoder.upsampling == Resize()
    assert first.training.epochs == 7
    # The learning rate was meant for adam.
    assert first.training.optimizer.learning_rate == type(first.training.optimizer)().learning_rate


def test_values_may_be_sections_lists_and_null(load):
    text = """
grid:
  model.decoder.upsampling: [max_unpool, {kind: conv_transpose, kernel_size: 2}, [resize, max_unpool]]
  training.early_stopping: [null, {patience: 2}]
  model.encoder.filters.0: [8, 16]
"""
    runs = expand_grid(load(text))
    assert len(runs) == 12
    assert [run.model.decoder.upsampling for run in runs[::4]] == [
        MaxUnpool(),
        ConvTranspose(kernel_size=2),
        (Resize(), MaxUnpool()),
    ]
    assert [run.training.early_stopping is None for run in runs[:4]] == [True, True, False, False]
    assert [run.model.encoder.filters for run in runs[:2]] == [(8, 64), (16, 64)]


def test_runs_have_names_of_their_own_that_are_folder_names(load):
    text = """
name: a
grid:
  model.decoder.upsampling: [resize, [resize, max_unpool], {kind: resize, interpolation: bilinear}]
  training.optimizer.learning_rate: [0.1, 1.0e-5]
  data: [bundled, {source: idx, path: 'a b/c'}]
  training.deterministic: [true, false]
"""
    names = [run.name for run in expand_grid(load(text))]
    assert len(set(names)) == 24
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._=,+-]{0,127}", name) for name in names)
    assert names[0] == "resize,learning_rate=0.1,data=bundled,deterministic=True-a"


def test_ten_decoders_with_three_seeds_can_be_told_apart_by_twenty_letters():
    grid = yaml.safe_load((ROOT / "configs" / "compare_decoders.yaml").read_text(encoding="utf-8"))["grid"]
    names = [run.name for run in expand_grid(RunConfig(grid={**grid, "seed": [0, 1, 2]}))]
    assert len({name[:20] for name in names}) == len(names) == 30
    assert names[:2] == ["resize_nearest-s0", "resize_nearest-s1"]


def test_longer_lists_leave_the_names_of_the_runs_that_were_there(load):
    short = expand_grid(load("grid: {seed: [0, 1]}"))
    longer = expand_grid(load("grid: {seed: [5, 1, 0]}"))
    assert {run.name: run for run in short}.items() <= {run.name: run for run in longer}.items()


def test_names_stay_short_enough_and_distinct(load):
    keys = ["beta_1", "beta_2", "epsilon", "learning_rate"]
    grid = ", ".join(f"training.optimizer.{key}: [0.12345678901234, 0.12345678901235]" for key in keys)
    text = f"name: {'x' * 120}\ngrid: {{{grid}}}"
    names = [run.name for run in expand_grid(load(text))]
    assert len(set(names)) == 16
    assert max(map(len, names)) <= 128


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ("{seed: 3}", "1:14: grid.seed: must be a list of at least one value; received 3; write [3]"),
        ("{seed: []}", "1:14: grid.seed: must be a list of at least one value; received []"),
        ("{seed: [1, 2, 1]}", "1:21: grid.seed.2: the value 1 is given twice"),
        ("{sed: [1]}", "1:8: grid.sed: unknown key; did you mean seed?"),
        ("{zzz.y: [1]}", "1:8: grid.zzz.y: unknown key"),
        ("{model.decoder.upsampling.knd: [resize]}", "1:8: grid.model.decoder.upsampling.knd: unknown key; "
         "did you mean model.decoder.upsampling.kind?"),
        ("{name: [a, b]}", "1:8: grid.name: name cannot vary within a grid"),
        ("{experiment: [a, b]}", "1:8: grid.experiment: experiment cannot vary within a grid"),
        ("{grid.seed: [a, b]}", "1:8: grid.grid.seed: grid cannot vary within a grid"),
        ("{seed: [1, x]}", '1:18: seed: must be an integer from 0 to 2147483647; received "x"'),
        ("{training.optimizer.learning_rate: [.nan]}", "1:43: training.optimizer.learning_rate: must be a number "
         "above 0; received .nan; numbers must be finite"),
        ("{model.decoder.upsampling.kind: [resize], model.decoder.upsampling.kernel_size: [3]}",
         "1:88: model.decoder.upsampling.kernel_size: kernel_size has no effect with kind: resize; "
         "it belongs to conv_transpose, subpixel and haar"),
        ("{model.encoder.filters.7: [3]}", "1:34: model.encoder.filters.7: model.encoder.filters has 2 items here, "
         "the first with index 0"),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_is_reported(problems, grid, line):
    assert problems(f"grid: {grid}") == [f"a.yaml:{line}"]


def test_a_combination_that_does_not_fit_together_is_reported_at_its_value(problems):
    text = """\
grid:
  seed: [1, 2, 3]
  model.decoder.upsampling.kind: [resize, max_unpool]
  model.encoder.downsampling: [max_pool, average_pool]
"""
    assert problems(text) == [
        "a.yaml:3:43: model.decoder.upsampling: max_unpool needs max_pool downsampling, "
        "which records the switches; received average_pool"
    ]


def test_only_the_combinations_must_fit_together(load):
    config = load("data: {source: arrays}\ngrid: {data.path: [a.npy, b.npy]}")
    assert [run.data.path[-5:] for run in expand_grid(config)] == ["a.npy", "b.npy"]


def test_overrides_reach_into_the_grid(load, problems):
    config = load("grid: {seed: [1, 2]}", "grid.model.decoder.upsampling.kind=[resize, subpixel]")
    assert config.grid == {"seed": (1, 2), "model.decoder.upsampling.kind": ("resize", "subpixel")}
    assert load("grid: {seed: [1, 2]}", "grid={}").grid == {}
    assert problems("", "grid.training.epochs=[0]") == [
        "--set grid.training.epochs=[0]: training.epochs: must be an integer of at least 1 or auto; received 0"
    ]


def test_a_grid_of_too_many_runs_is_refused_at_once(problems):
    keys = ["training.epochs", "training.batch_size", "seed", "logging.probe_images"]
    values = list(range(1, 11))
    text = "grid:\n" + "".join(f"  {key}: {values}\n" for key in keys)
    assert problems(text) == [f"a.yaml:2:3: grid: at most 1000 combinations; received {math.pow(10, 4):.0f}"]


def test_a_grid_made_in_python_is_checked_too():
    with pytest.raises(ConfigError, match="seed: must be an integer from 0 to 2147483647; received -1"):
        expand_grid(RunConfig(grid={"seed": (-1,)}))


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ("{values: {training.optimizer.learning_rates: [1]}}", "unknown key; did you mean"),
        ("{values: {training.optimizer.learning_rate: [-1]}}", "must be a number above 0; received -1"),
        ("{values: {training.optimizer.learning_rate: []}}", "must be a list of at least one value"),
        ("{values: {training.optimizer.learning_rate: 0.1}}", "received 0.1"),
        ("{values: {model.decoder.upsampling.kind: [subpixel]}}", "is an axis of the grid already"),
        ("{values: {model.decoder: [{}]}}", "or has one in it"),
        ("{values: {training.epochs: [1, 9]}}", "cannot be tuned: trials must differ in nothing"),
        ("{values: {data.validation_fraction: [0.1, 0.2]}}", "cannot be tuned"),
        ("{values: {seed: [1, 9]}}", "cannot be tuned"),
        ("{values: {objective.corruption: [{kind: none}]}}", "cannot be tuned"),
        ("{values: {training.batch_size: {low: 8, high: 64}}}", "a range needs num with search: grid"),
        ("{values: {training.batch_size: {low: 8, high: 8, num: 3}}}", "low must be below high"),
        ("{values: {training.batch_size: {low: 0, high: 8, num: 3}}}", "must be a number above 0; received 0"),
        ("{values: {training.batch_size: {low: 8.5, high: 64, num: 3}}}", "received 8.5"),
        ("{values: {training.batch_size: [8, 9]}, search: random}", "search: random needs trials"),
        ("{values: {training.batch_size: [8, 9]}, trials: 3}", "trials has no effect with search: grid"),
        ("{values: {training.batch_size: [8, 9]}, search: halving, trials: 3}", "halving needs epochs"),
        ("{values: {training.batch_size: [8, 9]}, seeds: [5, 1]}", "seeds of their own; the grid's runs have 1 too"),
        ("{epochs: 3}", "has no effect without values to try"),
    ],
)
def test_what_cannot_be_tuned_is_told_with_its_place(problems, tune, message):
    text = "grid: {model.decoder.upsampling.kind: [resize, conv_transpose], seed: [0, 1]}\n"
    found = problems(f"{text}tune: {tune}")
    assert message in found[0]
    assert found[0].startswith("a.yaml:2:")


def test_tuning_needs_a_grid_and_goes_without_widths_that_were_matched(problems, load):
    values = "tune: {values: {training.batch_size: [8, 16]}}"
    assert "has no effect without a grid" in problems(values)[0]
    text = "grid: {seed: [0]}\nmatch: macs\ntune: {values: {model.encoder.dropout: [0.0, 0.5]}}"
    assert "cannot be tuned with match" in problems(text)[0]
    # Dotted keys go through --set as well, and paths in values start from the file or the current folder.
    config = load("grid: {seed: [0]}", "tune.values.training.optimizer.learning_rate={low: 0.001, high: 0.1, num: 3}")
    assert config.tune.values["training.optimizer.learning_rate"].spread == (0.001, 0.01, 0.1)
    assert all(run.tune == RunConfig().tune for run in expand_grid(config))


def test_a_range_is_spread_over_its_logarithm_and_stays_whole_between_whole_numbers(load):
    config = load("grid: {seed: [0]}\ntune: {values: {training.batch_size: {low: 8, high: 128, num: 5}}}")
    assert config.tune.values["training.batch_size"].spread == (8, 16, 32, 64, 128)
