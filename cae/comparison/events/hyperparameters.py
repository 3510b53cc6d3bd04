"""Columns of TensorBoard's table of hyperparameters: what tells the runs apart, and what they reached."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from cae.comparison.record import Comparison
from cae.comparison.report.formatting import metric_names, metric_title
from cae.measures.catalogue import metric
from cae.runs import RunDirectory
from cae.runs.events import training_events
from cae.runs.probe_images import curve_tag

_DESCRIPTIONS = {
    "upsampling": "kind of upsampling in the decoder",
    "seed": "of weights, order of images and noise",
    "parameters": "weights of the model",
    "code_values": "latent activations for one image",
    "switch_bits": "what switches carry past the code, in bits for one image",
}
# Shown in any case, even where all runs agree.
_ALWAYS = tuple(_DESCRIPTIONS)
_FOLLOWS_FROM_OTHERS = ("parameters", "code_values", "switch_bits")

_FIRST_CURVE = curve_tag("loss")
Value = bool | float | str


def table_columns(comparison: Comparison, experiment: Path) -> Summary:
    """Say which hyperparameters and metrics are columns; their values are in the runs.

    Hyperparameters are those that differ between the experiment's runs, by what training wrote down, and some that
    matter in any case. The chosen metric is the first one.

    Args:
        comparison: whose metrics.
        experiment: folder of the runs, compared or not.
    """
    sessions = [read_hyperparameters(path) for path in sorted(experiment.iterdir()) if _is_run(path)]
    content = plugin_data_pb2.HParamsPluginData(
        experiment=api_pb2.Experiment(
            hparam_infos=_hyperparameter_columns([session for session in sessions if session]),
            metric_infos=[_metric_column(name, comparison.split) for name in metric_names(comparison)],
            time_created_secs=time.time(),
        )
    )
    summary = Summary()
    summary.value.add(
        tag=metadata.EXPERIMENT_TAG, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR
    )
    return summary


def read_hyperparameters(run: Path) -> dict[str, Value]:
    """What training wrote for TensorBoard into a run; empty where it wrote nothing."""
    values: dict[str, Value] = {}
    for file in training_events(run):
        events = (value for event in EventFileLoader(str(file)).Load() for value in event.summary.value)
        # They stand at the beginning; pictures and curves that follow are not read.
        first = next((value for value in events if value.tag in (metadata.SESSION_START_INFO_TAG, _FIRST_CURVE)), None)
        if first is not None and first.tag != _FIRST_CURVE:
            found = metadata.parse_session_start_info_plugin_data(first.metadata.plugin_data.content).hparams
            values = {name: _plain(found[name]) for name in found}
    return values


def _is_run(path: Path) -> bool:
    # A name with a dot in front is a run that is being replaced.
    return not path.name.startswith(".") and RunDirectory(path).exists


def _plain(value: Any) -> Value:
    plain: Value = getattr(value, value.WhichOneof("kind"))
    return plain


def _hyperparameter_columns(sessions: Sequence[Mapping[str, Value]]) -> Iterator[api_pb2.HParamInfo]:
    columns = {name: [session.get(name) for session in sessions] for session in sessions for name in session}
    for name in (*_ALWAYS, *sorted(set(columns) - set(_ALWAYS))):
        values = columns.get(name, [])
        differs = len(set(values)) > 1
        # The kind stands in the configuration once more.
        is_repeated = name not in _ALWAYS and values == columns.get("upsampling")
        if values and (differs or name in _ALWAYS) and not is_repeated:
            yield _hyperparameter_column(name, [value for value in values if value is not None])


def _hyperparameter_column(name: str, values: Sequence[Value]) -> api_pb2.HParamInfo:
    column = api_pb2.HParamInfo(
        name=name,
        description=_DESCRIPTIONS.get(name, ""),
        # TensorBoard puts those that differ first and shows five columns: causes before consequences, and before what
        # only tells that another kind has no such setting.
        differs=len(set(values)) > 1 and name not in _FOLLOWS_FROM_OTHERS,
    )
    if all(isinstance(value, bool) for value in values):
        column.type = api_pb2.DATA_TYPE_BOOL
        column.domain_discrete.extend(sorted(set(values)))
    elif all(isinstance(value, float) for value in values):
        column.type = api_pb2.DATA_TYPE_FLOAT64
        column.domain_interval.min_value = min(values)
        column.domain_interval.max_value = max(values)
    else:
        column.type = api_pb2.DATA_TYPE_STRING
        # Whole numbers are text: by their size.
        column.domain_discrete.extend(
            sorted(map(str, set(values)), key=lambda text: (text.isdigit() * len(text), text))
        )
    return column


def _metric_column(name: str, split: str) -> api_pb2.MetricInfo:
    return api_pb2.MetricInfo(
        name=api_pb2.MetricName(tag=f"{split}/{name}"),
        display_name=f"{split} {metric_title(name)}",
        description=f"mean over the {split} images, of the best epoch's weights; {metric(name).aim}",
    )
