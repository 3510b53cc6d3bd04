"""Runs hostile configurations and pictures in a process of its own: `python -m tests.hostile.measured FOLDER`.

Prints, as JSON, the slowest configuration with its seconds of the processor's time, and the process's largest size in
bytes after the configurations and after the pictures.
"""

import json
import sys
import time
from pathlib import Path

from cae.config import ConfigError, load_config
from cae.plan import PlanError, make_plan
from cae.plan.table import format_plan

MOST = 2**31 - 1
STAGES = ", ".join([str(MOST)] * 12)
SEEDS = ", ".join(map(str, range(1000)))
MISSPELT = ", ".join(f"kernl{number}: 1" for number in range(99))

CONFIGURATIONS = {
    "words": "name: " + "a " * 32_000,
    "lines": "name: |\n" + "  a\n" * 16_000,
    "escapes": 'name: "' + "\\x41" * 16_000 + '"',
    "comments": "# x\n" * 16_000,
    "list": "a: [" + "1," * 4_900 + "]",
    "long list": "a: [" + "1," * 32_000 + "]",
    "keys": "".join(f"trainin{number}g: 1\n" for number in range(2_400)),
    "the same key": "seed: 1\n" * 2_400,
    "brackets": "[" * 65_000,
    "braces": "{a: " * 16_000,
    "dashes": "- " * 32_000,
    "questions": "? " * 32_000,
    "anchors": "".join(f"- &a{number} 1\n" for number in range(4_900)),
    "aliases": "a: &a 1\nb: [" + "*a," * 4_900 + "]",
    "laughs": "a: &a [1]\n"
    + "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "tags": "a: [" + "!!python/object:os.system x, " * 2_200 + "]",
    "directives": "".join(f"%TAG !a{number}! tag:x:\n" for number in range(2_900)) + "---\n",
    "numbers": "a: [" + "9" * 65_000 + "]",
    "key": "a." * 32_000 + ": 1",
    "grid of keys": "grid: {" + ",".join(f"model.encoder.k{number}: [1,2]" for number in range(1_200)) + "}",
    "grid of values": f"grid: {{seed: [{SEEDS}]}}",
    "grid of large runs": f"grid: {{seed: [{SEEDS}]}}\nlogging: {{image_epochs: [{'3,' * 900}]}}",
    "grid of wrong runs": f"grid: {{model.encoder: [{{{MISSPELT}}}], seed: [{SEEDS}]}}",
    "grid of large models": f"model: {{encoder: {{filters: [{STAGES}]}}}}\ngrid: {{seed: [{SEEDS}]}}",
    "wrong choices": "model: {decoder: {upsampling: [" + "resze," * 4_900 + "]}}",
    "many stages": "model: {encoder: {filters: [" + "1," * 4_900 + "]}}",
    "largest model": (
        f"data: {{image_size: [{MOST}, {MOST}]}}\nmodel: {{bottleneck: {{kind: dense, units: {MOST}}}, encoder: "
        f"{{filters: [{STAGES}], kernel_size: 31, convs_per_stage: 16, residual_blocks: 32, normalization: batch}}}}"
    ),
}


def largest_size():
    """The most memory that this process has held, in bytes.

    `ru_maxrss` would count what the process that started this one held before.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def plan(path):
    """What `describe` does with a configuration."""
    try:
        config = load_config(path)
        size = config.data.image_size or (28, 28)
        format_plan(make_plan(config.model, (*size, 1)))
    except (ConfigError, PlanError):
        pass


def main(folder):
    path, seconds = folder / "a.yaml", {}
    for name, text in CONFIGURATIONS.items():
        path.write_text(text)
        started = time.process_time()
        plan(path)
        seconds[name] = time.process_time() - started
    slowest = max(seconds, key=seconds.__getitem__)
    found = {"slowest": slowest, "seconds": seconds[slowest], "configurations": largest_size()}
    before = largest_size()
    from tests.hostile.outcome import outcome
    from tests.hostile.pictures import corpus

    found["cases"] = 0
    for case in corpus():
        if case.name != "deep-colour.png":  # whose decoder is TensorFlow, a large program by itself
            (folder / case.name).write_bytes(case.content)
            outcome(folder / case.name)
            found["cases"] += 1
    with open(folder / "endless.webp", "wb") as file:
        file.write(b"RIFF\xff\xff\xff\xffWEBPVP8 ")
        file.truncate(10**12)  # takes no room on the disk
    outcome(folder / "endless.webp")
    print(json.dumps({**found, "pictures": largest_size() - before}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
