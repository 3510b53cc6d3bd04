"""`protocol`: what a comparison is to find out, and whether it was kept."""

import hashlib
import json
import os

import pytest
import yaml

from cae.comparison.compare import read_run
from cae.comparison.protocol import with_protocol
from cae.comparison.record import Terms
from cae.errors import UserError
from cae.runs import RunDirectory
from tests.inference.runs import make_run

TEXT = """
experiment: e
model: {encoder: {filters: [2], downsampling: max_pool}}
training: {epochs: 1, optimizer: {learning_rate: 0.01}}
grid: {model.decoder.upsampling: [resize, subpixel]}
"""


def test_a_protocol_comes_before_training_and_the_report_says_whether_it_was_kept(run_command, write_config, tmp_path):
    config, runs = write_config(TEXT), tmp_path / "runs"
    code, out, err = run_command("protocol", config, "--runs-dir", runs, "--band", "0.2")
    assert code == 0, err
    path = runs / "e" / "protocol.json"
    assert out.splitlines()[-1] == str(path)
    protocol = json.loads(path.read_text())
    seal = protocol.pop("sha256")
    assert hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest() == seal
    assert f"sha256 {seal}" in out
    assert list(protocol["runs"]) == ["resize", "subpixel"]
    assert protocol["images"]["number"] == 20
    assert (protocol["metric"], protocol["band"]) == ("psnr", 0.2)
    assert run_command("protocol", config, "--runs-dir", runs)[0] == 1

    for kind in ("resize", "subpixel"):
        name = kind
        settings = {**yaml.safe_load(config.read_text()), "name": name}
        model = {**settings.pop("model"), "decoder": {"upsampling": kind}}
        del settings["grid"]
        make_run(runs / "e" / name, (15, 10, 1), model, **settings)

    code, _, err = run_command("evaluate", runs / "e", "--band", "0.2")
    assert code == 0, err
    terms = json.loads((runs / "e" / "comparison" / "comparison.json").read_text())["terms"]
    assert f"(SHA-256 {seal[:12]}), from before the first training, was kept" in "\n".join(terms["equal"])

    # A run that is older than the protocol and has another setting, one that the protocol does not know, other terms.
    run = runs / "e" / "resize"
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("learning_rate: 0.01", "learning_rate: 0.02"))
    os.utime(run / "config.yaml", (0, 0))
    (runs / "e" / "subpixel").rename(runs / "e" / "another")

    def look():
        found = [read_run(RunDirectory(runs / "e" / name)) for name in (run.name, "another")]
        used = {"images": {**protocol["images"], "split": "train"}, "metric": "mse", "band": 0.2}
        return with_protocol(Terms((), (), ()), runs / "e", found, used)

    (sentence,) = look().unequal
    assert look().warnings == (sentence,)
    for said in (
        *("without subpixel", "with another besides", "resize was begun before it"),
        "resize differs in training.optimizer.learning_rate",
        "images other than planned; metric other than planned.",
    ):
        assert said in sentence
    for text in (path.read_text().replace('"band": 0.2', '"band": 2.0'), "[]", '"word"', "{}"):
        path.write_text(text)
        with pytest.raises(UserError, match="was changed after it was written"):
            look()


def test_a_protocol_of_what_is_begun_or_of_a_single_run_is_refused(run_command, write_config, tmp_path):
    code, _, err = run_command("protocol", write_config("seed: 1"), "--runs-dir", tmp_path)
    assert (code, "has no `grid`" in err) == (2, True)
    (tmp_path / "e" / "resize").mkdir(parents=True)
    (tmp_path / "e" / "resize" / "config.yaml").write_text(TEXT.partition("grid:")[0] + "name: resize")
    code, _, err = run_command("protocol", write_config(TEXT), "--runs-dir", tmp_path)
    assert (code, "comes before the first training" in err) == (1, True), err
