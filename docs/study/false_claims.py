"""How often a comparison's report claims what is not so, on made figures of which the truth is known.

    python docs/study/false_claims.py [--reports 1000]

Each report compares decoders on 300 images with some seeds. A training's mean scatters by 0.3 dB, an image's figure by
1 dB around that, half of it shared by a decoder's seeds. Beside the rule of `cae.comparison.statistics` stand the one
that was used before (zero outside of a bootstrap interval over images and Student's interval over seeds, pair by
pair), and Dunnett's test against whichever decoder came first, which takes that one as chosen beforehand. Prints a
table in Markdown; takes some minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from scipy import stats

from cae.comparison.record import Pair
from cae.comparison.statistics import compare_pairs

BAND = 0.1
# Name, true means in dB, numbers of seeds.
SCENARIOS = (
    ("10 equal", (0.0,) * 10, (1, 3, 5, 10)),
    ("4 equal", (0.0,) * 4, (3, 5)),
    ("2 equal", (0.0,) * 2, (3, 10)),
    ("10, steps of 0.1 dB", tuple(0.1 * step for step in range(10)), (3, 5, 10)),
    ("10, half 1 dB better", (0.0,) * 5 + (1.0,) * 5, (3, 5, 10)),
    ("10, one 3 dB better", (0.0,) * 9 + (3.0,), (3, 5)),
)
# Of one training's mean, one decoder's in the last scenario, and of images.
SCATTER, WIDE, IMAGES = 0.3, 1.2, 300
Figures = dict[str, dict[int, np.ndarray]]


def make_report(
    rng: np.random.Generator, means: Sequence[float], num_seeds: int, scatter: Sequence[float], images: int = IMAGES
) -> Figures:
    """Figures of decoders named by their places in `means`, the best one first, as `compare_pairs` takes them."""
    shared = rng.normal(0, 3, images)  # some images are harder for all
    figures = {}
    for place, (mean, width) in enumerate(zip(means, scatter, strict=True)):
        own = shared + rng.normal(0, 0.7, images)
        figures[str(place)] = {
            seed: 25 + mean + rng.normal(0, width) + own + rng.normal(0, 0.7, images) for seed in range(num_seeds)
        }
    order = sorted(figures, key=lambda label: -np.mean([values.mean() for values in figures[label].values()]))
    return {label: figures[label] for label in order}


def judge(means: Sequence[float], figures: Figures, *, with_dunnett: bool = False) -> dict[str, tuple[bool, float]]:
    """For each rule whether it made any false claim, and the share of true differences that it found."""
    pairs = compare_pairs(figures, band=BAND, resamples=2)
    truth = {(one.first, one.second): means[int(one.first)] - means[int(one.second)] for one in pairs}
    claims = {
        "now": [(one.first, one.second) for one in pairs if one.verdict == "better"],
        "before": [
            (one.first, one.second)
            for one in pairs
            if one.mean > _half_over_images(figures, one) and (one.seeds_low is None or one.seeds_low > 0)
        ],
    }
    if with_dunnett:
        first, *others = figures
        samples = {label: [values.mean() for values in own.values()] for label, own in figures.items()}
        p_values = stats.dunnett(*(samples[label] for label in others), control=samples[first]).pvalue
        claims["Dunnett"] = [(first, label) for label, p in zip(others, p_values, strict=True) if p < 0.05]
    false = {name: any(truth[pair] <= 0 for pair in found) for name, found in claims.items()}
    # A difference as large as the band is not within it.
    false["now"] |= any(one.equivalent and abs(truth[one.first, one.second]) > BAND - 1e-9 for one in pairs)
    different = [pair for pair, value in truth.items() if value > 0]
    return {
        name: (false[name], sum(pair in found for pair in different) / len(different) if different else np.nan)
        for name, found in claims.items()
    }


def _half_over_images(figures: Figures, pair: Pair) -> float:
    """Half of the interval over images: of 300, the bootstrap's is the normal one."""
    one, other = (np.mean(list(figures[label].values()), axis=0) for label in (pair.first, pair.second))
    return 1.96 * float(np.std(one - other, ddof=1)) / np.sqrt(len(one))


def simulate(
    means: Sequence[float],
    num_seeds: int,
    reports: int,
    *,
    widths: Sequence[float] | None = None,
    with_dunnett: bool = False,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """For each rule the share of reports with a false claim, and the mean share of differences that were found."""
    rng = np.random.default_rng(seed)
    scatter = widths or [SCATTER] * len(means)
    found = [
        judge(means, make_report(rng, means, num_seeds, scatter), with_dunnett=with_dunnett) for _ in range(reports)
    ]
    return {
        name: (float(np.mean([one[name][0] for one in found])), float(np.mean([one[name][1] for one in found])))
        for name in found[0]
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reports", type=int, default=1000, help="for each row; default: 1000")
    reports = parser.parse_args().reports
    rows = [(name, means, seeds, None) for name, means, numbers in SCENARIOS for seeds in numbers]
    wide = [SCATTER] * 9 + [WIDE]
    rows += [("10 equal, one scatters by 1.2 dB", (0.0,) * 10, seeds, wide) for seeds in (3, 5, 10)]
    print("| decoders | seeds | false claims now | before | Dunnett | differences found now | before |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, means, seeds, widths in rows:
        found = simulate(means, seeds, reports, widths=widths)
        if "equal" in name and len(means) > 2 and seeds > 1:
            # It takes long: a fifth is enough.
            found["Dunnett"] = simulate(means, seeds, reports // 5, widths=widths, with_dunnett=True)["Dunnett"]
        false = [f"{found[rule][0]:.1%}" if rule in found else "-" for rule in ("now", "before", "Dunnett")]
        power = ["-" if np.isnan(found[rule][1]) else f"{found[rule][1]:.0%}" for rule in ("now", "before")]
        print(f"| {name} | {seeds} | {' | '.join((*false, *power))} |", flush=True)


if __name__ == "__main__":
    main()
