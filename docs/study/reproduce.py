"""Reproduce the study of decoders: train, compare, and write what was found into this folder.

    python docs/study/reproduce.py --cifar10 FOLDER

FOLDER has `train/` and `test/` with the photographs of CIFAR-10, a folder for each class. Fashion-MNIST is found on the
machine or downloaded, as for every training. Interrupted, the same command goes on; finished runs are not repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))  # the program need not be installed

from cae.atomic_files import replacing, write_json, write_text  # noqa: E402

# The parts with their titles, and the files of each one's comparison that are kept.
PARTS = {"fashion_mnist": "The complete Fashion-MNIST", "cifar10": "Photographs of CIFAR-10"}
KEPT = ("comparison.json", "comparison.md", "comparison.html", "comparison.png")


def main() -> int:
    """Train and compare both parts, then write the summary."""
    options = _parse()
    for part in PARTS:
        overrides = [f"--set={override}" for override in options.overrides]
        if part == "cifar10":
            if options.cifar10 is None:
                print("without --cifar10 only Fashion-MNIST is studied", file=sys.stderr)
                continue
            overrides.append(f"--set=data.path={options.cifar10.resolve()}")
        _study(part, options.runs_dir, options.out, overrides)
    studied = [part for part in PARTS if (options.out / part / "comparison.json").exists()]
    text = "\n\n".join([_HEAD, *(_summary(part, options.out / part) for part in studied)])
    write_text(options.out / "README.md", text + "\n")
    print(options.out / "README.md")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, help="folder of the photographs")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    parser.add_argument("--out", type=Path, default=HERE, help="where findings are written; default: this folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="as for train.py, in both parts",
    )
    return parser.parse_args()


def _study(part: str, runs_dir: Path, out: Path, overrides: Sequence[str]) -> None:
    experiment = f"study_{part}"
    config = HERE / f"{experiment}.yaml"
    _run("train.py", str(config), "--runs-dir", str(runs_dir), *overrides)
    _run("evaluate.py", str(runs_dir / experiment))
    kept = out / part
    kept.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        with replacing(kept / name) as temporary:
            shutil.copyfile(runs_dir / experiment / "comparison" / name, temporary)
    write_json(kept / "seconds.json", _training_seconds(kept))


def _training_seconds(folder: Path) -> dict[str, float]:
    """How long each compared run was trained, wall time."""
    contenders = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["contenders"]
    runs = [Path(run["path"]) for contender in contenders for run in contender["runs"]]
    return {run.name: json.loads((run / "summary.json").read_text(encoding="utf-8"))["wall_seconds"] for run in runs}


def _run(script: str, *arguments: str) -> None:
    """Run one of the program's commands; its own messages tell of a failure."""
    code = subprocess.run([sys.executable, str(ROOT / script), *arguments], check=False).returncode
    if code:
        raise SystemExit(code)


_HEAD = """# Which decoder upsampling? A study

Every upsampling kind, resizing by four interpolations, several seeds each; decoders of equal numbers of parameters, the
same encoder, code, batches and steps for all; measured on test images that no training saw. Made by
`python docs/study/reproduce.py --cifar10 FOLDER`;
the configurations are [`study_fashion_mnist.yaml`](study_fashion_mnist.yaml) and
[`study_cifar10.yaml`](study_cifar10.yaml).

| setting | Fashion-MNIST | photographs |
|---|---|---|
| images: training, validation, test | 54,000, 6,000, 10,000 | 9,000, 1,000, 2,000 |
| encoder; code | 16 and 32 filters, max pooling; 7x7x4 | 16 and 32 filters, max pooling; 8x8x8 |
| decoder | widths matched to equal numbers of parameters | the same |
| training | 2 epochs, batches of 128 | 8 epochs, batches of 64 |
| optimizer | Adam, 5e-3, cosine, warm-up of 0.2 epochs | Adam, 5e-3, cosine, warm-up of 1 epoch |
| seeds | 5 | 3 |

**What this study cannot say**

- The models are small and hardly trained: PCA with as many values beats every decoder without switches on both data
  sets, and on the photographs plain resizing does, too. A ranking of models that
  lose to these may change with more training.
- One learning rate serves all decoders. It may suit some better than others; none was tuned.
- Matching by parameters narrowed `subpixel` to 6 and 2 feature maps on the photographs, fewer than the three colours it
  draws from them. Its last place there is made by the matching.
- The tables call pairs different without a correction for their number, 45. After Holm's correction (paired t-tests
  over seeds), 10 of 20 pairs below 0.05 are left on Fashion-MNIST: `max_unpool` and each other one (p from 0.001 to
  0.017), `resize nearest` and `lanczos3` (0.027). On the photographs 2 of 24 are left: `max_unpool` and
  `conv_transpose 3` (0.041), `resize nearest` and `bilinear` (0.047). Of `max_unpool` and `resize nearest`, the first
  two there, p is 0.130: with three seeds the lead of 2.58 dB is not significant.
- Switch bits are capacity. Their entropy, which is what they can really carry, was not measured here. Decoding with the
  switches of another image shows how much a decoder relies on its switches; it was never trained for that.
- The photographs are JPEG copies (4:2:0, quality of about 75): no decibel compares with the published CIFAR-10, and
  codes aligned to blocks of 8x8 pixels are flattered.
- Checkerboard prominence on the photographs does not favour kernels that are multiples of the stride: 4x4 transposed
  convolution has 1.73 dB (0.07 to 3.39), 3x3 has 1.41 (0.82 to 2.01)."""


def _summary(part: str, folder: Path) -> str:
    """The comparison's answer and ranking, and where the rest is."""
    report = (folder / "comparison.md").read_text(encoding="utf-8")
    made = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["made"]
    minutes = sum(json.loads((folder / "seconds.json").read_text(encoding="utf-8")).values()) / 60
    _, setting, rest = report.split("\n\n", 2)
    answer = rest.split("\n## ", 1)[0]
    ranking = rest.split("## Decoders", 1)[1].split("\n## ", 1)[0].strip()
    switches = report.split("## What came through the switches", 1)[1].split("\n\n**", 1)[0].strip()
    return "\n\n".join(
        [
            f"## {PARTS[part]}",
            setting,
            answer.strip(),
            ranking,
            f"![Best, median and worst test images under every decoder, with error maps]({part}/comparison.png)",
            switches,
            f"[The whole report]({part}/comparison.md) · [as a page to download]({part}/comparison.html) ·"
            f" [figures]({part}/comparison.json)",
            f"Measured {made['date'][:10]} with {made['program']}, Python {made['python']}, TensorFlow"
            f" {made['tensorflow']}, Keras {made['keras']} on {made['cpu']}. Training took {minutes:.0f} minutes of"
            " wall time, added up over the runs.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
