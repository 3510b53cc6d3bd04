"""What checks of terms have found, in whole sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.config.words import shown

if TYPE_CHECKING:
    from cae.comparison.contenders import Group, Run
    from cae.config.run import RunConfig

# The values of a configuration that decide something.
Settings = Callable[["RunConfig"], Mapping[str, Any]]
# So many runs are listed by their names.
_LISTED = 4


class Found:
    """Sentences on what is equal and what is not, and what runs are called in them.

    Args:
        groups: the contenders' runs.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.equal: list[str] = []
        self.unequal: list[str] = []
        self.warnings: list[str] = []
        self._names = name_runs([run for group in groups for run in group.runs])

    def name(self, run: Run) -> str:
        """What a run is called."""
        return self._names[run.directory.path]

    def compare(
        self,
        groups: Sequence[Group],
        name: str,
        settings: Settings,
        follows: str = "the same in all runs",
        also: Sequence[str] = (),
    ) -> None:
        """Tell whether settings are the same in all groups; where not, which ones are whose.

        Args:
            groups: the contenders' runs.
            name: of what is compared.
            settings: that decide it.
            follows: what is so where they are equal.
            also: what else is found different.
        """
        values = {group.label: dict(settings(group.config)) for group in groups}
        keys = list(dict.fromkeys(key for found in values.values() for key in found))
        absent = object()
        different = [key for key in keys if len({repr(found.get(key, absent)) for found in values.values()}) > 1]
        sentences = [
            f"{key} is {_by_value({label: found[key] for label, found in values.items() if key in found})}"
            for key in different
        ]
        self.unequal.extend(f"{name}: {sentence}." for sentence in (*sentences, *also))
        if not (sentences or also):
            self.equal.append(f"{name}: {follows}.")

    def runs_by(self, groups: Sequence[Group], value_of: Callable[[Run], Hashable]) -> dict[Any, list[str]]:
        """Names of the runs that have each value; those with None have none that is known."""
        found: dict[Any, list[str]] = defaultdict(list)
        for group in groups:
            for run in group.runs:
                found[value_of(run)].append(self.name(run))
        return dict(found)


def name_runs(runs: Iterable[Run]) -> dict[Path, str]:
    """Names of runs by their paths: their folders', with as much of the way there as tells them apart."""
    directories = [run.directory for run in runs]
    for name_of in (
        lambda directory: directory.name,
        lambda directory: f"{directory.experiment}/{directory.name}",
        lambda directory: str(directory.path),
    ):
        names = {directory.path: name_of(directory) for directory in directories}
        if len(set(names.values())) == len(names):
            break
    return names


def listed(items: Sequence[Any]) -> str:
    """Join words into a phrase.

    >>> listed(["a"]), listed([0, 1, 5])
    ('a', '0, 1 and 5')
    """
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def listed_runs(names: Sequence[str]) -> str:
    """Join names of runs, as many as can be read.

    >>> listed_runs([f"r{number}" for number in range(9)])
    'r0, r1, r2 and 6 others'
    """
    return listed(names if len(names) <= _LISTED else [*names[: _LISTED - 1], f"{len(names) - _LISTED + 1} others"])


def _by_value(values: Mapping[str, Any]) -> str:
    """`0.01 for `a` and `b`, 0.001 for `c``."""
    labels = defaultdict(list)
    for label, value in values.items():
        labels[shown(value)].append(f"`{label}`")
    return ", ".join(f"{value} for {listed(names)}" for value, names in labels.items())
