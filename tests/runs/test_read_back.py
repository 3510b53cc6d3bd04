"""What is told of damaged files of a run."""

import json
import re
from pathlib import Path

import pytest

from cae.errors import UserError
from cae.runs import RunDirectory

ROW = {"epoch": 1, "step": 5, "val_loss": 0.5}


def lines(*rows):
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"best": 3}, "best"),
        ({"best": {"epoch": "one", "step": 1}}, "best"),
        ({"steps": "many"}, "steps"),
        ({"steps": True}, "steps"),
        ({"epochs": -1}, "epochs"),
        ({"status": ["finished"]}, "status"),
        ({"images": {"train": "x"}}, "images"),
        ({"images": {"train": 3, "validation": 1}}, "images"),
        ({"image_shape": [28, 28]}, "image_shape"),
        ({"warnings": "few_steps"}, "warnings"),
        ({"warnings": ["few_steps"]}, "warnings"),
        ({"warnings": [{"code": "few_steps"}]}, "warnings"),
        ({"warnings": [{"code": "few_steps", "message": 3}]}, "warnings"),
        ({"warnings": [{"code": "few_steps", "message": "x" * 10_000}]}, "warnings"),
        ({"warnings": [{"code": "few_steps", "message": "x"}] * 10_000}, "warnings"),
    ],
)
def test_a_summary_with_a_value_of_another_kind_is_refused_with_file_and_key(tmp_path, content, key):
    run = RunDirectory(tmp_path)
    run.summary.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"summary\.json: `{key}` must be .*Received: "):
        run.read_summary()
    assert run.status is None


def test_a_summary_that_lacks_keys_or_failed_before_its_first_epoch_is_read(tmp_path):
    run = RunDirectory(tmp_path)
    content = {"status": "failed", "best": {}, "last": {}, "epochs": 0, "steps": 0}
    run.summary.write_text(json.dumps(content))
    assert run.read_summary() == content


@pytest.mark.parametrize("text", [b"{", b"[1]", b'{"status": "\xff"}'])
def test_a_summary_that_is_no_json_object_is_refused(tmp_path, text):
    run = RunDirectory(tmp_path)
    run.summary.write_bytes(text)
    with pytest.raises(UserError, match=re.escape(str(run.summary))):
        run.read_summary()


DAMAGED = [
    b'{"epoch": 1, "st',
    b"\xff\xfe",
    b"[1]",
    b"",
    {"step": 5},
    {"epoch": 2},
    {**ROW, "step": 1.5},
    {**ROW, "val_loss": "x"},
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_row_is_left_out_at_the_end_and_refused_elsewhere(tmp_path, damaged):
    run = RunDirectory(tmp_path)
    run.metrics.write_bytes(lines(ROW, damaged))
    assert run.read_metrics() == [ROW]
    run.metrics.write_bytes(lines(ROW, damaged, ROW))
    with pytest.raises(UserError, match=r"metrics\.jsonl: .*`epoch` and `step`; line 2 is none"):
        run.read_metrics()


def test_missing_metrics_and_environment_are_empty(tmp_path):
    assert RunDirectory(tmp_path).read_metrics() == []
    assert RunDirectory(tmp_path).read_environment() == {}


@pytest.mark.parametrize("content", [{"packages": ["numpy"]}, {"git_revision": 3}, {"gpus": "none"}, {"cores": "2"}])
def test_a_damaged_environment_is_refused_with_file_and_key(tmp_path, content):
    run = RunDirectory(tmp_path)
    run.environment.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"environment\.json: `{next(iter(content))}` must be"):
        run.read_environment()


@pytest.mark.parametrize("given", [".", "../mine", "../../e/mine"])
def test_a_run_has_a_name_however_its_folder_is_given(tmp_path, monkeypatch, given):
    folder = tmp_path / "e" / "mine"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    run = RunDirectory(Path(given))
    assert (run.name, run.experiment) == ("mine", "e")


def test_records_nested_without_end_are_refused(tmp_path):
    run = RunDirectory(tmp_path)
    run.summary.write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"summary\.json: cannot be read"):
        run.read_summary()
    run.metrics.write_bytes(lines(b"[" * 100_000, ROW))
    with pytest.raises(UserError, match="line 1 is none"):
        run.read_metrics()
