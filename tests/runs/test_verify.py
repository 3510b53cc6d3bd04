"""`verify` holds a run's files against checksums that any other program computes alike."""

import hashlib
import json
import shutil

import pytest

from cae.commands.main import main
from tests.warm import run_warm

CONFIG = "training: {epochs: 2, batch_size: 64}\nmodel: {encoder: {filters: [2]}}\nlogging: {probe_images: 2}\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, image_file):
    """A trained and evaluated run."""
    folder = tmp_path_factory.mktemp("verify")
    config = folder / "config.yaml"
    config.write_text(f"data: {{source: arrays, path: {image_file}}}\n" + CONFIG)
    assert main(["train", str(config), "--runs-dir", str(folder / "runs")]) == 0
    code, _, err = run_warm("evaluate.py", folder / "runs/default/run")
    assert code == 0, err
    return folder / "runs"


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs/default/run"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_all_files_of_a_run_are_under_checksums_but_those_themselves(run, run_command):
    # The page is made anew by each evaluation, which also adds its figures for TensorBoard.
    for folder, others in ((run, ("evaluation", "index.html")), (run / "evaluation", ())):
        known = json.loads((folder / "checksums.json").read_text())["files"]
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        found = {name: path for name, path in found.items() if name.split("/")[0] not in others}
        found = {name: path for name, path in found.items() if not name.endswith((".test", ".baselines"))}
        found.pop("checksums.json")
        assert {name: sha256(path) for name, path in found.items()} == {
            name: entry["sha256"] for name, entry in known.items()
        }
        assert {name: path.stat().st_size for name, path in found.items()} == {
            name: entry["bytes"] for name, entry in known.items()
        }
    code, out, err = run_command("verify", run)
    assert code == 0, err
    (line,) = out.splitlines()
    assert line.startswith(f"{run}: ")
    assert line.endswith(" ok, 0 changed, 0 missing, 0 unknown")
    code, out, _ = run_command("verify", run, "--all")
    assert code == 0
    assert f"ok      {run}/model.weights.h5" in out.splitlines()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def add(path):
    with open(path, "ab") as file:
        file.write(b"{}\n")


def link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("damage", [flip, cut, add, link])
@pytest.mark.parametrize(
    "name", ["config.yaml", "model.weights.h5", "summary.json", "metrics.jsonl", "evaluation/results.json"]
)
def test_whatever_happens_to_a_file_is_found(run, run_command, damage, name):
    damage(run / name)
    code, out, err = run_command("verify", run)
    assert code == 1, err
    assert [line.split(" (")[0] for line in out.splitlines() if line.startswith("changed")] == [f"changed {run}/{name}"]


def test_missing_and_unknown_files_are_named_and_only_the_first_are_faults(run, run_command):
    (run / "notes.txt").write_text("mine")
    (run / "checkpoints" / "notes.txt").write_text("mine")
    code, out, _ = run_command("verify", run)
    assert code == 0
    assert out.splitlines()[:2] == [f"unknown {run}/checkpoints/notes.txt", f"unknown {run}/notes.txt"]
    checkpoint = sorted((run / "checkpoints").glob("*.npz"))[-1]
    checkpoint.unlink()
    code, out, _ = run_command("verify", run)
    assert code == 1
    assert f"missing {run}/checkpoints/{checkpoint.name}" in out.splitlines()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "files": {}, "seal": "x"}', '{"seal": 1}', "[" * 9999])
def test_damaged_checksums_are_told(run, run_command, text):
    (run / "checksums.json").write_text(text)
    code, _, err = run_command("verify", run)
    assert code == 1
    assert f"{run}/checksums.json: is damaged" in err
    assert "Traceback" not in err


def test_changed_checksums_are_damaged_ones_and_names_lead_nowhere(run, run_command):
    record = json.loads((run / "checksums.json").read_text())
    record["files"]["../../../secret"] = record["files"].pop("config.yaml")
    del record["seal"]
    seal = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    for value in (seal, "0" * 64):
        (run / "checksums.json").write_text(json.dumps({**record, "seal": value}))
        code, out, err = run_command("verify", run)
        assert (code, out) == (1, "")
        assert "is damaged" in err


def test_a_run_without_checksums_is_read_as_far_as_that_goes(run, run_command):
    (run / "checksums.json").unlink()
    code, out, err = run_command("verify", run)
    assert code == 0, err
    assert "has no checksums.json (version 0.1.0 wrote none, or it was removed)" in err
    assert "2 epochs in metrics.jsonl" in out
    assert "weights that fit the plan" in out
    assert "a whole checkpoint of step" in out
    (run / "model.weights.h5").write_bytes((run / "model.weights.h5").read_bytes()[:100])
    code, _, err = run_command("verify", run)
    assert code == 1
    assert "model.weights.h5" in err


def test_a_run_that_goes_on_is_under_new_checksums(run, run_command, trained):
    before = json.loads((run / "checksums.json").read_text())
    config = trained.parent / "config.yaml"
    command = ["train", config, "--runs-dir", run.parents[1], "--resume", "--set", "training.epochs=3"]
    code, _, err = run_command(*command)
    assert code == 0, err
    after = json.loads((run / "checksums.json").read_text())
    assert after["files"].keys() != before["files"].keys()
    assert run_command("verify", run)[0] == 0


def test_no_run_is_no_run(run_command, tmp_path):
    code, _, err = run_command("verify", tmp_path)
    assert code == 1
    assert "is not a run" in err
