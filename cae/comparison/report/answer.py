"""What was found and how far it can be trusted, in sentences."""

from __future__ import annotations

import math

from cae.comparison.record import Comparison, Contender
from cae.comparison.report.formatting import (
    amount_text,
    has_switches,
    interval_text,
    is_judged_by_means,
    listing,
    places,
    short_title,
    switches_text,
)
from cae.measures.catalogue import metric as find_metric


def answer(comparison: Comparison) -> str:
    """Who is best, who cannot be told from it, what its switches did, and the best one without; better baselines.

    Args:
        comparison: what was found.

    Returns:
        One paragraph of plain text; labels stand in it as they are.
    """
    return " ".join([_best(comparison), _like_the_best(comparison), *_switches(comparison), *_baselines(comparison)])


def statistics(comparison: Comparison) -> tuple[str, ...]:
    """How means and intervals were made and what they do not say."""
    return (
        f"A run's figure is the mean over {comparison.num_images:,} {comparison.split} images of each image's own"
        " figure, for pixels from 0 to 1. PSNR too is a mean of each image's PSNR, capped where an image comes back"
        " exactly.",
        "A decoder's figure is the mean over its seeds. The interval beside it is Student's 95% confidence interval for"
        " the mean of all seeds that there could be: with few seeds it is wide, and it takes figures of different seeds"
        " to scatter normally. A single seed has no interval.",
        "A difference between two decoders is taken image by image, over the seeds that both have, or over each one's"
        " own where those are fewer than two and there are more. Its interval over images is a 95% bootstrap interval"
        " for the very models that were trained: it does not say what other seeds would give. Its interval over seeds"
        " is a 95% confidence interval of the mean difference of all seeds that there could be (Student's of common"
        " seeds, Welch's of others); that of the next two models may lie outside. Two decoders are called"
        " distinguishable where zero is outside of every interval that there is.",
        "Every pair stands for itself: intervals are not adjusted for the number of pairs, so that of many alike"
        " decoders about one pair in twenty may look distinguishable by chance.",
    )


def about_pictures(comparison: Comparison) -> str:
    """Which images are shown, and of which run."""
    corrupted = " Decoders were given these images corrupted." if comparison.corruption else ""
    return (
        f"Best, median and worst of the {comparison.num_images:,} {comparison.split} images by their mean PSNR over"
        " all decoders, each decoder's by its run of the first seed. Error maps show the absolute error, on one scale."
        f"{corrupted}"
    )


def _best(comparison: Comparison) -> str:
    best, metric = comparison.contenders[0], comparison.metric
    estimate = best.metrics[metric]
    seeds = len(best.runs)
    how_sure = (
        f"95% interval over {seeds} seeds: {interval_text(metric, estimate)}"
        if estimate.low is not None
        else "one seed, so that there is no interval over seeds"
    )
    name = short_title(metric)
    by = "" if is_judged_by_means(metric) else ", which is to be near 1 in each image"
    return f"{best.label} is best in {name}{by}: {amount_text(metric, estimate.mean)} ({how_sure})."


def _like_the_best(comparison: Comparison) -> str:
    if len(comparison.contenders) == 1:
        return "Nothing else was compared."
    alike = comparison.like_the_best()
    place = places(comparison)
    names = [f"{label} ({_figure(comparison, comparison.contenders[place[label] - 1])})" for label in alike]
    told = f"It cannot be told from {listing(names)}." if names else "It can be told from every other decoder."
    return f"{told} {_for_these_models(comparison)}".rstrip()


def _for_these_models(comparison: Comparison) -> str:
    """Say so where a decoder was told from the best one without any other seed to confirm it."""
    best = comparison.contenders[0].label
    is_bold = any(
        one.is_distinguishable and one.seeds_low is None and best in (one.first, one.second)
        for one in comparison.differences
    )
    return "Where there is no second seed, being told apart holds for these very models only." if is_bold else ""


def _switches(comparison: Comparison) -> list[str]:
    best, others = comparison.contenders[0], comparison.contenders[1:]
    if not has_switches(best):
        users = [contender.label for contender in others if has_switches(contender)]
        return [f"It uses no switches; {listing(users)} {_do(users)}."] if users else ["It uses no switches."]
    used = (
        f"It uses switches: up to {best.code['switch_bits']:,.0f} bits an image go round its code of"
        f" {best.code['values'] * best.code['bits_per_value']:,.0f} bits."
    )
    without = next((contender for contender in others if not has_switches(contender)), None)
    if without is None:
        control = "No decoder without switches was compared."
    else:
        place = places(comparison)[without.label]
        estimate = without.metrics[comparison.metric]
        interval = "" if estimate.low is None else f" ({interval_text(comparison.metric, estimate)})"
        control = (
            f"The best one without switches is {without.label}, at place {place}:"
            f" {_figure(comparison, without)}{interval}."
        )
    return [used, switches_text(comparison, best), control]


def _baselines(comparison: Comparison) -> list[str]:
    """The baselines that are better than the best decoder, in a sentence, if there are any."""
    metric = comparison.metric
    badness = find_metric(metric).badness
    reached = badness(comparison.contenders[0].metrics[metric].mean)
    better = [
        f"{name.replace('_', ' ')} ({amount_text(metric, figures[metric])})"
        for name, figures in comparison.baselines.items()
        if metric in figures and badness(figures[metric]) < reached
    ]
    if not better or not is_judged_by_means(metric):
        return []
    who = "Baselines" if len(better) > 1 else "A baseline"
    given = ", given clean images," if comparison.corruption else ""
    told = [f"{who} of the same code size{given} reached more than the best decoder: {listing(better)}."]
    num_values = math.prod(comparison.image_shape)
    if comparison.baselines.get("pca", {}).get("values", 0) >= num_values:
        told.append(f"The code has at least as many values as the image, {num_values:,}, so that PCA is exact.")
    return told


def _figure(comparison: Comparison, contender: Contender) -> str:
    return amount_text(comparison.metric, contender.metrics[comparison.metric].mean)


def _do(users: list[str]) -> str:
    return "does" if len(users) == 1 else "do"
