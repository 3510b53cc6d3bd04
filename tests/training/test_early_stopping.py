"""When validation counts as improved."""

from types import SimpleNamespace

import pytest

from cae.config.training import TrainingSection
from cae.training.loop import Loop, has_stopped_improving
from cae.training.state import Counters


def epochs_until_stop(losses, min_delta, patience):
    section = TrainingSection.model_validate(
        {"epochs": 1000, "early_stopping": {"patience": patience, "min_delta": min_delta}}
    )
    state = SimpleNamespace(counters=Counters(), keep_best=lambda: None)
    loop = Loop(section, None, None, state, None, None, None, None, agreement=None)
    for epoch, loss in enumerate(losses, start=1):
        state.counters.epoch = epoch
        loop._judge({"val_loss": loss})
        if has_stopped_improving(section, state.counters):
            return epoch, state.counters.best_epoch
    return None, state.counters.best_epoch


@pytest.mark.parametrize(
    ("losses", "min_delta", "patience", "expected"),
    [
        ([3, 2, 1, 0.5, 0.4], 0.0, 2, (None, 5)),
        ([1, 2, 2, 0], 0.0, 2, (3, 1)),
        ([1, 1, 1, 1], 0.0, 3, (4, 1)),
        # Each gain is too small, but two together are not: the reference stays until one counts.
        ([1.0, 0.992, 0.984, 0.976, 0.968, 0.960], 0.01, 3, (None, 6)),
        # Too small to count, and still the best weights.
        ([1.0, 0.999, 0.998], 0.01, 2, (3, 3)),
    ],
)
def test_training_stops_after_patience_epochs_without_a_gain_of_min_delta(losses, min_delta, patience, expected):
    assert epochs_until_stop(losses, min_delta, patience) == expected
