"""One training: put together from its configuration, run, and summarised."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from cae.atomic_files import write_json
from cae.config import RunConfig, load_config, save_config
from cae.config.data import PATH_KEYS
from cae.config.training import ConstantSchedule
from cae.data.pipeline import make_training_batches, user_errors
from cae.errors import UserError
from cae.model import build_autoencoder
from cae.plan.table import format_plan
from cae.runs.begun import is_longer
from cae.runs.directory import RunDirectory
from cae.runs.events import cut_events
from cae.runs.images import check_same_images
from cae.runs.page import write_run_page
from cae.runs.read_back import describe_environment
from cae.runs.trained import load_best_weights
from cae.training.amount import Amount
from cae.training.checkpoints import Checkpoint, CheckpointFolder
from cae.training.distribution.cluster import wait_for_all
from cae.training.distribution.coordination import Alone, Together
from cae.training.distribution.strategy import SECONDS_TO_JOIN, check_batch_size, make_shares, make_strategy, uses_xla
from cae.training.from_keras.callbacks import PREFIX, Callbacks
from cae.training.journal import Journal, NoJournal, Progress
from cae.training.loop import Loop, has_stopped_improving
from cae.training.objective import Objective
from cae.training.optimizer import WeightAverage, make_optimizer, make_schedule
from cae.training.outcome import Outcome, StopSignals, naming_memory
from cae.training.start import fit_linear_path, give_first_weights, save_own_models
from cae.training.state import TrainingState, parse_counters
from cae.training.step import Steps, Sums
from cae.training.summary import foreseen, hyperparameters, measured, not_converged, write_summary
from cae.training.tensorboard import CONFIGURATION_TAGS, ProbeImages, TensorBoardWriter

if TYPE_CHECKING:
    from cae.data.batch_shares import Shares
    from cae.data.image_set import Splits
    from cae.errors import RunWarning
    from cae.plan import Plan
    from cae.training.distribution.cluster import Cluster


@dataclass(frozen=True)
class Training:
    """One run: what to train on what, and where to write it.

    Args:
        config: the whole configuration, with nothing left open; see `cae.training.amount`.
        plan: of the model, for the images at hand.
        splits: the images.
        run: the run directory.
        tell: shows a line to the user.
        cluster: the processes that train together; None for this one alone. Only the chief writes and tells.
        callbacks: of Keras; in a training by this process alone.
        notes: what environment.json and summary.json say besides, such as why a precision was chosen.
    """

    config: RunConfig
    plan: Plan
    splits: Splits
    run: RunDirectory
    tell: Callable[[str], None]
    cluster: Cluster | None = None
    callbacks: Sequence[Any] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    def train(self, *, resume: bool) -> tuple[Outcome, int]:
        """Train, or go on with a training; returns how it ended and the exit code."""
        started = time.monotonic()
        if self.cluster is not None:
            wait_for_all(self.cluster, SECONDS_TO_JOIN)
        with StopSignals() as stop:
            with self._naming_memory():
                state = self._make_state()
            agreement = self._make_agreement(state)
            with agreement.errors():
                checkpoints = self._begin(state, agreement, resume)
            # From here on the run directory is this training's own, and says how it ended.
            journal: Journal | NoJournal = NoJournal()
            try:
                with self._naming_memory(), agreement.errors(), user_errors():
                    journal = self._make_journal(state) if agreement.is_chief else journal
                    outcome = self._make_loop(state, agreement, checkpoints, journal).run(stop)
                journal.close()
            except Exception as error:
                # A full disk may be the very reason; the error itself must reach the user all the same.
                with contextlib.suppress(OSError, UserError):
                    journal.close()
                with contextlib.suppress(OSError, UserError):
                    self._write_summary(
                        state, Outcome.FAILED, started, warnings=self._warnings(), error=str(error).split("\n")[0]
                    )
                raise
            warnings = [*self._warnings(), *self._hindsight(state, outcome)]
            self._write_summary(state, outcome, started, warnings=warnings)
            for name, reason in self.splits.replaced.items():
                self.tell(f"{name}: another image was taken in its place: {reason}")
            for warning in dict.fromkeys(warnings if agreement.is_chief else ()):
                self.tell(str(warning))
            return outcome, stop.exit_code if outcome is Outcome.INTERRUPTED else 0

    def losses_at(self, rates: Sequence[float | None]) -> Generator[float]:
        """Take a step at each learning rate from the first weights on, and give each batch's loss before its step.

        Nothing is written: no run comes of it. None is the rate that there is, without a schedule.
        """
        # The schedule would set rates of its own.
        training = self.config.training.model_copy(update={"schedule": ConstantSchedule()})
        trial = replace(self, config=self.config.model_copy(update={"training": training}))
        with self._naming_memory(), user_errors():
            state = trial._make_state()
            trial._make_start(state)
            batches = iter(trial._make_training_batches(0, state.steps.shares))
            for rate in rates:
                if rate is not None:
                    state.steps.optimizer.learning_rate = rate
                sums = state.steps.train(batches, tf.constant(1, tf.int64), state.steps.zero_sums()).numpy()
                yield Sums.of(sums.tolist()).means["loss"]

    def _warnings(self) -> list[RunWarning]:
        """What makes the run doubtful whatever comes out."""
        return [*self.splits.warnings, *foreseen(self.config.training, self.plan, len(self.splits.train))]

    def _hindsight(self, state: TrainingState, outcome: Outcome) -> list[RunWarning]:
        """What makes it doubtful once it has come to its end; the model has its best weights then."""
        has_ended = outcome in (Outcome.FINISHED, Outcome.STOPPED_EARLY)
        if not has_ended or not (self.cluster is None or self.cluster.is_chief):
            return []
        found: list[RunWarning] = []
        # Images that have gone away since must not make a failure of what is trained.
        with contextlib.suppress(OSError, UserError):
            state.steps.autoencoder.model.set_weights(state.best_weights)
            found += measured(self.splits, state.steps, self.config, self.amount.batch_size)
        if outcome is Outcome.FINISHED:
            found += not_converged(self.run.read_metrics())
        return found

    def _naming_memory(self) -> contextlib.AbstractContextManager[None]:
        return naming_memory(self.amount.batch_size, self.plan.image_shape)

    def _make_state(self) -> TrainingState:
        section = self.config.training
        strategy = make_strategy(section.strategy, self.cluster)
        check_batch_size(self.amount.batch_size, strategy)
        with strategy.scope():
            autoencoder = build_autoencoder(self.plan, seed=self.config.seed, precision=section.precision)
            optimizer = make_optimizer(section, self.amount)
            optimizer.build(autoencoder.model.trainable_variables)
            average = WeightAverage(autoencoder.model, section.ema.momentum) if section.ema else None
            steps = Steps(
                autoencoder,
                optimizer,
                Objective(self.config.objective),
                self.config.objective.corruption,
                seed=self.config.seed,
                strategy=strategy,
                shares=make_shares(strategy, self.cluster),
                average=average,
                xla=uses_xla(section.xla, strategy),
            )
        callbacks = Callbacks(self.callbacks, autoencoder.model, optimizer, self.amount)
        return TrainingState(steps, len(self.splits.train), callbacks)

    def _make_agreement(self, state: TrainingState) -> Alone:
        if self.cluster is None or self.cluster.num_workers == 1:
            return Alone()
        return Together(state.steps.strategy, self.cluster)

    def _begin(self, state: TrainingState, agreement: Alone, resume: bool) -> CheckpointFolder | None:
        """Bring state and run directory to where training starts or goes on; gives the checkpoints to the chief."""
        if not agreement.is_chief:
            self._restore(state, agreement, None)
            return None
        checkpoints = CheckpointFolder(self.run.checkpoints)
        # Before the run directory is made, which may be that of an older run.
        start = {} if resume and self.run.has_checkpoint else self._make_start(state)
        found, is_longer = self._open_run(checkpoints, resume)
        self._restore(state, agreement, state.to_checkpoint() if start else found)
        self._prepare_run(state, found, resume, is_longer, start)
        return checkpoints

    def _make_start(self, state: TrainingState) -> dict[str, Any]:
        """Give the model the weights to start from, where these are not random; returns what they are."""
        own = give_first_weights(state.steps.autoencoder)
        if own:
            state.keep_best()
        return own | self._make_fitted_start(state)

    def _make_fitted_start(self, state: TrainingState) -> dict[str, Any]:
        if self.config.model.init != "random":
            self.tell(f"Fitting the linear path to training images ({self.config.model.init}).")
            notes = fit_linear_path(state.steps.autoencoder, self.splits.train, self.config.model.init)
            state.keep_best()
            return {"init": {"kind": self.config.model.init, **notes}}
        if self.config.training.start_from is None:
            return {}
        run = RunDirectory(Path(self.config.training.start_from))
        digest = load_best_weights(run, state.steps.autoencoder)
        state.keep_best()
        self.tell(f"Starting from the weights of {run.path}.")
        return {"start_from": {"run": str(run.path), "weights_sha256": digest}}

    def _restore(self, state: TrainingState, agreement: Alone, found: Checkpoint | None) -> None:
        checkpoint = agreement.on_start(found, self._terms)
        if checkpoint is not None:
            state.restore(checkpoint)

    def _make_loop(
        self,
        state: TrainingState,
        agreement: Alone,
        checkpoints: CheckpointFolder | None,
        journal: Journal | NoJournal,
    ) -> Loop:
        return Loop(
            self.config.training,
            self.amount,
            state.steps,
            state,
            self.splits.validation,
            checkpoints,
            journal,
            lambda first_step: self._make_training_batches(first_step, state.steps.shares),
            agreement,
        )

    def _terms(self) -> str:
        """What all processes of a training must have in common."""
        sections = self.config.model_dump(
            mode="json",
            include={"seed", "data", "model", "objective", "training"},
            # Where the images lie, and what is kept of them, is each one's own business.
            exclude={"data": {*PATH_KEYS, "cache"}, "training": {"start_from"}},
        )
        images = {part: self.splits.identities[part] for part in ("train", "validation")}
        return json.dumps({**sections, "images": images, "image_shape": list(self.plan.image_shape)})

    def _open_run(self, checkpoints: CheckpointFolder, resume: bool) -> tuple[Checkpoint | None, bool]:
        """Make the run directory, or find its newest checkpoint, and whether more epochs are to follow than before."""
        if not resume or not self.run.exists:
            self.run.create()
            return None, False
        checkpoint = checkpoints.load_newest(self.tell)
        if checkpoint is not None:
            check_same_images(self.run, self.splits)  # once all processes are there, which end with this one
        wanted, begun = self.config.training, load_config(self.run.config).training
        if not is_longer(wanted, begun):
            return checkpoint, False
        if checkpoint is None and self.run.has_ended:
            raise UserError(
                f"{self.run.path}: has no checkpoint any more to go on from. `training.start_from` of another run takes"
                " its weights."
            )
        self.tell(f"Training for longer: {wanted.length} instead of {begun.length}.")
        return checkpoint and self._lengthen(checkpoints, checkpoint), True

    def _lengthen(self, checkpoints: CheckpointFolder, checkpoint: Checkpoint) -> Checkpoint:
        """Say what more epochs change besides; let a training that had stopped early wait for improvements anew."""
        section = self.config.training
        if section.schedule.kind == "cosine":
            key = "training.epochs" if section.steps is None else "training.steps"
            self.tell(
                f"Warning: the cosine schedule depends on {key}. The learning rate goes on along the cosine of"
                f" {section.length}, but the steps until now followed a shorter one: the result is not that of a"
                f" training of {section.length} from the start."
            )
        counters = parse_counters(checkpoint.counters)
        arrays = {name: array for name, array in checkpoint.arrays.items() if name != f"{PREFIX}stop"}
        if not has_stopped_improving(section, counters) and len(arrays) == len(checkpoint.arrays):
            return checkpoint
        self.tell(
            "Warning: early stopping had ended this training, and would have ended one of more epochs at the same"
            " point. Epochs without improvement are counted from 0 again."
        )
        counters.epochs_without_improvement = 0
        checkpoint = replace(checkpoint, arrays=arrays, counters=asdict(counters))
        checkpoints.save(checkpoint)  # before config.yaml changes, or a kill in between would end it at once
        return checkpoint

    def _prepare_run(
        self,
        state: TrainingState,
        checkpoint: Checkpoint | None,
        resume: bool,
        is_longer: bool,
        start: dict[str, Any],
    ) -> None:
        """Bring the run directory to where its newest checkpoint is, or to the beginning."""
        if checkpoint is not None:
            self.tell(f"Going on from step {state.step:,}, after epoch {state.counters.epoch}.")
        elif resume and self.run.exists:
            self.tell("There is no checkpoint to go on from: starting at the beginning.")
        self.run.summary.unlink(missing_ok=True)
        self.run.page.unlink(missing_ok=True)
        self.run.checksums.unlink(missing_ok=True)
        self.run.remove_unfinished()
        if state.step == 0 or is_longer:
            save_config(self.config, self.run.config)
        if state.step == 0:
            save_own_models(state.steps.autoencoder, self.run)
        if checkpoint is None:
            environment = {**describe_environment(), "images": self.splits.identities}
            write_json(self.run.environment, {**environment, **start, **self.notes})
        # Only ends of epochs are written down; the running epoch's will be written when it ends.
        last_written = state.counters.last_metrics.get("step", 0)
        self.run.cut_metrics(last_written)
        for folder in (*self.run.earlier_events, self.run.path):
            cut_events(folder, last_written if state.step else -1, CONFIGURATION_TAGS)

    def _make_journal(self, state: TrainingState) -> Journal:
        section = self.config.training
        probes = self._probe_images()
        writer = TensorBoardWriter(self.run, writes=self.config.logging.tensorboard)
        last_epoch = self.amount.last_epoch(state.counters.epoch, state.step)
        progress = Progress(self.amount, state.step, last_epoch, self.run.read_metrics())
        rates = make_schedule(section.schedule, section.optimizer.learning_rate, self.amount)
        journal = Journal(self.run, self.config.logging, last_epoch, probes, rates, writer, progress)
        text = self.run.config.read_text(encoding="utf-8")
        writer.write_configuration(text, hyperparameters(self.config, self.plan))
        if state.step == 0:
            writer.write_model(format_plan(self.plan), state.steps.autoencoder)
        if state.counters.best_epoch:
            # A kill may have left the weights of an epoch that is about to be repeated.
            journal.write_best_weights(state)
        return journal

    def _probe_images(self) -> ProbeImages:
        """The first validation images: the split does not depend on the seed, so they are the same in every run."""
        number = self.config.logging.probe_images
        return ProbeImages.first_of(self.splits.validation, number, self.amount.batch_size)

    def _make_training_batches(self, first_step: int, shares: Shares | None) -> tf.data.Dataset:
        return make_training_batches(
            self.splits.train,
            self.amount.batch_size,
            seed=self.config.seed,
            first_step=first_step,
            augmentation=self.config.data.augmentation,
            shares=shares,
        )

    @property
    def amount(self) -> Amount:
        """How much is to be done."""
        return Amount.of(self.config.training, len(self.splits.train))

    def _write_summary(
        self,
        state: TrainingState,
        outcome: Outcome,
        started: float,
        *,
        warnings: Sequence[RunWarning],
        error: str | None = None,
    ) -> None:
        if self.cluster is None or self.cluster.is_chief:
            seconds = time.monotonic() - started
            write_summary(
                self.run,
                self.plan,
                self.splits,
                state,
                outcome,
                wall_seconds=seconds,
                warnings=warnings,
                error=error,
            )
            write_run_page(self.run)
