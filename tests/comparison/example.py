"""A comparison as it might have been found, made by hand: figures that belong together, and pictures that fit them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from cae.comparison.compare import find_answer
from cae.comparison.record import Comparison, Contender, Curve, Estimate, Exhibits, Pair, RateCurve, RunFigures, Terms

# Label, upsampling and mean PSNR, not in order.
DECODERS = (
    ("resize nearest", "resize", 24.1),
    ("max_unpool", "max_unpool", 27.4),
    ("conv_transpose 4x4", "conv_transpose", 24.0),
    ("fixed_unpool", "fixed_unpool", 22.9),
    ("subpixel", "subpixel", 24.4),
    ("resize bilinear", "resize", 23.8),
    ("conv_transpose 3x3", "conv_transpose", 23.3),
    ("bilinear_additive", "bilinear_additive", 23.7),
    ("resize bicubic", "resize", 23.9),
    ("resize lanczos3", "resize", 23.95),
    ("resize lanczos5", "resize", 23.6),
    ("max_unpool tied", "max_unpool", 26.6),
)
BLOCKS = ("best", "median", "worst")

# 97.5% quantiles of Student's t, by degrees of freedom.
_QUANTILES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}
_EPOCHS = tuple(range(1, 11))
_PIXELS = 784


def make_example(
    num_contenders: int = 4,
    num_seeds: int = 3,
    *,
    labels: tuple[str, ...] = (),
    metric: str = "psnr",
    image_shape: tuple[int, int, int] = (28, 28, 1),
    images_per_block: int = 2,
    has_ms_ssim: bool = True,
    has_switches: bool = True,
    title: str = "compare_decoders",
) -> tuple[Comparison, Exhibits]:
    """Make a comparison and its exhibits.

    Args:
        num_contenders: up to 12.
        num_seeds: up to 6; with 1 there are no intervals over seeds.
        labels: instead of the decoders' own, for as many of the best as are given.
        metric: by which contenders are sorted.
        image_shape: height, width and channels.
        images_per_block: pictures in each of best, median and worst.
        has_ms_ssim: whether images were large enough for it.
        has_switches: whether decoders with switches take part.
        title: the experiment's name.
    """
    rng = np.random.default_rng(7)
    decoders = [decoder for decoder in DECODERS if has_switches or decoder[1] != "max_unpool"]
    contenders = [_contender(rng, *decoder, num_seeds, has_ms_ssim) for decoder in decoders[:num_contenders]]
    larger = metric in ("psnr", "ssim", "ms_ssim")
    contenders.sort(key=lambda contender: contender.metrics[metric].mean, reverse=larger)
    contenders = [
        replace(contender, label=labels[place]) if place < len(labels) else contender
        for place, contender in enumerate(contenders)
    ]
    baselines = {
        "mean_image": {"mse": 0.0871, "mae": 0.2113, "psnr": 11.02, "ssim": 0.181, "values": 0.0},
        "pca": {"mse": 0.0042, "mae": 0.0391, "psnr": 24.83, "ssim": 0.871, "values": 196.0, "components": 196.0},
        "resize": {"mse": 0.0078, "mae": 0.0502, "psnr": 22.14, "ssim": 0.792, "values": 196.0},
    }
    floors = {name: figures[metric] for name, figures in baselines.items() if metric in figures}
    contenders = [replace(contender, floors=floors) for contender in contenders]
    pairs = tuple(make_pair(metric, a, b) for a, b in itertools.combinations(contenders, 2))
    comparison = Comparison(
        title=title,
        split="test",
        num_images=10000,
        image_shape=image_shape,
        metric=metric,
        contenders=tuple(contenders),
        pairs=pairs,
        baselines=baselines,
        terms=Terms(
            equal=("All saw the same training images in the same order.", "All were trained for 1,170 steps."),
            unequal=("The number of parameters goes from 20,353 to 23,529.",),
            warnings=("The number of parameters differs by 15.6%, more than 10%.",),
        ),
        made={
            "date": "2026-03-04 05:06:07 UTC",
            "python": "3.12.1",
            "tensorflow": "2.21.0",
            "cpu": "A processor @ 2.00GHz",
            "cores": "2",
        },
        answer=find_answer(contenders, pairs, metric),
        band=0.1 if metric == "psnr" else None,
        codecs={"JPEG": RateCurve((400.0, 900.0, 2500.0), (19.5, 23.25, 28.0), 2000)},
    )
    return comparison, _exhibits(rng, comparison, images_per_block)


def _estimate(values: np.ndarray) -> Estimate:
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Estimate(mean, None, None, (mean,))
    half = _QUANTILES[count - 1] * float(np.std(values, ddof=1)) / count**0.5
    return Estimate(mean, mean - half, mean + half, tuple(float(value) for value in values))


def _contender(
    rng: np.random.Generator, label: str, upsampling: str, level: float, num_seeds: int, has_ms_ssim: bool
) -> Contender:
    psnr = level + rng.normal(0.0, 0.08, num_seeds)
    mse = 10 ** (-psnr / 10)
    per_seed = {
        "loss": mse * 1.01,
        "mse": mse,
        "mae": mse**0.5 / 2,
        "psnr": psnr,
        "ssim": 1 - 8 * mse,
        "high_frequency_ratio": 0.3 + 0.02 * (psnr - 22),
    }
    if has_ms_ssim:
        per_seed["ms_ssim"] = 1 - 4 * mse
    switch_bits = 3136 if upsampling == "max_unpool" else 0
    ablations = {"latent_zeroed": mse * 30}
    words = ""
    if switch_bits:
        ablations |= {"switches_fixed": mse * 15, "switches_shuffled": mse * 25}
        words = (
            "Much came through the switches (up to 3,136 bits an image): with those of another image the MSE is"
            " 25.0 times as high."
        )
    artefacts = {
        "phase_amplitude_2": mse**0.5 / 20,
        "phase_amplitude_4": mse**0.5 / 15,
        "phase_amplitude_noise_2": mse**0.5 / 30,
        "prominence_db_2": rng.normal(3.0, 0.5, num_seeds),
        "prominence_db_4": rng.normal(1.0, 0.5, num_seeds),
    }
    return Contender(
        label=label,
        upsampling=upsampling,
        settings={"model.decoder.upsampling.kind": upsampling},
        runs=tuple(
            RunFigures(
                path=f"runs/compare_decoders/{label.replace(' ', '_')}-seed{seed}",
                name=f"{label.replace(' ', '_')}-seed{seed}",
                seed=seed,
                epochs=10,
                best_epoch=10 - seed % 2,
                metrics={name: float(values[seed]) for name, values in per_seed.items()},
            )
            for seed in range(num_seeds)
        ),
        parameters=20353 + 397 * int(10 * level % 9),
        macs_per_image=1_206_016 + 3136 * int(10 * level % 7),
        code={
            "values": 196,
            "bits_per_value": 32,
            "switch_bits": switch_bits,
            "ratio": 1.0,
            "ratio_with_switches": 1 + switch_bits / 6272,
        },
        metrics={name: _estimate(values) for name, values in per_seed.items()},
        artefacts={name: _estimate(values) for name, values in artefacts.items()},
        ablations={name: _estimate(values) for name, values in ablations.items()},
        ablations_in_words=words,
        curves={
            "val_psnr": _curve(psnr, lambda values, left: values - 6 * left),
            "val_loss": _curve(mse, lambda values, left: values * (1 + 3 * left)),
        },
        interquartile_mean=level,
        bits={name: _estimate(values) for name, values in _bits(psnr, switch_bits).items()},
        bits_in_words="Bits an image: about as many as were counted.",
        training_seconds=90.0 + level,
    )


def _bits(psnr: np.ndarray, switch_bits: int) -> dict[str, np.ndarray]:
    """As an evaluation counts them, with a code of 196 values."""
    code, lost = 1100.0 + psnr, 0.02 + psnr / 1e4
    bits = {"total": code, "code": code, "quantized": 0 * psnr + 1568, "psnr": psnr - lost, "psnr_loss": lost}
    if switch_bits:
        given_place = 0.6 * switch_bits + psnr
        bits |= {"switches_at_most": 0 * psnr + switch_bits, "switches_entropy": 0.7 * switch_bits + psnr}
        bits |= {"switches_entropy_given_place": given_place, "total": code + given_place}
    return bits


def _curve(final: np.ndarray, at: object) -> Curve:
    """A curve that comes nearer to the final values by a third each epoch."""
    estimates = [_estimate(at(final, (2 / 3) ** epoch)) for epoch in _EPOCHS]  # type: ignore[operator]
    is_alone = len(final) == 1
    return Curve(
        epochs=_EPOCHS,
        mean=tuple(estimate.mean for estimate in estimates),
        low=() if is_alone else tuple(estimate.low for estimate in estimates),
        high=() if is_alone else tuple(estimate.high for estimate in estimates),
    )


def make_pair(metric: str, first: Contender, second: Contender, **changes: object) -> Pair:
    """A pair whose seeds all agree, or which has one seed; changed as is asked for."""
    values = np.subtract(first.metrics[metric].values, second.metrics[metric].values)
    over_seeds = _estimate(values)
    half = abs(over_seeds.mean) * 0.1
    is_alone = over_seeds.low is None
    is_clear = not is_alone and over_seeds.low * over_seeds.high > 0
    pair = Pair(
        first=first.label,
        second=second.label,
        mean=over_seeds.mean,
        low=over_seeds.low,
        high=over_seeds.high,
        images_low=over_seeds.mean - half,
        images_high=over_seeds.mean + half,
        seeds_low=over_seeds.low,
        seeds_high=over_seeds.high,
        p=None if is_alone else 0.004 if is_clear else 0.2,
        p_adjusted=None if is_alone else 0.012 if is_clear else 0.6,
        equivalent=False,
        verdict="better" if is_clear else "undecided",
        probability=0.75,
        seeds_needed=None if is_alone or is_clear else 4,
    )
    return replace(pair, **changes)


def _exhibits(rng: np.random.Generator, comparison: Comparison, count: int) -> Exhibits:
    height, width, channels = comparison.image_shape
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    contenders = comparison.contenders
    images, reconstructions, psnr = {}, {}, {}
    for place, block in enumerate(BLOCKS):
        turns = np.arange(1, count + 1)[:, None, None] + 2 * place
        pictures = 0.5 + 0.4 * np.sin(turns * 3 * x) * np.cos(turns * 2 * y)
        images[block] = np.repeat(pictures[..., None], channels, axis=-1).astype(np.float32)
        reconstructions[block], psnr[block] = {}, {}
        for contender in contenders:
            noise = rng.normal(0.0, contender.metrics["mse"].mean ** 0.5 * (0.6 + 0.4 * place), images[block].shape)
            decoded = np.clip(images[block] + noise, 0, 1).astype(np.float32)
            reconstructions[block][contender.label] = decoded
            mse = np.square(decoded - images[block], dtype=np.float64).mean(axis=(1, 2, 3))
            psnr[block][contender.label] = -10 * np.log10(mse)
    rows, columns = np.indices((height, width))
    middle = np.hypot(rows - height // 2, columns - width // 2)
    return Exhibits(
        blocks={block: tuple(f"{block}_{i}.png" for i in range(count)) for block in BLOCKS},
        images=images,
        reconstructions=reconstructions,
        psnr=psnr,
        spectra={
            contender.label: -25 - 0.8 * middle + 6 * (rows == 0) + place + rng.normal(0, 0.5, (height, width))
            for place, contender in enumerate(contenders)
        },
    )
