"""What Python hands over, as overrides of the configuration: images, Keras objects and models."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cae.commands.arguments.parser import source_of
from cae.config import RunConfig, check_config, load_config
from cae.config.yaml.files import PLACE
from cae.engine import start_engine
from cae.errors import ConfigError, UserError
from cae.runs import RunDirectory

StrPath = str | os.PathLike[str]
Config = StrPath | Mapping[str, Any] | RunConfig


def path_of(name: str, given: Any, wanted: str = "a run directory, or what `train` gave", instead: str = "") -> Path:
    """Take an argument as a path.

    >>> path_of("run", None)
    Traceback (most recent call last):
    cae.errors.ConfigError: `run` must be a run directory, or what `train` gave. Received: NoneType.

    Args:
        name: of the argument.
        given: what it is.
        wanted: what it must be, to follow "must be".
        instead: a sentence about what else may have been meant.

    Raises:
        ConfigError: it is no path.
    """
    if not isinstance(given, str | os.PathLike):
        advice = f" {instead}" if instead else ""
        raise ConfigError(f"`{name}` must be {wanted}. Received: {_kind_of(given)}.{advice}")
    return Path(given)


def paths_of(name: str, given: Any) -> list[Path]:
    """Take an argument as one path or several.

    Raises:
        ConfigError: it is none, or one of them is none.
    """
    wanted = "a run directory, an experiment, what `train` gave, or a list of runs"
    several = isinstance(given, Iterable) and not isinstance(given, str | os.PathLike | Mapping)
    several = several and not hasattr(given, "shape")  # an array of images
    return [path_of(name, one, wanted) for one in (given if several else [given])]


def _kind_of(given: Any) -> str:
    shape = getattr(given, "shape", None)
    return type(given).__name__ if shape is None else f"{type(given).__name__} of shape {tuple(shape)}"


def given_images(parts: Mapping[str, Any], labels: Any) -> list[str]:
    """Overrides for images that are handed over in the place of the configuration's own."""
    if parts["images"] is None:
        if others := [name for name, given in parts.items() if given is not None]:
            raise ConfigError(f"`{others[0]}` needs `images`, those for training.")
        if labels is not None:
            raise ConfigError("`labels` needs `images`, whose they are.")
        return []
    kept = _keep(parts, labels)
    settings: dict[str, Any] = {"source": "memory", **kept}
    settings |= dict.fromkeys(("path", "validation_path", "test_path"))
    settings |= {f"{name.removesuffix('_images')}_fraction": 0.1 for name in kept if name != "images"}
    return [f"data.{key}={json.dumps(value)}" for key, value in settings.items()]


def given_again(directories: Sequence[RunDirectory], parts: Mapping[str, Any], labels: Any) -> list[str]:
    """Hand images over that runs were trained on; overrides where a run has others."""
    from cae.config.data import MemoryData

    if all(given is None for given in parts.values()) and labels is None:
        return []
    sections = [load_config(directory.config).data for directory in directories]
    if not all(isinstance(section, MemoryData) for section in sections):
        return given_images(parts, labels)
    kept = _keep(parts, labels)
    for section, directory in zip(sections, directories, strict=True):
        begun = section.model_dump(mode="json")
        for name, given in kept.items():
            if begun[name] != given:
                raise UserError(f"{directory.path}: `{name}` are not those of the run: {given}, and not {begun[name]}.")
    return []


def _check_is_no_path(name: str, given: Any) -> None:
    """Refuse the place of files, and say which keys of the configuration take it."""
    if not isinstance(given, str | os.PathLike):
        return
    source, path = source_of(os.fspath(given))
    settings = {"source": source, **({"path": path} if path else {})}
    if name != "images":
        settings = {PATHS[name]: os.fspath(given)}
    raise ConfigError(
        f"`{name}` takes arrays and data sets. Received: the path {given}. Files are named in the configuration:"
        f" {json.dumps({'data': settings}, ensure_ascii=False)}."
    )


def _keep(parts: Mapping[str, Any], labels: Any) -> dict[str, Any]:
    for name, given in parts.items():
        _check_is_no_path(name, given)
    start_engine()  # data sets are TensorFlow's and Keras'
    from cae.data.sources.memory import keep

    return {
        name: keep(name, given, labels if name == "images" else None).model_dump(mode="json")
        for name, given in parts.items()
        if given is not None
    }


def given_objects(optimizer: Any, loss: Any) -> list[str]:
    """Overrides for objects of Keras."""
    if optimizer is None and loss is None:
        return []
    start_engine()
    from cae.config.objective import Reconstruction
    from cae.training.from_keras.objects import record, record_optimizer

    found: dict[str, Any] = {} if optimizer is None else record_optimizer(optimizer)
    if isinstance(loss, str) and loss in Reconstruction.model_fields:
        found |= {"objective.reconstruction": {loss: 1.0}, "objective.loss": None}
    elif loss is not None:
        found |= {"objective.reconstruction": {"mse": 1.0}, "objective.loss": record("loss", loss)}
    return [f"{key}={json.dumps(value)}" for key, value in found.items()]


def given_models(config: Config, encoder: Any, decoder: Any, overrides: Sequence[str]) -> list[str]:
    """Overrides for models of Keras."""
    if encoder is None and decoder is None:
        return []
    start_engine()
    from cae.kinds.own_model import keep, stages_of

    found: dict[str, Any] = {}
    if encoder is not None:
        found |= {"model.encoder.keras": keep("encoder", encoder).model_dump(), "model.bottleneck": "none"}
        filters, stages = check(config, overrides).model.encoder.filters, stages_of(encoder)
        if stages and stages != len(filters):
            wider = [min(256, filters[-1] * 2 ** (1 + more)) for more in range(stages - len(filters))]
            found["model.encoder.filters"] = [*filters[:stages], *wider]
    if decoder is not None:
        found["model.decoder"] = {"keras": keep("decoder", decoder).model_dump()}
    return [f"{key}={json.dumps(value)}" for key, value in found.items()]


# Where the configuration names files in the place of an argument.
PATHS = {"validation_images": "validation_path", "test_images": "test_path"}
_FORMS = "a configuration: a YAML file, a dictionary or a RunConfig"
_ELSEWHERE = "Images go in `images`: cae.train(config, images=...)."


def check(config: Config, overrides: Sequence[str]) -> RunConfig:
    """Read and check a configuration in any of its forms."""
    if isinstance(config, RunConfig):
        return check_config(config.model_dump(), overrides)
    if isinstance(config, Mapping):
        return check_config(config, overrides)
    return load_config(path_of("config", config, _FORMS, _ELSEWHERE), overrides)


def source_of_config(config: Config) -> Path:
    """Where messages say that it stands: its file, or that it was written in Python."""
    return Path(PLACE.source) if isinstance(config, Mapping | RunConfig) else Path(config)
