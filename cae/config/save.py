"""A configuration to a YAML file that is pleasant to read and loads as the same configuration."""

from __future__ import annotations

import pathlib
from typing import Any

import yaml

from cae.atomic_files import write_text
from cae.config.nodes import resolve
from cae.config.run import RunConfig
from cae.errors import UserError


def save_config(config: RunConfig, path: pathlib.Path) -> None:
    """Write every key of a configuration, so that `load_config` gives it back unchanged.

    The file is written atomically: whenever the program ends, it is the old one or the new one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_config(RunConfig(seed=3), pathlib.Path(folder, "config.yaml"))
    ...     lines = pathlib.Path(folder, "config.yaml").read_text().splitlines()
    >>> lines[:3]
    ['experiment: default', 'name: run', 'seed: 3']

    Args:
        config: The configuration; paths of images in it are absolute, as `load_config` makes them.
        path: The file, replaced when it exists; its folder must exist.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        write_text(path, to_yaml(config))
    except OSError as error:
        raise UserError(f"{path}: the configuration cannot be written: {error.strerror}") from error


def to_yaml(config: RunConfig) -> str:
    """Return the text that `save_config` writes."""
    return yaml.dump(
        config.model_dump(), Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=100
    )


class _Dumper(yaml.SafeDumper):
    """Writes lists of scalars in one line, and quotes what YAML 1.1 or 1.2 would not take as text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out each time."""
        return True


def _represent_list(dumper: yaml.SafeDumper, items: list[Any] | tuple[Any, ...]) -> yaml.Node:
    short = not any(isinstance(item, dict | list | tuple) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if _is_text(text) else "'")


def _is_text(word: str) -> bool:
    """Whether a word means text without quotes in YAML 1.2; PyYAML itself looks after YAML 1.1."""
    try:
        return isinstance(resolve(word), str)
    except ValueError:
        return False


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
_Dumper.add_representer(str, _represent_text)
