"""An experiment's folder as training leaves it, and a real TensorBoard that shows it."""

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import replace

import pytest

from cae.comparison.events import write_events
from cae.runs import RunDirectory
from cae.training.tensorboard import TensorBoardWriter
from tests.comparison.example import make_example

SECONDS = 90


def make_experiment(folder, num_contenders=3, num_seeds=2, **options):
    """Make a comparison whose runs are in a folder, each with the events that training writes."""
    comparison, exhibits = make_example(num_contenders, num_seeds, **options)
    contenders = []
    for contender in comparison.contenders:
        runs = tuple(replace(run, path=str(folder / run.name)) for run in contender.runs)
        contenders.append(replace(contender, runs=runs))
        for run in runs:
            write_training(folder / run.name, contender, run.seed)
    return replace(comparison, contenders=tuple(contenders)), exhibits


def write_training(path, contender, seed):
    path.mkdir(parents=True)
    (path / "config.yaml").write_text("")
    hyperparameters = {
        "upsampling": contender.upsampling,
        "seed": seed,
        "model.decoder.upsampling.kind": contender.upsampling,
        "model.decoder.tied_weights": contender.label.endswith("tied"),
        "training.epochs": 10,
        "parameters": contender.parameters,
        "code_values": 196,
        "switch_bits": contender.code["switch_bits"],
    }
    writer = TensorBoardWriter(RunDirectory(path))
    writer.write_configuration("", hyperparameters)
    writer.write_scalars({"psnr": 20.0 + seed}, {"psnr": 19.0 + seed}, 100)
    writer.close()


class TensorBoard:
    """A TensorBoard's address, with its answers as JSON."""

    def __init__(self, address):
        self.address = address

    def ask(self, route, body=None, **parameters):
        return json.loads(self.read(route, body, **parameters))

    def read(self, route, body=None, **parameters):
        url = f"{self.address}/data/{route}?{urllib.parse.urlencode(parameters)}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read()

    def wait_for(self, runs):
        end = time.monotonic() + SECONDS
        while not set(runs) <= (found := set(self.ask("runs"))):
            assert time.monotonic() < end, f"TensorBoard found {found} only"
            time.sleep(0.2)


@pytest.fixture(scope="session")
def shown(tmp_path_factory):
    """A comparison, its exhibits, and a TensorBoard on loopback that shows the experiment."""
    folder = tmp_path_factory.mktemp("events") / "compare_decoders"
    comparison, exhibits = make_experiment(folder)
    terms = replace(comparison.terms, unequal=("Decoder: kernel_size of `a<b> _c_` is *3*.",))
    comparison = replace(comparison, terms=terms)
    write_events(comparison, exhibits, folder / "comparison", folder)
    with serve(folder) as board:
        board.wait_for([".", "comparison", *(run.name for one in comparison.contenders for run in one.runs)])
        yield comparison, exhibits, board


@contextlib.contextmanager
def serve(folder):
    """A TensorBoard on loopback that shows a folder; its log lies beside the folder."""
    log = folder.with_name(f"{folder.name}.log")
    options = ["--logdir", folder, "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"]
    with open(log, "w") as file:
        process = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *options], stdout=file, stderr=file)
    try:
        yield TensorBoard(_address(process, log))
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process, log):
    end = time.monotonic() + SECONDS
    while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    return found.group()
