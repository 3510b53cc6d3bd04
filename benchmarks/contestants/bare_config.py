"""The bare step of a whole configuration, on its images in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.children import serve
from cae.config import load_config
from cae.data.load import load_splits
from cae.engine import restart_with_huge_pages, start_engine
from cae.plan import make_plan


class BareConfig:
    """Takes a configuration's steps without anything round them.

    Args:
        config: path of the configuration.
        overrides: as for `--set`.
    """

    def __init__(self, config: str, overrides: list[str]) -> None:
        start_engine()
        from benchmarks.contestants.bare_steps import BareSteps
        from cae.data.image_set import ArraySet

        loaded = load_config(Path(config), overrides)
        images = load_splits(loaded.data).train
        pixels = images.read(np.arange(len(images)))
        self._number = len(images) // loaded.training.images_at_once
        self._images = self._number * loaded.training.images_at_once
        plan = make_plan(loaded.model, images.image_shape)
        self._bare = BareSteps(loaded, plan, ArraySet(pixels[: self._images]))

    def count_images(self) -> int:
        """Images of an epoch, those of a last smaller batch left out."""
        return self._images

    def take_epoch(self) -> float:
        """Take an epoch's steps; returns images a second."""
        return self._images / self._bare.take(self._number)

    def trace(self) -> float:
        """Seconds that tracing the step takes."""
        return self._bare.trace()


if __name__ == "__main__":
    restart_with_huge_pages()  # as `train` does
    serve(BareConfig)
