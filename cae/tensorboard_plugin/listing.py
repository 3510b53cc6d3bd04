"""What the tab asks for first: runs, comparisons and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cae.comparison.record import Comparison
from cae.errors import UserError
from cae.files import read_bytes
from cae.kinds.catalogue import UPSAMPLINGS
from cae.measures.catalogue import LOSS, METRICS, by_importance, metric
from cae.measures.verdict import TITLES
from cae.runs.probe_images import Probes
from cae.tensorboard_plugin.reader import BESIDE, Reader

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
        UserError: it is not one, or one of another version of the program.
    """
    try:
        return TypeAdapter(Comparison).validate_json(read_bytes(path, _MOST_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(
            f"{path}: is not the record of a comparison, or was written by another version: {problem}. Run evaluate"
            " again."
        ) from error


_METRICS = [
    {
        "name": one.name,
        "title": one.full_title,
        "better": one.better,
        "decimals": int(one.digits[1:-1]) if one.digits.endswith("f") else None,
    }
    for one in map(metric, by_importance(one.name for one in (*METRICS, LOSS)))
]


# What each kind of upsampling does, in a sentence.
_KINDS = {one.model_fields["kind"].default: one.model_fields["kind"].description or "" for one in UPSAMPLINGS}


# What a code without training does, in a sentence.
_SIMPLE = {
    "mean_image": "the mean of the training images, whatever the image is",
    "resize": "the image made so small that its pixels fit into the code, and large again",
    "pca": "principal components of whole images, the best linear code",
    "block_klt": "principal components that all blocks of the image share",
    "block_klt_least_squares": "the code of block KLT; each block is made of its own and its neighbours' values",
    "zonal_dct": "the coefficients of the discrete cosine transform that vary most",
}


def list_simple_codes(reader: Reader, probes: Mapping[str, Probes]) -> list[dict[str, Any]]:
    """List what evaluations measured beside the runs, in the form of runs with one step; alike ones once.

    Args:
        reader: of the request.
        probes: of each run.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    # Of alike ones the first that was measured, so that links stay true: it takes the place of those before it here.
    for run, (time, codes) in sorted(reader.simple_codes().items(), key=lambda one: (-one[1][0], one[0])):
        for code in codes if run in probes else ():
            experiment = run.rpartition("/")[0]
            key = (experiment, probes[run].digest, code.name, str(code.values))
            means = {f"evaluation/{code.split}/{name}": value for name, value in code.means.items()}
            found[key] = {
                "name": f"{run}{BESIDE}{code.name}",
                "title": TITLES.get(code.name, code.name).removeprefix("the "),
                "about": _SIMPLE.get(code.name, ""),
                "kind": code.name,
                "values": code.values,
                "experiment": experiment,
                "probes": probes[run].digest,
                "steps": [(0, time)],
                "hyperparameters": {},
                "last": {**found.get(key, {}).get("last", {}), **means},
            }
    order = [*_SIMPLE]
    return sorted(found.values(), key=lambda one: order.index(one["kind"]) if one["kind"] in order else len(order))


def list_runs(reader: Reader, logdir: Path) -> dict[str, Any]:
    """List the runs that have probe pictures.

    Args:
        reader: of the request.
        logdir: TensorBoard's log directory.

    Returns:
        `runs`, `refused` (runs of which something cannot be read, with the reason), `probes` by their digests,
        `simple` (baselines and floors; see `list_simple_codes`),
        `comparisons` (experiments that were compared, to the time of it), `metrics` (what the catalogue says of each,
        in order of importance), and `kinds` of upsampling with a sentence on each.
    """
    probes, pictures = reader.probes(), reader.pictures()
    hyperparameters, last = reader.hyperparameters(), reader.last_values()
    runs = [
        {
            "name": run,
            "title": logdir.name if run == "." else run.rpartition("/")[2],
            "experiment": run.rpartition("/")[0],
            "probes": found.digest,
            # A run that is trained afresh has the same steps: their times tell old pictures from new ones.
            "steps": sorted(pictures.get(run, {}).items()),
            "hyperparameters": hyperparameters.get(run, {}),
            "last": last.get(run, {}),
        }
        for run, found in sorted(probes.items())
    ]
    experiments = {str(run["experiment"]) for run in runs}
    if not experiments:
        experiments = {""}
    return {
        "logdir": str(logdir),
        "runs": runs,
        "simple": list_simple_codes(reader, probes),
        "refused": [{"name": run, "reason": reason} for run, reason in sorted(reader.refused.items())],
        "probes": {found.digest: asdict(found) for found in probes.values()},
        "comparisons": {
            name: path.stat().st_mtime
            for name in sorted(experiments)
            if (path := find_comparison(logdir, name)) is not None
        },
        "metrics": _METRICS,
        "kinds": _KINDS,
    }
