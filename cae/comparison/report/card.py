"""The answer: which decoder to use, how sure that is, what it costs and what would change it; in sentences."""

from __future__ import annotations

import math

from cae.comparison.record import Comparison, Contender, Pair
from cae.comparison.report.arms import ahead_by_length
from cae.comparison.report.formatting import (
    amount_text,
    duration_text,
    estimate_amount,
    has_switches,
    listing,
    metric_text,
    places,
    rounded,
    short_title,
    simple_code_title,
    switches_text,
    why_untested,
)
from cae.measures.catalogue import metric as find_metric
from cae.messages import number_of

# So many seeds a comparison should have at least.
_FEWEST_SEEDS = 3


def headline(comparison: Comparison) -> str:
    """Which decoder to use, in a few sentences: how sure that is, whether it needs switches, whether it is any good."""
    return f"{_choice(comparison)}{_but_for_switches(comparison)}{_but_for_floors(comparison)}"


def _but_for_switches(comparison: Comparison) -> str:
    best, without = comparison.contenders[0], _best_without_switches(comparison)
    if not has_switches(best) or without is None:
        return ""
    return f" {best.label} needs switches, which bypass the code; {without.label} is the best without."


def _but_for_floors(comparison: Comparison) -> str:
    floor = comparison.answer.floors.get(comparison.answer.use)
    if floor is None or floor.margin >= 0:
        return ""
    return f" But {simple_code_title(floor.name)} of the same code size is better still."


def _best_without_switches(comparison: Comparison) -> Contender | None:
    return next((contender for contender in comparison.contenders if not has_switches(contender)), None)


def _choice(comparison: Comparison) -> str:
    answer, name = comparison.answer, short_title(comparison.metric)
    best = answer.use
    if answer.runner_up is None:
        return f"Nothing was compared: {best} is the only decoder."
    if answer.confidence == "better":
        return f"Use {best}: it is significantly better in {name} than every other decoder here."
    equivalent = comparison.beside_the_best("equivalent")
    if answer.confidence == "equivalent":
        than_others = (
            f" {best} is significantly better than every other decoder." if comparison.beside_the_best("better") else ""
        )
        # Two that are equivalent to the best one may be further from each other than the band.
        are = f"{listing(equivalent)} are equivalent to {best}" if len(equivalent) > 1 else "they are equivalent"
        return f"Use {listing([best, *equivalent], 'or')}: {are}, within {_band(comparison)} of {name}.{than_others}"
    if comparison.num_images == 1:
        return f"Undecided: {best} came first in {name}, but one image says nothing about others."
    if all(len(contender.runs) == 1 for contender in comparison.contenders):
        return f"Undecided: {best} came first in {name}, but one seed says nothing about another training."
    undecided = comparison.beside_the_best("undecided")
    return (
        f"Undecided: {best} came first in {name}, but is not significantly different from {listing(undecided)}."
        f"{_more_seeds(comparison)}"
    )


def card(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """What stands below the headline: a word and a sentence each."""
    facts = {
        "Reached": _reached(comparison),
        "How sure": _how_sure(comparison),
        "Runner-up": _runner_up(comparison),
        "Costs": _costs(comparison),
        "Switches": _switches(comparison),
        "Simple codes": _simple_codes(comparison),
        "What would change this": _what_would_change_this(comparison),
    }
    return tuple((name, text) for name, text in facts.items() if text)


def statistics(comparison: Comparison) -> tuple[str, ...]:
    """How means, intervals and verdicts were made and what they do not say."""
    figures = (
        f"A run's figure is the mean over {comparison.num_images:,} {comparison.split} images of each image's own"
        " figure, for pixels from 0 to 1. PSNR too is a mean of each image's PSNR, capped where an image comes back"
        " exactly.",
        "A decoder's figure is the mean over its seeds. The interval beside it is Student's 95% confidence interval for"
        " the mean of all seeds that there could be: with few seeds it is wide, and it takes figures of different seeds"
        " to scatter normally. A single seed has no interval.",
    )
    if not comparison.pairs:
        return figures
    band = (
        f"Two decoders are equivalent where the difference is within {_band(comparison)} by two one-sided tests,"
        " adjusted likewise; you may state another band."
        if comparison.band
        else "No band is known in which differences of this metric do not matter; as long as you state none, nothing"
        " is called equivalent."
    )
    return (
        *figures,
        "A difference between two decoders is taken image by image, over the seeds that both have, or over each one's"
        " own where those are fewer than two and there are more. It is tested by Student's t, with the variance of"
        " other seeds and of other images together. All decoders say how much seeds scatter, but a pair's own seeds"
        " count where they scatter more. Where seeds of one decoder scatter several times as much as those of all"
        " others, there are more false claims than stated.",
        f"p-values are adjusted by Holm's method for all {len(comparison.pairs)} pairs: of many such reports at most"
        " about one in twenty has any false claim. A decoder is better where the adjusted p is below 0.05. The interval"
        " beside the p-value holds for all pairs together (Bonferroni). That is stricter than Holm's method, so it may"
        " reach past zero although one decoder is better.",
        band,
        "All other pairs are undecided, with a single seed or a single image always. The seeds still needed are those"
        " that decide the pair in 80 of 100 cases if its figures stay what they are.",
        "The probability is that a run of the first decoder is better on an image than a run of the second.",
    )


def about_pictures(comparison: Comparison) -> str:
    """Which images are shown, and of which run."""
    corrupted = " Decoders were given these images corrupted." if comparison.corruption else ""
    return (
        f"Best, median and worst of the {comparison.num_images:,} {comparison.split} images by their mean PSNR over"
        " all decoders, each decoder's by its run of the first seed. Error maps show the absolute error, on one scale."
        f"{corrupted}"
    )


def _reached(comparison: Comparison) -> str:
    best = comparison.contenders[0]
    seeds = f"{len(best.runs)} seeds" if len(best.runs) > 1 else "one seed"
    return f"{best.label}: {short_title(comparison.metric)} {estimate_amount(comparison, best)}, {seeds}."


def _how_sure(comparison: Comparison) -> str:
    known = [pair for pair in comparison.pairs if pair.first == comparison.answer.use and pair.p_adjusted is not None]
    if not comparison.pairs or not known:
        return ""
    parts = []
    for verdict, words in (
        ("better", "significantly better than"),
        ("equivalent", "equivalent to"),
        ("undecided", "not significantly different from"),
    ):
        labels = [pair.second for pair in known if pair.verdict == verdict]
        if labels:
            is_every = len(labels) == len(comparison.contenders) - 1 > 2
            parts.append(f"{words} {'every other decoder' if is_every else listing(labels)}")
    largest = max(pair.p_adjusted or 0.0 for pair in known)
    return (
        f"{_capital('; '.join(parts))}. Largest adjusted p: {largest:.2g} (Holm's method,"
        f" {number_of(len(comparison.pairs), 'pair')}, over seeds and images)."
    )


def _runner_up(comparison: Comparison) -> str:
    pair = _first_pair(comparison)
    if pair is None:
        return ""
    sign = -1.0 if find_metric(comparison.metric).better != "more" else 1.0
    where = "ahead"
    if sign * pair.mean < 0:  # sorted by all seeds, compared over those that both have
        sign, where = -sign, "behind over the seeds that both have,"
    amount = amount_text(comparison.metric, sign * pair.mean)
    if pair.low is None or pair.high is None:
        interval = f"no interval: {why_untested(pair)}"
    else:
        ends = sorted((sign * pair.low, sign * pair.high))
        interval = "95% interval " + " to ".join(metric_text(comparison.metric, end) for end in ends)
    return (
        f"{pair.second}. {pair.first} is {where} by {amount} ({interval}), and better on an image with a probability of"
        f" {pair.probability:.0%}."
    )


def _costs(comparison: Comparison) -> str:
    best, *others = comparison.contenders
    against = f" ({others[0].label}: {_cost(others[0])})" if others else ""
    return f"{_cost(best)}{against}{comparison.beside_others}."


def _cost(contender: Contender) -> str:
    parts = [
        f"{contender.parameters:,} parameters",
        f"{rounded(contender.computed_macs or contender.macs_per_image)} multiply-accumulates an image",
    ]
    if contender.training_seconds is not None:
        parts.append(f"{duration_text(contender.training_seconds)} of training")
    return listing(parts)


def _switches(comparison: Comparison) -> str:
    best, others = comparison.contenders[0], comparison.contenders[1:]
    if not has_switches(best):
        users = [contender.label for contender in others if has_switches(contender)]
        return f"{best.label} uses none; {listing(users)} {'does' if len(users) == 1 else 'do'}." if users else ""
    without = _best_without_switches(comparison)
    control = (
        "No decoder without switches was compared."
        if without is None
        else f"Without switches, {without.label} is best, at place {places(comparison)[without.label]}:"
        f" {estimate_amount(comparison, without)}."
    )
    amount = (
        f"{best.bits['switches_entropy_given_place'].mean:,.0f} bits an image, as measured, bypass the code of"
        f" {best.bits['code'].mean:,.0f} (8 bits a value, entropy-coded)"
        if best.bits
        else f"up to {best.code['switch_bits']:,.0f} bits an image bypass the code of"
        f" {best.code['values'] * best.code['bits_per_value']:,.0f} bits"
    )
    return f"In {best.label}, {amount}. {switches_text(comparison, best)} {control}"


def _simple_codes(comparison: Comparison) -> str:
    """How the best decoder, and those without switches, stand against the strongest simple code of their size."""
    floors = comparison.answer.floors
    if not floors:
        return ""
    best = comparison.answer.use
    parts = [_against_floor(comparison, best)] if best in floors else []
    plain = [one.label for one in comparison.contenders if one.label in floors and not has_switches(one)]
    reaching = [label for label in plain if floors[label].margin >= 0]
    if plain and plain != [best]:
        number = {0: "none", len(plain): "all" if len(plain) > 1 else "1"}.get(len(reaching), str(len(reaching)))
        parts.append(
            f"Of {number_of(len(plain), 'decoder')} without switches,"
            f" {number} {'reaches' if len(reaching) == 1 else 'reach'} the strongest simple code of the same size."
        )
        if plain[0] != best:
            parts.append(_against_floor(comparison, plain[0]))
    num_values = math.prod(comparison.image_shape)
    if comparison.baselines.get("pca", {}).get("values", 0) >= num_values:
        parts.append(f"The code has at least as many values as the image, {num_values:,}, so that PCA is exact.")
    given = " Simple codes were given clean images." if comparison.corruption else ""
    return f"{' '.join(parts)}{given}"


def _against_floor(comparison: Comparison, label: str) -> str:
    floor = comparison.answer.floors[label]
    word = "better" if floor.margin >= 0 else "worse"
    value, margin = (amount_text(comparison.metric, one) for one in (floor.value, abs(floor.margin)))
    return f"{label} is {margin} {word} than {simple_code_title(floor.name)} of the same code size ({value})."


def _what_would_change_this(comparison: Comparison) -> str:
    parts = []
    if comparison.answer.confidence == "undecided" and comparison.pairs:
        parts.append(_more_seeds(comparison).strip())
    unfinished = [one.label for one in comparison.contenders if "not_converged" in one.warnings]
    if unfinished:
        are = f"{listing(unfinished)} had not" if len(unfinished) < len(comparison.contenders) else "no decoder had"
        parts.append(f"More epochs: {are} converged.")
    if others := [length for length, label in ahead_by_length(comparison) if label != comparison.answer.use]:
        parts.append(f"Another budget: another decoder is ahead with {listing(others)}.")
    parts.append("Other images, code sizes or settings may have another answer.")
    return " ".join(part for part in parts if part)


def _more_seeds(comparison: Comparison) -> str:
    undecided = [p for p in comparison.pairs if p.first == comparison.answer.use and p.verdict == "undecided"]
    fewest = min(len(contender.runs) for contender in comparison.contenders)
    if comparison.num_images == 1:
        return " Measure more images."
    if any(pair.p is None for pair in undecided):
        missing = max(1, _FEWEST_SEEDS - fewest)
        return f" Train at least {number_of(missing, 'more seed')} of each decoder that has only one."
    needed = [pair.seeds_needed for pair in undecided if pair.seeds_needed is not None]
    if len(needed) == len(undecided) and needed:
        return f" Deciding needs about {number_of(max(needed), 'more seed')} of each decoder."
    if needed:
        return (
            f" About {number_of(min(needed), 'more seed')} may decide some of it; the closest pairs are too"
            " close for any reasonable number."
        )
    return " They are too close for any reasonable number of seeds to decide it; more images may."


def _first_pair(comparison: Comparison) -> Pair | None:
    answer = comparison.answer
    return next((p for p in comparison.pairs if (p.first, p.second) == (answer.use, answer.runner_up)), None)


def _band(comparison: Comparison) -> str:
    return f"{comparison.band:g} {find_metric(comparison.metric).unit}".rstrip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
