"""What is to be done where a run may have been begun already."""

from __future__ import annotations

from cae.config import RunConfig, load_config
from cae.errors import ConfigError
from cae.runs.directory import RunDirectory

# Says where a run is trained, not what is trained: it may go on elsewhere.
_FREE_TO_CHANGE = ("training.strategy",)


def is_done(directory: RunDirectory, config: RunConfig, *, resume: bool, overwrite: bool) -> bool:
    """Whether there is nothing left to train; refuses what must not be touched.

    >>> import tempfile, pathlib
    >>> nothing_yet = RunDirectory(pathlib.Path(tempfile.mkdtemp(), "experiment", "name"))
    >>> is_done(nothing_yet, RunConfig(), resume=False, overwrite=False)
    False

    Args:
        directory: Where the run belongs.
        config: What the run is to be.
        resume: Go on with a run of the same configuration; `training.strategy` may be another.
        overwrite: Start a run afresh, whatever it was.

    Raises:
        ConfigError: A run is there, and neither `resume` nor `overwrite` is said, or it has another configuration.
        UserError: Something else than a run is there.
    """
    if resume and directory.exists:
        _check_same_config(directory, config)
        return directory.status in ("finished", "stopped_early")
    if not overwrite:
        directory.check_is_free()
    directory.check_holds_nothing_else()
    return False


def _check_same_config(directory: RunDirectory, config: RunConfig) -> None:
    stored, wanted = load_config(directory.config).model_dump(), config.model_dump()
    different = [line for line in _differences("", stored, wanted) if line.split(":")[0] not in _FREE_TO_CHANGE]
    if different:
        raise ConfigError(
            f"{directory.config}: a run goes on with the same configuration only. Use --overwrite to start it afresh,"
            " or another `name`. Different now:\n  " + "\n  ".join(different)
        )


def _differences(prefix: str, stored: object, wanted: object) -> list[str]:
    if stored == wanted:
        return []
    if isinstance(stored, dict) and isinstance(wanted, dict):
        keys = [*stored, *(key for key in wanted if key not in stored)]
        return [
            line
            for key in keys
            for line in _differences(f"{prefix}.{key}".lstrip("."), stored.get(key), wanted.get(key))
        ]
    return [f"{prefix}: was {stored!r}, is {wanted!r}"]
