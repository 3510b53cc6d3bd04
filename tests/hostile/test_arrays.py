"""Array and IDX files that promise too much, lead elsewhere or carry code are named, and nothing else."""

import gzip
import io
import os
import pickle
import struct
import zipfile

import h5py
import numpy as np
import pytest

from cae.config.data import ArrayData, IdxData, TfrecordData
from cae.data import claims
from cae.data.load import find_image_shape, load_splits
from cae.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 5), np.uint8)


def npy_bytes(shape, dtype="|u1", data=b"", order="False"):
    """A .npy file whose header says what it wants."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(members, **options):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data, **options)
    return content.getvalue()


def refused(section, path):
    """The message with which every use of a file is refused; it names the file, in printable lines."""
    with pytest.raises(UserError) as caught:
        load_splits(section)
    assert str(path) in str(caught.value)
    assert all(line.isprintable() for line in str(caught.value).split("\n"))
    return str(caught.value)


NPY = {
    "huge": npy_bytes("(10**9, 1000, 1000)".replace("10**9", str(10**9))),
    "overflowing": npy_bytes(f"({2**62}, {2**62}, {2**62})"),
    "negative": npy_bytes("(-20, 6, 5)", data=bytes(600)),
    "two negative": npy_bytes("(-2, -6, 50)", data=bytes(600)),
    "endless": npy_bytes(f"({'9' * 9000}, 6, 5)"),
    "nested": npy_bytes("(" * 500 + ")" * 500),
    "calling": npy_bytes("__import__('os').system('touch canary')"),
    "object": npy_bytes("(20, 6, 5)", "|O", pickle.dumps([1] * 600)),
    "fat type": npy_bytes("(20, 6, 5)", f"|V{2**31 - 1}"),
    "text": npy_bytes("(20, 6, 5)", "<U9", bytes(600 * 36)),
    "short": npy_bytes("(20, 6, 5)", data=bytes(599)),
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 99,
    "other version": b"\x93NUMPY\x09\x09" + bytes(99),
}


@pytest.mark.parametrize("kind", NPY)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_a_hostile_npy_header_is_refused(tmp_path, monkeypatch, kind, ending):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"a{ending}"
    path.write_bytes(NPY[kind] if ending == ".npy" else zipped({"images.npy": NPY[kind]}))
    refused(ArrayData(path=str(path)), path)
    assert not (tmp_path / "canary").exists()


def test_whatever_bytes_are_wrong_in_an_archive_the_answer_is_images_or_a_message(tmp_path):
    path = tmp_path / "a.npz"
    generator = np.random.default_rng(0)
    refusals = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        member = io.BytesIO()
        np.save(member, IMAGES)
        whole = np.frombuffer(zipped({"images.npy": member.getvalue()}, compress_type=method), np.uint8)
        for _ in range(60):
            content = whole.copy()
            places = generator.integers(0, len(whole), generator.integers(1, 5))
            content[places] = generator.integers(0, 256, len(places))
            path.write_bytes(content.tobytes())
            try:
                load_splits(ArrayData(path=str(path)))
            except UserError as error:
                refusals.append(str(error))
    assert 100 < len(refusals) < 240
    assert all(str(path) in message for message in refusals)


def test_an_archive_that_unfolds_to_more_than_the_machine_has_is_refused_before(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, images=np.zeros((1000, 100, 100), np.uint8))
    monkeypatch.setattr(claims.os, "sysconf", lambda name: 2000)  # 4 million bytes
    assert "0.0 GB, and this machine has 0.0 GB" in refused(ArrayData(path=str(path)), path)
    packed = tmp_path / "bomb.gz"
    packed.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 1000, 100, 100) + bytes(10**7)))
    assert "into memory as a whole" in refused(IdxData(path=str(packed)), packed)


def test_an_archive_that_promises_more_than_it_can_unfold_to_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(zipped({"images.npy": npy_bytes("(1000000, 100, 100)", data=bytes(99))}))
    assert "far fewer bytes" in refused(ArrayData(path=str(path)), path)


def test_names_in_an_archive_lead_nowhere_and_are_shown_without_being_obeyed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    member = io.BytesIO()
    np.save(member, IMAGES)
    names = ["../../escaped.npy", "/etc/escaped.npy", "\x1b[2Jred.npy", "a\nb.npy", *[f"n{n}.npy" for n in range(99)]]
    path = tmp_path / "a.npz"
    path.write_bytes(zipped(dict.fromkeys(names, member.getvalue())))
    message = refused(ArrayData(path=str(path)), path)
    assert "and 83 more" in message
    assert os.listdir(tmp_path) == ["a.npz"]
    assert len(load_splits(ArrayData(path=str(path), array="../../escaped")).train) == 16
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.fixture
def hdf5(tmp_path):
    """Make an .h5 file by a function of the open file; gives its section and path."""

    def make(fill):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        return ArrayData(path=str(path), array="images"), path

    return make


HDF5 = {
    "huge": lambda file: file.create_dataset("images", (10**12, 999, 999), np.uint8, chunks=(1, 999, 999)),
    "many tiny": lambda file: file.create_dataset("images", (2**62, 1, 1), np.uint8, chunks=(1000, 1, 1)),
    "soft link": lambda file: file.update({"images": h5py.SoftLink("/elsewhere")}),
    "link out": lambda file: file.update({"images": h5py.ExternalLink("/etc/passwd", "/")}),
    "group": lambda file: file.create_group("images"),
    "round": lambda file: file.update({"images": file["/"]}),
    "reference": lambda file: file.create_dataset("images", (20, 6, 5), h5py.ref_dtype),
    "pickle": lambda file: file.create_dataset("images", data=np.void(pickle.dumps(1))),
    "text": lambda file: file.create_dataset("images", (20, 6, 5), h5py.string_dtype()),
    "compound": lambda file: file.create_dataset("images", (20, 6, 5), np.dtype([("a", "f4"), ("b", "i4")])),
    "empty": lambda file: file.create_dataset("images", data=h5py.Empty("f4")),
    "outside": lambda file: file.create_dataset("images", (1, 8, 8), np.uint8, external=[("/etc/passwd", 0, 64)]),
}


@pytest.mark.parametrize("kind", HDF5)
def test_a_hostile_hdf5_file_is_refused(hdf5, kind):
    refused(*hdf5(HDF5[kind]))


def test_an_hdf5_chunk_that_unfolds_to_gigabytes_is_refused(hdf5):
    def fill(file):
        images = file.create_dataset("images", (2, 4, 4), np.uint8, chunks=(2**16, 2**8, 2**7), maxshape=(None,) * 3)
        images.id.write_direct_chunk((0, 0, 0), bytes(99))

    assert "a chunk must not have more than 1 GiB" in refused(*hdf5(fill))


def test_an_array_of_a_foreign_type_does_not_hide_the_others(hdf5):
    def fill(file):
        file["images"] = IMAGES
        strange = h5py.h5t.STD_B8LE
        h5py.h5d.create(file.id, b"bits", strange, h5py.h5s.create_simple((3,)))

    section, _ = hdf5(fill)
    assert len(load_splits(section).train) == 16


@pytest.mark.parametrize("use", [load_splits, find_image_shape])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "a.idx", "folder/manifest.json"])
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path, use, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        make(path)
        section = {"x": IdxData, "n": TfrecordData}.get(name[-1], ArrayData)
        with pytest.raises(UserError, match="not a regular file"):
            use(section(path=str(path.parent if section is TfrecordData else path)))
        path.unlink()


@pytest.mark.parametrize("dimensions", [(2**32 - 1,) * 3, (2**32 - 1, 28, 28), (10**6, 2**16, 2**16)])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_hostile_idx_header_is_refused(tmp_path, dimensions, compress):
    path = tmp_path / "images"
    path.write_bytes(compress(struct.pack(">4I", 0x803, *dimensions) + bytes(9999)))
    assert "fewer bytes" in refused(IdxData(path=str(path)), path) or compress is bytes
