"""Progress for people: a bar on a terminal, one plain line an epoch otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from tqdm import tqdm

from cae.training.amount import Amount


class Progress:
    """Tells how far training is and how long it will still take.

    Args:
        amount: of the whole run.
        first_step: where this session starts.
        last_epoch: the number of the last epoch.
    """

    def __init__(self, amount: Amount, first_step: int, last_epoch: int) -> None:
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
        self._bar.set_description_str(f"epoch {self._last_epoch - left}/{self._last_epoch}", refresh=False)
        self._bar.set_postfix_str(f"{images_per_second:,.0f} images/s, loss {loss:.5f}", refresh=False)
        self._bar.update(number)

    def epoch_ended(self, row: Mapping[str, float], best: bool, averaged: bool) -> None:
        """An epoch is done: one line that stays.

        Args:
            row: of metrics.jsonl.
            best: whether it is the best epoch so far.
            averaged: whether the weights that are kept are averaged ones.
        """
        average = f"averaged weights {row['val_ema_psnr']:.2f} dB, " if "val_ema_psnr" in row else ""
        said = f", best so far{' (averaged weights)' if averaged else ''}" if best else ""
        line = (
            f"epoch {row['epoch']:.0f}/{self._last_epoch}: loss {row['loss']:.5f}, val_loss {row['val_loss']:.5f},"
            f" val_psnr {row['val_psnr']:.2f} dB, val_ssim {row['val_ssim']:.4f},"
            f" {average}{row['images_per_second']:,.0f} images/s, {self._time_left()} left{said}"
        )
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def _time_left(self) -> str:
        done = self._done - self._first
        if not done:
            return "unknown time"
        seconds = (time.monotonic() - self._started) / done * (self._amount.steps - self._done)
        return tqdm.format_interval(seconds)
