"""What the tab is told first: which runs there are, what each has, and what tells them apart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cae.measures.catalogue import LOSS, METRICS, by_importance, metric
from cae.tensorboard_plugin.comparisons import find_comparison
from cae.tensorboard_plugin.reader import Reader

_METRICS = [
    {
        "name": one.name,
        "title": one.full_title,
        "better": one.better,
        "decimals": int(one.digits[1:-1]) if one.digits.endswith("f") else None,
    }
    for one in map(metric, by_importance(one.name for one in (*METRICS, LOSS)))
]


def list_runs(reader: Reader, logdir: Path) -> dict[str, Any]:
    """List the runs that have probe pictures.

    Args:
        reader: of the request.
        logdir: TensorBoard's log directory.

    Returns:
        `runs`, `refused` (runs of which something cannot be read, with the reason), `probes` by their digests,
        `comparisons` (experiments that were compared), and `metrics` (what the catalogue says of each, in order of
        importance).
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
        "refused": [{"name": run, "reason": reason} for run, reason in sorted(reader.refused.items())],
        "probes": {found.digest: asdict(found) for found in probes.values()},
        "comparisons": sorted(name for name in experiments if find_comparison(logdir, name) is not None),
        "metrics": _METRICS,
    }
