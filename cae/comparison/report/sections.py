"""The report of a comparison: its sections in order, for the page, Markdown, the terminal and TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from cae.comparison.record import Comparison
from cae.comparison.report import arms, tables
from cae.comparison.report.card import about_pictures, card, headline, statistics
from cae.comparison.report.formatting import compared_title, has_switches, switches_text
from cae.comparison.report.tables import Table


@dataclass(frozen=True)
class Sentences:
    """A list of sentences; names of settings stand between backticks."""

    kind: ClassVar = "sentences"
    heading: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names, such as labels, each with what is to be said of it."""

    kind: ClassVar = "facts"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pictures:
    """Where pictures stand that are not part of the record's text."""

    kind: ClassVar = "pictures"
    name: Literal["images", "charts", "spectra", "budgets", "tuning"]
    about: str = ""


Part = Table | Sentences | Facts | Pictures


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Args:
        name: for addresses.
        title: the heading.
        parts: in their order.
        is_folded: whether it is folded where that is possible.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    is_folded: bool = True


@dataclass(frozen=True)
class Report:
    """Everything of a report but its pictures; text is plain and not yet escaped.

    Args:
        title: heading.
        setting: what was measured, on what.
        headline: which decoder to use.
        card: what stands below the headline.
        warnings: what a fair comparison should not have.
        sections: the rest.
    """

    title: str
    setting: str
    headline: str
    card: Facts
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]

    def tables(self) -> dict[str, Table]:
        """All tables by their names."""
        found = (part for section in self.sections for part in section.parts)
        return {part.name: part for part in found if isinstance(part, Table)}


def tell(comparison: Comparison) -> Report:
    """Put a comparison into words and tables."""
    height, width, channels = comparison.image_shape
    num_runs = sum(len(contender.runs) for contender in comparison.contenders)
    switches = tuple(
        (contender.label, f"{switches_text(comparison, contender)} {contender.bits_in_words}".rstrip())
        for contender in comparison.contenders
        if has_switches(contender)
    )
    terms = comparison.terms
    sections = (
        _section("pictures", "Pictures", Pictures("images", about_pictures(comparison)), is_folded=False),
        _section("decoders", "Decoders", tables.ranking(comparison), Pictures("charts")),
        _section(
            "differences",
            "Differences",
            tables.matrix(comparison),
            tables.pairs(comparison) or Sentences("", ("There is only one decoder.",)),
        ),
        _section(
            "budgets",
            "Budgets",
            Sentences("", arms.budget_sentences(comparison)),
            Pictures("budgets") if comparison.budgets else None,
            arms.budgets_table(comparison),
        ),
        _section(
            "tuning",
            "Tuning",
            Sentences("", arms.tuning_sentences(comparison)),
            arms.tuning_table(comparison),
            Pictures("tuning") if comparison.tuning else None,
        ),
        _section("simple", "Simple codes", tables.floors(comparison), tables.baselines(comparison)),
        _section(
            "switches",
            "What came through the switches",
            Facts(switches) if switches else Sentences("", ("No decoder here uses switches.",)),
            tables.bits(comparison),
            tables.ablations(comparison),
        ),
        _section("checkerboards", "Checkerboard artefacts", *tables.artefacts(comparison), Pictures("spectra")),
        _section(
            "terms",
            "Terms",
            Sentences("What was equal", terms.equal),
            Sentences("What was not equal", terms.unequal),
            tables.settings(comparison),
            arms.widths_table(comparison),
        ),
        _section(
            "made",
            "How it was made",
            Sentences("Means, intervals and verdicts", statistics(comparison)),
            tables.all_metrics(comparison),
            tables.runs(comparison),
            tables.made(comparison),
        ),
    )
    return Report(
        title=f"Comparison of decoders: {comparison.title}",
        setting=(
            f"{len(comparison.contenders)} decoders, {num_runs} runs, {comparison.num_images:,} {comparison.split}"
            f" images of {height} x {width} x {channels}; sorted by {compared_title(comparison.metric)}."
            f"{_inputs(comparison)}"
        ),
        headline=headline(comparison),
        card=Facts(card(comparison)),
        warnings=terms.warnings,
        sections=tuple(section for section in sections if section.parts),
    )


def _section(name: str, title: str, *parts: Part | None, is_folded: bool = True) -> Section:
    """A section without the parts that would be empty."""
    kept = [part for part in parts if part is not None and not (isinstance(part, Sentences) and not part.items)]
    return Section(name, title, tuple(kept), is_folded)


def _inputs(comparison: Comparison) -> str:
    if not comparison.corruption:
        return ""
    return (
        f" Inputs were corrupted ({comparison.corruption}) as in training, those of baselines were clean; all are"
        " measured against the clean images."
    )
