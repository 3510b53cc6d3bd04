"""Which runs belong together, what each group is called, and in what the groups differ."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cae.config.data import PATH_KEYS
from cae.errors import UserError
from cae.messages import number_of

if TYPE_CHECKING:
    from cae.config.model import ModelSection
    from cae.config.run import RunConfig
    from cae.runs import RunDirectory
    from cae.section import Section

UPSAMPLING = "model.decoder.upsampling"
# They name a choice, which says enough without its key.
_CHOICES = ("kind", "name", "source")
# `match: parameters` chooses it for the upsampling; alone it may be what the comparison is about.
_DERIVED = "model.decoder.filters"
# A key that no configuration has.
_TRAINING_IMAGES = "data.training_images"
# Nothing that is measured depends on them: where the images lie is checked by their pixels.
_WITHOUT_EFFECT = {*(f"data.{key}" for key in PATH_KEYS), "data.cache", "training.checkpoint_minutes"}
# Nor is a difference of their random weights one between models of your own.
_WITHOUT_EFFECT |= {f"model.{part}.keras.weights_sha256" for part in ("encoder", "decoder")}


@dataclass(frozen=True)
class RunRecord:
    """A run that is compared, as its directory tells.

    Args:
        directory: where it lies.
        config: its configuration.
        summary: its summary.json; empty where it was killed before it wrote one.
        metrics: the rows of its metrics.jsonl.
        environment: its environment.json; empty where there is none.
        training_images: number of the images that it was trained and validated on among the different ones that the
            compared runs had, from 1.
    """

    directory: RunDirectory
    config: RunConfig
    summary: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any] = field(default_factory=dict)
    training_images: int = 1

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.config.seed

    @property
    def share(self) -> str:
        """How much of the machine it had, such as `2 side by side, 1 thread each`; empty where that is not known."""
        cores = self.environment.get("cores")
        if cores is None:
            return ""
        jobs, threads = self.environment.get("jobs", 1), self.environment.get("threads", cores)
        each = number_of(threads, "thread")
        return f"{jobs} side by side, {each} each" if jobs > 1 else f"alone, with {each}"


@dataclass(frozen=True)
class Group:
    """Runs whose configurations differ in nothing but their seeds.

    Args:
        label: short and unique.
        settings: dotted keys in which groups differ, to this one's values.
        runs: by their seeds.
    """

    label: str
    settings: Mapping[str, Any]
    runs: tuple[RunRecord, ...]

    @property
    def config(self) -> RunConfig:
        """What its runs have in common, and the first one's seed."""
        return self.runs[0].config

    @property
    def seeds(self) -> set[int]:
        """Its runs' seeds."""
        return {run.seed for run in self.runs}


def group_runs(runs: Sequence[RunRecord], derived: Collection[str] = ()) -> list[Group]:
    """Put runs together that differ in their seeds alone, in the order in which they are given.

    Runs that were trained on different images are not together, though their configurations may be alike but for the
    place of the images; what tells them apart is then `data.training_images`.

    Args:
        runs: at least one.
        derived: keys that were tuned: labels do without them as long as they can.

    Raises:
        UserError: two runs have the same configuration and the same seed.
    """
    together: dict[tuple[Any, ...], list[RunRecord]] = defaultdict(list)
    settings: dict[tuple[Any, ...], dict[str, Any]] = {}
    images: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for run in runs:
        leaves = settings_of(run.config)
        alike = tuple((name, repr(value)) for name, value in leaves.items())
        images[alike].add(run.training_images)
        settings[alike, run.training_images] = leaves
        together[alike, run.training_images].append(run)
    for (alike, number), leaves in settings.items():
        if len(images[alike]) > 1:
            leaves[_TRAINING_IMAGES] = number
    differing = _differing(list(settings.values()))
    labels = make_labels([run_list[0].config.model for run_list in together.values()], differing, derived)
    return [
        Group(label, different, _by_seed(run_list))
        for label, different, run_list in zip(labels, differing, together.values(), strict=True)
    ]


def with_times_that_compare(runs: Sequence[RunRecord]) -> tuple[Sequence[RunRecord], str]:
    """Leave the times of training out where runs had different shares of the machine; gives the share of all, too."""
    shares = {run.share for run in runs} - {""}
    if len(shares) <= 1:
        return runs, "".join(shares)
    return [replace(run, summary={**run.summary, "training_seconds": None}) for run in runs], ""


def settings_of(config: RunConfig) -> dict[str, Any]:
    """Dotted keys of everything that has an effect on a run, but for its seed.

    A list of the same upsampling for every stage is that upsampling.

    Example:
        >>> from cae.config import RunConfig
        >>> settings = settings_of(RunConfig())
        >>> settings["model.decoder.upsampling.kind"], settings["training.optimizer.name"], "seed" in settings
        ('conv_transpose', 'adam', False)
    """
    sections = config.model_dump(mode="json", include={"data", "model", "objective", "training"})
    stages = config.model.upsampling_per_stage
    if len(set(stages)) == 1 and config.model.decoder.keras is None:
        sections["model"]["decoder"]["upsampling"] = stages[0].model_dump(mode="json")
    else:
        sections["model"]["decoder"]["upsampling"] = {"kind": upsampling_words(config.model)}
    return {key: value for key, value in _leaves("", sections) if key not in _WITHOUT_EFFECT}


def leaves_of(section: Section) -> dict[str, Any]:
    """A section's dotted keys.

    Example:
        >>> from cae.config.data import Augmentation
        >>> leaves_of(Augmentation())
        {'horizontal_flip': False, 'vertical_flip': False, 'diagonal_flip': False, 'random_crop': 0}
    """
    return dict(_leaves("", section.model_dump(mode="json")))


def upsampling_words(section: ModelSection) -> str:
    """A decoder's upsampling in words, stage by stage where stages differ.

    Example:
        >>> from cae.config.model import ModelSection
        >>> upsampling_words(ModelSection.model_validate({"decoder": {"upsampling": "resize"}}))
        'resize nearest'
    """
    if section.decoder.keras is not None:
        return section.decoder.keras.name
    words = [stage.label for stage in section.upsampling_per_stage]
    return words[0] if len(set(words)) == 1 else ", ".join(words)


def make_labels(
    sections: Sequence[ModelSection], settings: Sequence[Mapping[str, Any]], derived: Collection[str] = ()
) -> list[str]:
    """Name groups by what differs between them.

    Args:
        sections: each group's model.
        settings: in which groups differ, as dotted keys to values.
        derived: keys that were tuned.

    Returns:
        Unique labels: the upsampling where it differs or nothing else does, then `key=value` of the other settings;
        what follows from it, as widths and what was tuned, only where labels would not be unique without them.
    """
    words = [upsampling_words(section) for section in sections]
    others = {key for values in settings for key in values if not key.startswith(UPSAMPLING)}
    follows = [key for key in others if any(f"{key}.".startswith(f"{one}.") for one in (_DERIVED, *derived))]
    chosen = sorted(key for key in others if key not in follows and _says_something(key, settings))
    labels = [_label(word, chosen, values, words) for word, values in zip(words, settings, strict=True)]
    if len(set(labels)) < len(labels):
        labels = [_label(word, sorted(others), values, words) for word, values in zip(words, settings, strict=True)]
    return labels


def _label(word: str, keys: Sequence[str], values: Mapping[str, Any], words: Sequence[str]) -> str:
    parts = [f"{_short(key, keys)}{_value(values[key])}" for key in keys if key in values]
    return ", ".join([*([word] if len(set(words)) > 1 or not parts else []), *parts])


def _says_something(key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a setting differs between groups that made the same choice in its section."""
    section = key.rpartition(".")[0]
    choices = [f"{section}.{word}" for word in _CHOICES]
    found: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for values in settings:
        if key in choices:
            return True
        found[tuple(values.get(choice) for choice in choices)].add(repr(values.get(key)))
    return any(len(different) > 1 for different in found.values())


def _short(key: str, keys: Sequence[str]) -> str:
    """`learning_rate=`, as much of the key as tells it from the others; nothing before a choice."""
    parts = key.split(".")
    if parts[-1] in _CHOICES:
        return ""
    for length in range(1, len(parts)):
        end = ".".join(parts[-length:])
        if sum(f".{other}".endswith(f".{end}") for other in keys) == 1:
            return f"{end}="
    return f"{key}="


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(prefix, value)]
    return [leaf for key, inner in value.items() for leaf in _leaves(f"{prefix}.{key}".lstrip("."), inner)]


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The settings that are not the same everywhere; what a group's choices leave without effect is absent."""
    keys = list(dict.fromkeys(key for values in settings for key in values))
    absent = object()
    differing = [key for key in keys if len({repr(values.get(key, absent)) for values in settings}) > 1]
    return [{key: values[key] for key in differing if key in values} for values in settings]


def _by_seed(runs: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    ordered = sorted(runs, key=lambda run: run.seed)
    for run, following in itertools.pairwise(ordered):
        if run.seed == following.seed:
            raise UserError(
                f"{run.directory.path} and {following.directory.path}: these two runs have the same configuration and"
                f" the same seed, {run.seed}; a comparison takes one of them."
            )
    return tuple(ordered)
