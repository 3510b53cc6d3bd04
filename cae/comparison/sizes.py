"""How large contenders are and how much passes through them, set beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Contenders further apart than that are not compared on equal terms.
TOLERANCE = 0.10


@dataclass(frozen=True)
class Sizes:
    """Of one contender.

    Args:
        parameters: weights of the model.
        macs: multiply-accumulates for one image.
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
    "Multiply-accumulates": "part of a difference may be bought with computation.",
    "Code": "a larger code keeps more of the image whatever the decoder; look at rate against distortion.",
}


def _tell_switches(sizes: Mapping[str, Sizes], equal: list[str], unequal: list[str], warnings: list[str]) -> None:
    carried = {label: found.switch_bits for label, found in sizes.items() if found.switch_bits}
    if not carried:
        equal.append("Switches: no decoder is given any; all that it knows of an image comes through the code.")
        return
    if len(carried) == len(sizes) and len(set(carried.values())) == 1:
        equal.append(f"Switches: {next(iter(carried.values())):,} bits an image go round the code in each.")
        return
    for label, bits in carried.items():
        unequal.append(
            f"Switches: `{label}` is given {bits:,} bits an image round its code of {sizes[label].code_bits:,} bits."
        )
    without = [f"`{label}`" for label in sizes if label not in carried]
    if without:
        unequal.append(f"Switches: none for {', '.join(without)}.")
    smallest = min(found.switch_bits for found in sizes.values())
    most = max(carried, key=carried.__getitem__)
    if carried[most] > (1 + TOLERANCE) * smallest:
        others = "others get none" if without else f"the least that another gets is {smallest:,}"
        warnings.append(
            f"Switches: `{most}` gets {carried[most]:,} bits an image round the bottleneck,"
            f" {_percent(carried[most] / sizes[most].code_bits)} on top of its code, and {others}; what it owes to them"
            " is in the ablations."
        )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
