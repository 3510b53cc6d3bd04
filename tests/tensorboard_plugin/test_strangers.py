"""The tab beside a stranger's event files, and its routes for requests that come by another name."""

import argparse

import numpy as np
import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
from werkzeug.test import Client

from cae.runs.probe_images import PLUGIN_NAME, inputs_summary, pictures_summary, simple_codes_summary
from cae.tensorboard_plugin.plugin import DecodersPlugin

pytestmark = pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")

ROUTES = "/data/plugin/cae"
RUNS = f"{ROUTES}/runs"
IMAGES = np.random.default_rng(0).random((2, 8, 8, 1))


def write(folder, *summaries):
    writer = EventFileWriter(str(folder))
    for summary in summaries:
        writer.add_event(event_pb2.Event(step=1, wall_time=1.0, summary=summary))
    writer.close()


def hostile_probes(content):
    """The summary of probe images with other metadata."""
    summary = inputs_summary(IMAGES, ["a", "b"])
    summary.value[0].metadata.plugin_data.content = content
    return summary


def hostile_settings(content):
    summary = summary_pb2.Summary()
    value = summary.value.add(tag=hparams_metadata.SESSION_START_INFO_TAG)
    value.metadata.plugin_data.plugin_name = hparams_metadata.PLUGIN_NAME
    value.metadata.plugin_data.content = content
    value.metadata.data_class = summary_pb2.DATA_CLASS_TENSOR
    value.tensor.CopyFrom(hparams_metadata.NULL_TENSOR)
    return summary


def hostile_simple_codes(notes):
    """What an evaluation measured beside a run, with other notes."""
    summary = simple_codes_summary([], [])
    summary.value[1].tensor.CopyFrom(tensor_util.make_tensor_proto([notes]))
    return summary


HOSTILE = {
    "no json": [hostile_probes(b"\xff{")],
    "nested": [hostile_probes(b"[" * 100_000)],
    "null": [hostile_probes(b"null")],
    "names": [hostile_probes(b'{"digest": "d", "names": 7, "height": 8, "width": 8, "channels": 1, "columns": 2}')],
    "sides": [
        hostile_probes(
            b'{"digest": "d", "names": ["a"], "height": 1e999, "width": -8, "channels": 1, "columns": 0, "x": 1}'
        )
    ],
    "settings": [inputs_summary(IMAGES, ["a", "b"]), hostile_settings(b"\xff\xff\xff")],
    "simple codes": [inputs_summary(IMAGES, ["a", "b"]), hostile_simple_codes(b'{"name": "pca", "values": "many"}')],
    "no simple codes": [inputs_summary(IMAGES, ["a", "b"]), hostile_simple_codes(7.0)],
    "pictures": [
        inputs_summary(IMAGES, ["a", "b"]),
        summary_pb2.Summary(
            value=[
                summary_pb2.Summary.Value(
                    tag="probes/reconstructions",
                    metadata=pictures_summary(IMAGES).value[0].metadata,
                    tensor={"dtype": 1, "float_val": [1.0]},
                )
            ]
        ),
    ],
}


def client(logdir, **flags):
    """TensorBoard with the tab alone."""
    from tensorboard.backend import application  # brings a library with it that warns of its age

    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={PLUGIN_NAME: 0})
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    source = data_provider.MultiplexerDataProvider(multiplexer, str(logdir))
    context = base_plugin.TBContext(data_provider=source, logdir=str(logdir), flags=argparse.Namespace(**flags))
    return Client(application.TensorBoardWSGI([DecodersPlugin(context)], data_provider=source))


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_run_is_named_and_hides_no_other(tmp_path, kind):
    write(tmp_path / "sound" / "validation", inputs_summary(IMAGES, ["a", "b"]), pictures_summary(IMAGES))
    write(tmp_path / "bad" / "validation", *HOSTILE[kind])
    answer = client(tmp_path).get(RUNS)
    assert answer.status_code == 200
    found = {run["name"]: run for run in answer.json["runs"]}
    assert [step for step, _ in found["sound"]["steps"]] == [1]
    if kind != "pictures":  # which TensorBoard itself leaves out
        (refused,) = answer.json["refused"]
        assert refused["name"] in ("bad", "bad/validation")
        assert refused["reason"].isprintable()
    assert client(tmp_path).get(f"{ROUTES}/sheet", query_string={"run": "sound", "kind": "input"}).status_code == 200


OWN = ["localhost", "localhost:6006", "LOCALHOST:1", "127.0.0.1:6006", "127.8.9.1", "[::1]:6006", "[::1]"]
FOREIGN = [
    "evil.example",
    "evil.example:6006",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.168.1.5",
    "a:b:c",
]


@pytest.mark.parametrize("route", [RUNS, f"{ROUTES}/static/index.js", f"{ROUTES}/scales"])
def test_only_this_machines_own_names_are_answered(tmp_path, route):
    ask = client(tmp_path, host=None, bind_all=False)
    for host in OWN:
        assert ask.get(route, headers={"Host": host}).status_code == 200, host
    for host in FOREIGN:
        assert ask.get(route, headers={"Host": host}).status_code == 403, host


@pytest.mark.parametrize("flags", [{"host": "0.0.0.0"}, {"host": "::"}, {"bind_all": True, "host": None}])
def test_whoever_serves_everybody_answers_to_every_name(tmp_path, flags):
    assert client(tmp_path, **flags).get(RUNS, headers={"Host": "here.example:6006"}).status_code == 200


def test_the_host_that_tensorboard_was_started_with_is_answered_and_no_other(tmp_path):
    ask = client(tmp_path, host="here.example")
    assert ask.get(RUNS, headers={"Host": "here.example:6006"}).status_code == 200
    assert ask.get(RUNS, headers={"Host": "localhost:6006"}).status_code == 200
    assert ask.get(RUNS, headers={"Host": "there.example:6006"}).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("route", [RUNS, f"{ROUTES}/static/index.js"])
def test_only_get_and_head_are_answered(tmp_path, method, route):
    ask = client(tmp_path)
    answer = ask.open(route, method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    head = ask.open(route, method="HEAD")
    assert (head.status_code, head.data) == (200, b"")
