"""What a training writes down as it goes; nothing where another process does so."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cae.atomic_files import append_text
from cae.measures.catalogue import LOSS, metric, metrics_while_training
from cae.pages import render
from cae.pictures import reconstruction_grid, save_png
from cae.runs.page import draw_epochs
from cae.runs.probe_images import FIGURES, figures_summary, inputs_summary, pictures_summary
from cae.runs.weights import save_weights
from cae.training.amount import Amount
from cae.training.optimizer import EMA
from cae.training.step import Sums
from cae.training.tensorboard import TensorBoardWriter, is_picture_epoch

if TYPE_CHECKING:
    from cae.config.run import LoggingSection
    from cae.runs.directory import RunDirectory
    from cae.training.state import TrainingState
from cae.training.tensorboard import ProbeImages


class NoJournal:
    """Takes what a `Journal` takes, and keeps only what decides how training goes on.

    Example:
        >>> NoJournal().steps_until_next_look(0.5)  # the chief's number counts
        1
    """

    def steps_until_next_look(self, seconds: float) -> int:
        """See `Journal`."""
        return 1

    def steps_taken(self, state: TrainingState, number: int, images: float, seconds: float) -> None:
        """See `Journal`."""

    def row(
        self,
        state: TrainingState,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        images_per_second: float,
        seconds: float,
    ) -> dict[str, Any]:
        """What is compared between epochs."""
        losses = {f"val_{name}": validation[name] for name in ("loss", f"{EMA}loss") if name in validation}
        return {"epoch": state.counters.epoch, "step": state.step, **losses}

    def epoch_ended(
        self, state: TrainingState, train: Mapping[str, float], validation: Mapping[str, float], row: Mapping[str, Any]
    ) -> None:
        """See `Journal`."""

    def close(self) -> None:
        """See `Journal`."""


class Journal:
    """Writes a run's records; decides nothing about training.

    Args:
        run: where.
        section: the `logging` section.
        last_epoch: how many epochs there will be.
        probes: images whose reconstructions are shown.
        schedule: a Keras schedule over steps, or the number that the optimizer starts from.
        writer: TensorBoard's files.
        progress: for people.
    """

    def __init__(
        self,
        run: RunDirectory,
        section: LoggingSection,
        last_epoch: int,
        probes: ProbeImages,
        schedule: Any,
        writer: TensorBoardWriter,
        progress: Progress,
    ) -> None:
        self._run = run
        self._section = section
        self._last_epoch = last_epoch
        self._schedule = schedule
        self._probes = probes
        self._writer = writer
        self._progress = progress
        self._steps_until_look = 1
        self._seconds_per_step = 0.0

    def steps_until_next_look(self, seconds: float) -> int:
        """How many steps take about that long; at most twice as many as last time, since the first ones compile."""
        if self._seconds_per_step:
            wanted = round(seconds / self._seconds_per_step)
            self._steps_until_look = max(1, min(wanted, 2 * self._steps_until_look))
        return self._steps_until_look

    def steps_taken(self, state: TrainingState, number: int, images: float, seconds: float) -> None:
        """Some steps of the running epoch are done, over so many images."""
        self._seconds_per_step = seconds / number
        loss = Sums.of(state.counters.sums).means["loss"]
        self._progress.steps_taken(number, loss, images / seconds)

    def row(
        self,
        state: TrainingState,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        images_per_second: float,
        seconds: float,
    ) -> dict[str, Any]:
        """The epoch's line of metrics.jsonl."""
        return {
            "epoch": state.counters.epoch,
            "step": state.step,
            **{name: train[name] for name in (LOSS.name, *(one.name for one in metrics_while_training()))},
            **{f"val_{name}": value for name, value in validation.items()},
            "learning_rate": self._learning_rate(state),
            "images_per_second": images_per_second,
            "seconds": seconds,
        }

    def epoch_ended(
        self, state: TrainingState, train: Mapping[str, float], validation: Mapping[str, float], row: Mapping[str, Any]
    ) -> None:
        """Write down an epoch; the checkpoint that follows makes it final."""
        is_best = state.counters.best_epoch == state.counters.epoch
        if is_best:
            self.write_best_weights(state)
        append_text(self._run.metrics, json.dumps(row) + "\n")
        more = {name: row[name] for name in ("learning_rate", "images_per_second")}
        weights = state.steps.autoencoder.model.trainable_variables
        more["weight_norm"] = float(tf.linalg.global_norm([variable.value for variable in weights]))
        self._writer.write_scalars({**train, **more}, validation, state.step)
        self._write_pictures(state)
        self._writer.flush()
        self._progress.epoch_ended(row, is_best, averaged=state.keeps_average)

    def write_best_weights(self, state: TrainingState) -> None:
        """Write model.weights.h5 with the best epoch's weights."""
        save_weights(self._run.weights, state.steps.autoencoder, state.best_weights)

    def _write_pictures(self, state: TrainingState) -> None:
        has_pictures = is_picture_epoch(self._section, state.counters.epoch, self._last_epoch)
        if not has_pictures and not self._section.histograms:
            return
        corrupted, latent, reconstructions = self._probes.reconstruct(state.steps)
        if self._section.histograms:
            self._writer.write_histograms(state.steps.autoencoder, latent, state.step)
        if has_pictures:
            images, kind = self._probes.images, state.steps.corruption.kind
            shown = corrupted if kind != "none" else None
            picture = reconstruction_grid(images, reconstructions, corrupted=shown)
            self._writer.write_picture(picture, state.step)
            if state.counters.epoch == 1:
                self._writer.write_probes(inputs_summary(images, self._probes.names, shown, kind), state.step)
            figures = {name: metric(name).per_image(images, reconstructions) for name in FIGURES}
            self._writer.write_probes(pictures_summary(reconstructions), state.step)
            self._writer.write_probes(figures_summary(figures), state.step)
            save_png(picture, self._run.reconstructions)

    def close(self) -> None:
        """Close the bar and the files."""
        self._progress.close()
        self._writer.close()

    def _learning_rate(self, state: TrainingState) -> float:
        """The rate that led here."""
        if not callable(self._schedule):
            # The optimizer's own, which a plateau lowers: a number of 7 digits.
            return float(str(np.float32(state.steps.optimizer.learning_rate)))
        # Steps count from 0. As a NumPy number, of which TensorFlow keeps nothing.
        return float(self._schedule(np.int64(state.step - 1)))


def notebook_cell() -> Any:
    """What the running cell of a notebook shows, to be written over; None where there is no notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    return display({"text/plain": ""}, raw=True, display_id=True)


class Progress:
    """Tells how far training is and how long it will still take: a bar on a terminal, bar and curves in a notebook.

    Args:
        amount: of the whole run.
        first_step: where this session starts.
        last_epoch: the number of the last epoch.
        rows: of metrics.jsonl, of earlier sessions.
    """

    def __init__(
        self, amount: Amount, first_step: int, last_epoch: int, rows: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._rows, self._line = list(rows), ""
        self._cell = notebook_cell()
        self._amount = amount
        self._last_epoch = last_epoch
        self._first = self._done = first_step
        self._started = time.monotonic()
        self._bar = tqdm(
            total=amount.steps,
            initial=first_step,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
            unit="step",
            bar_format="{desc} {bar} {percentage:3.0f}%, {remaining} left{postfix}",
        )

    def steps_taken(self, number: int, loss: float, images_per_second: float) -> None:
        """Some steps are done."""
        self._done += number
        left = self._amount.epochs - 1 - (self._done - 1) // self._amount.steps_per_epoch
        epoch, speed = f"epoch {self._last_epoch - left}/{self._last_epoch}", f"{images_per_second:,.0f} images/s"
        self._bar.set_description_str(epoch, refresh=False)
        self._bar.set_postfix_str(f"{speed}, loss {loss:.5f}", refresh=False)
        self._bar.update(number)
        self._show(f"{epoch}, {self._time_left()} left, {speed}, loss {loss:.5f}")

    def epoch_ended(self, row: Mapping[str, float], best: bool, averaged: bool) -> None:
        """An epoch is done: one line that stays.

        Args:
            row: of metrics.jsonl.
            best: whether it is the best epoch so far.
            averaged: whether the weights that are kept are averaged ones.
        """
        average = f", with averaged weights {row['val_ema_psnr']:.2f} dB" if "val_ema_psnr" in row else ""
        said = f", best so far{' (averaged weights)' if averaged else ''}" if best else ""
        figures = (
            f"epoch {row['epoch']:.0f}/{self._last_epoch}: validation PSNR {row['val_psnr']:.2f} dB{average},"
            f" SSIM {row['val_ssim']:.4f}; loss {row['loss']:.5f}, in validation {row['val_loss']:.5f}"
        )
        self._rows.append(row)
        self._line = f"{figures}{said}"
        if self._cell is None:
            speed = f"{row['images_per_second']:,.0f} images/s"
            tqdm.write(f"{figures}, {speed}, {self._time_left()} left{said}", file=sys.stderr)
            sys.stderr.flush()

    def close(self) -> None:
        """Remove the bar; curves stay."""
        self._bar.close()
        self._show(None)

    def _show(self, now: str | None) -> None:
        """Write over what a notebook shows of this training."""
        if self._cell is not None:
            share = None if now is None else self._done / self._amount.steps
            html = render(
                "cell.html", share=share, now=now, line=self._line, charts=draw_epochs(self._rows), picture=None
            )
            self._cell.update({"text/html": html, "text/plain": self._line}, raw=True)

    def _time_left(self) -> str:
        done = self._done - self._first
        if not done:
            return "unknown time"
        seconds = (time.monotonic() - self._started) / done * (self._amount.steps - self._done)
        return tqdm.format_interval(seconds)
