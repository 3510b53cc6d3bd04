"""Wrong command lines and what was meant; short forms, and options anywhere. Nothing here starts TensorFlow."""

import json
import os
import re
import subprocess
import sys

import pytest

from cae.commands import main as command_line
from cae.commands.arguments.parser import source_of
from cae.config import expand_grid, load_config
from cae.config.schema_walk import root_shape
from cae.config.synonyms import KEYS, MEANT, letters
from cae.data.sources import find_image_shape
from cae.workflows.planning import plan_for
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trian", "did you mean train?"),
        ("evalute runs/a/b", "did you mean evaluate?"),
        ("fit", "did you mean train?"),
        ("lr-find a.yaml", "did you mean tune?"),
        ("my.yaml", "did you mean train my.yaml?"),
        ("train --learning-rate 0.1", "did you mean --lr?"),
        ("train --learning_rate=0.1", "did you mean --lr?"),
        ("train --epoch 3 --epocs 3", "did you mean --epochs?"),
        ("train --bs 3", "did you mean --batch-size?"),
        ("train --batch_size 3", "did you mean --batch-size?"),
        ("train --resum --overwriet", "did you mean --overwrite?"),
        ("train --seed 3", "did you mean seed=3?"),
        ("train --training.steps=3", "did you mean training.steps=3?"),
        ("train --upsampling resize", "did you mean model.decoder.upsampling=resize?"),
        ("train --dataset mnist", "did you mean --data?"),
        ("train --gpu 0", "did you mean --device?"),
        ("train --device tpu", "must be cpu, gpu, or gpu:0 and so on; received tpu"),
        ("train --set training.epochs 2", "did you mean --set training.epochs=2?"),
        ("evaluate runs/a/b --split tst", "did you mean test?"),
        ("export runs/a/b --format tflite", "did you mean litert?"),
        ("export runs/a/b --format saved_model", "did you mean savedmodel?"),
        ("score runs/a/b --output there", "did you mean --out?"),
        ("describe a.yaml --jsn", "did you mean --json?"),
        ("list kind", "did you mean kinds?"),
        ("help traim", "did you mean train?"),
        ("-q traim", "did you mean train?"),
        ("--epochs 3", "did you mean train --epochs 3?"),
        ("train \N{EM DASH}epochs 3", "did you mean --epochs?"),
        ("train \N{LEFT DOUBLE QUOTATION MARK}seed=1\N{RIGHT DOUBLE QUOTATION MARK}", "did you mean 'seed=1'?"),
        ("train seed = 3", "did you mean seed=3?"),
        ("train seed= 3", "did you mean seed=3?"),
        ("train seed =3", "did you mean seed=3?"),
        ("train training.epochs: 3", "did you mean training.epochs=3?"),
        ("train epochs:3", "did you mean training.epochs=3?"),
        ("train --set training.epochs = 2", "did you mean --set training.epochs=2?"),
        ("train model.encoder.filters=[32, 64]", "did you mean 'model.encoder.filters=[32, 64]'?"),
        ("train model.decoder={upsampling: resize} -q", "did you mean 'model.decoder={upsampling: resize}'?"),
        ("train model.encoder.filters=[32,64", "'model.encoder.filters=[32,64', with its closing bracket?"),
        ("train a.yaml name=my run", "did you mean 'name=my run', in quotes?"),
        ("train --config mine.yaml", "did you mean mine.yaml, without --config?"),
        ("train -c mine.yaml", "did you mean mine.yaml, without -c?"),
        ("evaluate --run runs/a/b", "did you mean runs/a/b, without --run?"),
        ("train -e 3", "did you mean --epochs?"),
        ("train -lr 0.1", "did you mean --lr?"),
        ("train --device cuda:0", "did you mean gpu:0?"),
        ("train --shard 3/2", "must be I/N with 1 <= I <= N, for example 2/4. Received: 3/2"),
        (
            "evaluate runs/a/b --epochs 3",
            "training.epochs is for commands that read a configuration: train, tune, describe, protocol, doctor",
        ),
        ("evaluate runs/a/b --split val", "did you mean validation?"),
        ("evaluate runs/a/b --metric sim", "did you mean ssim?"),
        ("tensorboard --logdir runs", "did you mean runs, without --logdir?"),
        ("tensorboard --port abc", "must be a whole number; received 'abc'"),
    ],
)
def test_a_wrong_command_line_ends_with_2_the_usage_of_what_was_typed_and_what_was_meant(run_command, typed, meant):
    code, out, err = run_command(*typed.split())
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].endswith(meant), err
    command = command_line.command_first(typed.split())[0]
    assert err.startswith(f"usage: cae {command}" if command in command_line.COMMANDS else "usage: cae ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lr=0.1", "did you mean training.optimizer.learning_rate?"),
        ("training.lr=0.1", "did you mean training.optimizer.learning_rate?"),
        ("training.optimizer.lr=0.1", "did you mean learning_rate?"),
        ("epochs=3", "did you mean training.epochs?"),
        ("training.batchsize=3", "did you mean batch_size?"),
        ("loss=mse", "did you mean objective.reconstruction?"),
        ("model.decoder.upsampling=pixelshuffle", "did you mean subpixel?"),
        ("model.decoder.upsampling=UpSampling2D", "did you mean resize?"),
        ("model.decoder.upsampling.kind=deconv", "did you mean conv_transpose?"),
        ("model.decoder.upsampling=Conv2DTranspose", "did you mean conv_transpose?"),
        ("model.decoder.upsampling=nearest", "did you mean {kind: resize, interpolation: nearest}?"),
        ("model.decoder.upsampling=unet", "max_unpool has least"),
        ("model.encoder.downsampling=maxpooling2d", "did you mean max_pool?"),
        ("model.encoder.normalization=bn", "did you mean batch?"),
        ("model.encoder.activation=swish", "did you mean silu?"),
        ("model.encoder.filters=32", "write [32]"),
        ("training.precision=fp16", "did you mean mixed_float16?"),
        ("training.optimizer=admw", "did you mean adamw?"),
        ("training.schedule=CosineAnnealing", "did you mean cosine?"),
        ("data.source=cifar", "did you mean cifar10?"),
        ("data={source: image_folder, path: x, image_size: 64}", "write [64, 64]"),
        ("data={source: image_folder, path: x, image_size: 64x48}", "write [64, 48]"),
        ('data={source: image_folder, path: x, image_size: "(64, 48)"}', "write [64, 48]"),
        ("data={source: image_folder, path: x, image_size: 64px}", "write [64, 64]"),
        ("data.channels=RGB", "did you mean 3?"),
        ("data.validation_fraction=20%", "write 0.2"),
        ("model.encoder.filters=32 64", "write [32, 64]"),
        ("model.bottleneck=64", "write {kind: spatial, channels: 64}"),
        ("model.decoder.upsampling=keras.layers.UpSampling2D", "did you mean resize?"),
        ("objective.reconstruction=L1", "write {mae: 1.0}"),
        ("objective.reconstruction={mse:1}", "write a space behind the colon of mse"),
        ("objective.corruption=false", "did you mean none?"),
        ("training.early_stopping=5", "write {patience: 5}"),
        ("training.epochs=10,000", "write 10000"),
        ("training.epochs=1e3", "write 1000"),
        ("training.precision=16", "did you mean mixed_float16?"),
        ("training.deterministic=1", "write true"),
        ("seed=-1", "must be an integer from 0 to 2147483647; received -1"),
    ],
)
def test_a_wrong_key_or_value_is_answered_with_the_right_one(run_command, typed, meant):
    code, _, err = run_command("describe", ROOT / "configs" / "quickstart.yaml", typed)
    assert (code, meant in err) == (2, True), err


def test_a_name_that_is_no_folder_is_shown_once_as_it_was_typed(run_command):
    code, _, err = run_command("describe", ROOT / "configs" / "quickstart.yaml", "--name", "my run/üñ *")
    assert code == 2
    assert err.count("my run") == err.count("my run/üñ *") == 1


def test_a_file_of_another_ending_is_found(run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("")
    code, _, err = run_command("describe", "mine.yml")
    assert (code, "did you mean mine.yaml?" in err) == (2, True), err
    (tmp_path / "photos").mkdir()
    (tmp_path / "data.npy").write_bytes(b"\x93NUMPY")
    for images in ("photos", "data.npy"):
        code, _, err = run_command("train", images)
        assert (code, "--data" in err) == (2, True), err
    run = tmp_path / "runs" / "a" / "b"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("")
    for given, meant in (("mine.yaml", "`train` makes runs"), ("runs/a/b/config.yaml", "did you mean runs/a/b?")):
        code, _, err = run_command("evaluate", given)
        assert (code, meant in err) == (1, True), err


def parsed(*arguments):
    return command_line._make_parser(arguments).parse_args(arguments)


def test_whatever_computes_can_be_given_a_device(monkeypatch):
    given = {"decode": ["run", "codes.npz", "--out", "out"], "encode": ["run", "photos", "--out", "codes.npz"]}
    given |= {name: ["run"] for name in ("evaluate", "visualize")}
    given |= {name: ["run", "photos", "--out", "out"] for name in ("score", "reconstruct")}
    given |= {name: ["a.yaml"] for name in ("train", "tune", "protocol", "doctor", "describe")}
    given["export"] = ["run", "--format", "keras", "--out", "model.keras"]
    for command, words in given.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
        monkeypatch.delenv("CAE_DEVICE", raising=False)
        parsed(command, *words, "--device", "cpu")
        assert (os.environ["CAE_DEVICE"], os.environ["CUDA_VISIBLE_DEVICES"]) == ("cpu", "-1"), command


def test_words_and_short_options_set_keys_in_the_order_in_which_they_are_typed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.delenv("CAE_DEVICE", raising=False)
    options = parsed(
        *("train", "--epochs", "3", "seed=1", "a.yaml", "--set", "name=a=b", "--lr", "0.1", "--name", "2024"),
        *("--data", "photos", "--device", "cpu", "--runs-dir", "x=y", "model.decoder.upsampling=resize"),
    )
    assert str(options.config) == "a.yaml"
    assert str(options.runs_dir) == "x=y"
    assert options.overrides == [
        *("training.epochs=3", "seed=1", "name=a=b", "training.optimizer.learning_rate=0.1", 'name="2024"'),
        *("data.source=image_folder", 'data.path="photos"', "model.decoder.upsampling=resize"),
    ]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_inputs_may_stand_behind_options():
    options = parsed("score", "runs/a/b", "--fpr", "0.05", "photos")
    assert (str(options.run_directory), options.fpr, str(options.input)) == ("runs/a/b", 0.05, "photos")
    options = parsed("evaluate", "one", "--split", "train", "other", "data.path=there")
    assert [str(run) for run in options.runs] == ["one", "other"]
    assert options.overrides == ["data.path=there"]
    assert parsed("train", "--dry-run").config.name == "quickstart.yaml"


def test_a_word_on_the_command_line_names_a_source(tmp_path):
    for name, source in (("a.npz", "arrays"), ("train-images-idx3-ubyte.gz", "idx"), (str(tmp_path), "image_folder")):
        assert source_of(name) == (source, name)
    (tmp_path / "00.tfrecord").write_bytes(b"")
    assert source_of(str(tmp_path)) == ("tfrecord", str(tmp_path))
    assert source_of("cifar10") == ("cifar10", None)


def test_quiet_leaves_warnings_and_results_and_verbose_says_where(run_command, write_config):
    quiet = run_command("train", write_config("training: {epochs: 1, batch_size: 64}"), "--dry-run", "-q")
    loud = run_command("train", write_config("training: {epochs: 1, batch_size: 64}"), "--dry-run")
    assert (quiet[0], quiet[1]) == (loud[0], loud[1])
    assert [line for line in loud[2].splitlines() if line.startswith("Warning")] == quiet[2].splitlines()
    assert len(loud[2].splitlines()) > len(quiet[2].splitlines())
    code, _, err = run_command("describe", "nowhere.yaml", "-v")
    assert (code, "Traceback" in err) == (2, True)
    code, _, err = run_command("describe", "nowhere.yaml", "-q")
    assert (code, "nowhere.yaml" in err) == (2, True)


def test_the_version_is_shown(run_command):
    code, out, _ = run_command("--version")
    assert code == 0
    assert out.startswith("cae 0.1.0 (tensorflow 2.")


def test_lists_have_what_there_is(run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, out, _ = run_command("list", "kinds", "upsampling")
    assert code == 0
    assert all(kind in out for kind in root_shape().at(("model", "decoder", "upsampling")).options.shapes)
    code, out, _ = run_command("list", "keys", "--json")
    assert len(json.loads(out)) == len(set(root_shape().paths()))
    code, out, _ = run_command("list", "configs")
    assert all(str(path) in out for path in (ROOT / "configs").relative_to(ROOT).glob("*.yaml"))
    assert "come back, nearer to the original than any linear code of 32 numbers can bring them.\n" in out
    assert "Command:" not in out
    code, out, err = run_command("list", "runs", "--runs-dir", tmp_path)
    assert (code, out) == (0, "")
    assert "none" in err
    run = tmp_path / "mine" / "first"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("")
    (run / "metrics.jsonl").write_text('{"epoch": 1, "step": 2, "val_loss": 0.1, "val_psnr": 12.5}\n')
    code, out, _ = run_command("list", "runs", "--runs-dir", tmp_path)
    assert [word in out for word in (str(run), "not finished", "12.50")] == [True] * 3
    (found,) = json.loads(run_command("list", "runs", "--json", "--runs-dir", tmp_path)[1])
    assert (found["epochs"], found["val_psnr"], found["parameters"]) == (1, 12.5, None)


def test_describe_gives_the_plan_as_json(run_command):
    code, out, _ = run_command("describe", ROOT / "configs" / "quickstart.yaml", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["code"]["values"] == 32
    assert sum(one["parameters"] for one in found["operations"]) == found["parameters"]


def test_every_synonym_leads_to_something_and_is_spelt_as_it_is_looked_up():
    for other, key in KEYS.items():
        assert root_shape().at(tuple(key.split("."))) is not None, key
        assert letters(other) == other
    assert [word for word in MEANT if letters(word) != word] == []


def test_options_before_the_command_count_as_those_behind_it(monkeypatch):
    assert parsed("train", "-q", "a.yaml") == parsed(*command_line.command_first(["-q", "train", "a.yaml"]))
    assert command_line.command_first(["--epochs", "3", "train", "a.yaml"]) == ["train", "--epochs", "3", "a.yaml"]
    assert command_line.command_first(["--help"]) == ["--help"]


@pytest.mark.parametrize("command", command_line.COMMANDS)
def test_help_has_groups_examples_that_are_understood_and_a_page_that_is_there(command, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    page, *examples = command_line._HELP[command]
    file, _, anchor = page.partition("#")
    headings = (ROOT / file).read_text(encoding="utf-8").splitlines()
    anchors = {
        re.sub(r"[^\w-]", "", line.lstrip("# ").lower().replace(" ", "-")) for line in headings if line[:1] == "#"
    }
    assert not anchor or anchor in anchors
    assert examples
    for example in examples:
        options = parsed(*example.split())
        assert options.run
        assert example.split()[0] == command
        if path := getattr(options, "config", None):
            config = load_config(path, options.overrides)
            for one in expand_grid(config):
                plan_for(one, find_image_shape(one.data), path)
    with pytest.raises(SystemExit):
        parsed(command, "--help")
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("for example:", f"more in {page}", "help and messages:"))


def test_words_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "mine" / "first"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("")
    complete = command_line.completions
    assert complete(["tr"]) == ["train"]
    assert complete(["train", "--res"]) == ["--resume"]
    assert complete(["train", ""]) == []  # files, which the shell knows
    assert "training.epochs=" in complete(["train", "mine.yaml", ""])
    assert complete(["train", "mine.yaml", "training.ep"]) == ["training.epochs="]
    assert complete(["-q", "train", "--set", "training.ep"]) == ["training.epochs="]
    assert "model.decoder.upsampling=" in complete(["describe", "mine.yaml", "model."])
    assert complete(["train", "mine.yaml", "model.decoder.upsampling=sub"]) == ["model.decoder.upsampling=subpixel"]
    assert complete(["train", "mine.yaml", "training.deterministic=t"]) == ["training.deterministic=true"]
    assert complete(["evaluate", ""]) == complete(["evaluate", "runs/mi"]) == ["runs/mine/first"]
    assert complete(["evaluate", "x", "--split", "v"]) == ["validation"]
    assert complete(["list", "r"]) == ["runs"]


def test_bash_completes_a_key_and_its_values(run_command):
    _, script, _ = run_command("completion", "bash")
    ask = f'cae() {{ {sys.executable} -m cae "$@"; }}; compopt() {{ :; }}\n{script}\n'
    for line, found in (
        ("cae train x.yaml training.ep", "training.epochs="),
        ("cae train x.yaml training.xla=t", "true"),
    ):
        typed = f"COMP_LINE='{line}' COMP_POINT={len(line)}; _cae; echo \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", ask + typed], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stdout == f"{found}\n", done.stderr
