"""The study's one command, on two decoders and a few small images."""

import importlib.util
import json
import sys
from types import SimpleNamespace

from cae.commands.main import main
from cae.grid.runner import Children
from tests.conftest import ROOT


def run_here(command, check):
    """Run what a process would, without importing TensorFlow again."""
    python, script, *words = command
    assert (python, check) == (sys.executable, False)
    assert script in (str(ROOT / "train.py"), str(ROOT / "evaluate.py"))
    return SimpleNamespace(returncode=main([script.removesuffix(".py").rpartition("/")[2], *words]))


def test_the_study_trains_compares_and_writes_its_findings(tmp_path, monkeypatch, capsys, image_file):
    command = [ROOT / "docs" / "study" / "reproduce.py", "--runs-dir", "runs", "--out", "out"]
    grid = "grid={seed: [0], model.decoder.upsampling: [resize, max_unpool]}"
    small = [f"data={{source: arrays, path: {image_file}}}", "model.encoder.filters=[2]", "training.epochs=1", grid]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*map(str, command), *(f"--set={override}" for override in small)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(Children, "train", lambda children, words: main(["train", *map(str, words)]))
    found = importlib.util.spec_from_file_location("reproduce", command[0])
    program = importlib.util.module_from_spec(found)
    found.loader.exec_module(program)
    monkeypatch.setattr(program, "subprocess", SimpleNamespace(run=run_here))
    code = program.main()
    err = capsys.readouterr().err
    assert code == 0, err
    assert "only Fashion-MNIST is studied" in err
    comparison = json.loads((tmp_path / "out" / "fashion_mnist" / "comparison.json").read_text())
    assert {contender["label"] for contender in comparison["contenders"]} == {"resize nearest", "max_unpool"}
    page = (tmp_path / "out" / "README.md").read_text()
    assert "## The complete Fashion-MNIST" in page
    for contender in comparison["contenders"]:
        assert f"{contender['metrics']['psnr']['mean']:.2f}" in page
    for name in ("comparison.md", "comparison.png"):
        assert f"(fashion_mnist/{name})" in page
        assert (tmp_path / "out" / "fashion_mnist" / name).exists()
