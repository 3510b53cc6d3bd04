"""What is known of pictures between requests."""

from __future__ import annotations

import pytest
from tensorboard import errors
from tensorboard.context import RequestContext
from tensorboard.data import provider

from cae.runs.probe_images import INPUTS_TAG, PICTURES_TAG
from cae.tensorboard_plugin.reader import Reader


class Source:
    """Data of one run, that counts how often it is asked to list them.

    Args:
        gone: what it raises where it is asked for something that is no longer there.
    """

    def __init__(self, gone):
        self.gone = gone
        self.sheets = {}  # step and place to content
        self.listings = 0

    def read_blob_sequences(self, context, *, experiment_id, plugin_name, downsample, run_tag_filter):
        self.listings += 1
        (tag,) = run_tag_filter.tags
        steps = {}
        for step, place in sorted(self.sheets):
            steps.setdefault(step, []).append(provider.BlobReference(f"{step} {place}"))
        data = [provider.BlobSequenceDatum(step=step, wall_time=0.0, values=tuple(steps[step])) for step in steps]
        return {"run/validation": {tag: data}} if data else {}

    def read_blob(self, context, *, blob_key):
        step, place = map(int, blob_key.split())
        if (step, place) not in self.sheets:
            raise self.gone
        return self.sheets[step, place]


@pytest.fixture(params=[errors.NotFoundError("gone"), KeyError("gone"), IndexError("gone")])
def source(request):
    return Source(request.param)


@pytest.fixture
def read(source):
    """Read a sheet as a request does: what is known outlives it."""
    listed = {}
    return lambda *arguments: Reader(source, RequestContext(), "", listed).sheet("run", *arguments)


def test_pictures_are_listed_once_for_all_steps(source, read):
    source.sheets = {(1, 0): b"first", (2, 0): b"second"}
    assert [read(PICTURES_TAG, step) for step in (1, 2, 1)] == [b"first", b"second", b"first"]
    assert source.listings == 1


def test_a_new_step_is_found_without_being_listed_before(source, read):
    source.sheets = {(1, 0): b"first"}
    read(PICTURES_TAG, 1)
    source.sheets[2, 0] = b"second"
    assert read(PICTURES_TAG, 2) == b"second"


def test_a_run_that_was_trained_afresh_shows_its_new_inputs(source, read):
    source.sheets = {(1, 0): b"old"}
    assert read(INPUTS_TAG, None) == b"old"
    source.sheets = {(5, 0): b"new", (5, 1): b"corrupted"}
    assert read(INPUTS_TAG, None) == b"new"
    assert read(INPUTS_TAG, None, 1) == b"corrupted"


def test_what_is_gone_is_not_there(source, read):
    source.sheets = {(1, 0): b"first"}
    assert read(PICTURES_TAG, 1) == b"first"
    source.sheets = {}
    assert read(PICTURES_TAG, 1) is None
    assert read(PICTURES_TAG, 7) is None
    assert read(INPUTS_TAG, None, 1) is None
