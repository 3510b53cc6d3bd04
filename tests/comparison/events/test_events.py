"""Which files a comparison's events are in, and what happens to those that are there already."""

from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from cae.comparison.events import write_events
from cae.comparison.events.hyperparameters import table_columns
from cae.comparison.events.write import report_parts
from cae.runs.events import replace_events
from tests.comparison.events.conftest import make_experiment


def events(folder):
    """Every value in a folder's event files and those below: place, tag, step and content."""
    return sorted(
        (str(file.parent.relative_to(folder)), value.tag, event.step, value.tensor.SerializeToString())
        for file in folder.rglob("*tfevents*")
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    )


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def layout(folder):
    (content,) = [
        value.tensor.string_val[0]
        for file in folder.glob("*tfevents*")
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.tag == "custom_scalars__config__"
    ]
    return layout_pb2.Layout.FromString(content)


def test_writing_twice_doubles_nothing_and_leaves_the_events_of_training_alone(tmp_path):
    comparison, exhibits = make_experiment(tmp_path)
    before = files(tmp_path)
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    once = events(tmp_path)
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    assert events(tmp_path) == once
    assert {path: files(tmp_path)[path] for path in before} == before


def test_decoders_that_are_compared_no_more_disappear_but_files_of_others_stay(tmp_path):
    comparison, exhibits = make_experiment(tmp_path)
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    first, second, third = (tmp_path / "comparison" / "decoders" / one.label for one in comparison.contenders)
    (third / "notes.txt").write_text("kept")
    alone = replace(comparison, contenders=comparison.contenders[:1], pairs=())
    write_events(alone, exhibits, tmp_path / "comparison", None)
    assert list(first.iterdir())
    assert not second.exists()
    assert [path.name for path in third.iterdir()] == ["notes.txt"]


def test_runs_of_several_experiments_get_figures_but_no_common_table(tmp_path):
    comparison, exhibits = make_experiment(tmp_path / "runs")
    write_events(comparison, exhibits, tmp_path / "comparison", None)
    assert not list((tmp_path / "runs").glob("*tfevents*"))
    for contender in comparison.contenders:
        for run in contender.runs:
            assert len(list((tmp_path / "runs" / run.name / "evaluation").iterdir())) == 1


def test_runs_that_cannot_be_written_are_left_as_they_are(tmp_path):
    comparison, exhibits = make_experiment(tmp_path / "runs")
    first, *others = [Path(run.path) for contender in comparison.contenders for run in contender.runs]
    write_events(comparison, exhibits, tmp_path / "comparison", None, read_only=[first])
    assert not (first / "evaluation").exists()
    assert all(list((other / "evaluation").iterdir()) for other in others)


def test_without_intervals_charts_have_plain_lines_with_the_metric_on_top_first(tmp_path):
    comparison, exhibits = make_experiment(tmp_path, num_contenders=2, num_seeds=1)
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    category = layout(tmp_path / "comparison").category[0]
    assert [chart.title for chart in category.chart] == ["validation PSNR (dB)", "validation loss"]
    assert [list(chart.multiline.tag) for chart in category.chart] == [["^decoders/val_psnr$"], ["^decoders/val_loss$"]]
    tags = {tag for place, tag, *_ in events(tmp_path) if place.startswith("comparison/decoders")}
    assert tags == {"decoders/val_psnr", "decoders/val_loss"}


def test_one_contender_without_an_interval_makes_all_of_them_plain_lines(tmp_path):
    comparison, exhibits = make_experiment(tmp_path, num_contenders=2)
    first, second = comparison.contenders
    curves = {name: replace(curve, low=(), high=()) for name, curve in second.curves.items()}
    comparison = replace(comparison, contenders=(first, replace(second, curves=curves)))
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    assert all(chart.HasField("multiline") for chart in layout(tmp_path / "comparison").category[0].chart)


def test_labels_that_are_no_file_names_get_folders_of_their_own(tmp_path):
    labels = ("a/b", "A:B", "../..")
    comparison, exhibits = make_experiment(tmp_path / "runs", labels=labels)
    write_events(comparison, exhibits, tmp_path / "comparison", None)
    assert len(list((tmp_path / "comparison" / "decoders").iterdir())) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "comparison"}


def test_a_write_that_fails_leaves_the_old_events_and_nothing_else(tmp_path):
    replace_events(tmp_path, ".comparison", [(1, scalar_pb("loss", 0.5))])
    before = files(tmp_path)

    def broken():
        yield 1, scalar_pb("loss", 0.25)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replace_events(tmp_path, ".comparison", broken())
    assert files(tmp_path) == before


def test_what_a_kill_left_half_written_is_removed_by_the_next_writing(tmp_path):
    replace_events(tmp_path, ".comparison", [(1, scalar_pb("loss", 0.5))])
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / f".writing-abc-{file.name}")
    replace_events(tmp_path, ".comparison", [(1, scalar_pb("loss", 0.25))])
    assert [(tag, step) for _, tag, step, _ in events(tmp_path)] == [("loss", 1)]


def test_a_hyperparameter_that_some_runs_lack_is_a_column_in_which_runs_differ(tmp_path):
    comparison, _ = make_experiment(tmp_path, num_contenders=12, num_seeds=1)
    (value,) = table_columns(comparison, tmp_path).value
    columns = {column.name: column for column in _experiment(value).hparam_infos}
    assert list(columns["model.decoder.tied_weights"].domain_discrete) == [False, True]
    assert columns["model.decoder.tied_weights"].differs
    # There is one seed only; the column is there in any case.
    assert not columns["seed"].differs


def _experiment(value):
    return metadata.parse_experiment_plugin_data(value.metadata.plugin_data.content)


def test_escapes_that_tensorboard_does_not_know_become_the_characters_themselves():
    ((_, text),) = report_parts("# T\n\n\\<b\\> \\& \\| \\*\n")
    assert text == "&lt;b\\> &amp; \\| \\*"
