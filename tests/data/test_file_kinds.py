"""Files of other kinds where an IDX or array file is expected: they are named, and so is what can be read."""

import gzip
import io
import struct
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from cae.config.data import ArrayData, IdxData, ImageFolderData
from cae.data.load import load_splits
from cae.errors import UserError
from cae.inference.inputs import open_inputs

IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", 9, 4, 4) + bytes(144)


def picture(kind):
    content = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(content, kind)
    return content.getvalue()


def array():
    content = io.BytesIO()
    np.save(content, np.zeros((9, 4, 4), np.uint8))
    return content.getvalue()


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("readme.txt", "hello")
    return content.getvalue()


def tar():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        file.addfile(tarfile.TarInfo("a"), None)
    return content.getvalue()


def hdf5():
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["images"] = np.zeros((9, 4, 4), np.uint8)
    return content.getvalue()


KINDS = {
    "a TIFF picture": lambda: picture("TIFF"),
    "a PNG picture": lambda: picture("PNG"),
    "a JPEG picture": lambda: picture("JPEG"),
    "a GIF picture": lambda: picture("GIF"),
    "a BMP picture": lambda: picture("BMP"),
    "a WebP picture": lambda: picture("WEBP"),
    "a PGM or PPM picture": lambda: picture("PPM"),
    "a ZIP archive": archive,
    "a tar archive": tar,
    "a NumPy array": array,
    "an HDF5 file": hdf5,
    'text that begins with "# Read me"': lambda: b"\n# Read me\n\nThese are im\xc3\xa4ges.\n",
    'text that begins with "label,1x1,1x2"': lambda: b"label,1x1,1x2\n0,3,4\n",
    'an HTML page that begins with "<!DOCTYPE html>"': lambda: b"<!DOCTYPE html>\n<title>404</title>",
    "an IDX file of int16": lambda: b"\0\0\x0b\x03" + IDX[4:],
    "an empty file": lambda: b"",
    "no kind that is known here; it starts with 01 02 03": lambda: b"\x01\x02\x03\xff\xfe\x00\x00\x00\x00",
    "no kind that is known here; it starts with c8 c9": lambda: bytes(range(200, 250)),
    "no kind that is known here; it starts with 0a 20": lambda: b"\n  \n",
}


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_idx_file_is_named_and_so_is_what_can_be_read(tmp_path, kind, is_compressed):
    content = KINDS[kind]()
    path = tmp_path / "train-images"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    for use in (
        lambda: load_splits(IdxData(path=str(path))),
        lambda: open_inputs(path, IdxData(path=str(path)), 1),
    ):
        with pytest.raises(UserError) as caught:
            use()
        message = str(caught.value)
        assert str(path) in message
        assert kind in message
        assert ("Received: gzip-compressed, and inside " in message) == is_compressed
        assert "IDX files of uint8, plain or gzip-compressed" in message
        assert ".npy, .npz and .h5" in message
        assert "starts with 00 00 08" not in message


@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", "", ".gz", ".tif"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_array_file_is_named_and_so_is_what_can_be_read(tmp_path, kind, ending):
    path = tmp_path / f"images{ending}"
    path.write_bytes(KINDS[kind]())
    if (ending, kind) in ((".npy", "a NumPy array"), (".h5", "an HDF5 file")):
        assert len(load_splits(ArrayData(path=str(path))).train) == 7
        return
    with pytest.raises(UserError) as caught:
        load_splits(ArrayData(path=str(path)))
    message = str(caught.value)
    assert str(path) in message
    if (ending, kind) != (".npz", "a ZIP archive"):  # of its kind, but without arrays
        assert kind in message
        assert "What can be read: with `source: idx`" in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_where_a_folder_of_images_is_expected_is_named(tmp_path, kind):
    path = tmp_path / "file"
    path.write_bytes(KINDS[kind]())
    with pytest.raises(UserError) as caught:
        load_splits(ImageFolderData(path=str(path)))
    assert f"{path}: `data.path` must be a folder of images. Received: " in str(caught.value)
    assert kind in str(caught.value)
    with pytest.raises(UserError, match=r"must end in \.npy.*Received: a folder"):
        load_splits(ArrayData(path=str(tmp_path)))


def test_a_compressed_idx_file_is_named_where_an_array_is_expected(tmp_path):
    for name in ("images.gz", "images.npy"):
        (tmp_path / name).write_bytes(gzip.compress(IDX))
        with pytest.raises(UserError, match="gzip-compressed data: inside is an IDX file of uint8"):
            load_splits(ArrayData(path=str(tmp_path / name)))
