"""`python -m cae export` on a trained run, the examples that serve its files, and its page."""

import importlib.util
import io
import re
import runpy
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from cae.commands.main import main
from cae.exporting.formats import FORMATS
from tests.conftest import ROOT, make_images

for needed in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
    pytest.importorskip(needed)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch in bfloat16, on images that are then moved away."""
    folder = tmp_path_factory.mktemp("trained")
    np.save(folder / "images.npy", make_images(60, 15, 10))
    config = folder / "config.yaml"
    config.write_text(
        f"data: {{source: arrays, path: {folder / 'images.npy'}}}\n"
        "model: {encoder: {filters: [4, 8]}, decoder: {upsampling: max_unpool}}\n"
        "training: {epochs: 1, batch_size: 16, precision: mixed_bfloat16}\n"
        "logging: {tensorboard: false}\n"
    )
    assert main(["train", str(config), "--runs-dir", str(folder)]) == 0
    (folder / "images.npy").rename(folder / "moved.npy")
    return folder / "default" / "run"


@pytest.fixture(scope="module")
def exports(trained):
    """The run in each format, each checked in a fresh process; its path and what the command said."""
    found = {}
    for name, wanted in FORMATS.items():
        out = trained.parent / f"exported{wanted.ending}"
        command = ["export", str(trained), "--format", name, "--out", str(out)]
        override = ["--set", f"data.path={trained.parents[1] / 'moved.npy'}"]
        with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
            code = main([*command, *override])
        assert code == 0, stderr.getvalue()
        found[name] = out, stdout.getvalue(), stderr.getvalue()
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_says_how_near_the_file_comes_and_where_it_is(exports, name):
    out, stdout, stderr = exports[name]
    difference = re.match(r"reconstructions: largest difference (\S+), tolerated 1.0e-04", stdout)
    assert float(difference[1]) <= 1e-4
    assert stdout.splitlines()[-1] == str(out)
    assert "6 test images of the run" in stderr  # a tenth of 60
    assert "trained in mixed_bfloat16" in stderr
    assert "Traceback" not in stderr
    assert "arning" not in stderr


@pytest.mark.parametrize("name", FORMATS)
def test_the_line_that_the_command_ends_with_runs(exports, name):
    _, _, stderr = exports[name]
    statements, call = stderr.strip().splitlines()[-1].strip().rsplit("; ", 1)
    names = {"images": make_images(3, 15, 10).astype(np.float32) / 255}
    exec(statements, names)
    outputs = eval(call, names)
    (values,) = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list) else [outputs]
    assert values.shape == (3, 15, 10, 1)


@pytest.mark.parametrize("name", FORMATS)
def test_an_example_reconstructs_a_picture_with_the_file(exports, name, tmp_path, monkeypatch):
    out, _, _ = exports[name]
    Image.fromarray(make_images(1, 31, 20)[0, ..., 0]).save(tmp_path / "picture.png")
    script = ROOT / "examples" / f"serve_{name}.py"
    arguments = [str(out), str(tmp_path / "picture.png"), str(tmp_path / "made.png")]
    if name in ("onnx", "litert"):
        # Neither this program nor TensorFlow can be imported there.
        hidden = "import sys, runpy; sys.path.insert(0, sys.argv[1]); sys.modules |= dict(cae=None, tensorflow=None);"
        run = f"{hidden} sys.argv[:2] = []; runpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-I", "-c", run, str(script.parent), str(script), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    else:
        assert ("import cae" in script.read_text()) == (name == "keras")
        monkeypatch.syspath_prepend(script.parent)
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        runpy.run_path(str(script), run_name="__main__")
    with Image.open(tmp_path / "made.png") as made:
        assert made.size == (10, 15)
        assert made.mode == "L"


def test_without_the_runs_images_bundled_ones_take_their_place_and_that_is_said(trained, tmp_path, run_command):
    arguments = ["export", trained, "--format", "litert", "--part", "decoder", "--out", tmp_path / "new" / "d.tflite"]
    code, _, err = run_command(*arguments)
    assert code == 0
    assert (tmp_path / "new" / "d.tflite").exists()
    assert "32 test images of Fashion-MNIST, since the run's own cannot be had" in err
    assert "latent and stage_1_pool_switches and stage_2_pool_switches" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--format", "onnx", "--out", "model.tflite"], 2, "must end in .onnx"),
        (["--format", "savedmodel", "--out", "model.onnx"], 2, "makes a folder"),
        (["--format", "keras", "--out", "m.keras", "--quantize"], 2, "is for --format onnx, litert"),
        (["--format", "litert", "--out", "m.tflite", "--set", "seed=1"], 2, "only keys of `data`"),
        (["--format", "litert", "--out", "m.tflite", "--set", "data.path=nowhere.npy"], 1, "nowhere.npy"),
    ],
)
def test_what_cannot_be_is_refused_in_one_message(
    trained, run_command, arguments, code, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ended, _, err = run_command("export", trained, *arguments)
    assert ended == code
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_the_line_that_installs_it(trained, run_command, monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tf2onnx" else found(name))
    code, _, err = run_command("export", trained, "--format", "onnx", "--out", tmp_path / "m.onnx")
    assert code == 1
    assert "needs tf2onnx" in err
    assert "pip install tf2onnx onnx onnxruntime" in err


def test_the_packages_optional_extra_is_the_requirements_file():
    lines = (ROOT / "requirements-export.txt").read_text().splitlines()
    required = [line.split("#")[0].strip() for line in lines if not line.startswith("-r")]
    with open(ROOT / "pyproject.toml", "rb") as file:
        assert tomllib.load(file)["project"]["optional-dependencies"]["export"] == required


def test_the_pages_table_is_what_the_formats_say():
    rows = []
    for name, wanted in FORMATS.items():
        ending = f"`{wanted.ending}`" if wanted.ending else "nothing; a folder"
        needs = f"`{' '.join(module.replace('_', '-') for module in wanted.modules)}`" if wanted.modules else "nothing"
        cells = [f"`{name}`", ending, wanted.served_by, needs, wanted.quantized or "no", wanted.metadata]
        rows.append(f"| {' | '.join(cells)} |")
    table = PAGE.split("<!-- table formats -->\n")[1].split("\n\n")[0]
    assert table.splitlines()[2:] == rows


def test_the_pages_example_runs_and_its_links_lead_somewhere(trained, tmp_path, run_command, monkeypatch):
    assert all((ROOT / "docs" / link).exists() for link in re.findall(r"\]\(([^)#]+)\)", PAGE))
    monkeypatch.chdir(tmp_path)
    code, _, err = run_command("export", trained, "--format", "onnx", "--part", "encoder", "--out", "encoder.onnx")
    assert code == 0, err
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(example.replace("(2, 28, 28, 1)", "(2, 15, 10, 1)"), names)
    assert names["latent"].shape == (2, 4, 3, 16)
