"""Put a comparison where TensorBoard finds it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cae.comparison.events.curves import SUFFIX, charts, write_curves
from cae.comparison.events.hyperparameters import run_figures, table_columns
from cae.comparison.events.overview import picture_summary, text_summaries
from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report import comparison_picture
from cae.runs import RunDirectory
from cae.runs.events import replace_events


def write_events(
    comparison: Comparison,
    exhibits: Exhibits,
    folder: Path,
    experiment: Path | None,
    read_only: Collection[Path] = (),
) -> None:
    """Write TensorBoard's events of a comparison; those of an earlier one in the same places are replaced.

    `tensorboard --logdir EXPERIMENT` then shows the decoders' curves overlaid under Custom Scalars, one picture under
    Images, the report's parts under Text, and under HParams the runs with their metrics, to be sorted. Events of
    training stay as they are. TensorBoard keeps single precision: figures agree with the record to seven digits.

    Above 40 runs, TensorBoard shows no curve of Custom Scalars until runs are chosen, `decoders/` for instance; each
    training counts four times there: by its name, `train`, `validation` and `evaluation`.

    Args:
        comparison: what was found. Its runs' paths lead to run directories; `evaluation` in each gets its metrics.
        exhibits: its pictures.
        folder: of the comparison's files; `decoders` in it gets a folder for each contender.
        experiment: the folder that holds all runs; None when they come from several, or when it cannot be written:
            then there is no common table.
        read_only: run directories that are left as they are; they have no metrics in the table.

    Raises:
        ValueError: there is no image to show.
        OSError: a file cannot be written.
    """
    overview = [picture_summary(comparison_picture(comparison, exhibits), comparison), *text_summaries(comparison)]
    write_curves(comparison.contenders, folder / "decoders")
    replace_events(folder, SUFFIX, [(0, summary) for summary in (charts(comparison.contenders), *overview)])
    for contender in comparison.contenders:
        for run in contender.runs:
            if Path(run.path) not in read_only:
                replace_events(RunDirectory(Path(run.path)).evaluation, SUFFIX, run_figures(run, comparison.split))
    if experiment is not None:
        replace_events(experiment, SUFFIX, [(0, table_columns(comparison, experiment))])
