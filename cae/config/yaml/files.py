"""Configuration files and Python values, with those that they extend, as layers of nodes; and back to a file."""

from __future__ import annotations

import difflib
import errno
import os
import pathlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from numbers import Integral, Real
from typing import Any

import yaml

from cae.atomic_files import write_text
from cae.config.data import PATH_KEYS
from cae.config.problems import shown
from cae.config.run import RunConfig
from cae.config.yaml.nodes import Node, Path, Place, Problem, Scalar, plain, resolve
from cae.config.yaml.reader import MAX_BYTES, MAX_DEPTH, UNUSABLE, read_yaml
from cae.errors import UserError

# Values have no lines in a program; a message names the key.
PLACE = Place("config")


def from_python(value: Any) -> tuple[Node, list[Problem]]:
    """Take over what YAML could say as well, and refuse the rest.

    Tuples become lists, paths text, and numbers of NumPy those of Python.

    >>> node, problems = from_python({"data": {"image_size": (28, 28)}, "seed": object})
    >>> print(problems[0])
    config: seed: must be text, a number, true, false, null, a list or a mapping; received "<class 'object'>"

    Returns:
        The tree, with null for what was refused; and what is wrong.
    """
    problems: list[Problem] = []
    return _node(value, (), problems), problems


def _node(value: Any, path: Path, problems: list[Problem]) -> Node:
    if len(path) > MAX_DEPTH:
        problems.append(Problem(PLACE, path, f"values are nested more than {MAX_DEPTH} deep"))
        return Node(None, PLACE)
    if isinstance(value, Mapping):
        children = {}
        for key, child in value.items():
            if isinstance(key, str) and not UNUSABLE.search(key):
                children[str(key)] = replace(_node(child, (*path, key), problems), key_place=PLACE)
            else:
                problems.append(Problem(PLACE, path, f"a key must be text; received {shown(key)}"))
        return Node(children, PLACE)
    if isinstance(value, list | tuple):
        return Node([_node(item, (*path, index), problems) for index, item in enumerate(value)], PLACE)
    return Node(_scalar(value, path, problems), PLACE)


def _scalar(value: Any, path: Path, problems: list[Problem]) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        rule = "must be text, a number, true, false, null, a list or a mapping"
        problems.append(Problem(PLACE, path, f"{rule}; received {shown(value)}"))
        return None
    if unusable := UNUSABLE.search(text):
        problems.append(Problem(PLACE, path, f"the character {unusable.group()!r} is not allowed"))
    return UNUSABLE.sub("", text)


# A longer chain is surely a circle through links.
MAX_FILES = 16
# Keys whose values are relative to the file that states them.
# Sections whose keys are dotted themselves.
_DOTTED: tuple[Path, ...] = (("grid",), ("tune", "values"))
_PATHS: tuple[Path, ...] = (*(("data", key) for key in PATH_KEYS), ("training", "start_from"))


def read_files(file: str) -> tuple[list[Node], list[Problem]]:
    """Read a configuration file and what it extends.

    `extends: other.yaml` at the top names the file below, relative to the file that says so. The paths of
    images are made absolute, since each is relative to the file that states it.

    Args:
        file: Path of the configuration file; messages name it in the same way.

    Returns:
        A mapping for each file, the lowest (most extended) first, and what is wrong with the files.
    """
    layers, problems = _read_chain(file, None, {}, MAX_BYTES)
    return layers[::-1], problems


def _read_chain(file: str, extends: Place | None, above: dict[str, str], most: int) -> tuple[list[Node], list[Problem]]:
    """Read a file and those below it, `most` bytes in all; the file above points to it at the place `extends`."""
    place, path, name = (extends, ("extends",), f"{file}: ") if extends else (Place(file), (), "")
    try:
        content = _read(file, is_extended=extends is not None)
        identity = os.path.realpath(file)
    except (OSError, ValueError) as error:
        return [], [Problem(place, path, name + _reason(file, error))]
    if identity in above or len(above) == MAX_FILES:
        return [], [Problem(place, path, f"{' -> '.join([*above.values(), file])} goes in a circle")]
    if extends and len(content) > most:
        return [], [Problem(place, path, f"{name}the files together have more than {MAX_BYTES} bytes")]
    root, problems = read_yaml(content, file)
    if root is None:
        return [], problems
    layers, found = _with_extended(root, os.path.dirname(file), {**above, identity: file}, most - len(content))
    return layers, problems + found


def read_mapping(values: Mapping[str, Any]) -> tuple[list[Node], list[Problem]]:
    """Read a configuration that was written in Python, and what it extends, as `read_files` does.

    Relative paths start from the current folder.
    """
    root, problems = from_python(values)
    layers, found = _with_extended(root, "", {}, MAX_BYTES)
    return layers[::-1], problems + found


def _with_extended(root: Node, folder: str, above: dict[str, str], most: int) -> tuple[list[Node], list[Problem]]:
    """Return what was read, and below it what it extends; its paths are relative to `folder`."""
    if not isinstance(root.value, dict | None):
        message = "must be a mapping, with keys such as data, model and training"
        return [], [Problem(root.place, (), f"{message}; received {shown(plain(root))}")]
    children = dict(root.value or {})
    below = children.pop("extends", None)
    layer = absolute_paths(replace(root, value=children), folder)
    if below is None or below.value is None:
        return [layer], []
    if not isinstance(below.value, str) or not below.value:
        message = f"must be the name of a file; received {shown(plain(below))}"
        return [layer], [Problem(below.place, ("extends",), message)]
    other = os.path.normpath(os.path.join(folder, os.path.expanduser(below.value)))
    layers, problems = _read_chain(other, below.place, above, most)
    return [layer, *layers], problems


def _read(file: str, *, is_extended: bool) -> bytes:
    """Read a file, but no more than shows that it is too long.

    Opening a pipe or a terminal may wait for ever, so that one must be asked for: `train.py /dev/stdin`, or what a
    shell makes of `<(...)`.
    """
    is_asked_for = not is_extended and file.startswith("/dev/")
    if not is_asked_for and not stat.S_ISREG(os.stat(file).st_mode) and not os.path.isdir(file):
        raise OSError(errno.EINVAL, "not a regular file")
    with open(file, "rb") as stream:
        return stream.read(MAX_BYTES + 1)


_AS_IMAGES = ", or give images with --data"


def _reason(file: str, error: Exception) -> str:
    """Say why a file cannot be read, and which others there are."""
    if isinstance(error, FileNotFoundError):
        return "no such file" + _other_files(file)
    if isinstance(error, IsADirectoryError):
        return "a folder; name a file" + (_other_files(os.path.join(file, "")) or _AS_IMAGES)
    return f"cannot be read: {error.strerror if isinstance(error, OSError) else 'no name of a file'}"


def _other_files(file: str) -> str:
    """Return configuration files with names near the one that was not found, else some from its folder."""
    folder, name = os.path.split(file)
    if folder and not os.path.isdir(folder):
        return f"; there is no folder {folder}"
    files = sorted(_yaml_files(folder)) + ([] if folder else sorted(_yaml_files("configs")))
    stems = {path: os.path.splitext(os.path.basename(path))[0] for path in files}
    wanted = os.path.splitext(name)[0]
    near = difflib.get_close_matches(wanted, set(stems.values()), n=2, cutoff=0.7)
    if near:
        return f"; did you mean {' or '.join(path for stem in near for path in files if stems[path] == stem)}?"
    return f"; there is {', '.join(files[:10])}" if files else ""


def _yaml_files(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder or ".") as entries:
            for entry in islice(entries, 1000):
                if entry.name.endswith((".yaml", ".yml")):
                    yield os.path.join(folder, entry.name)
    except OSError:
        return


def absolute_paths(node: Node, folder: str, path: Path = ()) -> Node:
    """Return a tree in which the paths of images and runs start from the root of the file system.

    Args:
        node: what stands under `path`; grids are looked through, too.
        folder: what relative paths start from. A leading `~` is the home folder instead.
        path: the dotted key of `node`; empty for a whole configuration.
    """
    if path in _PATHS:
        if isinstance(node.value, str) and node.value:
            file = os.path.abspath(os.path.join(folder, os.path.expanduser(node.value)))
            return replace(node, value=file)
    elif path in ((), ("data",), ("training",), ("tune",), *_DOTTED) and isinstance(node.value, dict):
        children = {key: absolute_paths(child, folder, (*path, key)) for key, child in node.value.items()}
        return replace(node, value=children)
    elif path[:-1] in _DOTTED and isinstance(node.value, list):
        key: Path = tuple(str(path[-1]).split("."))
        return replace(node, value=[absolute_paths(item, folder, key) for item in node.value])
    return node


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
        config: the configuration; paths of images in it are absolute, as `load_config` makes them.
        path: the file, replaced when it exists; its folder must exist.

    Raises:
        UserError: the file cannot be written.
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
