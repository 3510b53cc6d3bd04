"""Whether runs were trained with the same program on the same hardware, as each one's environment.json tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cae.comparison.found import Found, listed, listed_runs

if TYPE_CHECKING:
    from cae.comparison.contenders import Group


def tell_programs(groups: Sequence[Group], terms: Found) -> None:
    """Compare revisions, versions of packages, and hardware; runs that do not tell of them are passed over."""
    unknown = [terms.name(run) for group in groups for run in group.runs if not run.environment]
    missing = f"; {listed_runs(unknown)} wrote nothing of it down" if unknown else ""
    for name, words_of, same, other in (
        ("Program", _software, "all runs were trained with", "Runs were trained with different programs"),
        ("Hardware", _hardware, "all runs were trained on", "Runs were trained on different hardware"),
    ):
        found = {
            terms.name(run): words_of(run.environment) for group in groups for run in group.runs if run.environment
        }
        alike, different = _compare(found)
        terms.unequal.extend(f"{name}: {sentence}." for sentence in different.values())
        if different:
            verb = "differs" if len(different) == 1 else "differ"
            terms.warnings.append(f"{other} ({listed(list(different))} {verb}): part of a difference may come of that.")
        elif alike:
            terms.equal.append(f"{name}: {same} {', '.join(alike)}{missing}.")


def _compare(found: Mapping[str, Mapping[str, str]]) -> tuple[list[str], dict[str, str]]:
    """What all have in common, and what the others have of each key that is not the same for all.

    Args:
        found: names of runs to keys and values.
    """
    runs: dict[str, dict[str, list[str]]] = {}
    for run, words in found.items():
        for key, value in words.items():
            runs.setdefault(key, {}).setdefault(value, []).append(run)
    same, different = [], {}
    for key, by_value in runs.items():
        if len(by_value) == 1:
            same.append(f"{key} {next(iter(by_value))}")
        else:
            listing = ", ".join(f"{value} for {listed_runs(names)}" for value, names in by_value.items())
            different[key] = f"{key} is {listing}"
    return same, different


def _software(environment: Mapping[str, Any]) -> dict[str, str]:
    words = {}
    if "git_revision" in environment:
        words["revision"] = environment["git_revision"] or "not in a checkout"
    if "python" in environment:
        words["python"] = environment["python"]
    return words | environment.get("packages", {})


def _hardware(environment: Mapping[str, Any]) -> dict[str, str]:
    words = {}
    if "cpu" in environment:
        words["processor"] = environment["cpu"]
    if "cores" in environment:
        words["cores"] = str(environment["cores"])
    if "gpus" in environment:
        words["GPUs"] = ", ".join(environment["gpus"]) or "none"
    return words
