"""Parts of your own: registered by a program, or found in installed packages; in one way, whatever they are."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from cae.config.data import SOURCES, OwnData
from cae.config.model import DecoderSection, EncoderSection, ModelSection
from cae.config.objective import CORRUPTIONS, OWN_TERMS, ObjectiveSection, OwnCorruption, Reconstruction, Weight
from cae.config.run import RunConfig
from cae.config.schema_walk import root_shape
from cae.config.training import OPTIMIZERS, OwnOptimizer, TrainingSection
from cae.config.yaml.nodes import Node
from cae.errors import UserError, first_line
from cae.kinds.catalogue import DOWNSAMPLINGS, UPSAMPLINGS
from cae.kinds.downsampling import DownsamplingKind
from cae.kinds.upsampling import UpsamplingKind
from cae.kinds.upsampling.own_layer import OwnDownsampling, OwnLayer
from cae.section import Section

# Adds a part of a name.
Add = Callable[[str, Any, int], None]


@dataclass(frozen=True)
class Sort:
    """What a program can add parts to.

    Args:
        add: adds a part, once its name is known to be right.
        names: gives those that there are.
    """

    add: Add
    names: Callable[[], Iterable[str]]


# Where each registered part comes from, by sort and name.
_origins: dict[tuple[str, str], str] = {}


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
    return register("upsampling", name, layer_class, factor)


def register_downsampling(name: str, layer_class: Any = None, factor: int = 2) -> Any:
    """Add a downsampling of your own, `model.encoder.downsampling: NAME`; entry points are in `cae.downsamplings`.

    Args:
        name: as for `register_upsampling`.
        layer_class: a class of Keras layers that keeps the channels, and divides height and width by `factor`, rounded
            up; or a subclass of `cae.kinds.downsampling.DownsamplingKind`. Without it the function is a decorator.
        factor: by how much height and width shrink.

    Returns:
        The class.

    Raises:
        UserError: as for `register_upsampling`.
    """
    return register("downsampling", name, layer_class, factor)


def register_loss(name: str, function: Any = None) -> Any:
    """Add a term of your own, `objective.reconstruction: {NAME: weight}`; entry points are in `cae.losses`.

    Example:
        @cae.register_loss("charbonnier")
        def charbonnier(images, reconstructions):
            return keras.ops.sqrt((images - reconstructions) ** 2 + 1e-6)

    Args:
        name: as for `register_upsampling`.
        function: of images and reconstructions, float32 (batch, height, width, channels), to a value for each image or
            pixel, which is averaged; or a `keras.losses.Loss`. Without it this is a decorator.

    Returns:
        The function.

    Raises:
        UserError: the name is not usable or taken, or it is no function.
    """
    return register("loss", name, function)


def register_corruption(name: str, function: Any = None) -> Any:
    """Add a corruption of your own, `objective.corruption: NAME`; entry points are in `cae.corruptions`.

    Args:
        name: as for `register_upsampling`.
        function: of images, float32 in [0, 1], (batch, height, width, channels), and a seed of two int32 numbers as
            `tf.random.stateless_*` takes it, to images of the same shape; `objective.corruption.options` are its
            keyword arguments. Without it this is a decorator.

    Returns:
        The function.

    Raises:
        UserError: the name is not usable or taken, or it is no function.
    """
    return register("corruption", name, function)


def register_optimizer(name: str, optimizer_class: Any = None) -> Any:
    """Add an optimizer of your own, `training.optimizer: NAME`; entry points are in `cae.optimizers`.

    Args:
        name: as for `register_upsampling`.
        optimizer_class: a subclass of `keras.optimizers.Optimizer`; `training.optimizer.options` are its arguments
            besides `learning_rate`. Without it the function is a decorator.

    Returns:
        The class.

    Raises:
        UserError: the name is not usable or taken, or it is no class.
    """
    return register("optimizer", name, optimizer_class)


def register_source(name: str, function: Any = None) -> Any:
    """Add a source of images of your own, `data.source: NAME`; entry points are in `cae.sources`.

    Args:
        name: as for `register_upsampling`.
        function: of `data.path` (a Path or None), and of `data.options` as keyword arguments, to images as `train`
            takes them, or to a dictionary with some of `train`, `validation` and `test`. Without it this is a
            decorator.

    Returns:
        The function.

    Raises:
        UserError: the name is not usable or taken, or it is no function.
    """
    return register("source", name, function)


def register(sort: str, name: str, part: Any, factor: int = 2) -> Any:
    """Add a part; see the functions for each sort.

    Args:
        sort: a key of `SORTS`.
        name: the word in configurations.
        part: a class or a function; None makes this a decorator.
        factor: of layers that change the size.
    """
    if part is None:
        return lambda decorated: register(sort, name, decorated, factor)
    if not re.fullmatch("[a-z][a-z0-9_]{0,31}", str(name)) or name in BUILT_IN[sort]:
        what = "is built in" if name in BUILT_IN[sort] else "is no name of small letters, digits and _"
        raise UserError(f"register_{sort}: the name must be a new word. Received: {name!r}, which {what}.")
    if not callable(part):
        raise UserError(f"register_{sort}: a class or a function is needed. Received: {part!r}.")
    SORTS[sort].add(name, part, factor)
    _origins[sort, name] = _origin_of(part)
    _read_lists_anew()
    return part


def call_part(key: str, part: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """Call a part; its errors name the key of the configuration that chose it.

    >>> call_part("data.source", len, 3)
    Traceback (most recent call last):
    cae.errors.UserError: data.source: the part that it names fails: TypeError: object of type 'int' has no len()

    Args:
        key: dotted.
        part: a function or a class.
        given: its arguments.
        options: those by name.

    Raises:
        UserError: it has failed, in whatever way.
    """
    try:
        return part(*given, **options)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{key}: the part that it names fails: {type(error).__name__}: {first_line(error)}") from error


def own_parts() -> dict[str, str]:
    """The registered names, each with its class or function and package."""
    return {name: origin for (_, name), origin in _origins.items()}


def known_here_alone(config: RunConfig) -> list[str]:
    """Parts of a configuration that this program has registered, so that no other process knows them."""
    installed = {entry.name for sort in SORTS for entry in _installed(sort)}
    return [name for name in own_parts_of(config) if name not in installed]


def own_parts_of(config: RunConfig) -> list[str]:
    """Registered parts that a configuration names."""
    return sorted({name for _, name in _origins} & set(_words(config.model_dump())))


def load_installed(layers: Iterable[Node], overrides: Iterable[str]) -> None:
    """Import those parts of installed packages that a configuration names; nothing else is imported.

    Args:
        layers: what was read from files.
        overrides: `KEY=VALUE`.
    """
    layers, overrides = list(layers), list(overrides)
    for sort in SORTS:
        load_installed_parts(
            sort,
            lambda name: (
                any(re.search(rf"\b{re.escape(name)}\b", text) for text in overrides)
                or any(_names(layer, name) for layer in layers)
            ),
        )


def load_installed_parts(sort: str, is_wanted: Callable[[str], bool]) -> None:
    """Import and register parts of one sort from installed packages.

    Args:
        sort: a key of `SORTS`.
        is_wanted: whether one of a name is.
    """
    for entry in _installed(sort):
        if (sort, entry.name) in _origins or entry.name in BUILT_IN[sort] or not is_wanted(entry.name):
            continue
        from cae.engine import start_engine

        start_engine()
        found = entry.load()
        if (sort, entry.name) not in _origins:  # else the module has registered it itself
            register(sort, entry.name, found, getattr(found, "factor", 2))


def _installed(sort: str) -> Sequence[importlib.metadata.EntryPoint]:
    """Parts of one sort in installed packages."""
    return _look_through(tuple((path, _changed_at(path)) for path in sys.path))[sort]


@functools.lru_cache(maxsize=1)
def _look_through(folders: tuple[tuple[str, float], ...]) -> dict[str, Sequence[importlib.metadata.EntryPoint]]:
    """Read what every package says of itself: once, since a grid checks hundreds of configurations.

    Args:
        folders: where packages lie, each with the time of its last change: a package installed since is found.
    """
    found = importlib.metadata.entry_points()
    return {sort: tuple(found.select(group=group_of(sort))) for sort in SORTS}


def _changed_at(path: str) -> float:
    try:
        return os.stat(path or os.curdir).st_mtime
    except OSError:
        return 0.0


def group_of(sort: str) -> str:
    """The group of entry points: `cae.upsamplings`, `cae.losses`.

    >>> group_of("loss")
    'cae.losses'
    """
    return f"cae.{sort}{'es' if sort.endswith('s') else 's'}"


def _names(node: Node, word: str) -> bool:
    if isinstance(node.value, dict):
        return word in node.value or any(_names(child, word) for child in node.value.values())
    return any(_names(child, word) for child in node.value) if isinstance(node.value, list) else node.value == word


def _words(value: Any) -> Iterator[str]:
    """All texts in plain values, and keys, but those of no value: weights of terms that are left out."""
    if isinstance(value, dict):
        yield from (key for key, inner in value.items() if inner)
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from _words(inner)


IF_ADDED = "if it comes with another package, install that"


def how_to_add(words: Iterable[str]) -> str | None:
    """For a word that is not there: how it may come to be known; None where nothing can be added.

    >>> how_to_add(["resize"]) is None
    True

    Args:
        words: those that are allowed in its place.
    """
    known = set(words)
    sort = next((sort for sort, built_in in BUILT_IN.items() if built_in and built_in <= known), None)
    return sort and f"{IF_ADDED}; if it is your own, call cae.register_{sort} before"


def where_it_was(word: str, config: Path) -> str | None:
    """For a kind that is not there: which package had it when a run was trained; None where nothing is known of it.

    Args:
        word: the kind.
        config: the configuration; environment.json may lie beside it.
    """
    try:
        found = json.loads(config.with_name("environment.json").read_text(encoding="utf-8"))
        found = {**found.get("upsamplings", {}), **found.get("parts", {})}[word]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (
        f"the run was trained with {found}: install that package, or register it with cae.register_... before"
        " the run is read"
    )


def _add_section(sections: list[Any], by: str, section: type[Section], name: str) -> None:
    """Put a section on a list in the place of an older one of its name."""
    if section.model_fields[by].default != name:
        raise UserError(f"{section.__name__} has another `{by}`. Received: {name!r}.")
    sections[:] = [*(one for one in sections if one.model_fields[by].default != name), section]


def _made(base: type[Any], by: str, name: str, sentence: str, **attributes: Any) -> type[Any]:
    """Make the section of a part whose only key of its own is the word that chooses it."""
    annotation: Any = Literal[name]
    keys: dict[str, Any] = {by: (annotation, Field(name, description=sentence))}
    section = create_model(f"Own_{name}", __base__=base, __doc__=sentence, **keys)
    for key, value in attributes.items():
        setattr(section, key, value)
    return section


def _adding_layer(noun: str, sections: list[Any], kind: type[Section], own: type[Any], does: str) -> Add:
    def add(name: str, layer_class: Any, factor: int) -> None:
        if not isinstance(layer_class, type):
            raise UserError(f"register_{noun}: layer_class must be a class. Received: {layer_class!r}.")
        if not isinstance(factor, int) or not 2 <= factor <= 16:
            raise UserError(f"register_{noun}: factor must be an integer from 2 to 16. Received: {factor!r}.")
        section = layer_class
        if not issubclass(layer_class, kind):
            if not (callable(getattr(layer_class, "get_config", None)) and hasattr(layer_class, "call")):
                raise UserError(
                    f"register_{noun}: a class of Keras layers is needed. Received: {layer_class.__name__}."
                )
            sentence = does.format(layer_class.__name__)
            section = _made(own, "kind", name, sentence, layer_class=layer_class, layer_factor=factor)
        _add_section(sections, "kind", section, name)

    return add


def _adding(sections: list[Any], by: str, base: type[Section], sentence: str) -> Add:
    def add(name: str, part: Any, factor: int) -> None:
        called = getattr(part, "__name__", name)
        _add_section(sections, by, _made(base, by, name, sentence.format(called), part=part), name)

    return add


def _add_loss(name: str, function: Any, factor: int) -> None:
    OWN_TERMS[name] = function
    sentence = f"{getattr(function, '__name__', name)}, a term of your own."
    Reconstruction.model_fields[name] = FieldInfo.from_annotated_attribute(
        Weight, Field(default=0.0, description=sentence)
    )


def _add_metric(name: str, function: Any, factor: int) -> None:
    OWN_METRICS[name] = function


OWN_METRICS: dict[str, Any] = {}
"""Registered metrics, which `cae.measures.catalogue` takes in."""


def _listed(sections: list[Any], by: str) -> Callable[[], Iterable[str]]:
    def names() -> Iterable[str]:
        for section in sections:
            default = section.model_fields[by].default
            yield from [default] if isinstance(default, str) else section.model_fields[by].annotation.__args__

    return names


SORTS = {
    "upsampling": Sort(
        _adding_layer(
            "upsampling",
            UPSAMPLINGS,
            UpsamplingKind,
            OwnLayer,
            "Enlarge by {}, a layer of your own, then convolve.",
        ),
        _listed(UPSAMPLINGS, "kind"),
    ),
    "downsampling": Sort(
        _adding_layer(
            "downsampling", DOWNSAMPLINGS, DownsamplingKind, OwnDownsampling, "Shrink by {}, a layer of your own."
        ),
        _listed(DOWNSAMPLINGS, "kind"),
    ),
    "corruption": Sort(
        _adding(CORRUPTIONS, "kind", OwnCorruption, "Corrupt by {}, a function of your own."),
        _listed(CORRUPTIONS, "kind"),
    ),
    "optimizer": Sort(
        _adding(OPTIMIZERS, "name", OwnOptimizer, "{}, an optimizer of your own."), _listed(OPTIMIZERS, "name")
    ),
    "source": Sort(_adding(SOURCES, "source", OwnData, "Images of {}, your own."), _listed(SOURCES, "source")),
    "loss": Sort(_add_loss, lambda: Reconstruction.model_fields),
    "metric": Sort(_add_metric, lambda: OWN_METRICS),
}

BUILT_IN = {sort: frozenset(one.names()) for sort, one in SORTS.items()}
"""The words of each sort that nothing can be registered by; `cae.measures.catalogue` adds those of metrics."""


def _origin_of(part: Any) -> str:
    module = getattr(part, "__module__", type(part).__module__)
    where = f"{module}.{getattr(part, '__qualname__', type(part).__qualname__)}"
    packages = importlib.metadata.packages_distributions().get(module.partition(".")[0])
    return f"{where} of {packages[0]} {importlib.metadata.version(packages[0])}" if packages else where


def _read_lists_anew() -> None:
    sections = (EncoderSection, DecoderSection, ModelSection, Reconstruction, ObjectiveSection, TrainingSection)
    for section in (*sections, RunConfig):
        section.model_rebuild(force=True)
    root_shape.cache_clear()
