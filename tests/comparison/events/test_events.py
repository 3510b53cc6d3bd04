"""Which files a comparison's events are in, and what happens to those that are there already."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
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


def test_writing_twice_doubles_nothing_and_leaves_the_events_of_training_alone(tmp_path):
    comparison, exhibits = make_experiment(tmp_path)
    before = files(tmp_path)
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    once = events(tmp_path)
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    assert events(tmp_path) == once
    assert {path: files(tmp_path)[path] for path in before} == before


def test_what_an_earlier_version_wrote_into_runs_of_its_own_goes_with_the_next_comparison(tmp_path):
    comparison, exhibits = make_experiment(tmp_path, num_contenders=2)
    run = comparison.contenders[0].runs[0]
    earlier = [tmp_path / "comparison" / "decoders" / "resize", tmp_path / run.name / "evaluation"]
    for folder in earlier:
        replace_events(folder, ".comparison", [(1, scalar_pb("loss", 0.5))])
    write_events(comparison, exhibits, tmp_path / "comparison", tmp_path)
    assert not [file for folder in earlier for file in folder.iterdir()]
    folders = {file.parent.relative_to(tmp_path) for file in tmp_path.rglob("*tfevents*")}
    names = {run.name for contender in comparison.contenders for run in contender.runs}
    assert {str(folder) for folder in folders} == {".", "comparison", *names}


def test_runs_of_several_experiments_get_figures_but_no_common_table(tmp_path):
    comparison, exhibits = make_experiment(tmp_path / "runs")
    write_events(comparison, exhibits, tmp_path / "comparison", None)
    assert not list((tmp_path / "runs").glob("*tfevents*"))
    for contender in comparison.contenders:
        for run in contender.runs:
            assert len(list((tmp_path / "runs" / run.name).glob("*.test"))) == 1


def test_runs_that_cannot_be_written_are_left_as_they_are(tmp_path):
    comparison, exhibits = make_experiment(tmp_path / "runs")
    first, *others = [Path(run.path) for contender in comparison.contenders for run in contender.runs]
    write_events(comparison, exhibits, tmp_path / "comparison", None, read_only=[first])
    assert not list(first.glob("*.test"))
    assert all(list(other.glob("*.test")) for other in others)


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
