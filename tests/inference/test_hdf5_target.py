"""HDF5 on a disk that takes no more: an error of Python, with the file's name, and the interpreter lives on."""

import errno
import gc
import sys

import h5py
import numpy as np
import pytest

from cae.inference.codes_file import Description, Hdf5Target, read_codes, writing_codes, writing_hdf5
from tests.conftest import run_process


def write(path, number, size=1000):
    with writing_hdf5(path) as (file, target):
        codes = file.create_dataset("codes", (0, size), "f4", maxshape=(None, size))
        for step in range(number):
            codes.resize(len(codes) + 10, axis=0)
            codes[-10:] = np.full((10, size), step, "f4")
            target.check()


def test_a_file_is_what_hdf5_writes_by_itself(tmp_path):
    write(tmp_path / "codes.h5", 30)
    with h5py.File(tmp_path / "codes.h5") as file:
        assert file["codes"].shape == (300, 1000)
        np.testing.assert_array_equal(file["codes"][:, 5], np.repeat(np.arange(30), 10))


# Of a disk with room for so many bytes. SIGSEGV came after the message, when HDF5's objects were freed.
FULL = """
import gc, resource, signal, sys
from pathlib import Path
from tests.inference.test_hdf5_target import write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for room in range(0, 400_000, 7_001):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        write(Path(sys.argv[1]) / "codes.h5", 10)
        print("whole", room)
    except OSError as error:
        assert "Errno" in str(error), error
    gc.collect()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(Path(sys.argv[1]) / "codes.h5", 10)
print("alive")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_is_an_error_and_not_a_crash(tmp_path):
    code, out, err = run_process("-c", FULL, tmp_path)
    assert (code, out) == (0, "alive\n"), err


def test_after_an_error_hdf5_reads_back_what_it_wrote(tmp_path, monkeypatch):
    target = Hdf5Target(tmp_path / "file")
    target.write(b"0123456789")
    target._error = OSError(errno.ENOSPC, "no")
    target.seek(5)
    target.write(b"abc")
    target.seek(20)
    target.write(b"xyz")
    for start, length, expected in [(0, 10, b"01234abc89"), (6, 3, b"bc8"), (18, 5, b"\0\0xyz"), (40, 2, b"\0\0")]:
        target.seek(start)
        assert target.read(length) == expected
        assert target.tell() == start + length
    with pytest.raises(OSError, match="no"):
        target.check()
    target.close()
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_an_error_names_the_file_of_codes_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "codes.h5"
    description = Description(run="e/run", weights="0" * 64, code_shape=(4,), pool="none", image_shape=(8, 8, 1))
    codes = np.ones((3, 4), np.float32)
    with writing_codes(path, description) as writer:
        writer.write(codes, ["a", "b", "c"], None)
    before = path.read_bytes()

    def fail(self):
        raise OSError(errno.EDQUOT, "Quota exceeded")

    monkeypatch.setattr(Hdf5Target, "check", fail)
    with pytest.raises(OSError, match=f"{path}'$"), writing_codes(path, description) as writer:
        writer.write(2 * codes, ["a", "b", "c"], None)
    gc.collect()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["codes.h5"]
    np.testing.assert_array_equal(read_codes(path).codes, codes)
