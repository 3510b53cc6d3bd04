"""The order of the report: what stands in the Markdown and on the page alike."""

from __future__ import annotations

from dataclasses import dataclass

from cae.comparison.record import Comparison
from cae.comparison.report import controls, ranking
from cae.comparison.report.answer import answer, statistics
from cae.comparison.report.formatting import compared_title, has_switches, switches_text
from cae.comparison.report.ranking import Table


@dataclass(frozen=True)
class Told:
    """Everything of a report but its pictures; text is plain and not yet escaped.

    Args:
        title: heading.
        setting: what was measured, on what.
        answer: what was found.
        warnings: what a fair comparison should not have.
        tables: by name, without those that would be empty.
        switches: label and what came through its switches in words, or why that is not known, of each that has any.
        equal: what was equal.
        unequal: what was not.
        statistics: how intervals were made and what they do not say.
    """

    title: str
    setting: str
    answer: str
    warnings: tuple[str, ...]
    tables: dict[str, Table]
    switches: tuple[tuple[str, str], ...]
    equal: tuple[str, ...]
    unequal: tuple[str, ...]
    statistics: tuple[str, ...]


def tell(comparison: Comparison) -> Told:
    """Put a comparison into words and tables."""
    height, width, channels = comparison.image_shape
    num_runs = sum(len(contender.runs) for contender in comparison.contenders)
    tables = {
        "ranking": ranking.ranking(comparison),
        "all_metrics": ranking.all_metrics(comparison),
        "settings": ranking.settings(comparison),
        "pairs": controls.pairs(comparison),
        "matrix": controls.matrix(comparison),
        "ablations": controls.ablations(comparison),
        "artefacts": controls.artefacts(comparison),
        "baselines": controls.baselines(comparison),
        "runs": ranking.runs(comparison),
        "made": ranking.made(comparison),
    }
    return Told(
        title=f"Comparison of decoders: {comparison.title}",
        setting=(
            f"{len(comparison.contenders)} decoders, {num_runs} runs, {comparison.num_images:,} {comparison.split}"
            f" images of {height} x {width} x {channels}; sorted by {compared_title(comparison.metric)}."
            f"{_inputs(comparison)}"
        ),
        answer=answer(comparison),
        warnings=comparison.terms.warnings,
        tables={name: table for name, table in tables.items() if table is not None},
        switches=tuple(
            (contender.label, switches_text(comparison, contender))
            for contender in comparison.contenders
            if has_switches(contender)
        ),
        equal=comparison.terms.equal,
        unequal=comparison.terms.unequal,
        statistics=statistics(comparison),
    )


def _inputs(comparison: Comparison) -> str:
    if not comparison.corruption:
        return ""
    return (
        f" Inputs were corrupted ({comparison.corruption}) as in training, those of baselines were clean; all are"
        " measured against the clean images."
    )
