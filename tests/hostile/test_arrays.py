"""Array and IDX files that promise too much, lead elsewhere or carry code are named, and nothing else."""

import gzip
import io
import os
import pickle
import resource
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from cae import files
from cae.config.data import ArrayData, IdxData, StandardData, TfrecordData
from cae.data.formats import array_files
from cae.data.formats.array_files import Hdf5File, NpzFile
from cae.data.load import load_splits
from cae.data.sources import find_image_shape
from cae.errors import UserError
from cae.inference.codes_file import read_codes
from cae.machine import Machine

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
    "deeply nested": npy_bytes("(" * 9000),
    "nested brackets": npy_bytes("[" * 250 + "]" * 250),
    "indented": npy_bytes("\n  x\n y\n"),
    # Of these, the tokenizer of Python 3.13 says that it has a fault of its own.
    "no tokens": b"\x93NUMPY\x01\x00" + struct.pack("<H", 30) + b"    L**:\n#\0b'\0\n\0\n\\{$[".ljust(30) + bytes(64),
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
    monkeypatch.setattr(files.os, "sysconf", lambda name: 2000)  # 4 million bytes
    assert "0.0 GB, and this machine has 0.0 GB" in refused(ArrayData(path=str(path)), path)
    packed = tmp_path / "bomb.gz"
    packed.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 1000, 100, 100) + bytes(10**7)))
    assert "into memory as a whole" in refused(IdxData(path=str(packed)), packed)


def test_a_container_that_allows_less_than_the_machine_has_counts(tmp_path, monkeypatch):
    path = tmp_path / "images.npz"
    np.savez(path, x_train=IMAGES)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(IMAGES.nbytes - 1))
    monkeypatch.setattr(files, "this_machine", lambda: Machine({}, tmp_path, 1))
    assert "must be read into memory as a whole" in refused(ArrayData(path=str(path)), path)


def test_a_public_data_set_that_unfolds_to_far_more_is_no_exception(tmp_path):
    path = tmp_path / "mnist.npz"
    shape = (90_000, 28, 28)
    path.write_bytes(
        zipped({f"x_{part}.npy": npy_bytes(shape, data=bytes(np.prod(shape))) for part in ("train", "test")})
    )
    assert "200 times its bytes" in refused(StandardData(source="mnist", path=str(path)), path)


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


def write_direct(file, name, shape, packed, **options):
    """A compressed array of a single chunk, whose stored bytes are given."""
    made = file.create_dataset(name, shape, np.uint8, chunks=shape, compression="gzip", **options)
    made.id.write_direct_chunk((0,) * len(shape), packed)


SIXTY_FOUR_MIB = 1 << 26
# As a program that writes HDF5 or zip files makes them: what they hold is said in a few bytes.
BOMBS = {
    "zeros": lambda file: file.create_dataset(
        "codes", data=np.zeros((400, 512, 512), np.uint8), chunks=(100, 512, 512), compression="gzip"
    ),
    "chunk": lambda file: write_direct(file, "codes", (4, 1 << 20), zlib.compress(bytes(SIXTY_FOUR_MIB * 3))),
    "twice": lambda file: file.create_dataset("codes", data=np.zeros((9, 9), np.uint8), **TWICE),
}
TWICE = {"dcpl": h5py.h5p.create(h5py.h5p.DATASET_CREATE)}
TWICE["dcpl"].set_chunk((9, 9))
for _ in range(2):
    TWICE["dcpl"].set_deflate(9)


@pytest.mark.parametrize("kind", BOMBS)
def test_what_unfolds_to_far_more_than_an_hdf5_file_is_refused(tmp_path, kind):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        BOMBS[kind](file)
    for use in (lambda: read_codes(path), lambda: load_splits(ArrayData(path=str(path)))):
        with pytest.raises(UserError, match=str(path)):
            use()


def test_a_chunk_that_unfolds_to_more_is_found_in_data_that_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "_IN_MEMORY_BYTES", 0)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (4, 512, 512), np.uint8, chunks=(1, 512, 512), compression="gzip")
        images[:3] = np.random.default_rng(0).integers(0, 256, (3, 512, 512))
        images.id.write_direct_chunk((3, 0, 0), zlib.compress(bytes(SIXTY_FOUR_MIB)))
        expected = images[:3]
    rows = Hdf5File(path).load("images")
    np.testing.assert_array_equal(rows[np.array([2, 0, 2])], expected[[2, 0, 2]])
    for key in (slice(0, 4), np.array([0, 3])):
        with pytest.raises(UserError, match="unfolds to more"):
            rows[key]


@pytest.mark.parametrize(
    "options", [{"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}]
)
def test_compressed_images_are_read_as_h5py_reads_them(tmp_path, options):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES, chunks=(7, 4, 5), **options)
    np.testing.assert_array_equal(Hdf5File(path).load("images"), IMAGES)


def test_masks_that_compress_well_are_no_bombs(tmp_path):
    masks = np.zeros((2000, 64, 64), np.uint8)
    masks[:, 20:40, 10:50] = 255
    np.savez_compressed(tmp_path / "a.npz", images=masks)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=masks, compression="gzip", chunks=(100, 64, 64))
    for name in ("a.npz", "a.h5"):
        assert len(load_splits(ArrayData(path=str(tmp_path / name))).train) == 1620


def test_an_archive_of_zeros_or_with_a_name_twice_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, codes=np.zeros((2, 40_000_000), np.uint8))
    for use in (lambda path: NpzFile(path).load("codes"), read_codes):
        with pytest.raises(UserError, match="must not unfold to more than 200 times"):
            use(path)
    member = io.BytesIO()
    np.save(member, IMAGES)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("codes.npy", member.getvalue())
        archive.writestr("cod2s.npy", member.getvalue())
    path.write_bytes(path.read_bytes().replace(b"cod2s", b"codes"))
    for use in (NpzFile, read_codes):
        with pytest.raises(UserError, match="codes twice"):
            use(path)


LINKS = {
    "external": lambda file, name: h5py.ExternalLink("other.h5", name),
    "soft": lambda file, name: h5py.SoftLink(f"/there/{name}"),
}


@pytest.mark.parametrize("name", ["codes", "names"])
@pytest.mark.parametrize("kind", [*LINKS, "virtual", "raw"])
def test_codes_and_names_that_lie_elsewhere_are_not_read(tmp_path, monkeypatch, name, kind):
    monkeypatch.chdir(tmp_path)
    secret = {"codes": np.ones((2, 3), np.float32), "names": np.array([b"secret"] * 2)}
    with h5py.File("other.h5", "w") as other:
        other.update(secret)
    (tmp_path / "raw").write_bytes(secret[name].tobytes())
    with h5py.File("codes.h5", "w") as file:
        file.create_group("there").update(secret)
        file["codes"] = np.zeros((2, 3), np.float32)
        file["names"] = [b"a", b"b"]
        del file[name]
        if kind in LINKS:
            file[name] = LINKS[kind](file, name)
        elif kind == "virtual":
            layout = h5py.VirtualLayout(secret[name].shape, secret[name].dtype)
            layout[:] = h5py.VirtualSource("other.h5", name, secret[name].shape)
            file.create_virtual_dataset(name, layout)
        else:
            outside = [("raw", 0, secret[name].nbytes)]
            file.create_dataset(name, secret[name].shape, secret[name].dtype, external=outside)
    if name == "names" and kind in LINKS:  # as if there were none
        assert read_codes(tmp_path / "codes.h5").names == ["0", "1"]
    else:
        with pytest.raises(UserError, match=r"codes\.h5: .* in the file itself"):
            read_codes(tmp_path / "codes.h5")


def test_names_that_share_one_long_text_are_refused_before_they_fill_memory(tmp_path):
    path = tmp_path / "codes.h5"
    with h5py.File(path, "w") as file:
        file["codes"] = np.zeros((3000, 2), np.float32)
        names = file.create_dataset("names", (3000,), h5py.string_dtype(), chunks=(3000,))
        names[0] = "x" * 10**6
        # Each entry is the length of a text and its place in the file.
        places = bytearray(names.id.read_direct_chunk((0,))[1])
        names.id.write_direct_chunk((0,), bytes(places[:16]) * 3000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="names holds more text than the file has bytes"):
        read_codes(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    "names",
    [
        np.arange(2),
        np.arange(2.0),
        np.zeros((2, 2), "S3"),
        np.array([b"\xff", b"a"]),
        np.void(b"12"),
        np.bytes_(b"text"),
    ],
)
@pytest.mark.parametrize("ending", [".h5", ".npz"])
def test_names_of_any_kind_have_an_answer(tmp_path, names, ending):
    path = tmp_path / f"codes{ending}"
    codes = np.zeros((2, 3), np.float32)
    if ending == ".h5":
        with h5py.File(path, "w") as file:
            file["codes"], file["names"] = codes, names
    else:
        np.savez(path, codes=codes, names=names)
    if names.shape == (2,) and names.dtype.kind == "i":
        assert read_codes(path).names == [str(name) for name in names]
    else:
        refused_codes(path)


def refused_codes(path):
    with pytest.raises(UserError, match=str(path)):
        read_codes(path)
