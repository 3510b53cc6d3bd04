"""What differs between decoders besides the decoder, as sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.config.problems import shown

if TYPE_CHECKING:
    from cae.comparison.contenders import Group, RunRecord
    from cae.config.run import RunConfig


# The values of a configuration that decide something.
Settings = Callable[["RunConfig"], Mapping[str, Any]]
# So many runs are listed by their names.
_LISTED = 4


class FairnessReport:
    """Sentences on what is equal and what is not, and what runs are called in them.

    Args:
        groups: the contenders' runs.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.equal: list[str] = []
        self.unequal: list[str] = []
        self.warnings: list[str] = []
        self._names = name_runs([run for group in groups for run in group.runs])

    def name(self, run: RunRecord) -> str:
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
            follows: what to say of equal settings.
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

    def runs_by(self, groups: Sequence[Group], value_of: Callable[[RunRecord], Hashable]) -> dict[Any, list[str]]:
        """Names of the runs that have each value; those with None have none that is known."""
        found: dict[Any, list[str]] = defaultdict(list)
        for group in groups:
            for run in group.runs:
                found[value_of(run)].append(self.name(run))
        return dict(found)


def name_runs(runs: Iterable[RunRecord]) -> dict[Path, str]:
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


# Contenders further apart than that are not compared on equal terms.
TOLERANCE = 0.10


@dataclass(frozen=True)
class Sizes:
    """Of one contender.

    Args:
        parameters: weights of the model.
        macs: multiply-accumulates for one image, as they are computed.
        code_bits: bits of one image's latent, without switches.
        switch_bits: bits that switches carry besides.
    """

    parameters: int
    macs: int
    code_bits: int
    switch_bits: int


def tell_sizes(sizes: Mapping[str, Sizes], equal: list[str], unequal: list[str], warnings: list[str]) -> None:
    """Say which sizes are equal and which are not, and warn of those more than 10% apart.

    Example:
        >>> equal, unequal, warnings = [], [], []
        >>> sizes = {"a": Sizes(100, 5000, 64, 0), "b": Sizes(125, 5000, 64, 0)}
        >>> tell_sizes(sizes, equal, unequal, warnings)
        >>> unequal, warnings[0].partition(";")[0]
        (['Parameters: from 100 (`a`) to 125 (`b`), 25% apart.'], 'Parameters: `b` has 25% more than `a`')

    Args:
        sizes: each contender's label to its sizes.
        equal: gets a sentence for each size that is equal.
        unequal: gets one for each that is not.
        warnings: gets one for each that is further apart than 10% of the smallest.
    """
    for name, noun, values in (
        ("Parameters", "", {label: found.parameters for label, found in sizes.items()}),
        ("Multiply-accumulates", " an image", {label: found.macs for label, found in sizes.items()}),
        ("Code", " bits an image", {label: found.code_bits for label, found in sizes.items()}),
    ):
        smallest, largest = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        low, high = values[smallest], values[largest]
        if low == high:
            equal.append(f"{name}: {high:,}{noun} in each.")
            continue
        apart = (high - low) / low
        unequal.append(f"{name}: from {low:,} (`{smallest}`) to {high:,} (`{largest}`){noun}, {_percent(apart)} apart.")
        if apart > TOLERANCE:
            warnings.append(f"{name}: `{largest}` has {_percent(apart)} more than `{smallest}`; {_ADVICE[name]}")
    _tell_switches(sizes, equal, unequal, warnings)


_ADVICE = {
    "Parameters": "part of a difference may be size alone (`match: parameters` in a grid makes sizes agree).",
    "Multiply-accumulates": "part of a difference may be computation alone (`match: macs` in a grid makes it agree).",
    "Code": "a larger code keeps more of the image whatever the decoder; look at rate against distortion.",
}


def _tell_switches(sizes: Mapping[str, Sizes], equal: list[str], unequal: list[str], warnings: list[str]) -> None:
    carried = {label: found.switch_bits for label, found in sizes.items() if found.switch_bits}
    if not carried:
        equal.append("Switches: no decoder is given any; all that it knows of an image comes through the code.")
        return
    if len(carried) == len(sizes) and len(set(carried.values())) == 1:
        equal.append(f"Switches: up to {next(iter(carried.values())):,} bits an image bypass the code in each.")
        return
    for label, bits in carried.items():
        unequal.append(
            f"Switches: `{label}` is given up to {bits:,} bits an image that bypass its code of"
            f" {sizes[label].code_bits:,} bits."
        )
    without = [f"`{label}`" for label in sizes if label not in carried]
    if without:
        unequal.append(f"Switches: none for {', '.join(without)}.")
    smallest = min(found.switch_bits for found in sizes.values())
    most = max(carried, key=carried.__getitem__)
    if carried[most] > (1 + TOLERANCE) * smallest:
        others = "others get none" if without else f"the least that another gets is {smallest:,}"
        warnings.append(
            f"Switches: `{most}` gets up to {carried[most]:,} bits an image that bypass the code,"
            f" {_percent(carried[most] / sizes[most].code_bits)} on top of its code, and {others}; what it owes to them"
            " is in the ablations, and what they measure up to in the table of bits."
        )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
