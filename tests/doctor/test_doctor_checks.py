"""Each check on machines that are made up: sound ones and such as something is wrong with."""

import json

import pytest

from cae.doctor import as_json, format_finding, ok, problem, warning, worst
from cae.doctor.engine import Engine, EngineTrial, check_cluster, check_engine, check_gpu_memory, check_gpus
from cae.doctor.machine import (
    check_allocator,
    check_cores,
    check_disk,
    check_instructions,
    check_memory,
    check_onednn,
    check_open_files,
    check_packages,
    check_python,
    check_runs_folder,
    check_shared_memory,
    check_step_memory,
    check_threads,
    checkpoint_bytes,
)
from cae.machine import Limits, Machine, available_memory, find_limits
from cae.plan.memory import StepMemory

GIB = 2**30
NO_LIMITS = Limits()


@pytest.fixture
def machine(tmp_path):
    """Make a machine of environment variables and files below its root."""

    def make(files=None, cores=4, **environ):
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Machine(environ, tmp_path, cores)

    return make


# Python and packages.


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 9), "problem"), ((3, 11, 0), "ok"), ((3, 13, 2), "ok"), ((3, 15, 0), "warning")]
)
def test_python_is_fit_from_3_11_to_3_13(version, status):
    assert check_python(version).status == status


def test_packages_that_are_missing_or_of_a_wrong_version_are_each_named_with_their_command():
    versions = {"keras": "3.14.0", "numpy": "2.1"}
    findings = check_packages(["keras>=3.15,<3.16", "numpy>=1.26", "h5py>=3"], versions.get)
    assert [(one.status, one.found) for one in findings] == [
        ("problem", "keras 3.14.0 is not <3.16,>=3.15"),
        ("problem", "h5py is not installed"),
    ]
    assert findings[1].remedy == "pip install 'h5py>=3'"
    (fine,) = check_packages(["numpy>=1.26", 'winonly>=1; sys_platform == "nowhere"'], versions.get)
    assert (fine.status, fine.found) == ("ok", "numpy 2.1")


# Cores, threads, instruction sets.


def test_limits_of_control_groups_of_both_versions_are_read_and_the_tightest_counts(machine):
    assert find_limits(machine()) == NO_LIMITS
    second = machine(
        {
            "proc/self/cgroup": "0::/jobs/one\n",
            "sys/fs/cgroup/jobs/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/jobs/one/cpu.max": "max 100000\n",
            "sys/fs/cgroup/jobs/one/memory.max": str(4 * GIB),
            "sys/fs/cgroup/jobs/one/memory.current": str(GIB),
            "sys/fs/cgroup/jobs/memory.max": "max\n",
        }
    )
    assert find_limits(second) == Limits(1.5, 4 * GIB, GIB)
    # Pages of files that were read are given back.
    (second.root / "sys/fs/cgroup/jobs/one/memory.stat").write_text(f"anon 5\ninactive_file {GIB - 7}\n")
    assert find_limits(second) == Limits(1.5, 4 * GIB, 7)


def test_limits_of_the_first_version_are_read_at_the_containers_top(machine):
    first = machine(
        {
            "proc/self/cgroup": "4:memory:/host/abc\n1:cpu:/host/abc\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/host/abc/memory.limit_in_bytes": str(GIB),
            "sys/fs/cgroup/memory/host/abc/memory.usage_in_bytes": "5",
        }
    )
    assert find_limits(first) == Limits(2.0, GIB, 5)


def test_no_quota_is_minus_one_in_the_first_version(machine):
    files = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    assert find_limits(machine(files)).cores is None


def test_a_quota_below_the_cores_asks_for_as_many_threads():
    seen = Machine({}, None, 8)
    assert check_cores(seen, NO_LIMITS).status == "ok"
    finding = check_cores(seen, Limits(cores=2.5))
    assert finding.status == "warning"
    assert "OMP_NUM_THREADS=2" in finding.remedy
    unreadable = Machine({"OMP_NUM_THREADS": "²"}, None, 8)
    assert check_cores(unreadable, Limits(cores=2.5)).status == "warning"
    heeded = Machine({"OMP_NUM_THREADS": "2,1", "TF_NUM_INTRAOP_THREADS": "2"}, None, 8)
    assert check_cores(heeded, Limits(cores=2.5)).status == "ok"


@pytest.mark.parametrize(
    ("value", "status"),
    [
        *[("4", "ok"), ("0", "ok"), ("1", "warning"), ("64", "warning")],
        *[("many", "problem"), ("²", "problem"), ("", "problem"), ("4,", "problem")],
        *[("4,2", "ok"), ("2, 4", "warning")],  # OpenMP's list for nested levels
    ],
)
def test_threads_must_be_as_many_as_cores(machine, value, status):
    finding = check_threads(machine(OMP_NUM_THREADS=value), NO_LIMITS)
    assert finding.status == status
    assert f"OMP_NUM_THREADS={value}" in finding.found
    assert (finding.remedy is None) == (status == "ok")


def test_instruction_sets_are_told_and_a_processor_without_avx_is_a_problem(machine):
    fine = machine({"proc/cpuinfo": "model name\t: Fast\nflags\t\t: fpu sse avx avx2 fma\n"})
    assert check_instructions(fine).found == "avx, avx2, fma (Fast)"
    assert check_instructions(machine({"proc/cpuinfo": "flags : fpu sse\n"})).status == "problem"
    assert check_instructions(Machine({}, fine.root / "nothing", 1)).status == "ok"


def test_onednn_switched_off_is_told(machine):
    assert check_onednn(machine()).status == check_onednn(machine(TF_ENABLE_ONEDNN_OPTS="1")).status == "ok"
    finding = check_onednn(machine(TF_ENABLE_ONEDNN_OPTS="0"))
    assert (finding.status, finding.remedy) == ("warning", "unset TF_ENABLE_ONEDNN_OPTS")


# Memory and what else runs out.


@pytest.mark.parametrize(("available", "status"), [(16, "ok"), (1.2, "warning"), (0.5, "problem")])
def test_memory_must_hold_the_program(machine, available, status):
    files = {"proc/meminfo": f"MemTotal: {32 * 2**20} kB\nMemAvailable: {int(available * 1e6)} kB\n"}
    assert check_memory(machine(files), NO_LIMITS).status == status


def test_the_control_group_counts_where_it_leaves_less_than_the_machine_has(machine):
    one = machine({"proc/meminfo": f"MemTotal: {32 * 2**20} kB\nMemAvailable: {16 * 2**20} kB\n"})
    limits = Limits(memory=GIB, memory_used=GIB // 2)
    assert available_memory(one, NO_LIMITS) == 16 * GIB
    assert available_memory(one, limits) == GIB // 2
    assert check_memory(one, limits).status == "problem"


def test_a_step_that_does_not_fit_names_a_batch_size_that_does():
    step = StepMemory(activations=16 * GIB, weights=GIB)
    assert check_step_memory(step, 256, 40 * GIB).status == "ok"
    assert check_step_memory(step, 256, 19 * GIB).status == "warning"
    finding = check_step_memory(step, 256, 8 * GIB)
    assert finding.status == "problem"
    size = int(finding.remedy.split("at most ")[1].split(",")[0])
    smaller = StepMemory(16 * GIB * size // 256, GIB)
    assert 32 <= size <= 128
    assert check_step_memory(smaller, size, 8 * GIB).status == "ok"
    assert "batch_size" not in check_step_memory(step, 256, GIB).remedy


def test_large_pages_are_told_of_where_they_are_given_on_request_or_turned_off(machine):
    file = "sys/kernel/mm/transparent_hugepage/enabled"
    assert "`train` has it ask" in check_allocator(machine({file: "always [madvise] never\n"})).found
    own = machine({file: "always [madvise] never\n"}, GLIBC_TUNABLES="glibc.malloc.hugetlb=2")
    assert check_allocator(own).found == "the system's"
    assert "turned off here" in check_allocator(machine({file: "always madvise [never]\n"})).found
    assert check_allocator(machine({file: "[always] madvise never\n"})).found == "the system's"


def test_a_preloaded_allocator_is_recognised_by_setting_and_by_what_is_loaded(machine):
    assert check_allocator(machine()).found == "the system's"
    assert check_allocator(machine(LD_PRELOAD="/usr/lib/libtcmalloc_minimal.so.4")).found == "tcmalloc"
    assert check_allocator(machine({"proc/self/maps": "7f00 r-xp /lib/libjemalloc.so.2\n"})).found == "jemalloc"


def test_few_open_files_and_little_shared_memory_are_told():
    assert [check_open_files(limit).status for limit in (None, 4096, 256)] == ["ok", "ok", "warning"]
    assert [check_shared_memory(*case).status for case in ((None, 2), (GIB, 2), (1000, 1), (1000, 2))] == [
        "ok",
        "ok",
        "ok",
        "warning",
    ]


# TensorFlow and GPUs.


def test_a_broken_tensorflow_is_reported_with_its_own_last_word():
    finding = check_engine(EngineTrial(probe="raise ImportError('libcudart.so.13 is missing')").result())
    assert finding.status == "problem"
    assert "ImportError: libcudart.so.13 is missing" in finding.found


def test_a_tensorflow_that_crashes_or_hangs_is_reported():
    crashed = EngineTrial(probe="import os, signal; os.kill(os.getpid(), signal.SIGILL)").result()
    assert check_engine(crashed).found == "cannot be used: it was ended by signal 4"
    hanging = EngineTrial(probe="import time; time.sleep(60)", seconds=0.5).result()
    assert "within" in check_engine(hanging).found


def report(gpus=(), value=36.0):
    return Engine({"tensorflow": "2", "keras": "3", "tensorboard": "2", "gpus": list(gpus), "value": value})


def test_a_wrong_sum_is_a_problem_and_a_right_one_names_the_versions():
    assert check_engine(report()).status == "ok"
    assert check_engine(report(value=35.0)).status == "problem"


def test_gpus_that_are_there_but_cannot_be_used_are_told(machine):
    assert check_gpus(report(), machine()).status == "ok"
    there = {"dev/nvidia0": "", "dev/nvidiactl": ""}
    unusable = check_gpus(report(), machine(there))
    assert (unusable.status, unusable.found[0]) == ("warning", "1")
    assert "and-cuda" in unusable.remedy
    assert "unset CUDA_VISIBLE_DEVICES" in check_gpus(report(), machine(there, CUDA_VISIBLE_DEVICES="-1")).remedy
    assert check_gpus(report(["A100", "A100"]), machine(there)).found == "2: A100, A100"


def test_a_gpu_that_another_program_holds_is_told():
    assert check_gpu_memory([(30 * GIB, 40 * GIB)]).status == "ok"
    assert check_gpu_memory([(30 * GIB, 40 * GIB), (GIB, 40 * GIB)]).status == "warning"


# Cluster and disk.


def test_tf_config_is_checked_as_training_reads_it(monkeypatch):
    def check(text):
        monkeypatch.setenv("TF_CONFIG", text)
        return check_cluster()

    cluster = {"worker": ["a:2222", "b:2222"]}
    good = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    assert check(good).found == "2 processes, of which this is worker 1"
    for bad in ("{", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 2}})):
        finding = check(bad)
        assert (finding.status, "worker" in finding.remedy) == ("problem", True)
    alone = json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}})
    assert check(alone).status == "warning"
    monkeypatch.delenv("TF_CONFIG")
    assert "trains alone" in check_cluster().found


def test_a_runs_folder_that_cannot_be_made_is_a_problem(tmp_path):
    (tmp_path / "file").write_text("")
    assert check_runs_folder(tmp_path / "file" / "runs").status == "problem"
    assert check_runs_folder(tmp_path / "new" / "runs").status == "ok"
    assert not (tmp_path / "new").exists()


def test_checkpoints_that_do_not_fit_the_disk_are_a_problem(tmp_path):
    assert check_disk(tmp_path / "not" / "yet", needed=1000).status in ("ok", "warning")
    assert check_disk(tmp_path, needed=10**18).status == "problem"
    # Three checkpoints of weights, best weights and a slot, and two files of weights.
    assert checkpoint_bytes(10, optimizer_slots=1) == 4 * (3 * 30 + 20)


# What is shown.


def test_the_worst_finding_decides_and_each_is_one_line_with_its_remedy():
    findings = [ok("a", "fine"), problem("b", "two\nlines", "mend it"), warning("c", "slow", "hurry")]
    assert worst(findings) == "problem"
    assert worst([]) == "ok"
    lines = [format_finding(finding) for finding in findings]
    assert all("\n" not in line for line in lines)
    assert lines[1].split() == ["problem", "b", "two", "|", "lines;", "to", "mend", "it:", "mend", "it"]
    written = as_json(findings)
    assert written["status"] == "problem"
    assert written["checks"][2] == {"check": "c", "status": "warning", "found": "slow", "remedy": "hurry"}
