"""Commands that start anew with memory in large pages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cae.commands.main import entry_point
from cae.engine import gives_on_request, restart_with_huge_pages
from tests.conftest import ROOT

REPORT = """
import os, sys
from pathlib import Path
from cae.commands.main import entry_point
from cae.engine import restart_with_huge_pages

print(os.getpid(), "before", flush=True)
restart_with_huge_pages(Path(sys.argv[1]))
print(os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:], sys.flags.dont_write_bytecode)
"""


def start(setting, **environ):
    arguments = [sys.executable, "-B", "-c", REPORT, setting, "two words"]
    done = subprocess.run(arguments, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="large pages are Linux' own")
def test_a_process_keeps_its_number_arguments_and_options_and_starts_anew_once(tmp_path):
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never\n")
    first, second, last = start(setting)
    assert first == second  # one process, started twice
    number = first.split()[0]
    assert last == f"{number} glibc.malloc.hugetlb=1 {[str(setting), 'two words']} 1"


@pytest.mark.parametrize("words", ["[always] madvise never", "always madvise [never]", None])
def test_nothing_happens_where_large_pages_go_to_all_or_to_nobody(tmp_path, words):
    setting = tmp_path / "enabled"
    if words is not None:
        setting.write_text(words)
    assert not gives_on_request(setting)
    restart_with_huge_pages(setting)  # would end this process
    _, last = start(setting)
    assert " None " in last


def test_settings_of_the_users_own_stay(tmp_path):
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never\n")
    _, last = start(setting, GLIBC_TUNABLES="glibc.malloc.check=0")
    assert " glibc.malloc.check=0 " in last


def test_a_process_that_cannot_be_started_anew_goes_on(tmp_path, monkeypatch):
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never\n")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing"))
    restart_with_huge_pages(setting)
    assert "GLIBC_TUNABLES" not in os.environ


@pytest.mark.parametrize(("words", "restarts"), [(["train", "--help"], 1), (["describe", "--help"], 0), ([], 0)])
def test_only_training_starts_anew(words, restarts, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr("cae.commands.main.restart_with_huge_pages", lambda: calls.append(1))
    with pytest.raises(SystemExit):
        entry_point(words)
    assert len(calls) == restarts
