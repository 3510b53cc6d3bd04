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
    config = ROOT / "configs" / f"{experiment}.yaml"
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
the configurations are [`study_fashion_mnist.yaml`](../../configs/study_fashion_mnist.yaml) and
[`study_cifar10.yaml`](../../configs/study_cifar10.yaml). Small models and short training: they show who is ahead there,
not how far each could come."""


def _summary(part: str, folder: Path) -> str:
    """The comparison's answer and ranking, and where the rest is."""
    report = (folder / "comparison.md").read_text(encoding="utf-8")
    made = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["made"]
    minutes = sum(json.loads((folder / "seconds.json").read_text(encoding="utf-8")).values()) / 60
    _, setting, rest = report.split("\n\n", 2)
    answer, rest = rest.split("## Decoders", 1)
    ranking = rest.split("\n## ", 1)[0].strip()
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
