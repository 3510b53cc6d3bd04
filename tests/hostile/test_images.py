"""Every file in a folder of hostile pictures is either read as what it shows, or named with the reason."""

import os
import socket

import numpy as np
import pytest
from PIL import Image

from cae.config.data import ImageFolderData
from cae.data.load import load_splits
from cae.errors import UserError
from tests.hostile.outcome import outcome
from tests.hostile.pictures import ENDINGS, RGB, corpus, encoded, png


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory, monkeypatch):
    """No test sees or leaves anything in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


# Outside of tests the warning is left out by `cae.data.formats.image_files`; pytest has filters of its own.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.name)
def test_a_hostile_picture_is_read_right_or_refused(tmp_path, case):
    path = tmp_path / case.name
    path.write_bytes(case.content)
    found = outcome(path)
    if isinstance(case.expected, str):
        assert isinstance(found, str)
        assert case.expected in found
        assert found.isprintable()
        assert len(found.split()) > 1, "no reason for people"
    else:
        assert not isinstance(found, str), found
        np.testing.assert_allclose(
            found.astype(float), np.broadcast_to(case.expected, found.shape), atol=case.tolerance or 1e-6
        )


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_cut_anywhere_is_whole_or_refused(tmp_path, ending):
    whole = encoded(RGB, ending)
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(whole)
    pixels, refused = outcome(path), 0
    for length in {*range(0, len(whole), max(1, len(whole) // 60)), *range(len(whole) - 12, len(whole))}:
        path.write_bytes(whole[:length])
        found = outcome(path)
        refused += isinstance(found, str)
        assert isinstance(found, str) or np.array_equal(found, pixels), length
    assert refused > 40


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_with_wrong_bytes_is_pixels_or_a_reason(tmp_path, ending):
    whole = np.frombuffer(encoded(RGB, ending), np.uint8)
    path = tmp_path / f"wrong.{ending}"
    generator = np.random.default_rng(0)
    for _ in range(60):
        content = whole.copy()
        # Headers decide most, so that half of the wrong bytes are there.
        places = generator.integers(0, generator.choice([min(64, len(whole)), len(whole)]), generator.integers(1, 9))
        content[places] = generator.integers(0, 256, len(places))
        path.write_bytes(content.tobytes())
        found = outcome(path)
        assert found if isinstance(found, str) else found.dtype in (np.uint8, np.float32)


HOSTILE_NAMES = [
    b"line\nbreak.png",
    b"\x1b[2J\x1b[31mred.png",
    b"bell\x07.png",
    b"bytes-\xff\xfe.png",
    "\u202egnp.exe.png".encode(),
    b"<img src=x onerror=alert(1)>.png",
    b"=cmd|' C calc'!A0.png",
    b"-rf.png",
    b"$(touch canary).png",
    b"a,b\";'.png",
]


def make_folder(folder):
    """Files of every unpleasant kind; gives the names that show RGB, and those that are named as bad."""
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(png())
    folder.mkdir()
    good, bad = [*map(os.fsdecode, HOSTILE_NAMES), "link.png", "inside.png/a.png", "linked/a.png"], []
    for name in good[: len(HOSTILE_NAMES)]:
        (folder / name).write_bytes(png())
    (folder / "link.png").symlink_to(outside / "a.png")
    (folder / "inside.png").mkdir()
    (folder / "inside.png" / "a.png").write_bytes(png())
    (folder / "linked").symlink_to(outside)
    (folder / "inside.png" / "round.png").symlink_to(folder)  # a folder that is read already
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "nowhere.png").symlink_to("gone.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "secret.png").symlink_to("/etc/passwd")
    with open(folder / "endless.webp", "wb") as file:
        file.write(b"RIFF\xff\xff\xff\xffWEBPVP8 ")
        file.truncate(10**12)  # takes no room on the disk
    os.mkfifo(folder / "pipe")
    (folder / "pipe.png").symlink_to("pipe")
    here = os.getcwd()
    os.chdir(folder)  # a socket's whole path must be short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
    os.chdir(here)
    (folder / "socket.png").symlink_to("socket")
    (folder / "empty.png").touch()
    bad += [
        "loop.png",
        "nowhere.png",
        "device.png",
        "secret.png",
        "endless.webp",
        "pipe.png",
        "socket.png",
        "empty.png",
    ]
    if os.getuid() != 0:  # who may read everything
        (folder / "locked.png").write_bytes(png())
        (folder / "locked.png").chmod(0)
        bad.append("locked.png")
    return good, bad


def test_every_entry_of_a_hostile_folder_is_read_or_named(tmp_path):
    good, bad = make_folder(tmp_path / "pictures")
    section = ImageFolderData(path=str(tmp_path / "pictures"), on_bad_image="skip")
    splits = load_splits(section)
    read = [name for part in (splits.train, splits.validation, splits.test) for name in part.names]
    assert sorted(read) == sorted(good)
    assert splits.skipped == len(bad)
    for part in (splits.train, splits.validation, splits.test):
        assert (part.read(np.arange(len(part))) == RGB).all()
    with pytest.raises(UserError) as caught:
        load_splits(section.model_copy(update={"on_bad_image": "error"}))
    first, *lines = str(caught.value).split("\n")
    assert first.startswith(f"{len(bad)} of {len(good) + len(bad)} image files")
    assert sorted(line.split(": ")[0].rsplit("/", 1)[1] for line in lines) == sorted(bad)


def test_messages_show_hostile_names_without_obeying_them(tmp_path):
    for name in HOSTILE_NAMES:
        (tmp_path / os.fsdecode(name)).write_bytes(b"no image")
    with pytest.raises(UserError) as caught:
        load_splits(ImageFolderData(path=str(tmp_path)))
    lines = str(caught.value).split("\n")
    assert len(lines) == 1 + len(HOSTILE_NAMES)
    assert all(line.isprintable() for line in lines)


def test_a_picture_that_becomes_a_pipe_after_the_scan_is_named_and_not_waited_for(tmp_path):
    for number in range(9):
        Image.fromarray(RGB).save(tmp_path / f"{number}.png")
    splits = load_splits(ImageFolderData(path=str(tmp_path)))
    victim = tmp_path / splits.train.names[0]
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(UserError, match=rf"{victim}: .*not a regular file"):
        splits.train.read(np.array([0]))
