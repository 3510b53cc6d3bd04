"""Whatever goes wrong in a command is one line and an exit code; names of every kind stay harmless and can be found."""

import csv
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from cae.anomaly.detection import read_classes
from cae.atomic_files import table_cell, write_text, writing_table
from cae.commands import describe
from cae.errors import UserError
from cae.evaluation.files import Evaluation, read_evaluation, write_evaluation, write_results
from cae.measures.catalogue import metrics_of
from tests.conftest import ROOT

SHAPE = (12, 10, 1)
RAISED = [
    RuntimeError("two\nlines"),
    MemoryError(),
    RecursionError("too deep"),
    KeyError("x"),
    AssertionError(),
    IndexError("\x1b[2Jred"),
    TypeError("x" * 10_000),
    ExceptionGroup("several", [ValueError()]),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_what_nobody_thought_of_is_one_line_and_debug_shows_where(monkeypatch, run_command, error):
    def fail(options):
        raise error

    monkeypatch.setattr(describe, "run_describe", fail)
    code, out, err = run_command("describe", "any.yaml")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {type(error).__name__}")
    assert err.count("\n") == 1
    assert len(err) < 700
    assert err.rstrip("\n").isprintable()
    code, _, err = run_command("describe", "any.yaml", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_a_name_that_is_no_text_is_said_and_nothing_is_begun(tmp_path, monkeypatch, run_command):
    """TensorFlow and others cannot write to such a path, whichever command comes upon that."""
    runs = tmp_path / os.fsdecode(b"caf\xe9")
    code, out, err = run_command("train", ROOT / "configs/quickstart.yaml", "--runs-dir", runs)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"error: {tmp_path}/caf\\udce9/")
    assert err.splitlines()[-1].endswith(": this name is not UTF-8 text, as is needed here; choose another.")
    assert not runs.exists()

    def write(options):
        str(runs).encode()

    monkeypatch.setattr(describe, "run_describe", write)
    code, _, err = run_command("describe", "any.yaml")
    assert code == 1
    assert err == f"error: {tmp_path}/caf\\udce9: this name is not UTF-8 text, as is needed here; choose another.\n"


def test_a_command_that_cannot_be_imported_is_one_line_too(monkeypatch, run_command):
    monkeypatch.setitem(sys.modules, "cae.commands.describe", None)
    code, _, err = run_command("describe", "any.yaml")
    assert code == 1
    assert err.startswith("error: ModuleNotFoundError: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("serve_*.py")), ids=lambda path: path.stem)
@pytest.mark.parametrize("arguments", [[], ["model"], ["a", "b", "c", "d"]])
def test_an_example_without_its_arguments_says_how_it_is_called(script, arguments):
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "usage: " in done.stderr
    assert "Traceback" not in done.stderr


FORMULAS = ["=1+1.png", "+a.png", "-b.png", "@sum.png", "\tc.png", "\rd.png", " =e.png", "\uff1df.png"]
HARMLESS = ["a=1.png", "7", "sub/-x.png", "caf\u00e9.png", 'a,b".png', "cmd|' /C calc'!A0"]


def test_no_name_in_a_table_is_taken_for_a_formula(tmp_path):
    with writing_table(tmp_path / "a.csv", ["file", "score"]) as write_row:
        for name in FORMULAS + HARMLESS:
            write_row([table_cell(name), "-0.5"])
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    for (cell, score), name in zip(rows, FORMULAS + HARMLESS, strict=True):
        assert cell.lstrip()[:1] not in ("=", "+", "-", "@", "\t", "\r", "\uff1d")
        assert score == "-0.5"
        assert (cell == name) == (name in HARMLESS)


def test_names_from_a_table_are_found_again_each_its_own(tmp_path):
    names = ["=a", "'=a", "''=a", "caf\udce9", "-", *FORMULAS, *HARMLESS]
    classes = [f"class {number}" for number in range(len(names) - 1)] + ["=normal"]
    with writing_table(tmp_path / "a.csv", ["file", "label"]) as write_row:
        for name, label in zip(names, classes, strict=True):
            write_row([table_cell(name), table_cell(label)])
    assert read_classes(tmp_path / "a.csv", names) == classes
    (tmp_path / "b.csv").write_bytes(b"file,label\n=a,1\ncaf\xe9,2\n")  # by somebody's own program
    assert read_classes(tmp_path / "b.csv", ["=a", "caf\udce9"]) == ["1", "2"]


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", b"x")


LABELS = {
    "long.csv": lambda path: path.write_text("file,label\na," + "x" * 200_000),
    "short.csv": lambda path: path.write_text("file,label\na\n"),
    "empty.csv": lambda path: path.touch(),
    "zip.npy": zipped,
    "pickle.npy": lambda path: np.save(path, np.array([{}]), allow_pickle=True),
    "pipe.csv": os.mkfifo,
    "pipe.npy": os.mkfifo,
    "zip.idx": zipped,
}


@pytest.mark.parametrize("name", LABELS)
def test_damaged_labels_are_named(tmp_path, name):
    LABELS[name](tmp_path / name)
    with pytest.raises(UserError, match=name):
        read_classes(tmp_path / name, ["a"])


@pytest.fixture
def evaluated(tmp_path):
    """A folder with an evaluation of three images, and what was written."""
    per_image = {metric.name: np.random.default_rng(0).random(3) for metric in metrics_of(SHAPE)}
    results = {"digest": "d", "images": 3, "mse": 0.5, "artefacts": {"2": {"low": 1.0}}, "code": {"values": 9}}
    evaluation = Evaluation(results, per_image, np.ones(SHAPE[:2]))
    write_evaluation(tmp_path, evaluation, ["=a", "b\udcff", "c"], np.zeros((4, 4, 3), np.uint8))
    return tmp_path, evaluation


def test_an_evaluation_comes_back_as_it_was_also_after_something_was_added(evaluated):
    folder, evaluation = evaluated
    found = read_evaluation(folder, "d", SHAPE)
    assert found.results == evaluation.results
    for name, values in evaluation.per_image.items():
        np.testing.assert_array_equal(found.per_image[name], values)
    added = Evaluation({**found.results, "features": {"1": 2.5}}, found.per_image, found.spectrum)
    write_results(folder, added)
    assert read_evaluation(folder, "d", SHAPE).results == added.results


DAMAGE = {
    "nested": lambda path: path.write_text("[" * 100_000),
    "long field": lambda path: path.write_text("image,psnr\n" + "x" * 200_000),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\0" * 99),
    "list": lambda path: path.write_text("[]"),
    "other values": lambda path: path.write_text(path.read_text(errors="replace").replace("0.5", "null")),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "gone": lambda path: path.unlink(),
    "long": lambda path: os.truncate(path, 1 << 40),
}


@pytest.mark.parametrize("name", ["results.json", "per_image.csv", "residual_spectrum.npy"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_evaluation_counts_as_none(evaluated, name, kind):
    folder, _ = evaluated
    DAMAGE[kind](folder / name)
    assert read_evaluation(folder, "d", SHAPE) is None


@pytest.mark.parametrize("value", [None, [], "x", {}])
@pytest.mark.parametrize("key", ["code", "artefacts", "images", "mse"])
def test_results_that_somebody_changed_count_as_none(evaluated, key, value):
    folder, _ = evaluated
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**results, key: value}))
    assert read_evaluation(folder, "d", SHAPE) is None


def test_a_text_with_bytes_that_are_no_text_can_be_written(tmp_path):
    write_text(tmp_path / "a.html", "<p>caf\udce9</p>")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == "<p>caf\\udce9</p>"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_results_reach_a_pipe_of_any_encoding(encoding):
    code = "import sys; from cae.messages import results_stream as stream; print('caf\\udce9 \\u4e2d', file=stream(sys.stdout))"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"caf\xe9 " + (b"\\u4e2d" if encoding == "ascii" else "\u4e2d".encode()) + b"\n"
