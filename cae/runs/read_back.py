"""The records of a run: its environment described, and all of them read back; a damaged one is an error."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cae.engine import JOBS
from cae.errors import RULE, UserError, from_json
from cae.files import read_bytes
from cae.machine import this_machine

# A hundred thousand epochs.
_METRICS_BYTES = 1 << 26
_PARTS = ("train", "validation", "test")


def read_summary(path: Path) -> dict[str, Any]:
    """The content of summary.json; a key may be missing, but none has a value of another kind.

    Raises:
        UserError: the file cannot be read, or a value is not what its key takes.
    """
    return _checked(path, _read_object(path), _SUMMARY)


def read_environment(path: Path) -> dict[str, Any]:
    """The content of environment.json, checked like a summary.

    Raises:
        UserError: the file cannot be read, or a value is not what its key takes.
    """
    return _checked(path, _read_object(path), _ENVIRONMENT)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, each with a whole `epoch` and `step` and nothing but numbers.

    A kill may have cut off the last row, which is then left out.

    Raises:
        UserError: the file cannot be read, or another row is damaged.
    """
    lines = read_bytes(path, _METRICS_BYTES).splitlines()
    rows = [_row(line) for line in lines]
    found = [row for row in rows if row is not None]
    if None in rows[:-1]:
        raise UserError(
            f"{path}: every line but the last must be one JSON object of numbers, with a whole `epoch` and `step`;"
            f" line {rows.index(None) + 1} is none."
        )
    return found


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not (_is_count(row.get("epoch")) and _is_count(row.get("step"))):
        return None
    return row if all(map(_is_number, row.values())) else None


def _read_object(path: Path) -> dict[str, Any]:
    content = read_bytes(path)
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: must hold one JSON object.")
    return found


# What a key's value must be, in words, and whether it is.
_Rule = tuple[str, Callable[[Any], bool]]


def _checked(path: Path, found: dict[str, Any], rules: Mapping[str, _Rule]) -> dict[str, Any]:
    for key, (rule, holds) in rules.items():
        if key in found and not holds(found[key]):
            raise UserError(f"{path}: `{key}` must be {rule}. Received: {json.dumps(found[key])[:80]}.")
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_row(value: Any) -> bool:
    # That of a training which failed in its first epoch is empty.
    return isinstance(value, dict) and (not value or (_is_count(value.get("epoch")) and _is_count(value.get("step"))))


def _are_parts(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_count(value.get(part)) for part in _PARTS)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_count, value))


def _are_warnings(value: Any) -> bool:
    try:
        from_json(value)
    except ValueError:
        return False
    return True


def _are_versions(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_known_parts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(part, dict)
        and _is_count(part.get("number"))
        and all(_is_text(value) for key, value in part.items() if key != "number")
        for part in value.values()
    )


_COUNT: _Rule = ("a whole number from 0 on", _is_count)
_ROW: _Rule = ("an object with a whole `epoch` and `step`", _is_row)
_TEXT: _Rule = ("text", _is_text)
_SUMMARY: dict[str, _Rule] = {
    "status": _TEXT,
    "best": _ROW,
    "last": _ROW,
    "epochs": _COUNT,
    "steps": _COUNT,
    "images": (f"an object with whole numbers for {', '.join(_PARTS)}", _are_parts),
    "image_shape": ("a list of height, width and channels", _is_shape),
    "warnings": (RULE, _are_warnings),
}
_ENVIRONMENT: dict[str, _Rule] = {
    "python": _TEXT,
    "platform": _TEXT,
    "cpu": _TEXT,
    "cores": _COUNT,
    "jobs": _COUNT,
    "threads": _COUNT,
    "gpus": ("a list of names", lambda value: isinstance(value, list) and all(map(_is_text, value))),
    "packages": ("an object of versions", _are_versions),
    "git_revision": ("text or null", lambda value: value is None or _is_text(value)),
    "images": ("an object of parts, each with a `number`, and texts besides", _are_known_parts),
}

_PACKAGES = ("tensorflow", "keras", "tensorboard", "numpy", "pillow", "pydantic", "h5py")


def describe_environment() -> dict[str, Any]:
    """What environment.json says of this machine and program; images are added. TensorFlow must have been started."""
    import tensorflow as tf

    from cae.config.registration import own_parts

    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": (cores := this_machine().cores),
        "jobs": int(os.environ.get(JOBS, "1")),  # how many runs were trained side by side
        "threads": int(threads) if (threads := os.environ.get("TF_NUM_INTRAOP_THREADS", "")).isdecimal() else cores,
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "git_revision": _git_revision(),
        **({"parts": own} if (own := own_parts()) else {}),
    }


def peak_memory_bytes() -> int | None:
    """The most memory this process has held, or None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def _git_revision() -> str | None:
    """The program's revision, with a mark when files were changed; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
