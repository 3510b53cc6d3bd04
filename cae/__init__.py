"""Train convolutional autoencoders with any decoder upsampling, and compare them fairly.

>>> import cae
>>> cae.RunConfig().training.optimizer.learning_rate
0.001

What is named here is imported when it is first asked for: `import cae` alone waits for nothing. `load`, `train`,
`tune`, `evaluate` and `layers` start TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cae.version import __version__ as __version__

if TYPE_CHECKING:
    from cae import layers as layers
    from cae.api import Run, TrainingResult, evaluate, load, train, tune
    from cae.config import RunConfig
    from cae.config.registration import register_upsampling
    from cae.errors import ConfigError, UserError
    from cae.inference import TrainedAutoencoder

__all__ = [
    "ConfigError",
    "Run",
    "RunConfig",
    "TrainedAutoencoder",
    "TrainingResult",
    "UserError",
    "evaluate",
    "layers",
    "load",
    "register_upsampling",
    "train",
    "tune",
]

_MODULES = {
    "ConfigError": "cae.errors",
    "Run": "cae.api",
    "RunConfig": "cae.config",
    "TrainedAutoencoder": "cae.inference",
    "TrainingResult": "cae.api",
    "UserError": "cae.errors",
    "evaluate": "cae.api",
    "load": "cae.api",
    "register_upsampling": "cae.config.registration",
    "train": "cae.api",
    "tune": "cae.api",
}


def __getattr__(name: str) -> Any:
    if name == "layers":
        from cae.engine import start_engine

        start_engine()
        return importlib.import_module("cae.layers")
    if name not in _MODULES:
        raise AttributeError(f"module 'cae' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
