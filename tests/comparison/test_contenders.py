"""Runs to contenders, and what these are called."""

import pytest

from cae.comparison.contenders import group_runs
from cae.errors import UserError
from tests.comparison.runs import make_run


def labels(*runs):
    return [group.label for group in group_runs(runs)]


def test_runs_that_differ_in_seed_and_name_alone_are_one_contender_in_the_order_of_seeds():
    runs = [make_run("resize", 7), make_run("subpixel", 1), make_run("resize", 1, name="x"), make_run("resize", 3)]
    resize, subpixel = group_runs(runs)
    assert [run.seed for run in resize.runs] == [1, 3, 7]
    assert [run.seed for run in subpixel.runs] == [1]
    assert resize.settings["model.decoder.upsampling.kind"] == "resize"
    assert "seed" not in resize.settings


def test_what_has_no_effect_on_figures_makes_no_other_contender():
    runs = [
        make_run(seed=0, data__source="arrays", data__path="/here/a.npy", logging__histograms=True, experiment="x"),
        make_run(seed=1, data__source="arrays", data__path="/there/a.npy", training__checkpoint_minutes=3.0),
    ]
    assert len(group_runs(runs)) == 1


def test_runs_that_were_trained_on_other_images_are_no_seeds_of_one_contender():
    paths = {0: "/here/a.npy", 1: "/there/a.npy", 2: "/here/b.npy"}
    runs = [
        make_run(seed=seed, data__source="arrays", data__path=path, training_images=1 + (seed == 2))
        for seed, path in paths.items()
    ]
    first, other = group_runs(runs)
    assert (first.seeds, other.seeds) == ({0, 1}, {2})
    assert (first.label, other.label) == ("training_images=1", "training_images=2")


def test_other_training_images_are_no_part_of_the_name_where_settings_tell_more():
    runs = [make_run("resize"), make_run("subpixel", data__validation_fraction=0.3, training_images=2)]
    assert labels(*runs) == ["resize nearest, validation_fraction=0.1", "subpixel, validation_fraction=0.3"]


def test_a_list_of_one_upsampling_for_every_stage_is_that_upsampling():
    assert labels(make_run("resize", 0), make_run(["resize", "resize"], 1)) == ["resize nearest"]


def test_one_seed_twice_is_refused_with_both_names():
    with pytest.raises(UserError, match=r"runs/e/a and runs/e/b.*the same seed, 4"):
        group_runs([make_run(seed=4, name="a"), make_run(seed=4, name="b")])


def test_upsampling_is_named_with_what_tells_its_variants_apart():
    runs = [
        make_run("resize"),
        make_run({"kind": "resize", "interpolation": "lanczos3"}),
        make_run({"kind": "conv_transpose", "kernel_size": 3}),
        make_run("conv_transpose"),
        make_run("max_unpool"),
        make_run(["max_unpool", "subpixel"]),
    ]
    assert labels(*runs) == [
        "resize nearest",
        "resize lanczos3",
        "conv_transpose 3",
        "conv_transpose 4",
        "max_unpool",
        "max_unpool, subpixel",
    ]


def test_other_settings_are_added_with_as_much_of_their_keys_as_is_needed():
    runs = [
        make_run("resize", model__encoder__filters=[8, 16], training__epochs=3),
        make_run("subpixel", model__encoder__filters=[4, 8], training__epochs=5),
    ]
    assert labels(*runs) == ["resize nearest, filters=[8, 16], epochs=3", "subpixel, filters=[4, 8], epochs=5"]
    runs = [
        make_run({"kind": "conv_transpose", "kernel_size": size}, model__encoder__kernel_size=kernel)
        for size, kernel in [(3, 5), (4, 5), (3, 1)]
    ]
    assert labels(*runs)[0] == "conv_transpose 3, kernel_size=5"


def test_where_upsampling_is_the_same_the_other_settings_are_the_name():
    runs = [make_run(training__optimizer={"learning_rate": rate}) for rate in (0.1, 0.001)]
    assert labels(*runs) == ["learning_rate=0.1", "learning_rate=0.001"]


def test_another_choice_is_named_without_the_keys_that_follow_from_it():
    runs = [make_run(training__optimizer={"name": name}) for name in ("adam", "sgd")]
    assert labels(*runs) == ["adam", "sgd"]


def test_widths_that_follow_from_the_upsampling_are_settings_and_no_part_of_the_name():
    runs = [make_run("resize"), make_run("subpixel", model__decoder__filters=[20, 24])]
    groups = group_runs(runs)
    assert [group.label for group in groups] == ["resize nearest", "subpixel"]
    assert groups[1].settings["model.decoder.filters"] == [20, 24]
    runs.append(make_run("subpixel", model__decoder__filters=[10, 24]))
    assert labels(*runs)[1:] == ["subpixel, filters=[20, 24]", "subpixel, filters=[10, 24]"]
