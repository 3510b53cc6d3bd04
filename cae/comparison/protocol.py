"""What a comparison is to find out, written down before it is trained; and whether it was kept."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.comparison.contenders import RunRecord, settings_of
from cae.comparison.record import Terms
from cae.errors import UserError
from cae.files import file_error, read_bytes
from cae.measures.catalogue import metric as find_metric

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.config.run import TuneSection

NAME = "protocol.json"
# What images, machine and validation decide when training begins.
_OPEN = ("auto", "type", "observed", "tuned")


def make_protocol(
    configs: Sequence[RunConfig],
    tune: TuneSection,
    *,
    split: str,
    metric: str,
    band: float | None,
    num_images: int,
    digest: str,
) -> dict[str, Any]:
    """Put down what is to be compared, on what, by which rule, with a date and a SHA-256 over all of it.

    Args:
        configs: of the runs, at least two.
        tune: what is tried for each decoder before; what is chosen is open.
        split: of the images that measure them.
        metric: by which they are compared.
        band: differences that are smaller do not matter; None for the metric's own.
        num_images: that measure them.
        digest: of these; see `EvaluationSet.digest`.
    """
    band = find_metric(metric).band if band is None else band
    runs = {
        config.name: {
            "seed": config.seed,
            "settings": {
                key: "tuned" if any(f"{key}.".startswith(f"{tuned}.") for tuned in tune.values) else value
                for key, value in settings_of(config).items()
            },
        }
        for config in configs
    }
    pairs = "every two decoders, over images and seeds"
    equivalent = [] if band is None else [f"equivalence of {pairs}: a difference in mean {metric} below {band:g}"]
    protocol = {
        "format": 1,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "experiment": configs[0].experiment,
        "runs": runs,
        **({"tune": tune.model_dump(mode="json")} if tune.values else {}),
        "images": {"split": split, "number": num_images, "sha256": digest},
        "metric": metric,
        "band": band,
        "hypotheses": [f"a difference in mean {metric} between {pairs}, two-sided", *equivalent],
        "correction": "Holm, over all pairs; 5% for the whole report",
    }
    return {**protocol, "sha256": _seal(protocol)}


def with_protocol(terms: Terms, folder: Path, runs: Sequence[RunRecord], measured: dict[str, Any]) -> Terms:
    """Add to what was equal or not whether an experiment's protocol was kept; as they are where there is none.

    Args:
        terms: of the comparison.
        folder: the experiment's.
        runs: that are compared.
        measured: what it was done with: `images`, `metric` and `band`, as the protocol has them.
    """
    path = folder / NAME
    if not path.exists():
        return terms
    protocol = _read(path)
    name = f"the protocol of {protocol['written']} (SHA-256 {protocol['sha256'][:12]})"
    if deviations := _deviations(protocol, runs, measured):
        sentence = f"Protocol: {name} was not kept: {'; '.join(deviations)}."
        return Terms(terms.equal, (*terms.unequal, sentence), (*terms.warnings, sentence))
    sentence = f"Protocol: {name}, from before the first training, was kept."
    return Terms((*terms.equal, sentence), terms.unequal, terms.warnings)


def _read(path: Path) -> dict[str, Any]:
    try:
        protocol = json.loads(read_bytes(path).decode("utf-8"))
        seal = protocol.pop("sha256")
        if seal == _seal(protocol):
            return {**protocol, "sha256": seal}
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    raise file_error(path, "was changed after it was written: its checksum differs. Remove it to compare without.")


def _deviations(protocol: dict[str, Any], runs: Sequence[RunRecord], measured: dict[str, Any]) -> list[str]:
    wanted = protocol["runs"]
    found = {run.directory.name: run for run in runs}
    said = []
    if missing := sorted(wanted.keys() - found.keys()):
        said.append(f"without {', '.join(missing)}")
    if more := sorted(found.keys() - wanted.keys()):
        said.append(f"with {', '.join(more)} besides")
    for name in sorted(wanted.keys() & found.keys()):
        run, settings = found[name], settings_of(found[name].config)
        differing = [
            key
            for key, value in wanted[name]["settings"].items()
            if value not in _OPEN and json.loads(json.dumps(settings.get(key))) != value
        ]
        if run.seed != wanted[name]["seed"]:
            differing.append("seed")
        if differing:
            said.append(f"{name} differs in {', '.join(differing)}")
        begun = datetime.datetime.fromtimestamp(run.directory.config.stat().st_mtime, datetime.UTC)
        if begun < datetime.datetime.fromisoformat(protocol["written"]):
            said.append(f"{name} was begun before it")
    said += [f"{key} other than planned" for key, value in measured.items() if value != protocol[key]]
    return said


def _seal(protocol: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()


def check_is_new(folder: Path, runs: Sequence[Path]) -> None:
    """Refuse a protocol that would come too late, or instead of another.

    Raises:
        UserError: says why.
    """
    if (folder / NAME).exists():
        raise UserError(f"{folder / NAME}: is there already, and a protocol is written once.")
    if runs:
        raise UserError(f"{runs[0]}: was begun already, and a protocol comes before the first training.")
