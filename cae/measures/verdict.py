"""Whether a model is above what its code reaches without training, and what to try when it is not."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.config import check_config
from cae.data.batch_shares import steps_per_epoch
from cae.errors import ConfigError, RunWarning
from cae.kinds.convolutions import flat
from cae.kinds.normalization import BatchNormalizing
from cae.measures.linear_codes import choose_block, fit_block_klt

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.config.training import TrainingSection
    from cae.plan import Plan

# Adam's first hundreds of steps go into leaving the initial weights behind, whatever the images are.
FEW_STEPS = 300
# What is left of the first moving mean and variance by then; more makes validation another network than training.
MOST_OF_FIRST_STATISTICS = 0.01

TITLES = {
    "block_klt": "block KLT",
    "block_klt_least_squares": "block KLT with a least-squares decoder",
    "zonal_dct": "zonal DCT",
    "mean_image": "the mean image",
    "pca": "PCA",
    "resize": "resizing",
}


def make_verdict(
    psnr: float, others: Mapping[str, Mapping[str, Any]], plan: Plan, config: RunConfig, num_images: int | None = None
) -> dict[str, Any]:
    """Say which floors and baselines a model is above and below, by how much, and if below what to try.

    Args:
        psnr: mean over images, of the model's reconstructions of clean images, in dB.
        others: floors and baselines of the same code, by the names in `TITLES`, with `psnr` and notes.
        plan: of the model.
        config: of the run.
        num_images: for training; None where nobody knows.

    Returns:
        `psnr`; `above` and `below`, names to differences in dB, all of them positive or zero, the smallest first;
        `exact`, names of what holds every image exactly, since the code has as many values; `try`, `KEY=VALUE` words,
        for the command line and for `overrides`, none where nothing is above the model; and `text`.
    """
    exact = [name for name, other in others.items() if _is_exact(other)]
    margins = {name: psnr - other["psnr"] for name, other in others.items() if name not in exact}
    above = {name: margin for name, margin in sorted(margins.items(), key=lambda one: one[1]) if margin >= 0}
    below = {name: -margin for name, margin in sorted(margins.items(), key=lambda one: -one[1]) if margin < 0}
    to_try = _smaller_code(plan, config) if exact else remedies(config, plan, num_images) if below else []
    sentences = [_in_words(f"the mean PSNR, {psnr:.2f} dB, is", above, below)]
    if exact:
        sentences.append(
            f"A code of {plan.code.values:,} values holds an image of {math.prod(plan.image_shape):,} exactly, without"
            " a network: only a smaller code shows what a model is worth."
        )
    if to_try:
        sentences.append(f"Try {' '.join(to_try)}")
    return {
        "psnr": psnr,
        "above": above,
        "below": below,
        "exact": exact,
        "try": to_try,
        "text": f"Verdict: {' '.join(sentences)}",
    }


def _is_exact(other: Mapping[str, Any]) -> bool:
    return str(other.get("note", "")).startswith("exact")


def _in_words(subject: str, above: Mapping[str, float], below: Mapping[str, float]) -> str:
    """A sentence, such as "it is above PCA by 0.50 dB; below block KLT by 1.00 dB."."""
    parts = [
        f"{word} {', '.join(f'{TITLES[name]} by {margin:.2f} dB' for name, margin in found.items())}"
        for word, found in (("below", below), ("above", above))
        if found
    ]
    return f"{subject} {'; '.join(parts)}."


def below_floor(
    psnr: float,
    floors: Mapping[str, Mapping[str, Any]],
    config: RunConfig,
    plan: Plan | None = None,
    num_images: int | None = None,
) -> list[RunWarning]:
    """Say whether a model reconstructs worse than transforms of blocks that need no training.

    Args:
        psnr: mean over images, of the model's reconstructions of clean images, in dB.
        floors: as for `make_verdict`, without baselines.
        config: of the run.
        plan: of the model, as `remedies` needs it.
        num_images: likewise.
    """
    missing = {name: floor["psnr"] - psnr for name, floor in floors.items() if not _is_exact(floor)}
    missing = {name: gap for name, gap in missing.items() if gap > 0}
    if not missing:
        return []
    message = _in_words(f"the mean PSNR, {psnr:.2f} dB, is", {}, missing).removesuffix(".")
    reached = "which a code of the same shape reaches without training"
    return [RunWarning("below_floor", f"{message}, {reached}. Try {' '.join(remedies(config, plan, num_images))}")]


def below_block_klt(
    images: np.ndarray,
    reconstructions: np.ndarray,
    training: np.ndarray,
    plan: Plan,
    config: RunConfig,
    num_images: int | None = None,
) -> list[RunWarning]:
    """Compare reconstructions with a block KLT of the code's shape, unless the inputs of the model were corrupted.

    Args:
        images: (batch, height, width, channels).
        reconstructions: of them by the model.
        training: images that the block KLT is fitted on.
        plan: of the model.
        config: of the run.
        num_images: for training, of which `training` may be a part.
    """
    block, channels = choose_block(plan.image_shape, plan.latent_shape)
    if config.objective.corruption.kind != "none" or channels >= math.prod(block) * plan.image_shape[2]:
        return []
    floor = fit_block_klt([training], block, channels).reconstruct(images)
    floors = {"block_klt": {"psnr": _mean_psnr(images, floor)}}
    return below_floor(_mean_psnr(images, reconstructions), floors, config, plan, num_images)


def _mean_psnr(images: np.ndarray, reconstructions: np.ndarray) -> float:
    from cae.measures.per_image import mse_per_image, psnr_from_mse

    return float(np.mean(psnr_from_mse(mse_per_image(images, np.clip(reconstructions, 0.0, 1.0)))))


def longer(section: TrainingSection, plan: Plan | None = None, num_images: int | None = None) -> int | None:
    """How many epochs to try next, or steps where these are stated; None of a number that is left open.

    Three times as many, and enough to leave the first weights and the first statistics of batch normalisation behind.

    >>> from cae.config import RunConfig
    >>> longer(RunConfig.model_validate({"training": {"epochs": 10}}).training)
    30

    Args:
        section: the `training` section.
        plan: of the model; without it, or
        num_images: for training, nothing is known of what is enough.
    """
    number = section.epochs if section.steps is None else section.steps
    if not isinstance(number, int):
        return None
    if plan is None or num_images is None or section.batch_size == "auto":
        return 3 * number
    per_epoch = steps_per_epoch(num_images, section.batch_size) if section.steps is None else 1
    return max(3 * number, -(-max(FEW_STEPS, steps_of_statistics(plan)) // per_epoch))


def steps_of_statistics(plan: Plan) -> int:
    """Steps after which moving mean and variance have left behind what they started from."""
    momentum = largest_momentum(plan)
    return math.ceil(math.log(MOST_OF_FIRST_STATISTICS) / math.log(momentum)) if 0.0 < momentum < 1.0 else 0


def largest_momentum(plan: Plan) -> float:
    """Of all batch normalisations: what a step keeps of their moving mean and variance; 0 without any."""
    return max((one.momentum for one in flat(plan.operations) if isinstance(one, BatchNormalizing)), default=0.0)


def remedies(config: RunConfig, plan: Plan | None = None, num_images: int | None = None) -> list[str]:
    """What to try when a model is below its floor: `KEY=VALUE` words, which fit together; for the last see `longer`.

    Those that the configuration has already, or cannot have, are left out.

    >>> from cae.config import RunConfig
    >>> remedies(RunConfig.model_validate({"training": {"epochs": 10}}))[1:3]
    ['model.linear_path=block', 'model.init=klt']
    """
    model = config.model
    rows: list[Sequence[Sequence[str]]] = []  # what has brought models above their floor, the most effective first
    if not model.linear_path.bottlenecks:
        linear = "model.decoder.output_activation=linear"
        rows.append(
            [
                (linear, "model.linear_path=block", "model.init=klt"),
                (linear, "model.linear_path=global", "model.init=pca"),
            ]
        )
    if model.encoder.downsampling.kind in ("max_pool", "average_pool"):
        rows.append([("model.encoder.downsampling=strided_conv",)])
    if model.encoder.activation == "relu":
        rows.append([("model.encoder.activation=gelu",)])
    length = "epochs" if config.training.steps is None else "steps"
    if number := longer(config.training, plan, num_images):
        rows.append([(f"training.{length}={number}",)])
    return _fitting(config, rows)


def _smaller_code(plan: Plan, config: RunConfig) -> list[str]:
    """A code of an eighth of the image's values, of the same kind."""
    values = math.prod(plan.image_shape) // 8
    if config.model.bottleneck.kind == "dense":
        return [f"model.bottleneck.units={max(1, values)}"]
    channels = max(1, values // math.prod(plan.latent_shape[:2]))
    return _fitting(config, [(("model.bottleneck.kind=spatial", f"model.bottleneck.channels={channels}"),)])


def _fitting(config: RunConfig, rows: Sequence[Sequence[Sequence[str]]]) -> list[str]:
    """Overrides on top of each other: of each row the first that are allowed, without those that change nothing."""
    values = config.model_dump(mode="json", exclude={"grid"})
    chosen = [word for row in rows for word in row[0]]
    try:  # mostly all of them fit
        changed = check_config(values, chosen)
    except ConfigError:
        chosen = []
        for row in rows:
            for words in row:
                with contextlib.suppress(ConfigError):
                    check_config(values, [*chosen, *words])
                    chosen += words
                    break
        changed = check_config(values, chosen)
    after = changed.model_dump(mode="json")
    keys = [word.partition("=")[0].split(".") for word in chosen]
    return [word for word, key in zip(chosen, keys, strict=True) if _value_at(values, key) != _value_at(after, key)]


def _value_at(values: Any, key: Sequence[str]) -> Any:
    """The value of a dotted key; None where a choice does not have it."""
    return functools.reduce(lambda section, part: (section or {}).get(part), key, values)
