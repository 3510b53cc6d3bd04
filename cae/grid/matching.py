"""Decoder widths that make the models of a grid alike, found before anything is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cae.atomic_files import write_json
from cae.config import ConfigError, RunConfig
from cae.files import file_error, read_bytes
from cae.grid.combinations import ImageShape
from cae.grid.step_time import HOW, TimedModel, match_times
from cae.messages import number_of
from cae.plan import PlanError, make_plan
from cae.plan.matching import AMOUNTS, WIDEST_TOLERANCE, match_decoder, with_filters
from cae.section import KerasObject

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.config.model import ModelSection

NAME = "matching.json"
UNITS = {"parameters": "parameters", "macs": "MACs an image, as they are computed", "time": "seconds a step"}


@dataclass(frozen=True)
class Match:
    """What became of a decoder's widths.

    Args:
        model: digest of all that decides it.
        own: widths of its stages before, from the code outwards.
        filters: widths since.
        amount: what the model has.
        wanted: what the first model with the same encoder has.
        unit: of both, of `UNITS`.
    """

    model: str
    own: tuple[int, ...]
    filters: tuple[int, ...]
    amount: float
    wanted: float
    unit: str

    @property
    def in_words(self) -> str:
        """What the model has, and what was wanted."""
        is_time = self.unit == UNITS["time"]
        amount, wanted = (f"{one:.4g}" if is_time else f"{one:,.0f}" for one in (self.amount, self.wanted))
        return f"{amount} {self.unit}, wanted {wanted}"


def match_models(
    configs: Sequence[RunConfig],
    word: str,
    image_shape_of: Callable[[DataSection], ImageShape],
    path: Path,
    before: Mapping[str, Match],
    *,
    here: bool = False,
) -> tuple[list[RunConfig], dict[str, Match]]:
    """Adjust each decoder's widths until its model has as much as the first one with the same encoder.

    Args:
        configs: of one whole grid, in its order.
        word: `parameters`, `macs` or `time`.
        image_shape_of: how to find the shape of the images; called for each configuration.
        path: the configuration file, for messages.
        before: what was found before, by names of runs; times are not measured twice.
        here: measure times in this process, which alone has what the models need.

    Returns:
        The configurations, with `decoder.filters` where it was needed: each stands for itself; and each one's name to
        what became of it.

    Raises:
        ConfigError: a model does not fit its images, or no width brings it near enough; names every such combination.
        UserError: times cannot be measured.
    """
    firsts: dict[str, RunConfig] = {}
    jobs, problems = [], []
    for config in configs:
        shape = image_shape_of(config.data)
        key = f"{shape} {config.model.encoder!r} {config.model.bottleneck!r}"
        jobs.append(_Job(config, firsts.setdefault(key, config), shape))
        try:
            make_plan(config.model, shape)
        except PlanError as error:
            problems.append(f"{path}: {config.name}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    if word == "time":
        found = {one.model: one for one in before.values()}
        found |= _time([job for job in jobs if job.digest not in found], here)
    else:
        found = {job.digest: _count(job, word) for job in {job.digest: job for job in jobs}.values()}
        problems = [f"{path}: {problem}" for job in jobs if (problem := _problem(job, found[job.digest], word))]
    if problems:
        raise ConfigError("\n".join(problems))
    matched = [job.config.model_copy(update={"model": job.matched(found[job.digest])}) for job in jobs]
    return matched, {job.config.name: found[job.digest] for job in jobs}


@dataclass(frozen=True)
class _Job:
    config: RunConfig
    first: RunConfig
    shape: ImageShape

    @property
    def timed(self) -> TimedModel:
        """The models, and what else decides how long a step takes: seeds, rates and epochs do not."""
        training = self.config.training
        optimizer = training.optimizer.model_dump(mode="json", include={"name", *KerasObject.model_fields, "options"})
        return TimedModel(
            self.config.model.model_dump(mode="json"),
            self.first.model.model_dump(mode="json"),
            self.config.objective.model_dump(mode="json"),
            {
                **training.model_dump(mode="json", include={"batch_size", "xla"}),
                "precision": training.planned_precision,
                "optimizer": optimizer if len(optimizer) > 1 else training.optimizer.name,
            },
            self.shape,
        )

    @property
    def digest(self) -> str:
        """Of all that decides what its model is to have."""
        text = json.dumps(asdict(self.timed), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def matched(self, found: Match) -> ModelSection:
        """Its model section; without explicit widths where they are its own."""
        return self.config.model if found.filters == found.own else with_filters(self.config.model, found.filters)


def _time(jobs: Sequence[_Job], here: bool) -> dict[str, Match]:
    different = {job.digest: job for job in jobs}
    timed = match_times([job.timed for job in different.values()], here=here)
    return {
        digest: Match(digest, tuple(job.config.model.decoder_outputs), filters, seconds, wanted, UNITS["time"])
        for (digest, job), (filters, seconds, wanted) in zip(different.items(), timed, strict=True)
    }


def _count(job: _Job, word: str) -> Match:
    amount = AMOUNTS[word]
    wanted = amount(make_plan(job.first.model, job.shape))
    model = match_decoder(job.config.model, job.shape, wanted, amount)
    reached = amount(make_plan(model, job.shape))
    own, filters = (tuple(section.decoder_outputs) for section in (job.config.model, model))
    return Match(job.digest, own, filters, reached, wanted, UNITS[word])


def _problem(job: _Job, found: Match, word: str) -> str | None:
    # Half to either side: any two models are then within the tolerance of each other.
    if abs(found.amount - found.wanted) <= WIDEST_TOLERANCE / 2 * found.wanted:
        return None
    name, unit = job.config.name, UNITS[word]
    decoder = job.config.model.decoder
    if decoder.tied_weights or decoder.keras is not None:
        why = "tied_weights takes the encoder's kernels" if decoder.tied_weights else "the decoder is one of your own"
        return (
            f"{name}: match: {word}: {why}, so that no width brings its {found.amount:,.0f} {unit} to the"
            f" {found.wanted:,.0f} of {job.first.name}. Leave `match` away, or one of the two."
        )
    return (
        f"{name}: match: {word}: no decoder width comes within {WIDEST_TOLERANCE / 2:.0%} of the {found.wanted:,.0f}"
        f" {unit} of {job.first.name}; the nearest, model.decoder.filters: {list(found.filters)}, has"
        f" {found.amount:,.0f}. All widths are scaled alike, and none becomes narrower than the image. Use a wider"
        " encoder, which leaves finer steps, or leave `match` away."
    )


def matching_in_words(word: str, found: Mapping[str, Match], channels: int) -> list[str]:
    """A line for each decoder whose widths were changed, with what is doubtful about it."""
    lines = []
    for one in dict.fromkeys(found.values()):
        if one.filters != one.own:
            first, *others = (name for name, other in found.items() if other == one)
            more = f" and {number_of(len(others), 'more run')}" if others else ""
            doubt = narrow_map(one.own, one.filters, channels)
            lines.append(
                f"match: {word}: {first}{more}: filters {list(one.own)} to {list(one.filters)}: {one.in_words}."
                f"{f' Warning: {doubt}.' if doubt else ''}"
            )
    return lines


def narrow_map(own: Sequence[int], filters: Sequence[int], channels: int) -> str | None:
    """Say what is doubtful about a matched decoder's last map; None where nothing is.

    >>> narrow_map([16, 16], [6, 2], 3), narrow_map([16, 16], [5, 6], 3), narrow_map([16, 16], [10, 11], 3)
    ('its last map has 2 channels, fewer than the image', 'its last map has 6 channels instead of 16', None)
    """
    last, before = filters[-1], own[-1]
    if last < channels and last != before:
        return f"its last map has {last} channels, fewer than the image"
    return f"its last map has {last} channels instead of {before}" if last <= before / 2 else None


def read_matching(experiment: Path, word: str | None = None) -> dict[str, Match]:
    """What became of each run's widths in an experiment, by names of runs; nothing without the file.

    Args:
        experiment: the folder of its runs.
        word: nothing counts that made models alike in something else; None for whatever it was.

    Raises:
        UserError: the file is damaged.
    """
    path = experiment / NAME
    if not path.exists():
        return {}
    try:
        record = json.loads(read_bytes(path).decode("utf-8"))
        runs = {
            str(name): Match(**{**one, "own": tuple(one["own"]), "filters": tuple(one["filters"])}, unit=record["unit"])
            for name, one in record["runs"].items()
        }
        return runs if word in (None, record["match"]) else {}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise file_error(path, "is damaged. Remove it, and match again.") from error


def write_matching(experiment: Path, word: str, found: Mapping[str, Match]) -> None:
    """Write what became of each run's widths.

    Raises:
        OSError: the file cannot be written.
    """
    experiment.mkdir(parents=True, exist_ok=True)
    how = {"how": HOW} if word == "time" else {}
    runs = {name: {key: value for key, value in asdict(one).items() if key != "unit"} for name, one in found.items()}
    record = {"match": word, "unit": UNITS[word], **how, "runs": runs}
    write_json(experiment / NAME, record)
