"""Whether contenders met on equal terms: images, their order, settings and steps, as run directories tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cae.comparison.contenders import Group, RunRecord, leaves_of
from cae.comparison.fairness_report import FairnessReport, Sizes, listed, listed_runs, tell_sizes
from cae.comparison.measuring import tell_programs
from cae.comparison.record import Terms
from cae.comparison.statistics import paired_seeds
from cae.config.data import PATH_KEYS
from cae.config.problems import shown
from cae.errors import from_json
from cae.messages import plural

if TYPE_CHECKING:
    from cae.config.run import RunConfig


def check_terms(groups: Sequence[Group], sizes: Mapping[str, Sizes], left_out: Sequence[str] = ()) -> Terms:
    """Compare what contenders were given: images, order, start, objective, steps, seeds, program, and their sizes.

    Everything is read from config.yaml, summary.json, metrics.jsonl and environment.json of the runs; what a run has
    not written down counts neither as equal nor as different. That the images which are measured are the same is for
    the caller to check; what the order of images and initial weights depend on is known of the program: the order on
    seed, step, batch size and the number of images, the encoder's start on seed and encoder and bottleneck.

    Args:
        groups: the contenders' runs.
        sizes: each one's label to its sizes.
        left_out: a sentence for each run that belongs here but could not be measured.

    Returns:
        Whole sentences; what is found different stands in `unequal`, and what makes a comparison doubtful besides in
        `warnings`.
    """
    terms = FairnessReport(groups)
    terms.warnings.extend(left_out)
    for check in (
        _seeds,
        tell_images,
        tell_order,
        _encoder_start,
        _decoder,
        _training,
        _steps,
        _status,
        _warnings,
        tell_programs,
        _speed,
    ):
        check(groups, terms)
    tell_sizes(sizes, terms.equal, terms.unequal, terms.warnings)
    return Terms(tuple(terms.equal), tuple(terms.unequal), tuple(terms.warnings))


def _seeds(groups: Sequence[Group], terms: FairnessReport) -> None:
    every = sorted(set().union(*(group.seeds for group in groups)))
    for group in groups:
        missing = [seed for seed in every if seed not in group.seeds]
        if missing:
            seeds = f"{plural(len(missing), 'seed')} {listed(missing)}"
            terms.unequal.append(f"Seeds: `{group.label}` has no run of {seeds}, which others have.")
            terms.warnings.append(
                f"`{group.label}` lacks {seeds}: its mean is over fewer runs, and {_set_against(group, groups)}."
            )
    if all(len(group.seeds) == len(every) for group in groups):
        terms.equal.append(f"Seeds: each was trained with {plural(len(every), 'seed')} {listed(every)}.")
    if len(every) == 1:
        terms.warnings.append(
            "There is one seed only: intervals tell of other images, and nothing of another training. Differences"
            " between seeds are often as large as those between decoders."
        )


def _set_against(group: Group, groups: Sequence[Group]) -> str:
    """By which seeds a contender is compared with those that have others."""
    paired: dict[bool, list[str]] = {True: [], False: []}
    for other in groups:
        if other.seeds != group.seeds:
            paired[bool(paired_seeds(group.seeds, other.seeds))].append(f"`{other.label}`")
    ways = {True: "on the seeds that both have", False: "by means over each one's own seeds"}
    parts = [f"against {listed(paired[way])} {ways[way]}" for way in (True, False) if paired[way]]
    return f"it is set {listed(parts)}"


def _encoder_start(groups: Sequence[Group], terms: FairnessReport) -> None:
    terms.compare(
        groups,
        "Start",
        lambda config: {
            f"{name}.{key}": value
            for name in ("encoder", "bottleneck")
            for key, value in leaves_of(getattr(config.model, name)).items()
        },
        "under one seed every encoder began with the same weights (one design, and values that come of the seed alone)",
    )


def _training(groups: Sequence[Group], terms: FairnessReport) -> None:
    terms.compare(groups, "Objective", lambda config: leaves_of(config.objective))
    for name in ("optimizer", "schedule"):
        terms.compare(groups, name.capitalize(), lambda config, name=name: leaves_of(getattr(config.training, name)))  # type: ignore[misc]
    names = ("precision", "global_clipnorm", "epochs", "steps", "strategy", "deterministic")
    terms.compare(
        groups,
        "Training",
        lambda config: {
            **{name: getattr(config.training, name) for name in names},
            "early_stopping": shown(config.training.model_dump(mode="json")["early_stopping"]),
        },
        "the same precision, epochs, gradient clipping and early stopping in all runs",
    )


def _decoder(groups: Sequence[Group], terms: FairnessReport) -> None:
    terms.compare(
        groups,
        "Decoder",
        lambda config: {
            key: value for key, value in leaves_of(config.model.decoder).items() if not key.startswith("upsampling")
        },
        "but for its upsampling the same in all runs",
    )


def _steps(groups: Sequence[Group], terms: FairnessReport) -> None:
    runs = [run for group in groups for run in group.runs]
    steps = {terms.name(run): taken for run in runs if (taken := _steps_taken(run)) is not None}
    if not steps:
        return
    fewest, most = min(steps, key=steps.__getitem__), max(steps, key=steps.__getitem__)
    if steps[fewest] == steps[most]:
        missing = [terms.name(run) for run in runs if terms.name(run) not in steps]
        unknown = f"; {listed(missing)} wrote none down" if missing else ""
        terms.equal.append(f"Steps: {steps[most]:,} in every run{unknown}.")
        return
    terms.unequal.append(f"Steps: from {steps[fewest]:,} ({fewest}) to {steps[most]:,} ({most}).")
    terms.warnings.append(
        f"Runs took different numbers of steps, {fewest} {steps[fewest]:,} and {most} {steps[most]:,}: a longer"
        " training may be all that makes a difference."
    )


def _speed(groups: Sequence[Group], terms: FairnessReport) -> None:
    """Whether times can be compared: those of runs side by side say nothing of runs alone."""
    shares = terms.runs_by(groups, lambda run: run.share)
    shares.pop("", None)
    if len(shares) > 1:
        by_share = "; ".join(f"{share} ({listed_runs(names)})" for share, names in shares.items())
        terms.unequal.append(
            f"Speed: runs were trained {by_share}. Their times and images a second do not compare, and are left out."
        )
    for share in shares if len(shares) == 1 else ():
        beside = "" if share.startswith("alone") else ": their times do not compare with those of runs alone"
        terms.equal.append(f"Speed: all runs were trained {share}{beside}.")


def _status(groups: Sequence[Group], terms: FairnessReport) -> None:
    for group in groups:
        for run in group.runs:
            status = run.summary.get("status")
            if status not in ("finished", "stopped_early"):
                terms.warnings.append(
                    f"{terms.name(run)} (`{group.label}`) did not come to its end"
                    f" ({status or 'no summary was written'}): its best weights so far were measured."
                )


def _warnings(groups: Sequence[Group], terms: FairnessReport) -> None:
    """What makes single runs doubtful: one sentence for all that have the same doubt, with the first one's numbers."""
    found: dict[str, dict[str, str]] = {}
    num_runs = sum(len(group.runs) for group in groups)
    for group in groups:
        for run in group.runs:
            for warning in from_json(run.summary.get("warnings", [])):
                found.setdefault(warning.code, {}).setdefault(terms.name(run), warning.message)
    for messages in found.values():
        names = list(messages)
        whose = names[0]
        if len(names) > 1:
            runs = f"All {num_runs} runs" if len(names) == num_runs else listed_runs(names)
            whose = f"{runs} (the figures are those of {names[0]})"
        terms.warnings.append(f"{whose}: {messages[names[0]]}")


def _steps_taken(run: RunRecord) -> int | None:
    """Training steps that a run really took, as far as it has written down."""
    steps: int | None = run.summary.get("steps", run.metrics[-1]["step"] if run.metrics else None)
    return steps


def tell_images(groups: Sequence[Group], terms: FairnessReport) -> None:
    """Compare the images themselves, how they were divided, and those shown while training.

    A run that wrote no numbers of images down, as a killed one, counts neither as equal nor as different in them.
    """
    sizes = terms.runs_by(groups, _sizes_in_words)
    unknown = sizes.pop(None, [])
    are_the_same = _tell_sets(groups, terms)
    if len(sizes) > 1:
        by_size = "; ".join(f"{words} ({listed_runs(names)})" for words, names in sizes.items())
        terms.unequal.append(f"Data: the parts of the data set differ in size: {by_size}.")
        terms.warnings.append("Runs were trained on different numbers of images; who had more had an advantage.")
    if are_the_same and len(sizes) <= 1:
        numbers = f": {next(iter(sizes))}" if sizes else ""
        missing = f"; {listed_runs(unknown)} wrote no numbers of images down" if unknown else ""
        follows = f"the same images in all runs, prepared alike and divided alike{numbers}{missing}"
    else:
        follows = "prepared alike in all runs"
    terms.compare(groups, "Data", _preparation, follows)
    _tell_probe_images(groups, terms, are_the_same)


def tell_order(groups: Sequence[Group], terms: FairnessReport) -> None:
    """Compare what the order of training images depends on besides the seed: batches, augmentation, their number."""
    also = []
    numbers = terms.runs_by(groups, lambda run: _number(run, "train"))
    numbers.pop(None, None)
    if len(numbers) > 1:
        by_number = "; ".join(f"{number:,} for {listed_runs(names)}" for number, names in numbers.items())
        also.append(f"it depends on the number of training images, which is {by_number}")
    elif len(_sets(groups)) > 1:
        also.append("runs were given other images")
    terms.compare(
        groups,
        "Order of the images",
        lambda config: {"batch_size": config.training.batch_size, **leaves_of(config.data.augmentation)},
        "under one seed every contender was given the same images in the same order, changed alike",
        also,
    )


def _tell_sets(groups: Sequence[Group], terms: FairnessReport) -> bool:
    """Whether all were trained on the same images; where not, which runs on which."""
    runs = terms.runs_by(groups, lambda run: run.training_images)
    if len(runs) == 1:
        return True
    by_set = "; ".join(f"{number} is that of {listed_runs(runs[number])}" for number in sorted(runs))
    terms.unequal.append(f"Data: runs had different images for training and validation: {by_set}.")
    terms.warnings.append(
        "Runs were trained or validated on different images; that may be all that makes a difference."
    )
    return False


def _tell_probe_images(groups: Sequence[Group], terms: FairnessReport, are_the_same: bool) -> None:
    runs = [run for group in groups for run in group.runs]
    shown = {run.config.logging.probe_images for run in runs}
    fractions = {run.config.data.validation_fraction for run in runs}
    numbers = {_number(run, "validation") for run in runs} - {None}
    if are_the_same and len(shown) == len(fractions) == 1 and len(numbers) <= 1:
        terms.equal.append(f"Probe images: the same {shown.pop()} validation images in every run's TensorBoard.")
    else:
        terms.unequal.append("Probe images: runs show different ones in TensorBoard, or different numbers of them.")


def _preparation(config: RunConfig) -> dict[str, Any]:
    """What is done to the images; where they lie is no part of it, since pixels are compared."""
    without = (*PATH_KEYS, "cache")
    return {key: value for key, value in leaves_of(config.data).items() if key not in without}


def _sets(groups: Sequence[Group]) -> set[int]:
    return {run.training_images for group in groups for run in group.runs}


def _sizes_in_words(run: RunRecord) -> str | None:
    images: Mapping[str, int] | None = run.summary.get("images")
    if images is None:
        return None
    return f"{images['train']:,} for training, {images['validation']:,} for validation, {images['test']:,} for test"


def _number(run: RunRecord, part: str) -> int | None:
    number: int | None = (run.summary.get("images") or {}).get(part)
    return number
