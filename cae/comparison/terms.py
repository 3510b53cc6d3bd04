"""Whether contenders met on equal terms, as far as their run directories tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cae.comparison.contenders import Group, Run
from cae.comparison.record import Terms
from cae.comparison.sizes import Sizes, tell_sizes
from cae.config.words import shown

if TYPE_CHECKING:
    from cae.config.run import RunConfig

# What is compared: its name, the values of a configuration that decide it, and what follows where they are equal.
_Settings = Callable[["RunConfig"], Mapping[str, Any]]


def check_terms(groups: Sequence[Group], sizes: Mapping[str, Sizes]) -> Terms:
    """Compare what contenders were given: images, order, start, objective, steps, seeds, and how large they are.

    Everything is read from config.yaml, summary.json and metrics.jsonl of the runs. That the images are the same is
    for the caller to check; what the order of images and initial weights depend on is known of the program: the order
    on seed, step, batch size and the number of images, the encoder's start on seed and encoder and bottleneck.

    Args:
        groups: the contenders' runs.
        sizes: each one's label to its sizes.

    Returns:
        Whole sentences; what is found different stands in `unequal`, and what makes a comparison doubtful besides in
        `warnings`.
    """
    terms = _Found()
    for check in (_seeds, _images, _probe_images, _order, _encoder_start, _decoder, _training, _steps, _status):
        check(groups, terms)
    tell_sizes(sizes, terms.equal, terms.unequal, terms.warnings)
    return Terms(tuple(terms.equal), tuple(terms.unequal), tuple(terms.warnings))


class _Found:
    def __init__(self) -> None:
        self.equal: list[str] = []
        self.unequal: list[str] = []
        self.warnings: list[str] = []

    def compare(
        self, groups: Sequence[Group], name: str, settings: _Settings, follows: str = "the same in all runs"
    ) -> bool:
        """Tell whether settings are the same in all groups; where not, which ones are whose."""
        values = {group.label: dict(settings(group.config)) for group in groups}
        keys = list(dict.fromkeys(key for found in values.values() for key in found))
        absent = object()
        different = [key for key in keys if len({repr(found.get(key, absent)) for found in values.values()}) > 1]
        if not different:
            self.equal.append(f"{name}: {follows}.")
            return True
        for key in different:
            by_value = _by_value({label: found[key] for label, found in values.items() if key in found})
            self.unequal.append(f"{name}: {key} is {by_value}.")
        return False


def _seeds(groups: Sequence[Group], terms: _Found) -> None:
    every = sorted(set().union(*(group.seeds for group in groups)))
    for group in groups:
        missing = [seed for seed in every if seed not in group.seeds]
        if missing:
            noun = "seed" if len(missing) == 1 else "seeds"
            terms.unequal.append(f"Seeds: `{group.label}` has no run of {noun} {_listed(missing)}, which others have.")
            terms.warnings.append(
                f"`{group.label}` lacks {noun} {_listed(missing)}: its mean is over fewer runs, and it is set against"
                " others on the seeds that both have."
            )
    if all(len(group.seeds) == len(every) for group in groups):
        noun = "seed" if len(every) == 1 else "seeds"
        terms.equal.append(f"Seeds: each was trained with {noun} {_listed(every)}.")
    if len(every) == 1:
        terms.warnings.append(
            "There is one seed only: intervals tell of other images, and nothing of another training. Differences"
            " between seeds are often as large as those between decoders."
        )


def _images(groups: Sequence[Group], terms: _Found) -> None:
    parts: dict[str, list[str]] = {}
    for group in groups:
        for run in group.runs:
            parts.setdefault(_images_in_words(run), []).append(run.directory.path.name)
    if len(parts) == 1:
        follows = f"the same images in all runs, prepared alike and divided alike: {next(iter(parts))}"
        terms.compare(groups, "Data", _data, follows)
        return
    listed = "; ".join(f"{words} ({_listed(names)})" for words, names in parts.items())
    terms.unequal.append(f"Data: the parts of the data set differ in size: {listed}.")
    terms.warnings.append("Runs were trained on different numbers of images; who had more had an advantage.")
    terms.compare(groups, "Data", _data, "prepared alike in all runs")


def _probe_images(groups: Sequence[Group], terms: _Found) -> None:
    numbers = {run.config.logging.probe_images for group in groups for run in group.runs}
    parts = {
        (_number(run, "validation"), run.config.data.validation_fraction) for group in groups for run in group.runs
    }
    if len(numbers) == 1 and len(parts) == 1:
        terms.equal.append(f"Probe images: the same {numbers.pop()} validation images in every run's TensorBoard.")
    else:
        terms.unequal.append("Probe images: runs show different ones in TensorBoard, or different numbers of them.")


def _order(groups: Sequence[Group], terms: _Found) -> None:
    follows = "under one seed every contender was given the same images in the same order, changed alike"
    terms.compare(
        groups,
        "Order of the images",
        lambda config: {"batch_size": config.training.batch_size, **_flat(config.data.augmentation)},
        follows,
    )


def _encoder_start(groups: Sequence[Group], terms: _Found) -> None:
    terms.compare(
        groups,
        "Start",
        lambda config: {
            f"{name}.{key}": value
            for name in ("encoder", "bottleneck")
            for key, value in _flat(getattr(config.model, name)).items()
        },
        "under one seed every encoder began with the same weights (one design, and values that come of the seed alone)",
    )


def _training(groups: Sequence[Group], terms: _Found) -> None:
    terms.compare(groups, "Objective", lambda config: _flat(config.objective))
    for name in ("optimizer", "schedule"):
        terms.compare(groups, name.capitalize(), lambda config, name=name: _flat(getattr(config.training, name)))  # type: ignore[misc]
    names = ("precision", "global_clipnorm", "epochs", "strategy", "deterministic")
    terms.compare(
        groups,
        "Training",
        lambda config: {
            **{name: getattr(config.training, name) for name in names},
            "early_stopping": shown(config.training.model_dump(mode="json")["early_stopping"]),
        },
        "the same precision, epochs, gradient clipping and early stopping in all runs",
    )


def _decoder(groups: Sequence[Group], terms: _Found) -> None:
    terms.compare(
        groups,
        "Decoder",
        lambda config: {
            key: value for key, value in _flat(config.model.decoder).items() if not key.startswith("upsampling")
        },
        "but for its upsampling the same in all runs",
    )


def _steps(groups: Sequence[Group], terms: _Found) -> None:
    steps = {run.directory.path.name: steps_taken(run) for group in groups for run in group.runs}
    fewest, most = min(steps, key=steps.__getitem__), max(steps, key=steps.__getitem__)
    if steps[fewest] == steps[most]:
        terms.equal.append(f"Steps: {steps[most]:,} in every run.")
        return
    terms.unequal.append(f"Steps: from {steps[fewest]:,} ({fewest}) to {steps[most]:,} ({most}).")
    terms.warnings.append(
        f"Runs took different numbers of steps, {fewest} {steps[fewest]:,} and {most} {steps[most]:,}: a longer"
        " training may be all that makes a difference."
    )


def _status(groups: Sequence[Group], terms: _Found) -> None:
    for group in groups:
        for run in group.runs:
            status = run.summary.get("status")
            if status not in ("finished", "stopped_early"):
                terms.warnings.append(
                    f"{run.directory.path.name} (`{group.label}`) did not come to its end"
                    f" ({status or 'no summary was written'}): its best weights so far were measured."
                )


def steps_taken(run: Run) -> int:
    """Training steps that a run really took, as far as it has written down."""
    return int(run.summary.get("steps") or (run.metrics[-1]["step"] if run.metrics else 0))


def _data(config: RunConfig) -> dict[str, Any]:
    without = ("path", "test_path", "cache")
    return {key: value for key, value in _flat(config.data).items() if key not in without}


def _images_in_words(run: Run) -> str:
    images = run.summary.get("images")
    if not isinstance(images, Mapping):
        return "numbers that were not written down"
    return f"{images['train']:,} for training, {images['validation']:,} for validation, {images['test']:,} for test"


def _number(run: Run, part: str) -> Any:
    return (run.summary.get("images") or {}).get(part)


def _flat(section: Any) -> dict[str, Any]:
    """A section's dotted keys."""
    leaves: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix}.{key}".lstrip("."), inner)
        else:
            leaves[prefix] = value

    add("", section.model_dump(mode="json"))
    return leaves


def _by_value(values: Mapping[str, Any]) -> str:
    """`0.01 for `a` and `b`, 0.001 for `c``."""
    labels = defaultdict(list)
    for label, value in values.items():
        labels[shown(value)].append(f"`{label}`")
    return ", ".join(f"{value} for {_listed(names)}" for value, names in labels.items())


def _listed(items: Sequence[Any]) -> str:
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
