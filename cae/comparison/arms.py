"""What decoders were given to be compared with: budgets of training, tuning, and widths that make them alike."""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from cae.comparison.contenders import Group, RunRecord, settings_of
from cae.comparison.fairness_report import listed
from cae.comparison.record import Budget, Contender, Terms, Tried, Tuning, Widths
from cae.files import file_error, read_bytes
from cae.grid import TRIALS, narrow_map, read_matching
from cae.plan.matching import WIDEST_TOLERANCE

# A matched model that is no further from what was wanted counts as alike.
_NEAR = WIDEST_TOLERANCE / 2
Length = tuple[Literal["epochs", "steps"], int]


def length_of(run: RunRecord) -> Length:
    """How long a run was to be trained."""
    training = run.config.training
    if training.steps is not None:
        return "steps", training.steps
    return "epochs", training.epochs if isinstance(training.epochs, int) else 0


def family_of(run: RunRecord, derived: Collection[str] = ()) -> str:
    """What runs of one decoder with different seeds and budgets have in common.

    Args:
        run: of a comparison.
        derived: keys that were tuned.
    """
    free = ("training.epochs", "training.steps", *derived)
    kept = {key: value for key, value in settings_of(run.config).items() if not is_in(key, free)}
    return repr((kept, run.training_images))


def is_in(key: str, others: Collection[str]) -> bool:
    """Whether a dotted key is one of others, or stands in one.

    >>> is_in("training.optimizer.name", ["training.optimizer"]), is_in("training.epochs", ["training.epoch"])
    (True, False)
    """
    return any(f"{key}.".startswith(f"{other}.") for other in others)


def divide_budgets(runs: Sequence[RunRecord], derived: Collection[str] = ()) -> tuple[list[RunRecord], list[RunRecord]]:
    """Take the runs that are compared, where decoders were trained for several budgets.

    Budgets are not decoders: compared is at the largest that all have; where they have none in common, each one's
    largest.

    Args:
        runs: of a comparison.
        derived: keys that were tuned.

    Returns:
        The runs that are compared, and the others.
    """
    families: dict[str, set[Length]] = defaultdict(set)
    for run in runs:
        families[family_of(run, derived)].add(length_of(run))
    if max(map(len, families.values())) == 1:
        return list(runs), []
    common = set.intersection(*families.values())
    chosen = {family: max(common or lengths) for family, lengths in families.items()}
    compared = [run for run in runs if length_of(run) == chosen[family_of(run, derived)]]
    return compared, [run for run in runs if run not in compared]


def make_budgets(
    groups: Sequence[Group],
    others: Sequence[RunRecord],
    derived: Collection[str],
    make: Callable[[str, Length, Sequence[RunRecord]], Budget],
) -> tuple[Budget, ...]:
    """Put together what each decoder reached with each budget, the smallest first; nothing where there is one only.

    Args:
        groups: what is compared.
        others: runs of other budgets.
        derived: keys that were tuned.
        make: measures the runs of one label and budget.
    """
    if not others:
        return ()
    labels = {family_of(group.runs[0], derived): group.label for group in groups}
    found: dict[tuple[str, Length], list[RunRecord]] = defaultdict(list)
    for run in [*itertools.chain(*(group.runs for group in groups)), *others]:
        found[labels[family_of(run, derived)], length_of(run)].append(run)
    order = [group.label for group in groups]
    keys = sorted(found, key=lambda key: (order.index(key[0]), key[1]))
    return tuple(make(label, length, found[label, length]) for label, length in keys)


def leads(points: Mapping[str, Sequence[tuple[float, float]]]) -> tuple[float, list[tuple[str, float]]]:
    """Who is ahead over time, where all were measured; between measurements values go along the logarithm of time.

    >>> start, ahead = leads({"a": [(10, 1.0), (1000, 3.0)], "b": [(10, 0.0), (1000, 4.0)]})
    >>> start, [(label, round(end)) for label, end in ahead]
    (10, [('a', 100), ('b', 1000)])

    Args:
        points: labels to (seconds, value), more is better.

    Returns:
        Where the time that all have begins, and who is ahead until when; empty where they have none in common.
    """
    lines = {label: sorted(found) for label, found in points.items()}
    start, end = max(line[0][0] for line in lines.values()), min(line[-1][0] for line in lines.values())
    if start >= end:
        return start, []
    times = sorted({start, end, *(time for line in lines.values() for time, _ in line if start < time < end)})
    for before, after in itertools.pairwise(list(times)):
        for one, other in itertools.combinations(lines.values(), 2):
            left, right = (_at(one, time) - _at(other, time) for time in (before, after))
            if left * right < 0:
                times.append(before * (after / before) ** (left / (left - right)))
    ahead: list[tuple[str, float]] = []
    for before, after in itertools.pairwise(sorted(times)):
        middle = math.sqrt(before * after)
        label = max(lines, key=lambda one: _at(lines[one], middle))
        if ahead and ahead[-1][0] == label:
            ahead.pop()
        ahead.append((label, after))
    return start, ahead


def _at(line: Sequence[tuple[float, float]], time: float) -> float:
    for (before, low), (after, high) in itertools.pairwise(line):
        if before <= time <= after and after > before:
            return low + (high - low) * math.log(time / before) / math.log(after / before)
    return line[0][1] if time < line[0][0] else line[-1][1]


def read_tuning(runs: Sequence[RunRecord]) -> dict[Path, Tuning]:
    """What was tried for each run's decoder, still without a label, by the run's folder.

    Raises:
        UserError: a record is damaged.
    """
    found: dict[Path, Tuning | None] = {}
    for experiment in dict.fromkeys(run.directory.path.absolute().parent for run in runs):
        for path in sorted((experiment / TRIALS).glob("*.json")):
            try:
                record = json.loads(read_bytes(path).decode("utf-8"))
                found |= dict.fromkeys((experiment / name for name in record["runs"]), _tuning(record))
            except (ValueError, AttributeError, KeyError, TypeError) as error:
                raise file_error(path, "is damaged. Train the grid again: its trials are kept.") from error
    known = {run.directory.path: found.get(run.directory.path.absolute()) for run in runs}
    return {path: tuning for path, tuning in known.items() if tuning is not None}


def _tuning(record: Mapping[str, Any]) -> Tuning | None:
    """A record's content; None where nothing could be chosen."""
    tried = tuple(
        Tried(one["round"], dict(one["values"]), one["epochs"], one["mean"], one["is_own"]) for one in record["tried"]
    )
    budget, chosen = record["budget"], record["chosen"]
    if chosen is None:
        return None
    seeds = tuple(record["seeds"])
    return Tuning("", record["search"], seeds, budget["trainings"], budget["epochs"], tried, dict(chosen))


def make_tuning(groups: Sequence[Group], found: Mapping[Path, Tuning]) -> tuple[Tuning, ...]:
    """What was tried for each decoder that is compared."""
    paths = {group.label: group.runs[0].directory.path for group in groups}
    return tuple(replace(found[path], label=label) for label, path in paths.items() if path in found)


def make_widths(groups: Sequence[Group]) -> tuple[Widths, ...]:
    """The widths of each decoder's stages, and what they were before models were made alike; none where none were."""
    found = []
    for group in groups:
        run = group.runs[0]
        filters = tuple(run.config.model.decoder_outputs)
        match = read_matching(run.directory.path.absolute().parent).get(run.directory.name)
        # Without a record: as wide as the encoder, unless the configuration says so.
        decoder = run.config.model.decoder.model_copy(update={"filters": None})
        mirror = run.config.model.model_copy(update={"decoder": decoder}).decoder_outputs
        if match and match.filters == filters:
            found.append(Widths(group.label, match.own, filters, match.in_words, match.amount / match.wanted - 1))
        else:
            found.append(Widths(group.label, tuple(mirror), filters))
    return tuple(found) if any(one.matched or one.own != one.filters for one in found) else ()


def with_arms(
    terms: Terms, contenders: Sequence[Contender], tuning: Sequence[Tuning], widths: Sequence[Widths], channels: int
) -> Terms:
    """Add to what was equal or not how decoders were tuned, and warn of maps that matching made narrow."""
    equal, unequal, warnings = list(terms.equal), list(terms.unequal), list(terms.warnings)
    budgets = {(one.search, one.seeds, one.trainings, one.epochs) for one in tuning}
    tuned = [one.label for one in tuning]
    untuned = [one.label for one in contenders if one.label not in tuned]
    if tuned and (untuned or len(budgets) > 1):
        whose = f"not {listed([f'`{label}`' for label in untuned])}" if untuned else "with different budgets"
        sentence = f"Tuning: {listed([f'`{label}`' for label in tuned])} tuned on validation images, {whose}."
        unequal.append(sentence)
        warnings.append(sentence)
    elif tuned:
        equal.append(
            f"Tuning: the same budget for each, {len(tuning[0].first_round)} combinations in {tuning[0].trainings}"
            " trainings, on validation images with other seeds than those compared."
        )
    matched = [f"`{one.label}` {one.matched}" for one in widths if one.matched]
    far = [f"`{one.label}` {one.matched} ({one.off:+.0%})" for one in widths if abs(one.off) > _NEAR]
    if far:
        sentence = f"Matching: no widths came nearer to what the first decoder has: {'; '.join(far)}."
        unequal.append(sentence)
        warnings.append(sentence)
    elif matched:
        equal.append(f"Matching: widths were scaled to what the first decoder has: {'; '.join(matched)}.")
    for one in widths:
        if one.own != one.filters and (doubt := narrow_map(one.own, one.filters, channels)):
            warnings.append(f"Widths: matching narrowed `{one.label}`: {doubt}. A difference may come of that alone.")
    return Terms(tuple(equal), tuple(unequal), tuple(warnings))
