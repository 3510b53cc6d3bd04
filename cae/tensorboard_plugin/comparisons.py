"""The record of a comparison, as the summary view shows it: the report's own words, tables and points."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cae.comparison.record import Comparison
from cae.data.file_errors import read_bytes
from cae.errors import UserError

_FILE = "comparison.json"
_MOST_BYTES = 1 << 26


def find_comparison(logdir: Path, experiment: str) -> Path | None:
    """Find the record of an experiment's comparison, where `evaluate` puts it; None where there is none.

    >>> find_comparison(Path("nowhere"), "experiment") is None
    True

    Args:
        logdir: TensorBoard's log directory.
        experiment: folder of the runs below it; empty where the log directory is it.
    """
    folder = logdir / experiment
    return next((path for path in (folder / "comparison" / _FILE, folder / _FILE) if path.is_file()), None)


def read_comparison(path: Path) -> Comparison:
    """Read a record back.

    Raises:
        UserError: it is not one.
    """
    try:
        return TypeAdapter(Comparison).validate_json(read_bytes(path, _MOST_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(f"{path}: is not the record of a comparison: {problem}. Run evaluate again.") from error


def tell_comparison(comparison: Comparison, experiment: str) -> dict[str, Any]:
    """Put a comparison into what the summary view shows; its words, tables and figures are those of the report.

    Args:
        comparison: the record.
        experiment: folder of the runs below the log directory, which their names begin with there.
    """
    # These take half a second to import: not before somebody looks.
    from cae.comparison.report.formatting import metric_names, metric_title
    from cae.comparison.report.sections import tell

    told = asdict(tell(comparison))
    prefix = f"{experiment}/" if experiment else ""
    points = [
        {
            "label": contender.label,
            "bits": contender.code_bits,
            "switch_bits": contender.code["switch_bits"],
            "metrics": {name: asdict(estimate) for name, estimate in contender.metrics.items()},
            "runs": [prefix + run.name for run in contender.runs],
        }
        for contender in comparison.contenders
    ]
    metrics = {name: metric_title(name) for name in metric_names(comparison)}
    return {**told, "points": points, "metrics": metrics, "metric": comparison.metric}
