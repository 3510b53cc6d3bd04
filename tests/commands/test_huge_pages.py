"""Commands that start anew with memory in large pages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cae.commands.huge_pages import gives_on_request, restart_with_huge_pages
from tests.conftest import ROOT

REPORT = """
import os, sys
from pathlib import Path
from cae.commands.huge_pages import restart_with_huge_pages

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
