"""Upsampling kinds of your own: registered by a program, or found in installed packages."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model

from cae.config.model import DecoderSection, ModelSection
from cae.config.run import RunConfig
from cae.config.schema_walk import root_shape
from cae.config.yaml.nodes import Node
from cae.errors import UserError
from cae.kinds.catalogue import UPSAMPLINGS
from cae.kinds.upsampling import UpsamplingKind
from cae.kinds.upsampling.own_layer import OwnLayer

GROUP = "cae.upsamplings"

_BUILT_IN = frozenset(kind.model_fields["kind"].default for kind in UPSAMPLINGS)
# Where each registered class comes from.
_origins: dict[str, str] = {}


def register_upsampling(name: str, layer_class: Any = None, factor: int = 2) -> Any:
    """Add an upsampling of your own to those that a configuration can choose.

    From then on `upsampling: NAME` is a kind like any other: in grids, `describe`, comparisons and exports. The layer
    is followed by the stage's convolution; what is too much for an odd size is cropped. Its weights are counted, its
    multiply-accumulates are not. Programs that read the run later register the class first, or have it installed as an
    entry point of the group `cae.upsamplings`, whose name is the kind's.

    Example:
        cae.register_upsampling("twice", keras.layers.UpSampling2D)
        cae.train("configs/quickstart.yaml", overrides=["model.decoder.upsampling=twice"])

    Args:
        name: the word in configurations: small letters, digits and `_`; not that of a kind that is there.
        layer_class: a class of Keras layers, made with no arguments but `name` and `dtype`, for maps of shape (batch,
            height, width, channels); or a subclass of `cae.kinds.upsampling.UpsamplingKind`, which says everything
            itself. Without it the function is a decorator.
        factor: how many times higher and wider the layer's output is; the encoder's stages must shrink by as much.

    Returns:
        The class.

    Raises:
        UserError: the name is not usable or taken, or the class is neither of the two.
    """
    if layer_class is None:
        return lambda decorated: register_upsampling(name, decorated, factor)
    if not re.fullmatch("[a-z][a-z0-9_]{0,31}", str(name)) or name in _BUILT_IN:
        what = "is built in" if name in _BUILT_IN else "is no name of small letters, digits and _"
        raise UserError(f"register_upsampling: the name must be a new word. Received: {name!r}, which {what}.")
    if not isinstance(layer_class, type):
        raise UserError(f"register_upsampling: layer_class must be a class. Received: {layer_class!r}.")
    if not isinstance(factor, int) or not 2 <= factor <= 16:
        raise UserError(f"register_upsampling: factor must be an integer from 2 to 16. Received: {factor!r}.")
    kind = layer_class if issubclass(layer_class, UpsamplingKind) else _kind_of(name, layer_class, factor)
    if kind.model_fields["kind"].default != name:
        raise UserError(f"register_upsampling: {layer_class.__name__} has another `kind`. Received: {name!r}.")
    UPSAMPLINGS[:] = [*(one for one in UPSAMPLINGS if one.model_fields["kind"].default != name), kind]
    _origins[name] = _origin_of(layer_class)
    _read_list_anew()
    return layer_class


def own_upsamplings() -> dict[str, str]:
    """The registered names, each with its class and package."""
    return dict(_origins)


def known_here_alone(config: RunConfig) -> list[str]:
    """Kinds of a configuration that this program has registered, so that no other process knows them."""
    chosen = {upsampling.kind for upsampling in config.model.upsampling_per_stage}
    return sorted(chosen & _origins.keys() - importlib.metadata.entry_points(group=GROUP).names)


def load_installed(layers: Iterable[Node], overrides: Iterable[str]) -> None:
    """Import those kinds of installed packages that a configuration names; nothing else is imported.

    Args:
        layers: what was read from files.
        overrides: `KEY=VALUE`.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        if entry.name in _origins or entry.name in _BUILT_IN:
            continue
        in_override = any(re.search(rf"\b{re.escape(entry.name)}\b", text) for text in overrides)
        if in_override or any(_names(layer, entry.name) for layer in layers):
            from cae.engine import start_engine

            start_engine()
            found = entry.load()
            if entry.name not in _origins:  # else the module has registered it itself
                register_upsampling(entry.name, found, getattr(found, "factor", 2))


def _names(node: Node, word: str) -> bool:
    if isinstance(node.value, dict):
        return any(_names(child, word) for child in node.value.values())
    return any(_names(child, word) for child in node.value) if isinstance(node.value, list) else node.value == word


def where_it_was(word: str, config: Path) -> str | None:
    """For a kind that is not there: which package had it when a run was trained; None where nothing is known of it.

    Args:
        word: the kind.
        config: the configuration; environment.json may lie beside it.
    """
    try:
        found = json.loads(config.with_name("environment.json").read_text(encoding="utf-8"))["upsamplings"][word]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (
        f"the run was trained with {found}: install that package, or register the class with cae.register_upsampling"
        " before the run is read"
    )


def _kind_of(name: str, layer_class: type, factor: int) -> type[OwnLayer]:
    if not (callable(getattr(layer_class, "get_config", None)) and hasattr(layer_class, "call")):
        raise UserError(f"register_upsampling: a class of Keras layers is needed. Received: {layer_class.__name__}.")
    annotation: Any = Literal[name]
    sentence = f"Enlarge by {layer_class.__name__}, a layer of your own, then convolve."
    key: Any = (annotation, Field(name, description=sentence))
    kind = create_model(f"Own_{name}", __base__=OwnLayer, __doc__=sentence, kind=key)
    kind.layer_class, kind.layer_factor = layer_class, factor
    return kind


def _origin_of(layer_class: type) -> str:
    where = f"{layer_class.__module__}.{layer_class.__qualname__}"
    packages = importlib.metadata.packages_distributions().get(layer_class.__module__.partition(".")[0])
    return f"{where} of {packages[0]} {importlib.metadata.version(packages[0])}" if packages else where


def _read_list_anew() -> None:
    for section in (DecoderSection, ModelSection, RunConfig):
        section.model_rebuild(force=True)
    root_shape.cache_clear()
