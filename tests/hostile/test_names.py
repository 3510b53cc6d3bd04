"""Names lead nowhere and are shown without being obeyed: of experiments, runs, files, keys."""

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cae.config import ConfigError, RunConfig, check_config, expand_grid, load_config
from cae.errors import UserError
from cae.messages import results_stream, tell
from cae.runs.lock import RunLock
from tests.conftest import ROOT

ELSEWHERE = [
    "../../x",
    "..",
    ".",
    "/tmp/x",
    "a/b",
    "a\\b",
    "~",
    "~root",
    "$(touch x)",
    "a b",
    " a",
    "a\n",
    "a\0",
    "-rf",
    ".hidden",
    "",
    "x" * 129,
    "\u2024\u2024",
    "\uff41",
    "\u202ea",
    "C:\\x",
    "a:b",
    "con?",
    "*",
    "\x1b[2J",
]


# What is a plain name, and still no folder: the program's own names, and those of Windows.
TAKEN = ["comparison", "Train", "validation", "evaluation", "checkpoints", "visualization", "config.yaml"]
TAKEN += ["aux", "NUL", "con.", "COM1.txt", "lpt9", "run."]


@pytest.mark.parametrize("key", ["experiment", "name"])
@pytest.mark.parametrize("name", TAKEN)
def test_a_name_that_the_program_or_windows_uses_itself_is_refused(key, name):
    with pytest.raises(ConfigError, match=rf"^config: {key}: must be another; {re.escape(name)} (is|ends)"):
        check_config({key: name})
    # A grid's names go on behind the given one.
    allowed = name[:3].lower() not in ("con", "aux", "nul", "com", "lpt") or name in ("comparison", "config.yaml")
    if key == "name" and allowed:
        assert check_config({key: name, "grid": {"seed": (0,)}})
    elif "." in name and not allowed:
        with pytest.raises(ConfigError, match="must be another"):
            check_config({key: name, "grid": {"seed": (0,)}})


def test_the_runs_of_a_grid_never_end_in_a_dot():
    config = check_config({"name": "a", "grid": {"data.path": ["b.", "c"]}, "data": {"source": "image_folder"}})
    assert not any(run.name.endswith(".") for run in expand_grid(config))


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are made as on Unix")
@pytest.mark.parametrize("kind", ["link", "lost_link", "hard_link", "file", "pipe", "folder"])
def test_what_has_the_name_of_a_runs_lock_is_refused_and_left_as_it_is(tmp_path, kind):
    diary, lock = tmp_path / "diary.txt", tmp_path / ".lock-run"
    diary.write_text("dear diary")
    make = {
        "link": lambda: lock.symlink_to(diary),
        "lost_link": lambda: lock.symlink_to(tmp_path / "new.txt"),
        "hard_link": lambda: lock.hardlink_to(diary),
        "file": lambda: lock.write_text("42"),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lock.mkdir,
    }
    make[kind]()
    before = tree(tmp_path)
    assert RunLock(tmp_path / "run").holder() is None
    with pytest.raises(UserError, match=r"\.lock-run: is no "), RunLock(tmp_path / "run").held(print):
        pass
    assert tree(tmp_path) == before
    assert diary.read_text() == "dear diary"
    if kind == "file":
        assert lock.read_text() == "42"


@pytest.mark.parametrize("length", [0, 5, 20, 100])
def test_a_lock_that_a_kill_left_is_taken_over_with_as_much_of_it_as_was_written(tmp_path, length):
    signature = '{"process": 7, "host": "here", "since": "2024-01-01 00:00:00"}'
    (tmp_path / ".lock-run").write_text(signature[:length])
    with RunLock(tmp_path / "run").held(print):
        assert f"process {os.getpid()} " in RunLock(tmp_path / "run").holder()
    assert tree(tmp_path) == []


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("key", ["experiment", "name"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_that_is_no_plain_folder_name_is_refused_and_nothing_is_written(run_command, tmp_path, key, name):
    config = tmp_path / "here" / "a.yaml"
    config.parent.mkdir()
    config.write_text("data: {source: bundled}\n")
    before = tree(tmp_path)
    code, out, err = run_command(
        "train", config, "--runs-dir", tmp_path / "here" / "runs", "--set", f'{key}="{escape(name)}"'
    )
    assert (code, out) == (2, "")
    assert key in err
    assert "Traceback" not in err
    assert all(line.isprintable() for line in err.split("\n"))
    assert tree(tmp_path) == before


def escape(name):
    """A name as it stands between double quotes in YAML."""
    return "".join(
        f"\\u{ord(letter):04x}" if letter in '"\\' or not letter.isprintable() else letter for letter in name
    )


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(ELSEWHERE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.dictionaries(
        st.sampled_from(["data.path", "data.array", "data.test_path", "seed", "training.epochs", "model.decoder"]),
        st.lists(values, min_size=1, max_size=3),
        min_size=1,
        max_size=2,
    )
)
def test_the_runs_of_a_grid_are_plain_folders_whatever_its_values(grid):
    config = RunConfig(grid={key: tuple(given) for key, given in grid.items()})
    try:
        runs = expand_grid(config)
    except ConfigError:
        return
    for run in runs:
        assert run.name not in (".", "..")
        assert len(run.name) <= 128
        assert RunConfig(name=run.name).name == run.name  # the rule for names holds


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\x9b31m", "\u202e", "\udcff", "\r", "\x00", "\u200b", "\x85"])
def test_what_a_terminal_would_obey_is_shown_as_an_escape(capsys, text):
    tell(f"before\n{text}after")
    first, second = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert first == "before"
    assert second.isprintable()
    assert second.endswith("after")
    assert second != "after"


def test_results_are_escaped_on_a_terminal_and_byte_for_byte_in_a_pipe():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    print("runs/\x1b[2J\udcff", "é", file=results_stream(terminal))
    assert terminal.getvalue() == "runs/\\x1b[2J\\udcff é\n"
    content = io.BytesIO()
    pipe = io.TextIOWrapper(content, encoding="utf-8")
    print(os.fsdecode(b"runs/\x1b[2J\xff"), file=results_stream(pipe), flush=True)
    assert content.getvalue() == b"runs/\x1b[2J\xff\n"


HOSTILE = b"\x1b]0;taken\x07\x1b[2J\xff.yaml"


def test_a_hostile_file_name_does_not_reach_a_terminal(tmp_path):
    """The whole program at a terminal of its own, with a name that would rename the window and clear it."""
    path = os.path.join(os.fsencode(tmp_path), HOSTILE)
    for content, arguments in ((b"seed: x", []), (b"", [b"--" + HOSTILE]), (b"extends: gone.yaml", [])):
        with open(path, "wb") as file:
            file.write(content)
        shown = run_at_a_terminal([sys.executable, "-m", "cae", "describe", path, *arguments])
        assert b"yaml" in shown
        assert b"Traceback" not in shown
        assert not set(shown) & {0x1B, 0x07}, shown


def run_at_a_terminal(command):
    """Run a command with stdout and stderr at a pseudo-terminal; gives all that it would show."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # as Linux says that nobody has the other end open
            part = b""
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(60) in (1, 2)
    return shown


def test_a_configuration_is_no_pipe_unless_it_is_asked_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "a.yaml").write_text("extends: pipe.yaml")
    for name in ("pipe.yaml", "a.yaml"):
        with pytest.raises(ConfigError, match="not a regular file"):
            load_config(tmp_path / name)


def test_an_override_of_thousands_of_parts_or_of_bytes_that_are_no_text_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("")
    for override in ("a." * 50_000 + "b=1", "model" + ".0" * 50_000 + "=1", "\udcff=1", "a\x1b[2J=1", "a\0=1"):
        with pytest.raises(ConfigError, match="must be KEY=VALUE") as caught:
            load_config(tmp_path / "a.yaml", [override])
        assert str(caught.value).isprintable()


def test_files_that_extend_each_other_are_measured_together(tmp_path):
    for number in range(9):
        below = f"extends: {number + 1}.yaml\n" if number < 8 else ""
        (tmp_path / f"{number}.yaml").write_text(below + f"#{'x' * 20_000}")
    with pytest.raises(ConfigError, match="the files together have more than 65536 bytes"):
        load_config(tmp_path / "0.yaml")
    for number in range(9):
        below = f"extends: {number + 1}.yaml\n" if number < 8 else ""
        (tmp_path / f"{number}.yaml").write_text(below + f"k{number}: [{'1,' * 2000}]")
    with pytest.raises(ConfigError, match="more than 5000 values in all files"):
        load_config(tmp_path / "0.yaml")


@pytest.mark.parametrize("value", [10**10, 2**31, 2**62])
@pytest.mark.parametrize(
    "key",
    [
        "training.batch_size",
        "training.epochs",
        "data.image_size.0",
        "model.bottleneck.channels",
        "data.augmentation.random_crop",
    ],
)
def test_a_count_beyond_32_bits_is_refused(tmp_path, key, value):
    (tmp_path / "a.yaml").write_text("data: {source: mnist, image_size: [28, 28]}")
    with pytest.raises(ConfigError, match=f"{value}; numbers end at 2147483647"):
        load_config(tmp_path / "a.yaml", [f"{key}={value}"])
