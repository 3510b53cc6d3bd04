"""The study's one command, on two decoders and bundled images."""

import json
import subprocess
import sys

from tests.conftest import ROOT


def test_the_study_trains_compares_and_writes_its_findings(tmp_path):
    command = [sys.executable, ROOT / "docs" / "study" / "reproduce.py", "--runs-dir", "runs", "--out", "out"]
    grid = "grid={seed: [0], model.decoder.upsampling: [resize, max_unpool]}"
    small = ["data={source: bundled}", "model.encoder.filters=[2]", "training.epochs=1", grid]
    command += [f"--set={override}" for override in small]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "only Fashion-MNIST is studied" in done.stderr
    comparison = json.loads((tmp_path / "out" / "fashion_mnist" / "comparison.json").read_text())
    assert {contender["label"] for contender in comparison["contenders"]} == {"resize nearest", "max_unpool"}
    page = (tmp_path / "out" / "README.md").read_text()
    assert "## The complete Fashion-MNIST" in page
    for contender in comparison["contenders"]:
        assert f"{contender['metrics']['psnr']['mean']:.2f}" in page
    for name in ("comparison.md", "comparison.png"):
        assert f"(fashion_mnist/{name})" in page
        assert (tmp_path / "out" / "fashion_mnist" / name).exists()
