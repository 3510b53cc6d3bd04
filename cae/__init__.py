"""Train convolutional autoencoders with any decoder upsampling, and compare them fairly.

>>> import cae
>>> cae.RunConfig().training.optimizer.learning_rate
0.001

`help(cae)` begins with the modules that the program is made of; what follows them is for you.

What is named here is imported when it is first asked for: `import cae` alone waits for nothing. `load`, `train`,
`tune`, `evaluate` and `layers` start TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cae.version import __version__ as __version__

if TYPE_CHECKING:
    from cae import layers as layers
    from cae.api.images import load_images, prepare
    from cae.api.objects import Report, Run, TrainedAutoencoder, TrainingResult
    from cae.api.trained import compare, evaluate, export, load, score, visualize
    from cae.api.training import describe, train, tune
    from cae.config import RunConfig
    from cae.config.registration import (
        register_corruption,
        register_downsampling,
        register_loss,
        register_optimizer,
        register_source,
        register_upsampling,
    )
    from cae.errors import ConfigError, UserError
    from cae.measures.catalogue import register_metric

__all__ = [
    "ConfigError",
    "Report",
    "Run",
    "RunConfig",
    "TrainedAutoencoder",
    "TrainingResult",
    "UserError",
    "compare",
    "describe",
    "evaluate",
    "export",
    "layers",
    "load",
    "load_images",
    "prepare",
    "register_corruption",
    "register_downsampling",
    "register_loss",
    "register_metric",
    "register_optimizer",
    "register_source",
    "register_upsampling",
    "score",
    "train",
    "tune",
    "visualize",
]

_ELSEWHERE = {
    "cae.api.images": ("load_images", "prepare"),
    "cae.api.objects": ("Report", "Run", "TrainedAutoencoder", "TrainingResult"),
    "cae.api.trained": ("compare", "evaluate", "export", "load", "score", "visualize"),
    "cae.api.training": ("describe", "train", "tune"),
    "cae.config": ("RunConfig",),
    "cae.config.registration": tuple(name for name in __all__ if name.startswith("register_")),
    "cae.measures.catalogue": ("register_metric",),
    "cae.errors": ("ConfigError", "UserError"),
}
_MODULES = {name: module for module, names in _ELSEWHERE.items() for name in names}


if not TYPE_CHECKING:  # type checkers would let any name pass

    def __getattr__(name: str) -> Any:
        if name == "layers":
            from cae.engine import start_engine

            start_engine()
            return importlib.import_module("cae.layers")
        if name not in __all__:
            raise AttributeError(f"module 'cae' has no attribute {name!r}")
        return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
