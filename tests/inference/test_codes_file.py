"""Codes on disk are what they were, in every format, and NumPy, h5py and pyarrow read them alike."""

import h5py
import numpy as np
import pytest

from cae.errors import ConfigError, UserError
from cae.inference import codes_file
from cae.inference.codes_file import Description, check_format, read_codes, writing_codes

DESCRIPTION = Description("experiment/run", "0" * 64, (2, 3), "none", (8, 12, 1))
CODES = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
NAMES = ["b/ä.png", "a.png", "7", "x y.jpg", "z"]
CLASSES = ["b", "", "ü", "b", "b"]


def write(path, classes=None):
    with writing_codes(path, DESCRIPTION) as writer:
        for part in (slice(0, 2), slice(2, 5)):
            writer.write(CODES[part], NAMES[part], None if classes is None else classes[part])
    return path


@pytest.fixture(params=[".npz", ".h5", ".parquet"])
def ending(request):
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return request.param


def test_codes_come_back_bit_for_bit(tmp_path, ending):
    found = read_codes(write(tmp_path / f"codes{ending}", CLASSES))
    np.testing.assert_array_equal(found.codes, CODES)
    assert found.names == NAMES
    assert found.description == DESCRIPTION


def test_numpy_reads_an_npz_without_pickle(tmp_path):
    with np.load(write(tmp_path / "codes.npz", CLASSES), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["codes"], CODES)
        assert archive["names"].tolist() == NAMES
        assert archive["classes"].tolist() == CLASSES
    with np.load(write(tmp_path / "unsorted.npz"), allow_pickle=False) as archive:
        assert "classes" not in archive


def test_h5py_reads_an_h5(tmp_path):
    with h5py.File(write(tmp_path / "codes.h5", CLASSES)) as file:
        np.testing.assert_array_equal(file["codes"][...], CODES)
        assert file["names"].asstr()[...].tolist() == NAMES
        assert file["classes"].asstr()[...].tolist() == CLASSES


def test_pyarrow_reads_a_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(write(tmp_path / "codes.parquet", CLASSES))
    assert table.column_names == ["names", "classes", "codes"]
    assert table["names"].to_pylist() == NAMES
    np.testing.assert_array_equal(np.array(table["codes"].to_pylist(), np.float32), CODES.reshape(5, 6))


def test_a_file_is_whole_or_not_there(tmp_path, ending):
    writing = writing_codes(tmp_path / f"codes{ending}", DESCRIPTION)
    writing.__enter__().write(CODES, NAMES, None)
    assert not writing.__exit__(RuntimeError, RuntimeError("the disk is full"), None)  # the error goes on
    assert not list(tmp_path.iterdir())


def test_an_array_of_ones_own_needs_no_description(tmp_path):
    np.savez(tmp_path / "own.npz", codes=CODES.astype(np.float64))
    found = read_codes(tmp_path / "own.npz")
    assert found.description is None
    assert found.names == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(found.codes, CODES)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"latent": CODES}, "must be an array `codes`"),
        ({"codes": CODES, "names": np.array(["a"])}, "a name for each of the 5 codes. Received: 1"),
        ({"codes": np.array(["a", "b"])}, "must be numbers"),
        ({"codes": CODES, "description": np.array("{}")}, "description of the codes is missing, damaged"),
        ({"codes": CODES, "description": np.array("no JSON")}, "cannot be read"),
        ({"codes": np.array([{}], object)}, "cannot be read"),  # pickled
    ],
)
def test_what_are_no_codes_is_told_by_file_and_rule(tmp_path, arrays, message):
    np.savez(tmp_path / "codes.npz", **arrays)
    with pytest.raises(UserError, match=message) as error:
        read_codes(tmp_path / "codes.npz")
    assert str(tmp_path / "codes.npz") in str(error.value)


def test_a_missing_file_and_an_unknown_ending_are_told(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_codes(tmp_path / "codes.npz")
    with pytest.raises(UserError, match=r"must end in .npz, .h5, .hdf5, .parquet"):
        read_codes(tmp_path / "codes.txt")
    with pytest.raises(ConfigError, match=r"must end in .npz, .h5, .hdf5, .parquet. Received: .*codes.csv"):
        check_format(tmp_path / "codes.csv")


def test_without_pyarrow_parquet_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install pyarrow.*\.npz or \.h5") as error:
        check_format(tmp_path / "codes.parquet")
    assert "\n" not in str(error.value)
    assert codes_file.check_format(tmp_path / "codes.npz") is None
