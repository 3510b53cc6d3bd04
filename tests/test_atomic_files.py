"""Files and folders take their places whole, whatever happens on the way, and leave nothing behind."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cae import atomic_files
from cae.atomic_files import filling_folder, replacing, replacing_folder, restore_folder
from cae.errors import UserError
from tests.conftest import ROOT

needs_kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals of a POSIX system")


def tree(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture(params=["exchange", "two renames"])
def swapping(request, monkeypatch):
    if request.param == "two renames":
        monkeypatch.setattr(atomic_files, "_exchange", lambda one, other: False)
    return request.param


def test_a_new_folder_takes_the_place_of_the_old_one_whole(tmp_path, swapping):
    target = tmp_path / "deep" / "target"
    for text in ("first", "second"):
        with replacing_folder(target) as folder:
            write(folder, **{text: text, "sub__file": text})
            assert not target.exists() or tree(target) == {"first": "first", "sub/file": "first"}
    assert tree(target) == {"second": "second", "sub/file": "second"}
    assert target.stat().st_mode & 0o777 == 0o777 & ~atomic_files._umask()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_failure_leaves_the_old_folder_and_names_files_where_they_were_to_be(tmp_path, swapping):
    target = tmp_path / "target"
    write(target, a="old")
    with pytest.raises(FileNotFoundError) as caught, replacing_folder(target) as folder:
        (folder / "no" / "folder").write_text("")
    assert caught.value.filename == str(target / "no" / "folder")
    with pytest.raises(UserError, match=f"^{target}/b: bad"), replacing_folder(target) as folder:
        raise UserError(f"{folder / 'b'}: bad")
    assert tree(tmp_path) == {"target/a": "old"}


@pytest.mark.parametrize("begin", [replacing, replacing_folder])
def test_a_place_that_takes_no_files_is_named_and_not_what_was_to_lie_beside_it(begin):
    with pytest.raises(OSError, match="/proc/here") as caught, begin(Path("/proc/here")):
        pass
    assert caught.value.filename == "/proc/here"


def test_of_two_renames_the_second_failing_puts_the_old_folder_back(tmp_path, monkeypatch):
    target, rename = tmp_path / "target", os.rename
    write(target, a="old")
    monkeypatch.setattr(atomic_files, "_exchange", lambda one, other: False)

    def fail(source, to):
        if ".writing-" in str(source):
            raise OSError(errno.EIO, "no", str(source))
        rename(source, to)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no"), replacing_folder(target) as folder:
        write(folder, a="new")
    assert tree(tmp_path) == {"target/a": "old"}


# Kills itself just before the NUMBER-th rename, removal or making of a folder; the exchange counts as a rename.
DYING = """
import os, signal, sys
from pathlib import Path
from cae import atomic_files
function, target, number, exchanges = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
done = 0
def count(event=None, arguments=None):
    global done
    if event is None or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
        done += 1
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)
exchange = atomic_files._exchange
def counted(one, other):
    count()
    return exchange(one, other)
atomic_files._exchange = counted if exchanges else lambda one, other: False
sys.addaudithook(count)
with getattr(atomic_files, function)(target) as folder:
    (folder / "a").write_text("new")
    (folder / "sub").mkdir()
    (folder / "sub" / "b").write_text("new")
"""


def die(function, target, number, exchanges=True):
    """Run it; gives whether it came to its end."""
    command = [sys.executable, "-c", DYING, function, str(target), str(number), str(int(exchanges))]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    assert code in (0, -signal.SIGKILL)
    return code == 0


def kill_everywhere(function, make, exchanges=True):
    """Kill at every operation; gives the folder after each kill."""
    for number in range(1, 100):
        target = make(number)
        is_done = die(function, target, number, exchanges)
        yield target
        if is_done:
            assert number > 5
            return


OLD, NEW = {"a": "old", "c": "old"}, {"a": "new", "sub/b": "new"}


@needs_kills
@pytest.mark.parametrize("exchanges", [True, False])
def test_a_kill_at_any_moment_of_a_swap_loses_neither_old_nor_new(tmp_path, exchanges):
    def make(number):
        target = tmp_path / str(number) / "target"
        write(target, a="old", c="old")
        return target

    found = []
    for target in kill_everywhere("replacing_folder", make, exchanges):
        if exchanges:
            assert target.exists()
        restore_folder(target)
        found.append(tree(target))
        assert found[-1] in (OLD, NEW)
        # The next one goes through, and clears away what the kill left.
        with replacing_folder(target) as folder:
            write(folder, d="later")
        assert tree(target.parent) == {"target/d": "later"}
    assert OLD in found
    assert NEW in found


@needs_kills
def test_a_kill_at_any_moment_of_filling_leaves_all_of_it_to_be_found_or_nothing(tmp_path):
    def make(number):
        target = tmp_path / str(number) / "target"
        write(target, a="old", c="old")
        return target

    for target in kill_everywhere("filling_folder", make):
        names = {"a", "sub/b"}
        placed = {name: text for name, text in tree(target).items() if not name.startswith(".")}
        waiting = {name.removeprefix(".whole/") for name in tree(target) if name.startswith(".whole/")}
        new = {name for name in names if placed.get(name) == "new"}
        assert not new or new | waiting == names
        with filling_folder(target) as folder:
            write(folder, d="later")
        expected = {**OLD, **NEW} if new or waiting else OLD
        assert tree(target) == {**expected, "d": "later"}


def test_filling_keeps_what_has_other_names_and_refuses_folders_in_the_place_of_files(tmp_path):
    write(tmp_path, a="old", c="old", sub__x="old")
    with filling_folder(tmp_path) as folder:
        write(folder, a="new", sub__b="new")
    assert tree(tmp_path) == {"a": "new", "c": "old", "sub/x": "old", "sub/b": "new"}
    before = tree(tmp_path)
    for name in ("sub", "c__d"):
        with pytest.raises(UserError, match=f"{tmp_path}/{name[:3].strip('_')}"), filling_folder(tmp_path) as folder:
            write(folder, a="newer", **{name: "new"})
    assert tree(tmp_path) == before


def test_what_another_process_is_writing_is_not_taken_for_a_leftover(tmp_path):
    (tmp_path / ".writing-abcdefgh-a").write_text("left by a kill")
    (tmp_path / ".writing-abcdefgh-b").write_text("of another file")
    with replacing(tmp_path / "a") as one:
        assert not (tmp_path / ".writing-abcdefgh-a").exists()
        one.write_text("one")
        with replacing(tmp_path / "a") as other:
            assert one.exists()
            other.write_text("other")
        with replacing_folder(tmp_path / "f") as folder, replacing_folder(tmp_path / "f"):
            assert folder.exists()
    assert tree(tmp_path) == {"a": "one", ".writing-abcdefgh-b": "of another file"}
