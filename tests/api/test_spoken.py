"""What reaches a Python program speaks of arguments and keys, and not of options of a command line."""

import ast
import inspect
import json
import re

import numpy as np
import pytest

import cae
from cae.api.spoken import in_python, main_in_python
from tests.conftest import ROOT, make_images

OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
COMMAND = re.compile(r"`[^`]*python [^`]*`|(python |pip install|tensorboard --logdir|srun |nvidia-smi).*")
# Only the command line has them, and only who gave one reads of it.
COMMAND_LINE_ONLY = {"feature-images", "no-features", "projector", "ranks", "no-heat-maps", "device"}
COMMANDS = ("evaluate", "visualize", "export", "score", "prepare", "arguments/images")
LEFT_OUT = ("commands/", "doctor/", "pages/", "tensorboard_plugin/", "runs/page.py", "api/spoken.py")


def texts(path):
    """The texts in a module that are no documentation, and no declaration of the command line's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        is_declared = isinstance(node, ast.Call) and getattr(node.func, "attr", "").startswith(("add_", "compile"))
        is_page = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("next_steps", "Format")
        if is_declared or is_page or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            skipped.update(map(id, ast.walk(node)))
        if isinstance(node, ast.JoinedStr) and id(node) not in skipped:
            skipped.update(id(inner) for inner in ast.walk(node) if isinstance(inner, ast.Constant))
            yield "".join(part.value if isinstance(part, ast.Constant) else "word" for part in node.values)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def modules():
    folder = ROOT / "cae"
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(LEFT_OUT) or name in [f"commands/{one}.py" for one in COMMANDS]:
            yield pytest.param(path, id=name)


def parameters():
    functions = [getattr(cae, name) for name in cae.__all__ if inspect.isfunction(getattr(cae, name))]
    found = {name for function in functions for name in inspect.signature(function).parameters}
    return found | {"set", "data", "native", "tile"}  # which are said as `overrides`, keys and `size`


@pytest.mark.parametrize("path", list(modules()))
def test_each_option_in_a_message_is_an_argument_of_a_function_and_said_as_one(path):
    known = parameters()
    for text in texts(path):
        for line in text.splitlines():
            if re.fullmatch(r"--[\w-]+(=\S*)?", line):  # a word of a command, and no message
                continue
            named = {name for name in OPTION.findall(COMMAND.sub("", line)) if name.replace("-", "_") not in known}
            assert named <= COMMAND_LINE_ONLY, line
            assert not OPTION.search(COMMAND.sub("", in_python(line))), line


@pytest.mark.parametrize(
    ("said", "in_words"),
    [
        ("Use --resume to go on, --overwrite to start.", "Use resume=True to go on, overwrite=True to start."),
        ("Try --set a.b=c --set d={kind: dense, units: 3}", 'Try overrides=["a.b=c", "d={kind: dense, units: 3}"]'),
        ("add --set 'a.b={c: 1.0}'", 'add overrides=["a.b={c: 1.0}"]'),
        ("--set data.path=My Pictures: no such folder", 'overrides=["data.path=My Pictures"]: no such folder'),
        ("--set a={b: {c: 1}}: a.b: unknown key", 'overrides=["a={b: {c: 1}}"]: a.b: unknown key'),
        ("use --set data.value_range=[LOW,HIGH].", 'use overrides=["data.value_range=[LOW,HIGH]"].'),
        ("dotted keys are for --set and grid", "dotted keys are for overrides and grid"),
        ("--fit crop has no effect without --image-size.", 'fit="crop" has no effect without image_size.'),
        ("--on-bad-image skip leaves it out", 'on_bad_image="skip" leaves it out'),
        ("Give INPUT or --split, one of them.", "Give images or split, one of them."),
        ("type: python train.py --resume", "type: python train.py --resume"),
        ("--format onnx needs x. Type: pip install --user x", 'format="onnx" needs x. Type: pip install --user x'),
        (
            "let `python train.py --shard I/N` do it, without --overwrite",
            "let `python train.py --shard I/N` do it, without overwrite=True",
        ),
        ("a--b, ---|--- and runs/x--y", "a--b, ---|--- and runs/x--y"),
    ],
)
def test_options_are_said_as_arguments(said, in_words):
    assert in_python(said) == in_words


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two runs too short to be any good, so that there is much to say of them; trained in other processes."""
    folder = tmp_path_factory.mktemp("spoken")
    np.save(folder / "images.npy", make_images(60, 16, 12))
    config = {
        "data": {"source": "arrays", "path": str(folder / "images.npy")},
        "model": {"encoder": {"filters": [4]}, "bottleneck": {"channels": 2}},
        "training": {"epochs": 4, "batch_size": 20},
        "logging": {"image_epochs": [9], "tensorboard": False},
        "grid": {"model.decoder.upsampling": ["resize", "subpixel"]},
    }
    return cae.train(config, runs_dir=folder / "runs", tell=lambda line: None)


def test_figures_summaries_warnings_reports_and_lines_name_no_option(result):
    told = []
    (run, _), evaluated = result, result.runs[0].evaluate(tell=told.append)
    compared = cae.compare(result, tell=told.append)
    assert "below block KLT" in evaluated["verdict"]["text"]
    assert evaluated["verdict"]["try"][0] in evaluated["verdict"]["text"]
    assert {"below_floor", "not_converged"} & {warning.code for warning in result.warnings}
    for given in (evaluated, run.summary, dict(compared), [warning.message for warning in result.warnings]):
        assert not OPTION.search(json.dumps(given))
    for text in (compared.text, compared._repr_markdown_(), *told):
        assert not OPTION.search(COMMAND.sub("", text))


def test_what_is_told_by_default_is_printed_and_no_part_of_what_is_given(result, tmp_path, capsys):
    compared = cae.compare(result, out=tmp_path / "compared", again=True)
    assert compared.path == tmp_path / "compared"
    printed = capsys.readouterr().out
    assert "measured" in printed or "done" in printed or "Next:" in printed
    assert "Next:" not in compared.text


def test_the_processes_that_train_runs_of_a_grid_speak_python(write_config, capsys):
    assert main_in_python(["train", str(write_config("seed: 1\n")), "--set", "training.epochs=0"]) == 2
    assert capsys.readouterr().err.startswith('overrides=["training.epochs=0"]: must be an integer')


def test_errors_name_arguments_whatever_values_they_have(result, tmp_path):
    with pytest.raises(cae.ConfigError, match=re.escape('overrides=["data.path=My Pictures"]: ')):
        cae.train({}, overrides=["data.path=My Pictures"], runs_dir=tmp_path)
    with pytest.raises(cae.ConfigError, match=r'overrides=\["seed=3"\]: only keys of `data`'):
        cae.evaluate(result.runs[0], overrides=["seed=3"])
    with pytest.raises(cae.ConfigError, match=r'a file for format="onnx" must end in \.onnx'):
        cae.export(result.runs[0], tmp_path / "model.keras", format="onnx")
    with pytest.raises(cae.ConfigError, match=r"^Give images or split, one of them"):
        cae.score(result.runs[0])
