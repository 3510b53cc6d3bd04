"""Callbacks of Keras in this program's own loop, with the part of their state that a checkpoint can hold."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cae.errors import ConfigError

if TYPE_CHECKING:
    from cae.training.amount import Amount

PREFIX = "callback/"
"""What the names of their arrays in a checkpoint begin with."""

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_NEVER_CALLED = ("on_test_batch_begin", "on_test_batch_end")


class Callbacks:
    """Calls the hooks of Keras callbacks, as `fit` does.

    Their `self.model` maps images to reconstructions and has the weights of now, with `optimizer` and `stop_training`.
    `on_test_begin` and `on_test_end` are called around the validation, and nothing in between.

    What a callback keeps in attributes as numbers, arrays, or lists of these, and has changed since training began, is
    in every checkpoint, and put back when training goes on: `wait`, `best` and `best_weights` of `EarlyStopping`. One
    with an attribute `append`, such as `CSVLogger`, appends then.

    Args:
        callbacks: of Keras.
        model: what is trained.
        optimizer: what trains it.
        amount: how long.

    Raises:
        ConfigError: one is no callback, or has a hook that is never called.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        model: keras.Model | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        amount: Amount | None = None,
    ) -> None:
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise ConfigError(f"`callbacks` must be a list of Keras callbacks. Received: {callback!r}.")
            is_keras_own = type(callback).__module__.startswith("keras.")
            for hook in () if is_keras_own else _NEVER_CALLED:
                if _overrides(callback, hook):
                    name = type(callback).__name__
                    raise ConfigError(f"`callbacks`: {name}.{hook} is never called: the images are validated at once.")
        self._callbacks = list(callbacks)
        self._model = model
        self.sees_batches = any(_overrides(one, hook) for one in callbacks for hook in _BATCH_HOOKS)
        self._found: Mapping[str, np.ndarray] = {}
        self._has_begun = False
        self._at_first: list[dict[str, Any]] = [{} for _ in callbacks]
        self._list = keras.callbacks.CallbackList([])
        if callbacks and model is not None and amount is not None:
            model.optimizer, model.stop_training = optimizer, False
            params = {"epochs": amount.epochs, "steps": amount.steps_per_epoch, "verbose": 0}
            self._list = keras.callbacks.CallbackList(self._callbacks, model=model, **params)

    @property
    def stop(self) -> bool:
        """Whether one of them has stopped the training."""
        return bool(self._callbacks) and bool(getattr(self._model, "stop_training", False))

    def begin(self) -> None:
        """Training begins, or goes on."""
        for callback in self._callbacks if self._found else ():
            if hasattr(callback, "append"):
                callback.append = True
        self._has_begun = bool(self._callbacks)
        self._list.on_train_begin()
        self._at_first = [dict(_state_of(callback)) for callback in self._callbacks]
        self._put_back()

    def end(self) -> None:
        """Training has come to its end, or stops here."""
        self._list.on_train_end()

    def epoch_begins(self, epoch: int) -> None:
        """An epoch begins, counted from 0."""
        self._list.on_epoch_begin(epoch)

    def epoch_ended(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """An epoch ended, counted from 0."""
        self._list.on_epoch_end(epoch, dict(logs))

    def batch_begins(self, batch: int) -> None:
        """A step begins, counted from 0 in each epoch."""
        if self.sees_batches:
            self._list.on_train_batch_begin(batch)

    def batch_ended(self, batch: int, logs: Mapping[str, float]) -> None:
        """A step ended; `logs` are means over the epoch so far, as in Keras."""
        if self.sees_batches:
            self._list.on_train_batch_end(batch, dict(logs))

    def validation_begins(self) -> None:
        """Validation images are measured next."""
        self._list.on_test_begin()

    def validation_ended(self, logs: Mapping[str, float]) -> None:
        """Validation images are measured."""
        self._list.on_test_end(dict(logs))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps of them, by name."""
        found: dict[str, np.ndarray] = {}
        for name, callback, at_first in zip(self._names(), self._callbacks, self._at_first, strict=True):
            for attribute, value in _state_of(callback):
                if attribute in at_first and _is_same(value, at_first[attribute]):
                    continue
                if isinstance(value, list) and any(isinstance(one, np.ndarray) for one in value):
                    found |= {f"{name}/{attribute}/{place}": np.array(one) for place, one in enumerate(value)}
                else:
                    found[f"{name}/{attribute}"] = np.array(value)
        states = {"begun": self._has_begun, "stop": self.stop}
        return found | {f"{PREFIX}{state}": np.array(True) for state, holds in states.items() if holds}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what a checkpoint has of them; it is put back when training begins.

        Args:
            arrays: all arrays of the checkpoint.
        """
        self._found = {name: array for name, array in arrays.items() if name.startswith(PREFIX)}

    def _put_back(self) -> None:
        for name, callback in zip(self._names(), self._callbacks, strict=True):
            mine = {key.removeprefix(f"{name}/"): one for key, one in self._found.items() if key.startswith(f"{name}/")}
            for attribute, keys in itertools.groupby(mine, key=lambda key: key.partition("/")[0]):
                whole = mine.get(attribute)
                listed = [mine[key] for key in sorted(keys, key=_place)] if whole is None else None
                old = getattr(callback, attribute, None)
                setattr(callback, attribute, listed if whole is None else _as_it_was(whole, old))
        if self._callbacks and self._model is not None:
            self._model.stop_training = f"{PREFIX}stop" in self._found

    def _names(self) -> list[str]:
        return [f"{PREFIX}{place}:{type(one).__name__}" for place, one in enumerate(self._callbacks)]


def _overrides(callback: Any, hook: str) -> bool:
    """Whether a hook does anything; Keras marks those that do nothing."""
    return not getattr(getattr(callback, hook), "_is_default", False)


def _state_of(callback: Any) -> Iterator[tuple[str, Any]]:
    """Attributes that are numbers, arrays, or lists of these; a copy of lists, since callbacks add to them.

    Arguments of the class are not among them: callbacks derive others from these (`EarlyStopping` turns `min_delta`).
    """
    arguments = inspect.signature(type(callback)).parameters
    for name, value in vars(callback).items():
        if name in arguments:
            continue
        if _is_number(value) or isinstance(value, np.ndarray):
            yield name, value
        elif isinstance(value, list) and value and all(_is_number(one) or isinstance(one, np.ndarray) for one in value):
            yield name, list(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and not isinstance(value, list | np.ndarray) and value == other


def _as_it_was(array: np.ndarray, old: Any) -> Any:
    if isinstance(old, np.ndarray):
        return array
    return array.tolist()  # a number, or a list of numbers


def _place(key: str) -> int:
    return int(key.rpartition("/")[2])
