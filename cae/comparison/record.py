"""What a comparison found: the one record that its JSON, Markdown, page, figures and TensorBoard events are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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


@dataclass(frozen=True)
class Difference:
    """How much better one contender is than another in the chosen metric, on the same images.

    Args:
        first: label of one contender.
        second: label of the other.
        mean: mean over seeds and images of the first one's figure minus the second's, or of what `Metric.compared`
            makes of them; over the seeds that both have, or over each one's own where they have less than two in
            common and there are more.
        images_low: lower end of the 95% bootstrap interval over images, for the very models that were trained.
        images_high: its upper end.
        seeds_low: lower end of the 95% confidence interval of `mean` over all seeds there could be: Student's of the
            differences of common seeds, Welch's where both have two seeds or more but less than two in common; None
            where one of them has a single seed. The difference of the next two models may lie outside.
        seeds_high: its upper end.
        is_distinguishable: whether zero is outside of every interval that there is.
    """

    first: str
    second: str
    mean: float
    images_low: float
    images_high: float
    seeds_low: float | None
    seeds_high: float | None
    is_distinguishable: bool


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
        code: as in results.json: values, bits_per_value, switch_bits, ratio, ratio_with_switches.
        metrics: loss, mse, mae, psnr, ssim, high_frequency_ratio and, of images large enough, ms_ssim.
        artefacts: flat names such as `prominence_db_2` and `phase_amplitude_4`.
        ablations: `latent_zeroed`, and with switches `switches_fixed` and `switches_shuffled`, to the MSE.
        ablations_in_words: how much came through the switches, in a sentence with figures; empty without switches.
        curves: `val_psnr`, `val_loss` and others of metrics.jsonl, over epochs.
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

    @property
    def code_bits(self) -> int:
        """Bits of the code and of the switches beside it, for one image."""
        return int(self.code["values"] * self.code["bits_per_value"] + self.code["switch_bits"])


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
class Comparison:
    """Everything that was found.

    Args:
        title: the experiment's name.
        split: `test`, `validation` or `train`.
        num_images: that were measured.
        image_shape: (height, width, channels).
        metric: the chosen one, by which `contenders` are sorted, the best one first.
        contenders: at least one.
        differences: every pair of contenders once, the better one first, in the metric.
        baselines: `mean_image`, `pca` and others to their means over images; those of the best contender's code size.
        terms: equal or not.
        made: date and time, versions and hardware that this was measured with; what runs were trained with is in
            `terms`.
        corruption: what was done to the decoders' inputs, but not to those of baselines; empty where nothing was.
    """

    title: str
    split: str
    num_images: int
    image_shape: tuple[int, int, int]
    metric: str
    contenders: tuple[Contender, ...]
    differences: tuple[Difference, ...]
    baselines: Mapping[str, Mapping[str, float]]
    terms: Terms
    made: Mapping[str, str]
    corruption: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The form of comparison.json."""
        return asdict(self)

    def like_the_best(self) -> list[str]:
        """Labels of the contenders that cannot be told from the best one in the metric."""
        best = self.contenders[0].label
        return [
            other
            for difference in self.differences
            if best in (difference.first, difference.second) and not difference.is_distinguishable
            for other in (difference.first, difference.second)
            if other != best
        ]


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
