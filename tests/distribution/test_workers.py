"""Several processes that train together, on this machine: equal to one, and what becomes of them in trouble."""

import json
import shutil
import signal
import socket
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cae.commands.main import main
from cae.config import RunConfig
from cae.data.image_set import ArraySet, Splits
from cae.errors import UserError
from cae.training.distribution.coordination import Alone, Together
from cae.training.loop import Loop
from cae.training.train import Training
from tests.conftest import make_images
from tests.distribution.runs import assert_same, finish, free_ports, rows_of, start, start_workers

TEXT = """
experiment: e
name: {name}
data: {{source: arrays, path: {images}, augmentation: {{horizontal_flip: true}}}}
model: {{encoder: {{filters: [4, 8]}}}}
objective: {{corruption: {{kind: gaussian, stddev: 0.2}}}}
training: {{epochs: {epochs}, batch_size: 23, checkpoint_minutes: 0.002, optimizer: {{name: sgd, learning_rate: 0.05}},
            early_stopping: {{patience: 50}}, ema: {{}}, deterministic: true, strategy: multi_worker}}
logging: {{image_epochs: 50, tensorboard: {shown}}}
"""
EPOCHS = 25

# Training by a process that misses others after seconds; by itself it gives them half a minute.
IMPATIENT = """
import sys
from cae.engine import start_engine
start_engine()
from cae.training.distribution import strategy
strategy.SECONDS_WITHOUT_SIGN_OF_LIFE = 6
from cae.commands.main import main
sys.exit(main(["train", *sys.argv[2:]]))
"""


class Place:
    """A folder of configurations and runs; runs begun with fewer epochs or processes are told from others by name."""

    def __init__(self, folder, images):
        self.folder = folder
        self.images = images

    def command(self, name, *more, epochs=EPOCHS, runs="runs", shown="false"):
        config = self.folder / f"{name}-{epochs}.yaml"
        config.write_text(TEXT.format(name=name, epochs=epochs, images=self.images, shown=shown))
        return ["train.py", config, "--runs-dir", self.folder / runs, *more]

    def run(self, name, runs="runs"):
        return self.folder / runs / "e" / name


@pytest.fixture(scope="module")
def place(tmp_path_factory, image_file):
    return Place(tmp_path_factory.mktemp("workers"), image_file)


@pytest.fixture(scope="module")
def alone(place):
    """The run that this process trains alone, of which all others must be equals."""
    _, *arguments = place.command("alone", "--set", "training.strategy=one_device")
    assert main(["train", *map(str, arguments)]) == 0
    return place.run("alone")


def wait_for_rows(run, number, processes):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and all(process.poll() is None for process in processes):
        path = run / "metrics.jsonl"
        if path.exists() and len(path.read_text().splitlines()) >= number:
            return
        time.sleep(0.02)


def test_two_processes_train_what_one_trains_and_only_the_chief_writes(place, alone):
    # Without a common disk: the second process has its own folder for runs, and leaves it empty.
    commands = [place.command("two", shown="true"), place.command("two", runs="elsewhere", shown="true")]
    chief, other = finish(start_workers(commands))
    assert chief[0] == 0, chief[2]
    assert other[0] == 0, other[2]
    assert_same(alone, place.run("two"))
    assert not (place.folder / "elsewhere").exists()
    assert chief[1].splitlines()[-1] == str(place.run("two"))
    assert other[1] == ""
    assert "epoch" not in other[2]
    assert json.loads((place.run("two") / "summary.json").read_text())["status"] == "finished"


def test_a_stopped_or_killed_process_ends_the_others_and_the_run_goes_on(place, alone):
    run = place.run("ended")
    # A signal to one process stops all at the same step.
    processes = start_workers([place.command("ended")] * 2)
    wait_for_rows(run, 3, processes)
    processes[1].send_signal(signal.SIGTERM)
    for code, _, err in finish(processes, 60):
        assert code == 143, err
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert (run / "checkpoints" / f"step-{summary['steps']:010d}.npz").exists()
    for victim in (0, 1):
        before = len(rows_of(run))
        processes = start_workers([["-c", IMPATIENT, *place.command("ended", "--resume")]] * 2)
        wait_for_rows(run, before + 3, processes)
        processes[victim].kill()
        killed = time.monotonic()
        ended = finish(processes, 60)
        print(f"the other process ended after {time.monotonic() - killed:.1f} s")
        code, _, err = ended[1 - victim]
        assert code == 1, err
        assert "Another process of this training has stopped" in err
        assert "--resume" in err
        assert "Traceback" not in err
        assert before + 3 <= len(rows_of(run)) < EPOCHS
    # After that of the chief, two went on; now it is one.
    for code, _, err in finish(start_workers([place.command("ended", "--resume")])):
        assert code == 0, err
    assert_same(alone, run)


def test_processes_that_would_not_train_the_same_refuse(place, tmp_path):
    np.save(tmp_path / "fewer.npy", np.load(place.images)[:150])
    other = Place(tmp_path, tmp_path / "fewer.npy")
    commands = [place.command("unlike"), other.command("unlike")]
    chief, follower = finish(start_workers([["-c", IMPATIENT, *command] for command in commands]))
    assert (chief[0], follower[0]) == (1, 1)
    assert "do not train the same" in follower[2]
    assert "Traceback" not in chief[2] + follower[2]
    shutil.rmtree(place.run("unlike"))


def test_the_same_is_trained_from_anywhere_but_not_from_other_data_settings_or_images():
    def terms(seed=0, **changes):
        data = {"source": "image_folder", "path": "here", "image_size": [8, 8], **changes}
        images = ArraySet(make_images(15, 8, 8, seed=seed))
        splits = Splits(*(images.take(np.arange(first, last)) for first, last in ((0, 9), (9, 12), (12, 15))))
        plan = SimpleNamespace(image_shape=(8, 8, 3))
        return Training(RunConfig.model_validate({"data": data}), plan, splits, run=None, tell=print)._terms()

    assert terms(path="elsewhere", test_path="there", cache="memory") == terms()
    for changes in ({"augmentation": {"vertical_flip": True}}, {"fit": "crop"}, {"classes": ["cat"]}):
        assert terms(**changes) != terms()
    assert terms(seed=1) != terms()


def test_a_process_alone_does_not_look_for_what_several_must_have_in_common():
    assert Alone().on_start(None, pytest.fail) is None


def test_a_lost_process_is_told_of_even_where_the_engine_gives_no_reason():
    with pytest.raises(UserError, match="no reason given"), Together.errors(None):
        raise tf.errors.UnavailableError(None, None, "")


def test_a_process_that_writes_no_checkpoints_says_nothing_of_them_where_the_loss_is_not_finite():
    state = SimpleNamespace(step=12, counters=SimpleNamespace(epoch=0))
    loop = Loop(RunConfig().training, None, None, state, None, None, None, None, agreement=None)
    message = str(loop._not_finite())
    assert "at step 12 (epoch 1). Start again with a lower learning rate" in message
    assert "heckpoint" not in message


def test_sigterm_ends_a_process_that_waits_for_the_others(place):
    waiting, absent = (f"127.0.0.1:{port}" for port in free_ports(2))
    cluster = {"cluster": {"worker": [waiting, absent]}, "task": {"type": "worker", "index": 0}}
    process = start(place.command("waiting"), TF_CONFIG=json.dumps(cluster))
    try:
        wait_until_it_listens(process, int(waiting.rsplit(":", 1)[1]))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == "terminated"
    assert not place.run("waiting").exists()


def wait_until_it_listens(process, port):
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the process does not wait for others")
