"""A stop signal in every phase of a training ends it with its exit code, soon, and with nothing half done."""

import json
import signal
import time

import pytest
from PIL import Image

from cae.training.checkpoints import CheckpointFolder
from tests.conftest import make_images, start_process

# Sends itself a signal when it comes to a function for the NUMBER-th time.
STOPPED = """
import importlib, os, signal, sys
number, place, times = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
module, names = place.split(":")
*owners, name = names.split(".")
owner = importlib.import_module(module)
for part in owners:
    owner = getattr(owner, part)
function = getattr(owner, name)
def stopped(*arguments, **options):
    global times
    times -= 1
    if times == 0:
        os.kill(os.getpid(), number)
    return function(*arguments, **options)
setattr(owner, name, stopped)
from cae.commands.main import main
sys.exit(main(sys.argv[4:]))
"""
SECONDS = 60  # on a machine that does other things, too; the start of TensorFlow alone takes some

PHASES = {
    "reading the configuration": ("cae.commands.train:load_config", 1),
    "scanning the images": ("cae.data.scan:_look", 3),
    "building the model": ("cae.training.train:build_autoencoder", 1),
    "compiling": ("cae.training.step:Steps._train_on_batch", 1),
    "validation": ("cae.training.loop:Loop._validate", 2),
    "writing a checkpoint": ("cae.training.checkpoints:write_json", 2),
}


def interruptible():
    """What a shell starts in the background ignores SIGINT, and so would the processes of these tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


BEFORE_TRAINING = ("reading the configuration", "scanning the images")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "images").mkdir()
    for number, pixels in enumerate(make_images(40, 12, 10)[..., 0]):
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    (folder / "config.yaml").write_text(
        f"data: {{source: image_folder, path: {folder / 'images'}, channels: 1}}\n"
        "model: {encoder: {filters: [2]}}\ntraining: {epochs: 100000, batch_size: 16}\n"
    )
    return folder / "config.yaml"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs the signals of a POSIX system")
@pytest.mark.parametrize("phase", PHASES)
def test_a_stop_signal_ends_every_phase_soon_with_its_exit_code(config, tmp_path, phase):
    number = (signal.SIGTERM, signal.SIGINT)[list(PHASES).index(phase) % 2]
    place, times = PHASES[phase]
    program = ["-c", STOPPED, int(number), place, times, "train", config, "--runs-dir", tmp_path / "runs"]
    process = start_process(*program, preexec_fn=interruptible)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    run = tmp_path / "runs" / "default" / "run"
    if phase in BEFORE_TRAINING:
        assert out == ""
        assert not (tmp_path / "runs").exists()
    else:
        assert out.splitlines() == [str(run)]
        assert "--resume" in err
        assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
        assert CheckpointFolder(run / "checkpoints").load_newest(pytest.fail) is not None
        assert not list(run.rglob(".writing-*"))
        assert not list(run.parent.glob(".lock-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_while_tensorflow_starts_ends_at_once(config, tmp_path, number):
    process = start_process("train.py", config, "--runs-dir", tmp_path / "runs", preexec_fn=interruptible)
    time.sleep(2.0)
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert time.monotonic() - sent < 20
