"""Losses, optimizers and schedules of Keras: by name and arguments, or handed over by a Python program."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np

from cae.errors import ConfigError, UserError
from cae.section import KerasObject

What = Literal["loss", "optimizer", "schedule"]

_BASES: dict[What, type] = {
    "loss": keras.losses.Loss,
    "optimizer": keras.optimizers.Optimizer,
    "schedule": keras.optimizers.schedules.LearningRateSchedule,
}
_MODULES = {"loss": keras.losses, "optimizer": keras.optimizers, "schedule": keras.optimizers.schedules}
# What this process was handed over, by kind and name.
_given: dict[tuple[str, str], Any] = {}


class Nadam(keras.optimizers.Nadam):
    """Keras' own, with all of its state in `variables`, and made for several replicas.

    Without the product of momenta a training that goes on from a checkpoint would go another way.
    """

    def build(self, variables: list[Any]) -> None:
        """See Keras."""
        super().build(variables)
        self._u_product = self.add_variable((), "ones", aggregation="only_first_replica", name="u_product")


def record(what: What, given: Any) -> dict[str, Any]:
    """What a configuration keeps of an object: Keras' own are made anew from it, others must be handed over again.

    Example:
        >>> record("loss", keras.losses.Huber(delta=0.5))["config"]["delta"]
        0.5

    Args:
        what: what it is.
        given: a name, an object of Keras or of a subclass, and of losses also a function of images and
            reconstructions.

    Raises:
        ConfigError: it is none of these.
    """
    if isinstance(given, str):
        class_of(what, given)
        return {"class_name": given}
    if not isinstance(given, _BASES[what]) and not (what == "loss" and inspect.isroutine(given)):
        raise ConfigError(f"`{what}` must be Keras' name of one, or such an object. Received: {given!r}.")
    named = given if inspect.isroutine(given) else type(given)
    if _find(what, named.__name__) is named:
        return {"class_name": named.__name__, "config": _config_of(given)}
    name = f"{named.__module__}.{named.__qualname__}"
    _given[what, name] = given
    return {"class_name": name, "config": _config_of(given), "custom": True}


def record_optimizer(given: Any) -> dict[str, Any]:
    """Keys of a configuration with their values, for an optimizer, and for its schedule if it has one."""
    if isinstance(given, str):
        return {"training.optimizer": given.lower()}
    found = record("optimizer", given)
    rate = given.get_config().get("learning_rate", 1e-3)
    schedule = getattr(given, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        kept = {"training.schedule": {"kind": "keras", **record("schedule", schedule)}}
        rate = float(schedule(0)) or 1e-3
    else:
        kept = {}
    rate = float(str(np.float32(rate)))  # as it was written, and not with the digits that float32 adds
    return {"training.optimizer": {"name": "keras", "learning_rate": rate, **found}, **kept}


def make(what: What, section: KerasObject, changed: Mapping[str, Any] | None = None) -> Any:
    """Make what a configuration keeps: a new object, or of losses the function that was named.

    Args:
        what: what it is.
        section: as `record` gives it.
        changed: arguments in the place of those that are kept.

    Raises:
        ConfigError: Keras has none of the name, or does not take the arguments.
        UserError: it was handed over by a Python program, which this process is not.
    """
    arguments = {**section.config, **(changed or {})}
    if section.custom:
        given = _given.get((what, section.class_name))
        if given is None:
            raise UserError(
                f"the {what} {section.class_name} was handed over by a Python program; hand it over again, with"
                f" cae.train(..., {what if what != 'schedule' else 'optimizer'}=...)."
            )
        # Losses and schedules have no state; an optimizer that was used before has.
        return given if what != "optimizer" else type(given).from_config({**given.get_config(), **arguments})
    found = class_of(what, section.class_name)
    if inspect.isroutine(found):
        return found
    try:
        return found.from_config(arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} {section.class_name}: {error}") from error


def class_of(what: What, name: str) -> Any:
    """Find a class of Keras, or a loss function, whether it is written `LogCosh` or `log_cosh`.

    Raises:
        ConfigError: there is none; names those that there are.
    """
    found = _find(what, name)
    if found is None:
        names = ", ".join(sorted(word for word, one in vars(_MODULES[what]).items() if _is_one(what, one)))
        raise ConfigError(f"`{what}` must be one of Keras': {names}. Received: {name}.")
    return found


def _find(what: What, name: str) -> Any:
    exact = getattr(_MODULES[what], name, None)
    if exact is not None and _is_one(what, exact) and exact is not keras.optimizers.Nadam:
        return exact
    wanted = name.replace("_", "").lower()
    own = {"nadam": Nadam} if what == "optimizer" else {}
    classes = [one for one in vars(_MODULES[what]).values() if isinstance(one, type) and _is_one(what, one)]
    return ({one.__name__.lower(): one for one in classes} | own).get(wanted)


def _is_one(what: What, found: Any) -> bool:
    if isinstance(found, type):
        return issubclass(found, _BASES[what]) and found not in _BASES.values()
    return what == "loss" and inspect.isfunction(found) and found.__name__ not in ("get", "serialize", "deserialize")


def _config_of(given: Any) -> dict[str, Any]:
    """Its arguments, as far as JSON can hold them: a learning rate apart, which a configuration states itself."""
    if inspect.isroutine(given):
        return {}
    try:
        config = given.get_config()
        # Keras' Huber, for one, leaves out what it passes on to its function.
        taken = inspect.signature(type(given)).parameters
        config |= {key: value for key, value in getattr(given, "_fn_kwargs", {}).items() if key in taken}
        for key in ("learning_rate", "name"):  # Keras numbers names
            config.pop(key, None)
        plain: dict[str, Any] = json.loads(json.dumps(config, default=float, allow_nan=False))
    except Exception:  # of a class of the user's, with whatever arguments
        return {}
    return plain
