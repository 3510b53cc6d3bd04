"""The program itself: its training step as `train.py` takes it."""

from __future__ import annotations

from typing import Any

from benchmarks.children import serve
from benchmarks.contestants.exchange import KerasExchange
from benchmarks.models import Task, make_config, plan_task
from benchmarks.pictures import make_pictures
from cae.engine import restart_with_huge_pages, start_engine


class OurTraining(KerasExchange):
    """Trains a task's model with the program's own steps.

    Args:
        rounds_of: steps for which there are images; they are gone through again and again.
        **words: of the task.
    """

    def __init__(self, rounds_of: int, **words: Any) -> None:
        start_engine()
        from benchmarks.contestants.bare_steps import BareSteps
        from cae.data.image_set import ArraySet

        task = Task(**words)
        plan = plan_task(task)
        images = ArraySet(make_pictures(rounds_of * task.batch_size, plan.image_shape))
        self._bare = BareSteps(make_config(task), plan, images)
        self.model = self._bare.autoencoder.model

    def train(self, steps: int) -> dict[str, float]:
        """Take training steps."""
        return {"cae": self._bare.take(steps)}


if __name__ == "__main__":
    restart_with_huge_pages()  # as `train` does
    serve(OurTraining)
