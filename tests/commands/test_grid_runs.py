"""`train.py` with a grid: every combination is trained, whatever becomes of the others."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cae.commands.main import main
from cae.grid.jobs import Load, choose_jobs, threads_for
from cae.grid.runner import Children
from cae.machine import Machine
from tests.conftest import run_process, start_process
from tests.faults.runs import metrics, weights
from tests.warm import WarmProcess

PROGRAM = "cae.commands.main:main"
BASE = """
experiment: e
name: g
model: {encoder: {filters: [2]}, decoder: {upsampling: resize}}
training: {epochs: %s, batch_size: 64}
grid: {%s}
"""


@pytest.fixture
def grid(write_config, run_command, tmp_path):
    """Run the command on a grid; gives exit code, the names that stdout lists, and stderr."""

    def run(entries, *arguments, epochs=1):
        config = write_config(BASE % (epochs, entries))
        code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs", *arguments)
        assert "Traceback" not in err
        return code, [line.removeprefix(f"{tmp_path / 'runs' / 'e'}{os.sep}") for line in out.splitlines()], err

    return run


@pytest.fixture
def train_here(monkeypatch):
    """Have grids train their runs in this process, whose TensorFlow has been imported."""

    def train(children, words):
        with contextlib.redirect_stdout(io.StringIO()):
            return main(["train", *map(str, words)])

    return lambda: monkeypatch.setattr(Children, "train", train)


def wait_for(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def summary(run):
    return json.loads((run / "summary.json").read_text())


def process_ids_below(process_id):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def test_a_failing_run_and_a_foreign_folder_do_not_stop_the_rest_and_finished_runs_are_skipped(
    grid, train_here, tmp_path
):
    # Momentum at a rate of 1e8 with linear layers diverges within the first steps.
    entries = "training.optimizer.learning_rate: [1.0e+8, 0.5, 0.001]"
    linear = [
        "--set",
        "model={encoder: {filters: [2], activation: linear}, decoder: {output_activation: linear}}",
        "--set",
        "training.optimizer={name: sgd, momentum: 0.9}",
        "--set",
        "training.batch_size=4",
    ]
    runs = tmp_path / "runs" / "e"
    foreign = runs / "g-learning_rate=0.5"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("mine")
    code, done, err = grid(entries, *linear, "--jobs", "2")
    good = ["g-learning_rate=0.001"]
    assert (code, done) == (1, good)
    assert "2 of 3 runs failed" in err
    assert f"{runs / 'g-learning_rate=100000000.0'}: The loss is no longer finite" in err
    assert f"{foreign}: holds files but no run" in err
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]
    assert f"python -m cae evaluate {runs}\n" in err
    assert err.count("Next: ") == 1  # once for all, not after each run

    # Without the bad values nothing is left: no process is started, nothing is written.
    entries = "training.optimizer.learning_rate: [0.001]"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    code, done, err = grid(entries, *linear)
    assert (code, done) == (0, good)
    assert "[1/1] g-learning_rate=0.001: finished already" in err
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before

    # Another configuration under the same name is refused, with the difference.
    code, done, err = grid(entries, *linear, epochs=2)
    assert (code, done) == (1, [])
    assert err.partition("1 of 1 runs failed")[2].count("training.epochs: was 1, is 2") == 1
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before

    # More epochs are trained where that is said.
    train_here()
    code, done, err = grid(entries, *linear, "--resume", epochs=2)
    assert (code, done) == (0, good)
    assert summary(runs / good[0])["epochs"] == 2


def test_progress_tells_the_time_left_from_the_mean_of_the_runs_that_ended_well(grid, monkeypatch):
    from cae.grid import runner

    now, takes = [1000.0], iter([(60, 0), (5, 1), (180, 0), (4000, 0)])

    def train(children, arguments):
        seconds, exit_code = next(takes)
        now[0] += seconds
        return exit_code

    monkeypatch.setattr(runner.Children, "train", train)
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: now[0]))
    code, done, err = grid("seed: [0, 1, 2, 3]", "--jobs", "1")
    assert (code, done) == (1, ["g-seed=0", "g-seed=2", "g-seed=3"])
    lines = [line for line in err.splitlines() if line.startswith("[")]
    assert lines == [
        "[1/4] g-seed=0: training, 0:00 so far, time left is known after the first run",
        "[2/4] g-seed=1: training, 1:00 so far, about 3:00 left",
        "[3/4] g-seed=2: training, 1:05 so far, about 2:00 left",
        "[4/4] g-seed=3: training, 4:05 so far, about 2:00 left",
    ]


def test_shards_share_the_grid_and_each_starts_from_any_folder_and_afresh_when_told(
    write_config, run_command, train_here, tmp_path, monkeypatch
):
    config = write_config(BASE % (1, "seed: [0, 1, 2]"))
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cae").mkdir(parents=True)
    (elsewhere / "cae" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    monkeypatch.chdir(elsewhere)
    code, out, err = run_command("train", config, "--shard", "2/2")
    assert (code, out) == (0, "runs/e/g-seed=1\n")
    assert "[1/1] g-seed=1" in err
    written = (elsewhere / out.strip() / "metrics.jsonl").stat().st_mtime_ns
    train_here()
    code, out, err = run_command("train", config, "--shard", "2/2", "--overwrite", "--set", "training.epochs=2")
    assert (code, out) == (0, "runs/e/g-seed=1\n")
    assert (elsewhere / out.strip() / "metrics.jsonl").stat().st_mtime_ns != written
    assert summary(elsewhere / out.strip())["epochs"] == 2
    code, out, _ = run_command("train", config, "--shard", "9/9")
    assert (code, out) == (0, "")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_all_shards_together_hold_every_combination_exactly_once(grid, count):
    names = []
    for index in range(1, count + 1):
        code, lines, _ = grid("seed: [0, 1, 2, 3, 4, 5]", "--shard", f"{index}/{count}", "--dry-run")
        assert code == 0
        names += [line.split()[0] for line in lines[2:]]
    assert sorted(names) == [f"g-seed={seed}" for seed in range(6)]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "-1/2", "a/b", "1/2/3", "1.0/2"])
def test_a_shard_that_does_not_exist_ends_with_2(grid, shard):
    code, out, err = grid("seed: [0, 1]", f"--shard={shard}")
    assert (code, out) == (2, [])
    assert "I/N" in err


def test_a_shard_of_a_single_run_ends_with_2(run_command, write_config):
    code, _, err = run_command("train", write_config(), "--shard", "1/2")
    assert code == 2
    assert "grid" in err


def test_combinations_that_do_not_fit_the_images_are_all_named_before_anything_is_written(grid, tmp_path):
    code, out, err = grid("model.encoder.filters: [[2], [2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 2]]")
    assert (code, out) == (2, [])
    assert err.count("model.encoder.filters") == 2
    assert err.count("config.yaml: g-filters=") == 2
    assert not (tmp_path / "runs").exists()


def test_missing_images_end_with_1_before_anything_is_written(grid, tmp_path):
    code, out, err = grid(f"data.path: [{tmp_path / 'none.npy'}]")
    assert (code, out) == (1, [])
    assert "none.npy" in err
    assert not (tmp_path / "runs").exists()


def test_dry_run_shows_each_models_sizes_and_writes_nothing(grid, tmp_path):
    code, lines, _ = grid("model.bottleneck.channels: [3, 5]", "--dry-run")
    assert code == 0
    # 15x10 halves to 8x5.
    assert [(line.split()[0], line.split()[4]) for line in lines[2:]] == [
        ("g-channels=3", str(8 * 5 * 3)),
        ("g-channels=5", str(8 * 5 * 5)),
    ]
    assert not (tmp_path / "runs").exists()


def test_dry_run_refuses_an_objective_that_does_not_fit(grid):
    code, _, err = grid("objective.reconstruction: [{mse: 1.0}, {ms_ssim: 1.0}]", "--dry-run")
    assert code == 2
    assert "161" in err


@pytest.fixture
def stoppable(write_config, tmp_path):
    """A grid of a short run and one that takes long, with its run directories and the command."""
    config = write_config(BASE % (1, "training.epochs: [1, 60]"))
    command = ["train.py", config, "--runs-dir", tmp_path / "runs"]
    runs = [tmp_path / "runs" / "e" / f"g-epochs={epochs}" for epochs in (1, 60)]

    return runs, command


@pytest.mark.skipif(sys.platform != "linux", reason="asks ps for children in its Linux form")
def test_a_grid_that_was_stopped_or_killed_goes_on_without_repeating(stoppable, run_command):
    runs, command = stoppable
    # The first combination trained as a run of its own is the same run.
    alone = ["--set", "grid={}", "--set", "name=g-epochs=1", "--set", "training.epochs=1"]
    assert run_command("train", *command[1:], *alone)[0] == 0
    (runs[0] / "index.html").unlink()  # a kill between the summary and the page
    process = WarmProcess(*command, start_new_session=True, warm_children=True)
    wait_for((runs[1] / "metrics.jsonl").exists, process)
    # As from a terminal or a scheduler: every process gets it, and an impatient user sends more.
    for _ in range(3):
        os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert out.splitlines() == [str(runs[0])]
    assert "Traceback" not in err
    assert "Stopped with 1 of 2 runs done" in err
    assert "[1/2] g-epochs=1: finished already" in err
    assert (runs[0] / "index.html").exists()
    assert summary(runs[1])["status"] == "interrupted"
    assert list((runs[1] / "checkpoints").glob("step-*.json"))
    finished = (runs[0] / "metrics.jsonl").stat().st_mtime_ns

    # Interrupted by hand, in the grid's process alone, while the run's process is starting.
    process = WarmProcess(*command)
    wait_for(lambda: process_ids_below(process.pid), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err

    # Both killed at once; nothing can be written any more.
    process = WarmProcess(*command, warm_children=True)
    wait_for(lambda: not (runs[1] / "summary.json").exists(), process)
    (child,) = process_ids_below(process.pid)
    os.kill(child, signal.SIGKILL)
    process.kill()
    process.communicate(timeout=60)
    assert not (runs[1] / "summary.json").exists()
    process = WarmProcess(*command, warm_children=True)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "Going on from step" in err
    assert out.splitlines() == [str(run) for run in runs]
    assert (runs[0] / "metrics.jsonl").stat().st_mtime_ns == finished
    rows = [json.loads(line)["epoch"] for line in (runs[1] / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 61))


def test_a_run_whose_grid_has_gone_stops_by_itself(write_config, tmp_path):
    nobody = start_process("-c", "")
    nobody.communicate()
    process = start_process(
        "-m", "cae.grid.worker", nobody.pid, PROGRAM, write_config(), "--runs-dir", tmp_path / "runs"
    )
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert not (tmp_path / "runs" / "default" / "run" / "metrics.jsonl").exists()


def test_a_grid_matched_by_time_that_is_killed_goes_on_with_the_widths_that_were_measured_first(
    grid, tmp_path, monkeypatch
):
    measured, trained, kills = [], {}, [True]

    class Killed(BaseException):
        """What ends a process at once."""

    def match_times(models, here):
        """Times come out otherwise every time."""
        if models:
            measured.append(len(models))
        narrow = (8 - len(measured), 4)
        return [((8, 8) if one.model == one.first else narrow, 0.02, 0.02) for one in models]

    def train(children, arguments):
        if len(trained) == 2 and kills:
            raise Killed(kills.pop())
        path = Path(arguments[0])
        trained[path.stem] = yaml.safe_load(path.read_text())["model"]["decoder"]["filters"]
        return 1  # as good as begun

    monkeypatch.setattr("cae.grid.matching.match_times", match_times)
    monkeypatch.setattr(Children, "train", train)
    entries = "model.decoder.upsampling: [resize, subpixel], seed: [0, 1], training.epochs: [1, 2]"
    matched = ("match=time", "model.encoder.filters=[8, 16]", "--jobs", "1")
    code, _, err = grid(entries, *matched, "--shard", "1/2")
    assert (code, "python -m cae protocol" in err, measured) == (2, True, [])
    with pytest.raises(Killed):
        grid(entries, *matched)
    _, _, err = grid(entries, *matched)
    assert measured == [2]
    assert len(trained) == 8
    assert {name.split(",")[0]: filters for name, filters in trained.items()} == {"resize": None, "subpixel": [7, 4]}
    assert "filters [8, 8] to [7, 4]: 0.02 seconds a step, wanted 0.02. Warning: its last map has 4 channels" in err
    record = json.loads((tmp_path / "runs" / "e" / "matching.json").read_text())
    assert {tuple(one["filters"]) for one in record["runs"].values()} == {(8, 8), (7, 4)}
    assert "in turn with calls of the model whose time is wanted" in record["how"]
    grid(entries, *matched, "--shard", "1/2")
    assert measured == [2]


def test_a_match_that_no_width_reaches_is_told_before_anything_is_trained(grid, tmp_path):
    kinds = "model.decoder.upsampling: [resize, {kind: conv_transpose, kernel_size: 31}]"
    code, names, err = grid(kinds, "--set", "match=parameters")
    assert (code, names) == (2, [])
    assert "no decoder width comes within 5% of the" in err
    assert not (tmp_path / "runs").exists()


def test_tied_weights_cannot_be_matched_and_the_message_says_so(grid, tmp_path):
    entries = "model.decoder.tied_weights: [false, true]"
    code, names, err = grid(entries, "--set", "match=parameters", "--set", "model.encoder.filters=[8]")
    assert (code, names) == (2, [])
    assert "tied_weights takes the encoder's kernels" in err
    assert "wider encoder" not in err


LEAVING = ["--set", "model.encoder={filters: [2], dropout: 0.2}", "--set", "objective.corruption.kind=gaussian"]
MIXED = """
experiment: e
name: g
model: {encoder: {filters: [2, 4], dropout: 0.2, normalization: batch}}
objective: {corruption: {kind: gaussian, stddev: 0.1}}
training: {epochs: 2, batch_size: 16, deterministic: true, ema: {momentum: 0.9}}
logging: {tensorboard: false}
grid:
  model.decoder.upsampling: [max_unpool, subpixel, {kind: resize, interpolation: bilinear}]
  training.precision: [mixed_bfloat16]
"""


@pytest.mark.slow
def test_runs_that_share_processes_side_by_side_have_the_bits_of_a_run_alone(write_config, tmp_path):
    config = write_config(MIXED)
    code, out, err = run_process("train.py", config, "--jobs", 2, "--runs-dir", tmp_path / "together")
    assert code == 0, err
    together = [Path(line) for line in out.splitlines()]
    assert [run.name.partition(",")[0] for run in together] == ["max_unpool", "subpixel", "resize_bilinear"]
    # The third shares a process with one of the others, which stood beside it.
    found = json.loads((together[2] / "environment.json").read_text())
    assert (found["jobs"], found["threads"]) == (2, found["cores"])  # all of them: bits are promised
    assert "\nsubpixel,precision=mixed_bfloat16-g: epoch 1/2" in err
    alone = tmp_path / "alone" / "e" / "run"
    code, _, err = run_process(
        *("train.py", together[2] / "config.yaml", "--set", "name=run", "--runs-dir", tmp_path / "alone")
    )
    assert code == 0, err
    assert metrics(together[2]) == metrics(alone)
    mine, its = weights(together[2]), weights(alone)
    assert {name: values.tobytes() for name, values in mine.items()} == {
        name: values.tobytes() for name, values in its.items()
    }


def test_a_run_has_the_same_bits_whatever_its_process_has_trained_before(write_config, run_command, tmp_path):
    # Names, seeds, precision: what a run leaves behind must not reach the next.
    config = write_config(BASE % (1, "training.precision: [mixed_bfloat16, float32]"))
    words = ("train.py", config, "--runs-dir", tmp_path / "runs", *LEAVING, "--jobs", "1")
    process = WarmProcess(*words, warm_children=True)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    names = [Path(line).name for line in out.splitlines()]
    after_another = tmp_path / "runs" / "e" / names[1]
    config = after_another / "config.yaml"
    assert run_command("train", config, "--runs-dir", tmp_path / "alone")[0] == 0
    alone = tmp_path / "alone" / "e" / names[1]
    assert metrics(after_another) == metrics(alone)
    mine, its = weights(after_another), weights(alone)
    assert {name: values.tobytes() for name, values in mine.items()} == {
        name: values.tobytes() for name, values in its.items()
    }


HELD = "tests.commands.held"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each run has a process of its own")
@pytest.mark.parametrize(("last", "code"), [(["600", "0"], 0), (["0", "1"], 1)])
def test_a_process_trains_another_run_unless_it_has_grown_or_its_run_failed(last, code):
    with Children(f"{HELD}:hold_more") as children:
        assert children.train(["1", "0"]) == 0
        (process,) = children._waiting
        assert children.train(["100", "0"]) == 0
        assert children._waiting == [process]
        assert children.train(last) == code
        assert children._waiting == []
        assert process.poll() == code
        assert children.train(["0", "0"]) == 0
    assert children._waiting == []


def test_a_process_that_was_killed_while_it_waited_is_replaced():
    with Children(f"{HELD}:hold_more") as children:
        assert children.train(["0", "0"]) == 0
        if process := next(iter(children._waiting), None):
            process.kill()
            process.wait()
        assert children.train(["0", "0"]) == 0


def test_a_stop_ends_all_runs_that_are_side_by_side_and_starts_no_other(tmp_path):
    with Children(f"{HELD}:wait_for_a_stop") as children, ThreadPoolExecutor(2) as threads:
        running = [threads.submit(children.train, [str(tmp_path / name)]) for name in "ab"]
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        signal.raise_signal(signal.SIGTERM)
        assert [one.result(timeout=60) for one in running] == [143, 143]
        assert threads.submit(children.train, ["never"]).result() == 143
    assert (children._waiting, children._training) == ([], [])


def machine(cores=8, memory_gb=64, gpus=0, root=None, **environ):
    (root / "proc").mkdir()
    (root / "dev").mkdir()
    (root / "proc" / "meminfo").write_text(f"MemAvailable: {memory_gb * 1_000_000} kB\n")
    for number in range(gpus):
        (root / "dev" / f"nvidia{number}").touch()
    return Machine(environ, root, cores)


SHORT, LONG = Load(1e9, 10**8), Load(1e13, 10**8)


@pytest.mark.parametrize(
    ("asked", "loads", "there", "jobs"),
    [
        ("auto", [LONG] * 20, {}, 8),
        ("auto", [LONG] * 3, {}, 3),
        ("auto", [SHORT] * 5, {}, 1),
        ("auto", [SHORT] * 7, {}, 2),
        ("auto", [LONG, *[SHORT] * 3], {}, 2),
        ("auto", [], {}, 1),
        ("auto", [LONG] * 9, {"memory_gb": 4}, 4),
        ("auto", [*[LONG] * 9, Load(1e13, 3 * 10**9)], {"memory_gb": 4}, 1),
        ("auto", [LONG] * 9, {"memory_gb": 0}, 1),
        ("auto", [LONG] * 9, {"gpus": 2}, 1),
        ("auto", [LONG] * 9, {"gpus": 2, "CUDA_VISIBLE_DEVICES": "-1"}, 8),
        (3, [SHORT] * 9, {"cores": 1, "gpus": 1}, 3),
        (3, [SHORT] * 2, {}, 2),
        (3, [], {}, 1),
    ],
)
def test_as_many_runs_as_the_machine_allows_and_as_are_worth_a_process_go_side_by_side(
    asked, loads, there, jobs, tmp_path
):
    assert choose_jobs(asked, loads, machine(root=tmp_path, **there)) == jobs


def test_cores_are_divided_between_runs_side_by_side_unless_the_user_has_set_threads(tmp_path):
    eight = machine(root=tmp_path, OMP_NUM_THREADS="5")
    divided = threads_for(3, eight)
    assert divided == {"OMP_NUM_THREADS": "5", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}
    assert set(threads_for(99, eight).values()) == {"5", "1"}


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.0", "", "2000"])
def test_a_number_of_jobs_that_cannot_be_ends_with_2(grid, jobs):
    code, out, err = grid("seed: [0, 1]", f"--jobs={jobs}")
    assert (code, out) == (2, [])
    assert "auto, or a whole number" in err


def test_one_command_trains_a_grid_of_equal_parameters_and_compares_its_runs(grid, train_here, tmp_path):
    train_here()
    kinds = "model.decoder.upsampling: [resize, {kind: conv_transpose, kernel_size: 5}]"
    wide = ("--set", "match=parameters", "--set", "model.encoder.filters=[24, 32]")
    code, out, err = grid(kinds, *wide, "--then-evaluate")
    runs = tmp_path / "runs" / "e"
    assert code == 0, err
    names = out[:2]
    assert out[-1] == "comparison"
    assert {path.name for path in (runs / "comparison").iterdir()} >= {"comparison.json", "comparison.html"}
    assert "python -m cae evaluate" not in err  # it is done

    # The widths stand in the runs' configurations.
    counts = [summary(runs / name)["parameters"] for name in names]
    assert max(counts) <= 1.02 * min(counts)
    text = (runs / names[1] / "config.yaml").read_text()
    assert yaml.safe_load(text)["model"]["decoder"]["filters"] is not None
    code, again, err = grid(kinds, *wide)
    assert (code, again) == (0, names)
    assert err.count("finished already") == 2

    for word in ("--dry-run", "--shard=1/2"):
        code, _, err = grid(kinds, *wide, "--then-evaluate", word)
        assert (code, "--then-evaluate" in err) == (2, True)
