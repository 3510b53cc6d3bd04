"""Train a small network with each part of the zoo's recipe alone, and with several together.

    python -m docs.zoo.ablation [KEY=VALUE...]      # data.source=image_folder data.path=FOLDER and the like

Trained are the arms that docs/zoo/ablation.json lacks; `python -m docs.zoo` makes the table of it.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE / "ablation.json"
SEEDS = (0, 1, 2)

PARTS = {
    "stem": ["model.encoder.stem=2", "model.encoder.filters=[48,96]"],
    "residual blocks": ["model.encoder.residual_blocks=1", "model.encoder.residual_style=inner_activation"],
    "shortcuts": ["model.encoder.shortcut=space_to_channel", "model.decoder.shortcut=duplicate"],
    "linear path, random": ["model.linear_path.kind=block"],
    "linear path, KLT": ["model.linear_path={kind: block, trainable: false}", "model.init=klt"],
    "average of weights": ["training.ema={momentum: 0.99}"],
    "falling rate": ["training.schedule={kind: cosine, warmup_epochs: 0.25}"],
}
_TRAINING = ["average of weights", "falling rate"]
RANDOM = ["stem", "residual blocks", "shortcuts", *_TRAINING]
KLT = ["stem", "residual blocks", "linear path, KLT", *_TRAINING]
# What is trained for longer, to see when it is where the start from the KLT is after one epoch.
LONG, LONG_EPOCHS = "all that starts at random, for longer", 10
ARMS = {
    "nothing": [],
    **{part: [part] for part in PARTS},
    "shortcuts, average, falling rate": ["shortcuts", *_TRAINING],
    "all that starts at random": RANDOM,
    "all, with a random linear path": ["stem", "residual blocks", "linear path, random", *_TRAINING],
    "all, with the KLT": KLT,
    LONG: RANDOM,
}


def train(seed: int, parts: Sequence[str], words: Sequence[str], epochs: int | None) -> list[float]:
    """PSNR on the validation part after each epoch, of averaged weights where there are any."""
    import cae

    overrides = [word for part in parts for word in PARTS[part]] + [f"seed={seed}", *words]
    overrides += [f"training.epochs={epochs}"] if epochs else []
    with tempfile.TemporaryDirectory() as folder:
        history = cae.train(HERE / "ablation.yaml", overrides=overrides, runs_dir=folder).history
    return [float(value) for value in history.get("val_ema_psnr", history["val_psnr"])]


def table(record: Mapping[str, Any]) -> str:
    """The arms in Markdown, with the mean of their seeds and how far these lie apart."""
    lines = ["| with | PSNR after 1 epoch | after 2 epochs | lowest to highest seed |", "|---|---:|---:|---:|"]
    for arm in (arm for arm in ARMS if arm in record and arm != LONG):
        first, last = ([values[place] for values in record[arm].values()] for place in (0, -1))
        spread = f"{min(last):.2f} to {max(last):.2f}"
        lines.append(f"| {arm} | {statistics.mean(first):.2f} | **{statistics.mean(last):.2f}** | {spread} |")
    return "\n".join(lines)


def epochs_in_words(record: Mapping[str, Any]) -> str:
    """How many epochs a random start takes to be where the KLT's is after one."""
    told = []
    for seed, values in record[LONG].items():
        target = record["all, with the KLT"][seed][0]
        reached = [epoch for epoch, value in enumerate(values, start=1) if value >= target]
        told.append(
            f"{target:.2f} dB after {reached[0]} epochs"
            if reached
            else f"not {target:.2f} dB but {max(values):.2f} dB after {len(values)} epochs"
        )
    return (
        "What the KLT's start has after one epoch, and when a random start is there, with shortcuts, stem,"
        f" residual blocks, the average of weights and a rate that falls over"
        f" {LONG_EPOCHS} epochs (3 seeds): {'; '.join(told)}."
    )


def main(words: Sequence[str]) -> None:
    """Train what is missing, and keep what was found after each training."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    for seed in SEEDS:
        for arm, parts in ARMS.items():
            if str(seed) not in record.get(arm, {}):
                epochs = LONG_EPOCHS if arm == LONG else None
                record.setdefault(arm, {})[str(seed)] = train(seed, parts, words, epochs)
                RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
