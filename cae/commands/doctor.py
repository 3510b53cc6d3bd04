"""`doctor`: find out in seconds what stands in the way of training, and say what to do about it."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cae.atomic_files import write_json
from cae.commands.arguments.parser import add_override_argument
from cae.config import ConfigError, RunConfig, expand_grid, load_config
from cae.doctor import Finding, as_json, format_finding, ok, problem, worst
from cae.doctor.engine import Engine, EngineTrial, ask_driver
from cae.doctor.examine import examine_engine, examine_machine, examine_program
from cae.doctor.machine import check_disk, check_step_memory, checkpoint_bytes
from cae.errors import UserError
from cae.files import printable
from cae.machine import Limits, Machine, available_memory, find_limits, this_machine
from cae.messages import next_steps, tell
from cae.training.distribution.cluster import find_cluster
from cae.workflows.planning import batch_size_of, memory_of_step, plan_for

if TYPE_CHECKING:
    from cae.plan import Plan


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", nargs="?", type=Path, help="YAML file: check this training, too")
    add_override_argument(parser)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write what was found to a JSON file")


def run_doctor(options: argparse.Namespace) -> int:
    """Check; prints a line for each check. Exit code 1 with a problem, 2 if that is the configuration."""
    trial = EngineTrial()
    trial.start()  # it takes the longest, and goes on beside the rest
    machine = this_machine()
    limits = find_limits(machine)
    findings: list[Finding] = []
    _show(examine_program(), findings)
    _show(examine_machine(machine, limits, options.runs_dir), findings)
    config, plan = _examine_config(options, findings)
    gpu_memory = ask_driver()
    engine = trial.result()
    _show(examine_engine(engine, machine, gpu_memory), findings)
    if config is not None and plan is not None:
        _show([_check_step(config, plan, engine, machine, limits, gpu_memory)], findings)
    if options.json is not None:
        write_json(options.json, as_json(findings))
    if options.config is not None and config is None:
        return ConfigError.exit_code
    if worst(findings) == "problem":
        return UserError.exit_code
    if options.config is not None:
        words = [word for override in options.overrides for word in ("--set", override)]
        tell(next_steps(["python", "train.py", options.config, *words, "--runs-dir", options.runs_dir]))
    return 0


def _show(new: list[Finding], findings: list[Finding]) -> None:
    """Print each check at once: the slowest one comes last."""
    for finding in new:
        print(printable(format_finding(finding)), flush=True)
    findings += new


def _examine_config(options: argparse.Namespace, findings: list[Finding]) -> tuple[RunConfig | None, Plan | None]:
    """The configuration, the model's plan, the images, and room for checkpoints; nothing of what fails."""
    if options.config is None:
        _show([check_disk(options.runs_dir)], findings)
        return None, None
    try:
        config, shown = load_config(options.config, options.overrides), f"{options.config} can be read"
        if config.grid:
            combinations = expand_grid(config)
            config, shown = combinations[0], f"{shown}; of its {len(combinations)} combinations the first is checked"
    except ConfigError as error:
        _show(
            [problem("configuration", str(error), "change the keys that are named"), check_disk(options.runs_dir)],
            findings,
        )
        return None, None
    from cae.data.sources import find_image_shape
    from cae.doctor.images import check_images

    _show([ok("configuration", shown), *check_images(config.data)], findings)
    try:
        plan = plan_for(config, find_image_shape(config.data), options.config)
    except ConfigError as error:
        fewer = "use fewer stages or larger images"
        _show([problem("model", str(error), fewer), check_disk(options.runs_dir)], findings)
        return None, None
    except UserError:  # the images' own line has said why
        _show([check_disk(options.runs_dir)], findings)
        return config, None
    slots = config.training.slots
    needed = checkpoint_bytes(plan.parameters, slots)
    model = f"{plan.parameters:,} parameters, {plan.macs / 1e6:,.1f} million MACs an image"
    _show([ok("model", model), check_disk(options.runs_dir, needed)], findings)
    return config, plan


def _check_step(
    config: RunConfig, plan: Plan, engine: Engine, machine: Machine, limits: Limits, gpu_memory: list[tuple[int, int]]
) -> Finding:
    """On the GPU with the least memory free, if any is used; else in the machine's memory.

    A batch is divided between all processes of a training, and between the devices of each.
    """
    training, batch_size = config.training, batch_size_of(config, plan)
    num_workers = _num_workers() if training.strategy == "multi_worker" else 1
    if engine.gpus and gpu_memory:
        num_devices = 1 if training.strategy == "one_device" else len(engine.gpus)
        step = memory_of_step(config, plan, math.ceil(batch_size / (num_workers * num_devices)))
        return check_step_memory(step, batch_size, min(free for free, _ in gpu_memory), "each GPU's memory")
    step = memory_of_step(config, plan, math.ceil(batch_size / num_workers))
    return check_step_memory(step, batch_size, available_memory(machine, limits))


def _num_workers() -> int:
    """Processes of the cluster that TF_CONFIG names; 1 without one, or if it is wrong, which its own check tells."""
    if "TF_CONFIG" not in os.environ:  # Slurm's would start TensorFlow in this process
        return 1
    try:
        return find_cluster().num_workers
    except ConfigError:
        return 1
