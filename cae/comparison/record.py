"""What a comparison found: the one record that its JSON, Markdown, page, figures and TensorBoard events are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A figure over seeds.

    Args:
        mean: mean over the runs, one for each seed.
        low: lower end of the 95% confidence interval of that mean; None with a single run.
        high: its upper end.
        values: each run's figure, in the order of the contender's runs.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """A figure over epochs, as far as all runs of a contender went; `low` and `high` are empty with a single run."""

    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


Verdict = Literal["better", "equivalent", "undecided"]
"""What is known of a pair: the first is better, the two differ by less than matters, or it takes more seeds."""


@dataclass(frozen=True)
class Pair:
    """How much better one contender is than another in the chosen metric, on the same images.

    Args:
        first: label of one contender.
        second: label of the other.
        mean: mean over seeds and images of the first one's figure minus the second's, or of what `Metric.compared`
            makes of them; over the seeds that both have, or over each one's own where they have less than two in
            common and there are more.
        low: lower end of the 95% confidence interval of `mean` over all seeds and images there could be, for all pairs
            together; None where one of the two has a single seed, or where there is one image.
        high: its upper end.
        images_low: lower end of the 95% bootstrap interval over images, for the very models that were trained.
        images_high: its upper end.
        seeds_low: lower end of the 95% confidence interval over all seeds there could be, on these images and for this
            pair alone: Student's of the differences of common seeds, Welch's where both have two seeds or more but less
            than two in common; None where one of them has a single seed.
        seeds_high: its upper end.
        p: of no difference, over seeds and images; None where one of the two has a single seed, or where there is one
            image.
        p_adjusted: the same for all pairs together, by Holm's method.
        equivalent: whether the difference is smaller than the band in which differences do not matter.
        verdict: `equivalent`, or else `better` where `p_adjusted` is below 0.05, or else `undecided`.
        probability: that a run of the first one is better than one of the second on an image, ties by half.
        seeds_needed: further seeds by which an undecided pair is likely to be decided; None where that is not known or
            they are too many.
    """

    first: str
    second: str
    mean: float
    low: float | None
    high: float | None
    images_low: float
    images_high: float
    seeds_low: float | None
    seeds_high: float | None
    p: float | None
    p_adjusted: float | None
    equivalent: bool
    verdict: Verdict
    probability: float
    seeds_needed: int | None


@dataclass(frozen=True)
class RunFigures:
    """One run's place and figures.

    Args:
        path: run directory, as it was given.
        name: its last part.
        seed: its seed.
        epochs: how many it was trained.
        best_epoch: whose weights were measured.
        metrics: means over the images.
    """

    path: str
    name: str
    seed: int
    epochs: int
    best_epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Contender:
    """What is compared: runs whose configurations differ in nothing but their seeds.

    Args:
        label: short and unique, such as `resize nearest`.
        upsampling: kind, or kinds.
        settings: dotted keys in which contenders differ, to this one's values.
        runs: one for each seed.
        parameters: weights of the model.
        macs_per_image: multiply-accumulates.
        computed_macs: as they are computed, with folded forms; 0 where that is not known.
        code: as in results.json: values, bits_per_value, switch_bits, ratio, ratio_with_switches.
        metrics: loss, mse, mae, psnr, ssim, high_frequency_ratio and, of images large enough, ms_ssim.
        artefacts: flat names such as `prominence_db_2` and `phase_amplitude_4`.
        ablations: `latent_zeroed`, and with switches `switches_fixed` and `switches_shuffled`, to the MSE.
        ablations_in_words: how much came through the switches, in a sentence with figures; empty without switches.
        curves: `val_psnr`, `val_loss` and others of metrics.jsonl, over epochs.
        interquartile_mean: of the chosen metric over all seeds and images, or of what `Metric.compared` makes of it.
        training_seconds: mean over its runs; None where one did not write it down.
        bits: of an image, as measured: `total`, `code` (entropy of values of 8 bits each) and `quantized` (without
            entropy coding), with switches `switches_at_most`, `switches_entropy` and `switches_entropy_given_place`;
            and `psnr` and `psnr_loss` of the code at 8 bits a value, in dB.
        bits_in_words: the same in sentences, with a control that has as many bits without switches.
        warnings: codes of its runs' warnings, such as `not_converged`.
        floors: baselines and floors of its code's size, to what they reach in the chosen metric.
    """

    label: str
    upsampling: str
    settings: Mapping[str, Any]
    runs: tuple[RunFigures, ...]
    parameters: int
    macs_per_image: int
    code: Mapping[str, float]
    metrics: Mapping[str, Estimate]
    artefacts: Mapping[str, Estimate]
    ablations: Mapping[str, Estimate]
    ablations_in_words: str
    curves: Mapping[str, Curve]
    interquartile_mean: float
    training_seconds: float | None = None
    bits: Mapping[str, Estimate] = field(default_factory=dict)
    bits_in_words: str = ""
    warnings: tuple[str, ...] = ()
    floors: Mapping[str, float] = field(default_factory=dict)
    computed_macs: int = 0

    @property
    def code_bits(self) -> int:
        """Bits of the code and of the switches beside it, for one image."""
        return int(self.code["values"] * self.code["bits_per_value"] + self.code["switch_bits"])


@dataclass(frozen=True)
class Budget:
    """What a decoder reached with one length of training.

    Args:
        label: of the contender.
        unit: of the length, `epochs` or `steps`.
        length: that was asked for.
        seconds: of training, mean over its runs; None where one did not write it down.
        value: in the chosen metric, over its runs.
        runs: one for each seed.
    """

    label: str
    unit: Literal["epochs", "steps"]
    length: int
    seconds: float | None
    value: Estimate
    runs: tuple[RunFigures, ...]


@dataclass(frozen=True)
class Tried:
    """One combination of values that was tried in tuning.

    Args:
        round: from 1; only halving has more than one.
        values: of the keys.
        epochs: of each trial; None for as many as the runs have.
        mean: validation PSNR in dB of the best epochs, over seeds; None where a trial's loss became infinite.
        is_own: whether these are the configuration's own values.
    """

    round: int
    values: Mapping[str, Any]
    epochs: int | None
    mean: float | None
    is_own: bool


@dataclass(frozen=True)
class Tuning:
    """What was tried for a decoder on validation images, and chosen.

    Args:
        label: of the contender.
        search: `grid`, `random`, `halving` or `tpe`.
        seeds: of the trials.
        trainings: number of trials.
        epochs: of all of them together; None where each had as many as the runs.
        tried: in their order.
        chosen: the values of the best.
    """

    label: str
    search: str
    seeds: tuple[int, ...]
    trainings: int
    epochs: int | None
    tried: tuple[Tried, ...]
    chosen: Mapping[str, Any]

    @property
    def first_round(self) -> tuple[Tried, ...]:
        """What was tried with the same budget."""
        return tuple(one for one in self.tried if one.round == 1)


@dataclass(frozen=True)
class Widths:
    """Widths of a decoder's stages from the code outwards: before models were made alike, and since.

    Args:
        label: of the contender.
        own: before.
        filters: since.
        matched: what the model has and what was wanted, in words; empty where that was not written down.
        off: the one over the other, less 1.
    """

    label: str
    own: tuple[int, ...]
    filters: tuple[int, ...]
    matched: str = ""
    off: float = 0.0


@dataclass(frozen=True)
class Terms:
    """What was equal between the contenders, and what was not; each a whole sentence.

    Args:
        equal: what was checked and found equal.
        unequal: what was found different.
        warnings: differences that a fair comparison should not have, such as counts of parameters further apart
            than 10%.
    """

    equal: tuple[str, ...]
    unequal: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Floor:
    """The strongest simple code of a decoder's code size.

    Args:
        name: of the baseline or floor.
        value: what it reaches in the chosen metric.
        margin: how much better the decoder is than that; below zero where it is worse.
    """

    name: str
    value: float
    margin: float


@dataclass(frozen=True)
class Answer:
    """Which decoder to use, and how sure that is.

    Args:
        use: label of the best contender.
        confidence: `better` where it is better than every other, `equivalent` where it is better than or equivalent to
            every other, and `undecided` where it takes more seeds to say.
        runner_up: label of the second; None where nothing else was compared.
        difference: how much larger the best one's figure is than the second's: lower end of the interval over seeds and
            images, mean, upper end; ends are None where they are in the pair.
        floors: labels of the best contender and of each without switches, to the strongest simple code of their size.
    """

    use: str
    confidence: Verdict
    runner_up: str | None
    difference: tuple[float | None, float, float | None] | None
    floors: Mapping[str, Floor]


@dataclass(frozen=True)
class RateCurve:
    """A usual codec on the same images.

    Args:
        bits: of an image at each quality, mean over images, the fewest first.
        psnr: mean over images, in dB.
        num_images: that this was measured on.
    """

    bits: tuple[float, ...]
    psnr: tuple[float, ...]
    num_images: int


@dataclass(frozen=True)
class Comparison:
    """Everything that was found.

    Args:
        title: the experiment's name.
        split: `test`, `validation` or `train`.
        num_images: that were measured.
        image_shape: (height, width, channels).
        metric: the chosen one, by which `contenders` are sorted, the best one first.
        contenders: at least one.
        pairs: every pair of contenders once, the better one first, in the metric.
        baselines: `mean_image`, `pca` and others to their means over images; those of the best contender's code size.
        terms: equal or not.
        made: date and time, versions and hardware that this was measured with; what runs were trained with is in
            `terms`.
        answer: which decoder to use.
        band: differences in the metric that are smaller do not matter; None where no band is known.
        corruption: what was done to the decoders' inputs, but not to those of baselines; empty where nothing was.
        codecs: `JPEG`, `WebP` and `PCA`, as `cae.evaluation.rate_curves` measures them.
        budgets: what decoders reached with each length of training, where there are several; contenders have the
            largest that all have.
        tuning: what was tried for contenders before.
        widths: of contenders, where some were changed to make models alike.
        share: how much of the machine each run had, as `RunRecord.share` says it; empty where runs differ in that. The
            report then leaves times out.
    """

    title: str
    split: str
    num_images: int
    image_shape: tuple[int, int, int]
    metric: str
    contenders: tuple[Contender, ...]
    pairs: tuple[Pair, ...]
    baselines: Mapping[str, Mapping[str, float]]
    terms: Terms
    made: Mapping[str, str]
    answer: Answer
    band: float | None = None
    corruption: str = ""
    codecs: Mapping[str, RateCurve] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    tuning: tuple[Tuning, ...] = ()
    widths: tuple[Widths, ...] = ()
    share: str = ""

    @property
    def beside_others(self) -> str:
        """What to say behind a time of training: nothing where each run had the machine for itself."""
        return f", trained {self.share}" if "side by side" in self.share else ""

    def as_dict(self) -> dict[str, Any]:
        """The form of comparison.json."""
        return asdict(self)

    @property
    def labelled_runs(self) -> list[tuple[str, RunFigures]]:
        """All runs with the labels of their contenders, those of other budgets last."""
        found = {
            run.path: (one.label, run) for part in (self.contenders, self.budgets) for one in part for run in one.runs
        }
        return list(found.values())

    def beside_the_best(self, verdict: Verdict) -> list[str]:
        """Labels of the contenders for which the best one's verdict is that."""
        return [pair.second for pair in self.pairs if pair.first == self.answer.use and pair.verdict == verdict]


@dataclass(frozen=True)
class Exhibits:
    """Pictures of a comparison: the same images under every contender, each one's run of its first seed.

    Args:
        blocks: `best`, `median` and `worst`, by the mean PSNR over all contenders, to names of the images.
        images: block to pixels in [0, 1], (images, height, width, channels).
        reconstructions: block, then label to the same shape, in the order of the contenders.
        psnr: block, then label to the PSNR in dB of each, (images,).
        spectra: label to the residuals' mean power spectrum in dB, (height, width), frequency zero in the middle.
    """

    blocks: Mapping[str, tuple[str, ...]]
    images: Mapping[str, np.ndarray]
    reconstructions: Mapping[str, Mapping[str, np.ndarray]]
    psnr: Mapping[str, Mapping[str, np.ndarray]]
    spectra: Mapping[str, np.ndarray]
