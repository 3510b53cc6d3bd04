"""One run from its directory to the figures of its evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cae.config.registration import load_installed_parts
from cae.engine import start_engine
from cae.errors import UserError
from cae.messages import counting_lines, tell
from cae.runs import RunDirectory, check_is_writable
from cae.workflows.planning import load_splits_with_progress

Split = Literal["test", "validation", "train"]


def evaluate_one(
    directory: RunDirectory,
    out: Path,
    *,
    split: Split,
    metric: str = "psnr",
    overrides: Sequence[str] = (),
    again: bool = False,
    features: bool | None = None,
    feature_images: int | None = None,
    projector: bool = False,
    tell: Callable[[str], None] = tell,
) -> dict[str, Any]:
    """Measure a run, or read back what was measured already with nothing changed since; gives results.json.

    Raises:
        ConfigError: there is no such metric for these images.
        UserError: the run is damaged, images are missing, or the folder cannot be written.
    """
    start_engine()
    load_installed_parts("metric", lambda name: True)
    from cae.comparison.compare import check_metric
    from cae.config import load_config
    from cae.data.pipeline import user_errors
    from cae.evaluation.evaluation_set import EvaluationSet
    from cae.evaluation.results import PARTS, evaluate_run, find_evaluation
    from cae.features.describe import FEATURE_PARTS, MOST_IMAGES, add_features, add_projector, reason_against
    from cae.runs.page import write_run_page
    from cae.runs.trained import load_trained_run

    config = load_config(directory.config, overrides)
    splits = load_splits_with_progress(config.data, tell)
    measured_on = EvaluationSet(splits, split, config.logging.probe_images)
    check_metric(metric, measured_on.images.image_shape)
    load = cache(lambda: load_trained_run(directory, lambda _: splits, overrides))
    looks_at_codes = features or (features is None and not reason_against(measured_on))
    with user_errors(), contextlib.ExitStack() as stack:
        evaluation = None if again else find_evaluation(directory, config, measured_on, out)
        parts = (PARTS if evaluation is None else 1) + (FEATURE_PARTS if looks_at_codes else 0)
        tell = stack.enter_context(counting_lines(tell, parts))
        if evaluation is None or projector:
            check_is_writable(out)
        if evaluation is None:
            evaluation = evaluate_run(load(), measured_on, out, tell)
        else:
            tell(f"{directory.path}: measured already, and nothing has changed since (--again measures it afresh)")
        evaluation = add_features(
            evaluation, measured_on, load, out, wanted=features, most_images=feature_images or MOST_IMAGES, tell=tell
        )
        if out == directory.evaluation:
            _log_figures(directory, evaluation.results)
            write_run_page(directory)
        if projector:
            add_projector(evaluation, measured_on, load(), out, tell)
    for name, reason in splits.replaced.items():
        tell(f"{name}: another image was taken in its place: {reason}")
    return evaluation.results


def _log_figures(directory: RunDirectory, results: Mapping[str, Any]) -> None:
    """Put a run's figures into TensorBoard's curves and table; not where the run cannot be written."""
    from cae.measures.catalogue import is_metric
    from cae.runs.events import write_figures

    try:
        check_is_writable(directory.path)
    except UserError:
        return
    best = directory.read_summary().get("best") or {} if directory.summary.exists() else {}
    figures = {name: value for name, value in results.items() if is_metric(name)}
    write_figures(directory.path, results["split"], figures, best.get("epoch", 0))
