"""Configuration: YAML to checked, frozen, typed sections; imports neither TensorFlow nor Keras.

>>> RunConfig().training.optimizer.learning_rate
0.001
"""

from __future__ import annotations

from cae.config.grid import expand_grid
from cae.config.load import check_config, load_config
from cae.config.run import RunConfig
from cae.config.yaml.files import save_config
from cae.errors import ConfigError

__all__ = ["ConfigError", "RunConfig", "check_config", "expand_grid", "load_config", "save_config"]
