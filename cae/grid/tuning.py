"""What is tried for each decoder of a grid, on validation images, before its runs are trained with the best."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cae.atomic_files import write_json
from cae.config import RunConfig
from cae.config.grid import arm_names, with_values
from cae.config.problems import shown
from cae.config.run import LogRange, TuneSection
from cae.errors import ConfigError, UserError
from cae.grid.combinations import Combination, find_combination
from cae.messages import number_of
from cae.runs import RunDirectory
from cae.training.outcome import NOT_FINITE

# The folder, within an experiment's, with a folder of trials and a record for each decoder.
TRIALS = "trials"
_BUDGET = ("training.epochs", "training.steps")


@dataclass(frozen=True)
class Candidate:
    """Values that are tried in one round, by a trial for each seed.

    Args:
        values: of the dotted keys that are tuned.
        epochs: that each trial trains; None for as many as the runs have.
        trials: each trial, as it is on disk.
        scores: PSNR in dB of each trial's best epoch on validation images; None where its loss became NaN or
            infinite.
    """

    values: Mapping[str, Any]
    epochs: int | None
    trials: tuple[Combination, ...]
    scores: tuple[float | None, ...]

    @property
    def mean(self) -> float:
        """What candidates are judged by; -inf where a trial did not come to its end."""
        return sum(-math.inf if score is None else score for score in self.scores) / len(self.scores)


@dataclass(frozen=True)
class Arm:
    """A decoder that is tuned: the runs of a grid that differ in their seeds alone.

    Where trials have epochs of their own, it has the runs of all budgets.

    Args:
        name: of its trials' folder.
        runs: as the grid has them.
        tune: what is tried.
        folder: of all decoders' trials.
        judged: candidates that were found to have come to their end, so that no trial is looked at again.
    """

    name: str
    runs: tuple[RunConfig, ...]
    tune: TuneSection
    folder: Path
    judged: dict[str, Candidate] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def record(self) -> Path:
        """The file with all trials and the choice."""
        return self.folder / f"{self.name}.json"

    def rounds(self) -> list[list[Candidate]]:
        """Look at each round's trials, as far as the rounds before are judged; of tpe each combination is a round."""
        if self.tune.search == "tpe":
            return [[one] for one in self._proposals()]
        values: list[Mapping[str, Any]] = list(self._values())
        epochs, rounds = self.tune.epochs, []
        while True:
            found = [self._candidate(one, epochs) for one in values]
            rounds.append(found)
            if self.tune.search != "halving" or len(found) <= 2 or not _is_judged(found):
                return rounds
            best = sorted(found, key=lambda one: one.mean, reverse=True)[: math.ceil(len(found) / 2)]
            # In the order in which they were drawn, which decides between equals.
            values = [one.values for one in found if one in best]
            epochs = 2 * (epochs or 1)

    def tuned(self) -> tuple[RunConfig, ...]:
        """Its runs with the values that were chosen; with their own as long as none are."""
        best = choose(self.rounds())
        return tuple(with_values(run, best.values) for run in self.runs) if best else self.runs

    def in_words(self) -> str:
        """What is tried, with which budget, and what is chosen."""
        rounds = self.rounds()
        best, number = choose(rounds), len(rounds[0])
        num_rounds, left = 1, number
        if self.tune.search == "tpe":
            number = self.tune.trials or 1
        while self.tune.search == "halving" and left > 2:
            num_rounds, left = num_rounds + 1, math.ceil(left / 2)
        epochs = "as many epochs as the runs" if self.tune.epochs is None else f"{self.tune.epochs} epochs"
        weeded = f", {num_rounds} rounds, each with half of them and twice the epochs" if num_rounds > 1 else ""
        chosen = f"chosen: {_values_in_words(best.values)}" if best else "not tuned yet"
        seeds = number_of(len(self.tune.seeds), "seed")
        return (
            f"tuning {self.name}: {number} of {', '.join(self.tune.values)} with {seeds} and {epochs}{weeded}; {chosen}"
        )

    def write_record(self, rounds: Sequence[Sequence[Candidate]]) -> None:
        """Write all trials and what was chosen: the same however often the trials were interrupted.

        Raises:
            OSError: the file cannot be written.
        """
        best = choose(rounds)
        lengths = [one.epochs for found in rounds for one in found for _ in one.trials]
        record = {
            "decoder": self.name,
            "runs": [run.name for run in self.runs],
            **self.tune.model_dump(mode="json"),
            "metric": "val_psnr",
            "budget": {
                "candidates": sum(len(found) for found in rounds if found[0].epochs == self.tune.epochs),
                "trainings": len(lengths),
                "epochs": None if None in lengths else sum(length or 0 for length in lengths),
            },
            "tried": [
                {
                    "round": number if self.tune.search == "halving" else 1,
                    "values": dict(one.values),
                    "epochs": one.epochs,
                    "val_psnr": list(one.scores),
                    "mean": one.mean if math.isfinite(one.mean) else None,
                    "is_own": self._is_own(one.values),
                }
                for number, found in enumerate(rounds, start=1)
                for one in found
            ],
            "chosen": dict(best.values) if best else None,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.record, record)

    def _candidate(self, values: Mapping[str, Any], epochs: int | None) -> Candidate:
        key = json.dumps([dict(values), epochs], sort_keys=True)
        if key in self.judged:
            return self.judged[key]
        trials = tuple(self._trial(values, epochs, seed) for seed in self.tune.seeds)
        found = Candidate(values, epochs, trials, tuple(itertools.chain(*map(_scores, trials))))
        if _is_judged([found]):
            self.judged[key] = found
        return found

    def _trial(self, values: Mapping[str, Any], epochs: int | None, seed: int) -> Combination:
        length = {} if epochs is None else {"training.epochs": epochs}
        config = with_values(self.runs[0], {**values, **length, "seed": seed}, prefix="trial")
        logging = config.logging.model_copy(update={"tensorboard": False})
        config = config.model_copy(update={"experiment": self.name, "logging": logging})
        return find_combination(config, RunDirectory(self.folder / self.name / config.name), overwrite=False)

    def _values(self) -> Iterator[dict[str, Any]]:
        """What is tried in the first round; the draws are the same for every decoder."""
        keys = list(self.tune.values)
        choices = [values.spread if isinstance(values, LogRange) else values for values in self.tune.values.values()]
        if self.tune.search == "grid":
            yield from (dict(zip(keys, values, strict=True)) for values in itertools.product(*choices))
            return
        draws = [*self._own_values(), *self._draws()]
        different = {json.dumps(draw, sort_keys=True): draw for draw in draws}
        yield from itertools.islice(different.values(), self.tune.trials)

    def _proposals(self) -> Iterator[Candidate]:
        """Yield what Optuna proposes, each when those before are judged; asked again, it proposes the same."""
        optuna, number = import_optuna(), self.tune.trials or 1
        # Without results yet, the first are the same for every decoder.
        seed = self._random().getrandbits(32)
        sampler = optuna.samplers.TPESampler(n_startup_trials=max(2, min(10, number // 3)), seed=seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        own: Mapping[str, Any] | None = next(self._own_values(), None)
        if own is not None:
            study.enqueue_trial({key: _place(value, self.tune.values[key]) for key, value in own.items()})
        found: dict[str, Candidate] = {}
        for _ in range(20 * number):  # some come up twice
            trial = study.ask()
            proposed: Mapping[str, Any] = {
                key: _proposed(trial, key, values) for key, values in self.tune.values.items()
            }
            proposed, own = (proposed if own is None else own), None
            text = json.dumps(proposed, sort_keys=True)
            if text not in found:
                if len(found) == number:
                    return
                found[text] = self._candidate(proposed, self.tune.epochs)
                yield found[text]
            if not _is_judged([found[text]]):
                return
            mean = found[text].mean
            if math.isfinite(mean):
                study.tell(trial, mean)
            else:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)  # which counts as the worst

    def _random(self) -> random.Random:
        return random.Random(json.dumps(self.tune.model_dump(mode="json", include={"values"}), sort_keys=True))

    def _draws(self) -> Iterator[dict[str, Any]]:
        lists = [values for values in self.tune.values.values() if not isinstance(values, LogRange)]
        rng = self._random()
        number = 20 * (self.tune.trials or 1)  # some come up twice
        if len(lists) == len(self.tune.values) and math.prod(map(len, lists)) <= number:
            every = list(itertools.product(*lists))
            rng.shuffle(every)
            yield from (dict(zip(self.tune.values, values, strict=True)) for values in every)
            return
        for _ in range(number):
            yield {
                key: values.at(rng.random()) if isinstance(values, LogRange) else rng.choice(values)
                for key, values in self.tune.values.items()
            }

    def _own_values(self) -> Iterator[dict[str, Any]]:
        """The configuration's own values, if they are among what may be tried."""
        own: dict[str, Any] = {}
        for key, values in self.tune.values.items():
            if isinstance(values, LogRange):
                value: Any = self.runs[0].model_dump()
                for part in key.split("."):
                    value = value.get(part) if isinstance(value, dict) else None
                if isinstance(value, int | float) and values.low <= value <= values.high:
                    own[key] = value
            else:
                own |= next(({key: value} for value in values if self._is_own({key: value})), {})
        if len(own) == len(self.tune.values):
            yield own

    def _is_own(self, values: Mapping[str, Any]) -> bool:
        return with_values(self.runs[0], values) == self.runs[0]


def import_optuna() -> Any:
    """Import what proposes values for `search: tpe`, which the program does without otherwise.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "tune.search: tpe needs the package optuna, which is not installed: `pip install optuna`, or use"
            " search: random or halving."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _place(value: Any, values: Sequence[Any] | LogRange) -> float:
    """Where a value stands: in a list, or as a share of the way from one end of a range to the other."""
    if isinstance(values, LogRange):
        return math.log(value / values.low) / math.log(values.high / values.low)
    return values.index(value)


def _proposed(trial: Any, key: str, values: Sequence[Any] | LogRange) -> Any:
    if isinstance(values, LogRange):
        return values.at(trial.suggest_float(key, 0.0, 1.0))
    return values[trial.suggest_categorical(key, range(len(values)))]


def find_arms(config: RunConfig, runs: Sequence[RunConfig], experiment: Path) -> list[Arm]:
    """Put the runs of a grid together that are tuned together; none where nothing is to be tuned.

    Args:
        config: with the grid.
        runs: all of `expand_grid`, in their order.
        experiment: the folder of all runs.
    """
    if not config.tune.values:
        return []
    names = arm_names(config, ("seed", *(_BUDGET if config.tune.epochs else ())))
    together: dict[str, list[RunConfig]] = {}
    for name, run in zip(names, runs, strict=True):
        together.setdefault(name, []).append(run)
    return [Arm(name, tuple(found), config.tune, experiment / TRIALS) for name, found in together.items()]


def _values_in_words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={shown(value)}" for key, value in values.items())


def choose(rounds: Sequence[Sequence[Candidate]]) -> Candidate | None:
    """The best of those trained longest; None while trials are missing, or if none has a finite loss."""
    longest = [one for found in rounds for one in found if one.epochs == rounds[-1][0].epochs]
    best = max(longest, key=lambda one: one.mean) if _is_judged(longest) else None
    return best if best and math.isfinite(best.mean) else None


def _is_judged(found: Sequence[Candidate]) -> bool:
    """Whether every trial of some candidates has come to its end."""
    return all(len(one.scores) == len(one.trials) for one in found)


def train_arms(
    arms: Sequence[Arm], train: Callable[[Sequence[Combination]], int], *, overwrite: bool
) -> tuple[list[Arm], int]:
    """Train all trials, round by round, and write each arm's record.

    Args:
        arms: of one grid.
        train: trains some trials, and gives the exit code.
        overwrite: whether trials that were judged already are trained again.

    Returns:
        The arms that could not be tuned, and an exit code: 0, 1 where there is such an arm, or 130 or 143 after a stop
        signal.
    """
    rounds = [arm.rounds() for arm in arms]
    for number in itertools.count():
        found = [one for of_arm in rounds for one in itertools.chain(*of_arm[number : number + 1])]
        if not found:
            break
        trials = [trial for one in found for trial in one.trials if overwrite or not list(_scores(trial))]
        if trials and (code := train(trials)) > 1:
            return list(arms), code
        for arm in arms if overwrite else ():
            arm.judged.clear()
        rounds = [arm.rounds() for arm in arms]
    for arm, of_arm in zip(arms, rounds, strict=True):
        if _is_judged(of_arm[-1]):
            arm.write_record(of_arm)
    untuned = [arm for arm, of_arm in zip(arms, rounds, strict=True) if choose(of_arm) is None]
    return untuned, int(bool(untuned))


def _scores(trial: Combination) -> Iterator[float | None]:
    """Yield the score of a trial that has come to its end."""
    if trial.intent == "skip":
        yield float(trial.directory.read_summary()["best"]["val_psnr"])
    elif trial.intent == "resume" and has_diverged(trial.directory):
        yield None


def has_diverged(run: RunDirectory) -> bool:
    """Whether a run ended with a loss that is not finite, as it would again."""
    try:
        return str(run.read_summary().get("error", "")).startswith(NOT_FINITE)
    except UserError:  # damaged, or there is none yet
        return False
