"""The training loop: epochs of steps, validation, best weights, checkpoints."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from cae.data.pipeline import make_batches
from cae.training.amount import Amount
from cae.training.checkpoints import CheckpointFolder
from cae.training.distribution.coordination import Alone
from cae.training.optimizer import EMA, lower_on_plateau, of_better_weights
from cae.training.outcome import NonFiniteLossError, Outcome, StopSignals
from cae.training.state import TrainingState
from cae.training.step import Steps, Sums

if TYPE_CHECKING:
    from cae.config.training import TrainingSection
    from cae.data.image_set import ImageSet
    from cae.training.journal import Journal, NoJournal
    from cae.training.state import Counters

# The host looks up (progress, signals, checkpoint) about this often; between two looks nothing runs in Python.
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Loop:
    """Trains until the last epoch, an early stop, a signal or a loss that is not finite.

    Args:
        section: the `training` section.
        amount: how much is to be done.
        steps: compiled steps.
        state: what training changes; restored beforehand when resuming.
        validation_images: images that decide which epoch is best.
        checkpoints: where states are saved; None where another process does so.
        journal: records steps and epochs.
        make_training_batches: gives the endless stream of batches from a step on.
        agreement: with the other processes of this training.
    """

    section: TrainingSection
    amount: Amount
    steps: Steps
    state: TrainingState
    validation_images: ImageSet
    checkpoints: CheckpointFolder | None
    journal: Journal | NoJournal
    make_training_batches: Callable[[int], tf.data.Dataset]
    agreement: Alone

    def run(self, stop: StopSignals) -> Outcome:
        """Train; returns how it ended.

        Raises:
            NonFiniteLossError: names the step; the last checkpoint stays as it was.
        """
        self.state.callbacks.begin()
        outcome = self._run(stop)
        self.state.callbacks.end()
        return outcome

    def _run(self, stop: StopSignals) -> Outcome:
        counters, callbacks, first_step = self.state.counters, self.state.callbacks, self.state.step
        batches = iter(self.make_training_batches(first_step))
        # A run that starts has no checkpoint yet, not even of its beginning.
        saved_at, saved_step = time.monotonic(), first_step or None
        while not self._is_done and not has_stopped_improving(self.section, counters) and not callbacks.stop:
            epoch_end = self._epoch_end
            callbacks.epoch_begins(counters.epoch)
            signal, number, due = self._look(stop, epoch_end, saved_at)
            while self.state.step < epoch_end and not signal and not callbacks.stop:
                self._take_steps(batches, number)
                signal, number, due = self._look(stop, epoch_end, saved_at)
                if due and self.state.step < epoch_end:
                    self._save()
                    saved_at, saved_step = time.monotonic(), self.state.step
            if (self.state.step == epoch_end or callbacks.stop) and not signal:
                self._end_epoch()
                self._save()
                saved_at, saved_step = time.monotonic(), self.state.step
                signal, _, _ = self._look(stop, epoch_end, saved_at)
            if signal:
                stop.received = signal
                # Saving the same step again could only put the checkpoint it came from at risk.
                if self.state.step != saved_step:
                    self._save()
                return Outcome.INTERRUPTED
        return Outcome.FINISHED if self._is_done else Outcome.STOPPED_EARLY

    @property
    def _epoch_start(self) -> int:
        """The step at which the running epoch began."""
        return self.state.step - round(Sums.of(self.state.counters.sums).steps)

    @property
    def _epoch_end(self) -> int:
        """The step with which the running epoch ends: of the last one, that of the whole training."""
        per_epoch = self.amount.steps_per_epoch
        return min((self._epoch_start // per_epoch + 1) * per_epoch, self.amount.steps)

    @property
    def _is_done(self) -> bool:
        return self._epoch_start >= self.amount.steps

    def _look(self, stop: StopSignals, epoch_end: int, saved_at: float) -> tuple[int | None, int, bool]:
        """What all processes do next: the signal to stop for, steps until the next look, whether to save."""
        steps_left = epoch_end - self.state.step
        number = min(self.journal.steps_until_next_look(SECONDS_BETWEEN_LOOKS), steps_left) if steps_left else 0
        if self.state.callbacks.sees_batches:
            number = min(number, 1)
        due = time.monotonic() - saved_at > 60 * self.section.checkpoint_minutes
        return self.agreement.on(stop.received, number, due)

    def _take_steps(self, batches: Any, number: int) -> None:
        counters, batch = self.state.counters, self.state.step - self._epoch_start
        self.state.callbacks.batch_begins(batch)
        started, images_before = time.perf_counter(), Sums.of(counters.sums).images
        sums = self.steps.train(batches, tf.constant(number, tf.int64), self.state.sums).numpy()
        if not math.isfinite(sums[0]):
            raise self._not_finite()
        counters.sums = sums.tolist()
        seconds = time.perf_counter() - started
        counters.epoch_seconds += seconds
        taken = Sums.of(counters.sums)
        self.journal.steps_taken(self.state, number, taken.images - images_before, seconds)
        self.state.callbacks.batch_ended(batch, taken.means)

    def _not_finite(self) -> NonFiniteLossError:
        kept = self.checkpoints.steps() if self.checkpoints is not None else None
        rate = getattr(self.section.optimizer, "learning_rate", None)
        return NonFiniteLossError(self.state.step, self.state.counters.epoch + 1, kept, rate)

    def _end_epoch(self) -> None:
        counters, started = self.state.counters, time.perf_counter()
        sums = Sums.of(counters.sums)
        train = {**sums.means, "gradient_norm": sums.gradient_norms / sums.steps}
        self.state.callbacks.validation_begins()
        validation = self._validate()
        self.state.callbacks.validation_ended(validation)
        if not math.isfinite(validation["loss"]):
            raise self._not_finite()
        training_seconds = counters.epoch_seconds
        counters.epoch += 1
        seconds = training_seconds + time.perf_counter() - started
        counters.seconds += seconds
        row = self.journal.row(self.state, train, validation, sums.images / training_seconds, seconds)
        counters.last_metrics = row
        self._judge(of_better_weights(row))
        lower_on_plateau(self.section.schedule, self.steps.optimizer, counters.epochs_without_improvement)
        self.journal.epoch_ended(self.state, train, validation, row)
        logs = {name: value for name, value in row.items() if name not in ("epoch", "step")}
        self.state.callbacks.epoch_ended(counters.epoch - 1, logs)
        counters.sums, counters.epoch_seconds = self.steps.zero_sums().numpy().tolist(), 0.0

    def _judge(self, row: dict[str, Any]) -> None:
        """Keep the best weights; count epochs without improvement.

        Args:
            row: of metrics.jsonl, with the figures of the better weights.
        """
        counters, stopping = self.state.counters, self.section.early_stopping
        # Small gains add up until they count together, as in Keras.
        limit = math.inf if counters.stopping_loss is None else counters.stopping_loss
        if limit - row["val_loss"] > (stopping.min_delta if stopping else 0.0):
            counters.stopping_loss, counters.epochs_without_improvement = row["val_loss"], 0
        else:
            counters.epochs_without_improvement += 1
        if row["val_loss"] < counters.best_metrics.get("val_loss", math.inf):
            counters.best_epoch, counters.best_metrics = counters.epoch, row
            self.state.keep_best()

    def _validate(self) -> dict[str, float]:
        """Figures of the weights, and of their average with its prefix."""
        found, average = self._validate_present_weights(), self.steps.average
        if average is not None:
            with average.in_place():
                found |= {f"{EMA}{name}": value for name, value in self._validate_present_weights().items()}
        return found

    def _validate_present_weights(self) -> dict[str, float]:
        number = math.ceil(len(self.validation_images) / self.amount.batch_size)
        sums = self.steps.validate(iter(self._validation_batches), tf.constant(number, tf.int64))
        return Sums.of(sums.numpy().tolist()).means

    @functools.cached_property
    def _validation_batches(self) -> tf.data.Dataset:
        # Made once, since TensorFlow keeps something of every data set that was ever made.
        return make_batches(self.validation_images, self.amount.batch_size, self.steps.shares)

    def _save(self) -> None:
        if self.checkpoints is not None:
            self.checkpoints.save(self.state.to_checkpoint())


def has_stopped_improving(section: TrainingSection, counters: Counters) -> bool:
    """Whether early stopping ends the training here."""
    stopping = section.early_stopping
    return stopping is not None and counters.epochs_without_improvement >= stopping.patience
