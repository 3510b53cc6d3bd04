"""Who takes part: TF_CONFIG and Slurm's environment, and what is wrong with them."""

import json
import os

import pytest

from cae.errors import ConfigError
from cae.training.distribution.cluster import find_cluster


def tf_config(cluster, job="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})}


def slurm(**changes):
    environment = {
        "SLURM_JOB_ID": "4711",
        "SLURM_PROCID": "2",
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gpu[9-10]",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        "SLURMD_NODENAME": "gpu10",
    }
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}


@pytest.fixture
def find(monkeypatch):
    """Find the cluster in an environment that has only what the test says."""

    def find_in(environment):
        for name in [name for name in os.environ if name == "TF_CONFIG" or name.startswith("SLURM")]:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return find_cluster()

    return find_in


def test_the_first_worker_is_the_chief(find):
    workers = {"worker": ["a:1", "b.example.org:2", "[::1]:3"]}
    clusters = [find(tf_config(workers, index=index)) for index in range(3)]
    assert [cluster.is_chief for cluster in clusters] == [True, False, False]
    assert [cluster.number for cluster in clusters] == [0, 1, 2]
    assert clusters[0].num_workers == 3


def test_a_job_called_chief_comes_before_all_workers(find):
    jobs = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    assert find(tf_config(jobs, "chief")).is_chief
    second = find(tf_config(jobs, "worker", "0"))  # some launchers write the index as text
    assert (second.number, second.num_workers) == (1, 3)


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({}, "TF_CONFIG"),
        ({"TF_CONFIG": ""}, "must be JSON"),
        ({"TF_CONFIG": "{cluster"}, "must be JSON"),
        ({"TF_CONFIG": "[" * 100_000}, "nested too deeply"),
        ({"TF_CONFIG": "[1]"}, "`cluster` and `task`"),
        ({"TF_CONFIG": "{}"}, "`cluster`"),
        (tf_config({}), "`cluster`"),
        (tf_config({"worker": []}), "`cluster.worker`"),
        (tf_config({"worker": "a:1"}), "`cluster.worker`"),
        (tf_config({"worker": ["a"]}), "host:port"),
        (tf_config({"worker": ["a:70000"]}), "host:port"),
        (tf_config({"worker": ["http://a:1"]}), "host:port"),
        (tf_config({"worker": [1]}), "host:port"),
        (tf_config({"worker": ["a:1", "a:1"]}), "a:1"),
        (tf_config({"worker": ["a:1"], "ps": ["b:1"]}), "parameter servers"),
        (tf_config({"worker": ["a:1"], "chief": ["b:1", "c:1"]}), "`cluster.chief`"),
        (tf_config({"worker": ["a:1"]}, job="chief"), "`task.type`"),
        (tf_config({"worker": ["a:1"]}, job=["worker"]), "`task.type`"),
        (tf_config({"worker": ["a:1"]}, index=1), "from 0 to 0"),
        (tf_config({"worker": ["a:1"]}, index="1" * 5000), "from 0 to 0"),
        (tf_config({"worker": ["a:1"]}, index=-1), "`task.index`"),
        (tf_config({"worker": ["a:1"]}, index=True), "`task.index`"),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1"]}})}, "`task`"),
        ({"SLURM_PROCID": "0"}, "SLURM_STEP_NODELIST"),
        (slurm(SLURM_STEP_NUM_TASKS="5"), "5"),
        (slurm(SLURM_STEP_TASKS_PER_NODE="two"), "two"),
        (slurm(SLURM_PROCID="x"), "'x'"),
        (slurm(SLURM_PROCID="4"), "4"),
        (slurm(SLURMD_NODENAME="gpu9"), "--distribution=block"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_environment_is_told_as_a_mistake_of_configuration(find, environment, part):
    with pytest.raises(ConfigError) as error:
        find(environment)
    assert part in str(error.value)


def test_slurm_numbers_tasks_node_by_node_in_the_order_of_numbers(find):
    cluster = find(slurm())
    hosts = [address.rsplit(":", 1)[0] for address in cluster.jobs["worker"]]
    assert hosts == ["gpu9", "gpu9", "gpu10", "gpu10"]
    assert (cluster.number, cluster.is_chief) == (2, False)
    assert len(set(cluster.jobs["worker"])) == 4


def test_two_slurm_jobs_on_a_node_have_other_ports(find):
    ports = []
    for job in ("4711", "4712"):
        addresses = find(slurm(SLURM_JOB_ID=job)).jobs["worker"]
        ports += [address for address in addresses if address.startswith("gpu9:")]
    assert len(set(ports)) == 4


def test_a_wrong_tf_config_ends_before_any_image_is_read(run_command, tmp_path, monkeypatch):
    config = tmp_path / "config.yaml"
    config.write_text("data: {source: arrays, path: missing.npy}\ntraining: {strategy: multi_worker}\n")
    monkeypatch.setenv("TF_CONFIG", "{")
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 2
    assert "TF_CONFIG" in err
    assert "missing.npy" not in err
    assert not (tmp_path / "runs").exists()


def test_a_grid_over_several_machines_is_refused_with_the_way_to_do_it(run_command, write_config, tmp_path):
    config = write_config("training: {strategy: multi_worker}\ngrid: {seed: [0, 1]}\n")
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 2
    assert "--shard" in err


def test_one_process_alone_needs_no_others(run_command, write_config, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": ["127.0.0.1:1"]})["TF_CONFIG"])
    training = "training: {epochs: 1, batch_size: 64, strategy: multi_worker}\n"
    config = write_config(training + "model: {encoder: {filters: [4]}}")
    code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 0, err
    assert out.splitlines()[-1] == str(tmp_path / "runs/default/run")
