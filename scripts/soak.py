"""Train for long with tiny epochs, and watch that nothing grows that should not: memory, open files, threads, disk.

`python scripts/soak.py --minutes 30 --out soak.json` trains a small model, every epoch with its validation, checkpoint
and events, while TensorBoard reads the run. It ends with 0 when everything stayed within its bounds, and with 1 and a
list of problems when not. It looks at processes through /proc, which only Linux has.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
# Memory may wobble; a leak of 2 kB an epoch shows within minutes at thousands of epochs.
MEMORY_TOLERANCE_MB = 24
# Scalars of an epoch and its line of metrics.jsonl; everything else is rotated or grows with the logarithm of epochs.
MOST_BYTES_PER_EPOCH = 8_000
CONFIG = """
experiment: soak
name: run
data: {{source: image_folder, path: {images}, channels: 1}}
model: {{encoder: {{filters: [4, 8]}}, bottleneck: {{kind: spatial, channels: 2}},
        decoder: {{upsampling: max_unpool}}}}
objective: {{corruption: {{kind: gaussian, stddev: 0.1}}}}
training: {{epochs: 100000000, batch_size: 16}}
"""


def main() -> int:
    """Soak, print the result and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to train; default: 30")
    parser.add_argument("--out", type=Path, help="also write the result, JSON, with every sample")
    options = parser.parse_args()
    # So that the processes started here are ended, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="cae-soak-") as folder:
        samples, exit_code = soak(Path(folder), 60 * options.minutes)
    result = {"exit_code": exit_code, **digest(samples)}
    result["problems"] = problems(result)
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps({**result, "samples": samples}, indent=1) + "\n", encoding="utf-8")
    return int(bool(result["problems"]))


def soak(folder: Path, seconds: float) -> tuple[list[dict[str, Any]], int]:
    """Train in a folder for so long; gives samples over time and the trainer's exit code after SIGTERM."""
    write_images(folder / "images")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(images=folder / "images"), encoding="utf-8")
    run = folder / "runs" / "soak" / "run"
    command = [sys.executable, ROOT / "train.py", config, "--runs-dir", folder / "runs"]
    with open(folder / "log", "wb") as log, ended(subprocess.Popen(command, stderr=log, stdout=log)) as trainer:
        wait_for(run / "metrics.jsonl", trainer, folder / "log")
        with tensorboard(folder / "runs", look_every=max(1, min(5, round(seconds / 12)))) as address:
            samples, end = [], time.monotonic() + seconds
            while time.monotonic() < end and trainer.poll() is None:
                time.sleep(min(5.0, seconds / 40))
                samples.append(sample(trainer.pid, run, address))
        trainer.send_signal(signal.SIGTERM)
        return samples, trainer.wait(timeout=60)


def write_images(folder: Path) -> None:
    """Image files, so that reading opens files all the time."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(64):
        Image.fromarray(generator.integers(0, 256, (16, 12), np.uint8)).save(folder / f"{number}.png")


def sample(process_id: int, run: Path, address: str) -> dict[str, Any]:
    """What there is at a moment."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process_id}/status").read_text().splitlines())
    sizes = directory_sizes(run)
    metrics = (run / "metrics.jsonl").read_bytes().splitlines()
    return {
        "time": time.monotonic(),
        "memory_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "open_files": len(list(Path(f"/proc/{process_id}/fd").iterdir())),
        "epoch": len(metrics),
        "files": sum(number for number, _ in sizes.values()),
        "bytes": {part: size for part, (_, size) in sizes.items()},
        "tensorboard_step": newest_step_in_tensorboard(address),
        "step": json.loads(metrics[-2 if len(metrics) > 1 else -1])["step"],
    }


def directory_sizes(run: Path) -> dict[str, tuple[int, int]]:
    """Number of files and bytes in each part of the run directory; files come and go meanwhile."""
    sizes: dict[str, tuple[int, int]] = {}
    for path in run.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                part = path.relative_to(run).parts[0]
                part = "events" if part.startswith("events.") or part in ("train", "validation") else part
                part = "unfinished" if part.startswith(".writing-") else part
                number, size = sizes.get(part, (0, 0))
                sizes[part] = number + 1, size + path.stat().st_size
    return sizes


@contextlib.contextmanager
def tensorboard(folder: Path, look_every: int) -> Iterator[str]:
    """TensorBoard over a folder, where it looks for what is new every few seconds; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", port]
    program += ["--reload_interval", look_every]
    with ended(
        subprocess.Popen(list(map(str, program)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ) as process:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while newest_step_in_tensorboard(address) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("TensorBoard did not show the run.")
            time.sleep(0.5)
        yield address


def newest_step_in_tensorboard(address: str) -> int | None:
    """The last step of validation's loss that TensorBoard shows, None when it shows none."""
    query = f"{address}/data/plugin/scalars/scalars?tag=1_loss%2Fval_loss&run=soak%2Frun"
    try:
        with urllib.request.urlopen(query, timeout=30) as answer:
            return int(json.load(answer)[-1][1])
    except (urllib.error.URLError, OSError, ValueError, IndexError):
        return None


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """See to it that a process does not outlive the block."""
    try:
        yield process
    finally:
        process.terminate()  # TensorBoard ends a process of its own
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the trainer has written a file."""
    while not path.exists():
        if process.poll() is not None:
            raise SystemExit(f"Training ended at once:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.1)


def digest(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of a whole soak; the first quarter is warming up."""
    settled = samples[len(samples) // 4 :]
    third = max(1, len(settled) // 3)
    memory = [sample["memory_mb"] for sample in settled]
    hours = [(sample["time"] - settled[0]["time"]) / 3600 for sample in settled]
    epochs = settled[-1]["epoch"] - settled[0]["epoch"]
    growing = [sum(sample["bytes"].get(part, 0) for part in ("events", "metrics.jsonl")) for sample in settled]
    rest = [sum(sample["bytes"].values()) - part for sample, part in zip(settled, growing, strict=True)]
    answers = [sample["tensorboard_step"] for sample in samples]
    return {
        "seconds": samples[-1]["time"] - samples[0]["time"],
        "epochs": samples[-1]["epoch"],
        "steps": samples[-1]["step"],
        "memory_mb": {
            "after_warm_up": statistics.median(memory[:third]),
            "at_the_end": statistics.median(memory[-third:]),
            "most": max(memory),
            "slope_per_hour": float(np.polyfit(hours, memory, 1)[0]),
        },
        "open_files": span(settled, "open_files"),
        "threads": span(settled, "threads"),
        "files_in_the_run": span(settled, "files"),
        "events_and_metrics_bytes": growing[-1],
        "events_and_metrics_bytes_per_epoch": (growing[-1] - growing[0]) / max(1, epochs),
        "other_bytes": {"least": min(rest), "most": max(rest)},
        "bytes": samples[-1]["bytes"],
        "tensorboard": {
            "polls": len(answers),
            "answered": sum(answer is not None for answer in answers),
            "goes_forward": all(a <= b for a, b in itertools.pairwise(answers) if a and b),
            "newest_step": max((answer for answer in answers if answer is not None), default=None),
        },
    }


def span(samples: list[dict[str, Any]], key: str) -> dict[str, int]:
    """The least and the most."""
    return {"least": min(sample[key] for sample in samples), "most": max(sample[key] for sample in samples)}


def problems(result: dict[str, Any]) -> list[str]:
    """What is out of bounds."""
    memory, board = result["memory_mb"], result["tensorboard"]
    rules = {
        "training did not end with 143 after SIGTERM": result["exit_code"] == 143,
        "memory grows": memory["at_the_end"] - memory["after_warm_up"] < MEMORY_TOLERANCE_MB,
        # One may be open for the read or the write of the moment, and readers come and go.
        "open files grow": result["open_files"]["most"] - result["open_files"]["least"] <= 6,
        "threads grow": result["threads"]["most"] - result["threads"]["least"] <= 4,
        "files in the run directory grow": result["files_in_the_run"]["most"] <= 20,
        "events and metrics grow too fast": result["events_and_metrics_bytes_per_epoch"] <= MOST_BYTES_PER_EPOCH,
        "the rest of the run directory grows": result["other_bytes"]["most"] <= 2 * result["other_bytes"]["least"],
        "TensorBoard did not answer": board["answered"] == board["polls"],
        "TensorBoard does not follow": board["goes_forward"] and board["newest_step"] > 0.5 * result["steps"],
    }
    return [problem for problem, holds in rules.items() if not holds]


if __name__ == "__main__":
    sys.exit(main())
