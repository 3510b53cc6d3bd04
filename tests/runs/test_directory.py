"""The run directory's folder, before anything is in it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cae.errors import UserError
from cae.runs import RunDirectory, check_is_writable


def test_jobs_that_start_at_once_do_not_take_each_others_test_file_for_a_fault(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(check_is_writable, [tmp_path / "runs" / str(number) for number in range(2000)]))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        check_is_writable(tmp_path / "file" / "run")


def test_an_old_run_that_a_kill_left_half_deleted_goes_with_the_next_start(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.create()
    left = tmp_path / ".writing-abcdefgh-run"
    left.mkdir()
    (left / "config.yaml").write_text("old")
    run.create()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
