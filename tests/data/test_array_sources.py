"""Array files: .npy, .npz and .h5, and what is refused in them."""

import pickle
import re

import h5py
import numpy as np
import pytest

from cae.config.data import ArrayData
from cae.data.formats import array_files
from cae.data.image_set import ArraySet
from cae.data.load import load_splits
from cae.data.sources import arrays, find_image_shape
from cae.data.sources.arrays import load, load_given
from cae.errors import UserError


def some_images(count=20, height=6, width=5, *channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, *channels), np.uint8)


def section(path, **keys):
    return ArrayData(source="arrays", path=str(path), **keys)


def write(path, **named):
    """Write arrays to the format that the file's name says."""
    if path.suffix == ".npy":
        np.save(path, next(iter(named.values())))
    elif path.suffix == ".npz":
        np.savez_compressed(path, **named)
    else:
        with h5py.File(path, "w") as file:
            for name, values in named.items():
                file.create_dataset(name, data=values)
    return path


def everything(images):
    return images.read(np.arange(len(images)))


@pytest.fixture(params=[".npy", ".npz", ".h5", ".hdf5"])
def ending(request):
    return request.param


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_every_image_is_read_once_from_every_format(tmp_path, ending, channels):
    images = some_images(20, 6, 5, *channels)
    path = write(tmp_path / f"pictures{ending}", pictures=images)
    splits = load_splits(section(path))
    assert find_image_shape(section(path)) == splits.image_shape == (6, 5, *(channels or (1,)))
    seen = {}
    for part in (splits.train, splits.validation, splits.test):
        batch = everything(part)
        assert batch.dtype == np.uint8
        seen.update(zip(part.names, batch, strict=True))
    assert sorted(seen, key=int) == [str(row) for row in range(20)]
    for row, image in seen.items():
        assert np.array_equal(image.reshape(images[0].shape), images[int(row)])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("?", np.uint8),
        ("u1", np.uint8),
        (">u2", np.float32),
        ("f2", np.float32),
        (">f4", np.float32),
        ("f8", np.float32),
    ],
)
def test_every_allowed_type_is_read(tmp_path, ending, dtype, expected):
    unit = np.random.default_rng(0).random((9, 4, 4)).astype("f2")
    top = {"?": 1, "u1": 255, ">u2": 65535}.get(dtype, 1.0)
    stored = np.round(unit.astype(float) * top).astype(dtype) if top != 1.0 or dtype == "?" else unit.astype(dtype)
    splits = load_splits(section(write(tmp_path / f"a{ending}", images=stored)))
    batch = everything(splits.train)
    assert batch.dtype == expected
    unscaled = batch[..., 0] / 255 if expected == np.uint8 else batch[..., 0]
    rows = [int(name) for name in splits.train.names]
    np.testing.assert_allclose(unscaled, stored[rows].astype(float) / top, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u4", "c8", "S3", "datetime64[s]"])
def test_other_types_are_an_error_that_names_type_and_allowed_ones(tmp_path, dtype):
    path = write(tmp_path / "a.npy", images=np.zeros((9, 4, 4), dtype))
    with pytest.raises(UserError, match=rf"uint8, uint16, bool, .* Received: {re.escape(str(np.dtype(dtype)))}\."):
        load_splits(section(path))


@pytest.mark.parametrize(
    "shape", [(9,), (9, 0), (9, 4, 4, 2), (9, 4, 4, 4), (9, 3, 4, 5), (9, 1, 4, 4, 1), (0, 4, 4), (9, 0, 4)]
)
def test_other_shapes_are_an_error(tmp_path, ending, shape):
    path = write(tmp_path / f"a{ending}", images=np.zeros(shape, np.uint8))
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError) as caught:
            use(section(path))
        assert str(shape) in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("shape", [(40, 30, 3), (40, 30, 1), (1, 5, 3)])
def test_an_array_of_height_width_and_channels_is_one_image(tmp_path, ending, shape):
    stored = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path = write(tmp_path / f"one{ending}", images=stored)
    parts = load(section(path))
    assert find_image_shape(section(path)) == parts.train.image_shape == shape
    np.testing.assert_array_equal(everything(parts.train), stored[np.newaxis])
    assert str(path) in parts.reading
    assert "is read as one image, (height, width, channels)" in parts.reading
    with pytest.raises(UserError, match=re.escape(f"{shape} is read as one image")):
        load_splits(section(path))  # one image cannot be divided


def test_an_array_of_height_and_width_is_one_gray_image(tmp_path, ending):
    stored = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    path = write(tmp_path / f"one{ending}", images=stored)
    parts = load(section(path))
    assert find_image_shape(section(path)) == parts.train.image_shape == (40, 30, 1)
    np.testing.assert_array_equal(everything(parts.train), stored[np.newaxis, ..., np.newaxis])
    assert f"{path}: " in parts.reading
    with pytest.raises(UserError, match=r"\(40, 30\) is read as one gray image, \(height, width\)"):
        load_splits(section(path))


def test_an_array_of_three_planes_is_read_as_gray_images_and_it_is_said(tmp_path, ending):
    parts = load(section(write(tmp_path / f"planes{ending}", images=some_images(3, 6, 5))))
    assert parts.train.image_shape == (6, 5, 1)
    assert "(3, 6, 5) is read as 3 gray images; bring channels last" in parts.reading
    assert not load(section(write(tmp_path / f"many{ending}", images=some_images(4, 6, 5)))).reading


@pytest.mark.parametrize("shape", [(9, 3, 6, 5), (9, 1, 6, 5)])
def test_channels_that_come_first_are_named(tmp_path, ending, shape):
    path = write(tmp_path / f"first{ending}", images=np.zeros(shape, np.uint8))
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError, match=r"Channels seem to come first; .*numpy.moveaxis\(images, 1, -1\)"):
            use(section(path))


@pytest.mark.parametrize(("bad", "received"), [(255.0, "from 0 to 255"), (-0.5, "from -0.5 to 0"), (1.001, "1.001")])
def test_floating_point_out_of_range_is_an_error_with_least_and_greatest(tmp_path, ending, bad, received, monkeypatch):
    monkeypatch.setattr(arrays, "_CHECKED_BYTES", 100)  # several looks at a few images each
    values = np.zeros((9, 4, 4), np.float32)
    values[7, 2, 1] = bad
    with pytest.raises(UserError, match=received):
        load_splits(section(write(tmp_path / f"a{ending}", images=values)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_errors(tmp_path, bad):
    values = np.zeros((9, 4, 4), np.float64)
    values[8, 3, 3] = bad
    with pytest.raises(UserError, match=r"not-a-number|inf"):
        load_splits(section(write(tmp_path / "a.npz", images=values)))


def test_the_test_part_is_checked_as_well(tmp_path):
    path = write(tmp_path / "a.npz", x_train=np.zeros((9, 4, 4)), x_test=np.full((3, 4, 4), 2.0))
    with pytest.raises(UserError, match="x_test"):
        load_splits(section(path))


@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_usual_names_are_found_and_labels_follow_their_images(tmp_path, ending):
    train, test = some_images(20), some_images(4, seed=1)
    y_train, y_test = np.arange(20)[:, np.newaxis], np.arange(4, dtype=np.uint8)
    path = write(tmp_path / f"a{ending}", y_test=y_test, y_train=y_train, x_test=test, x_train=train)
    splits = load_splits(section(path))
    assert (len(splits.train), len(splits.validation)) == (18, 2)
    assert np.array_equal(everything(splits.test)[..., 0], test)
    assert splits.test.labels.tolist() == [0, 1, 2, 3]
    for part in (splits.train, splits.validation):
        assert part.labels.tolist() == [int(name) for name in part.names]
        assert np.array_equal(everything(part)[..., 0], train[part.labels])


# Names of an array of images and of its labels, as public data sets have them.
BELONG = [
    ("x_train", "y_train"),
    ("X_val", "y_val"),
    ("x_test", "y_test"),
    ("X", "y"),
    ("images", "labels"),
    ("train_images", "train_labels"),
    ("val_images", "val_labels"),
    ("testX", "testY"),
    ("Xdev", "Ydev"),
    ("images_test", "targets_test"),
    ("train", "train_labels"),
    ("cats", "cats_labels"),
    ("data/valid/x", "data/valid/y"),
]


@pytest.mark.parametrize("ending", [".npz", ".h5"])
@pytest.mark.parametrize("own", BELONG)
def test_labels_are_those_of_the_same_name_among_others_of_the_same_length(tmp_path, own, ending):
    images, labels = own
    others = [pair for pair in BELONG if pair != own]
    named = {name: np.full(9, 7) for _, name in others} | {name: some_images(9, seed=3) for name, _ in others}
    named |= {images: some_images(9), labels: np.arange(9)}
    parts = load_given(section(write(tmp_path / f"a{ending}", **named), array=images))
    assert parts.train.labels.tolist() == list(range(9))
    assert parts.notes == [f"{tmp_path / f'a{ending}'}: {images}: labels are those in {labels}"]


@pytest.mark.parametrize(
    ("images", "foreign"),
    [
        ("x_test", "y_train"),
        ("x_val", "y_test"),
        ("images", "y_test"),
        ("train_images", "test_labels"),
        ("x_valid", "y"),
        ("cats", "dogs_labels"),
        ("test", "train_labels"),
    ],
)
def test_labels_of_other_images_are_never_taken_though_their_number_fits(tmp_path, images, foreign):
    path = write(tmp_path / "a.npz", **{images: some_images(9), foreign: np.arange(9)})
    parts = load_given(section(path, array=images))
    assert parts.train.labels is None
    reason = "no labels, since no array of labels has a matching name"
    assert parts.notes == [f"{path}: {images}: {reason}. The file has: {foreign}"]


def test_training_and_test_arrays_take_their_own_labels_in_splits_and_it_is_said(tmp_path):
    names = ["x_train", "x_val", "x_test"]
    images = {name: some_images(20, seed=seed) for seed, name in enumerate(names)}
    labels = {f"y_{part}": np.arange(20) + 100 * number for number, part in enumerate(["train", "test"], 1)}
    path = write(tmp_path / "a.npz", **labels, **images)
    splits = load_splits(section(path, test_array="x_val"))
    assert splits.test.labels is None
    assert "x_train: labels are those in y_train" in splits.notes[0]
    assert splits.notes[1].endswith(
        "x_val: no labels, since no array of labels has a matching name. The file has: y_train, y_test"
    )
    splits = load_splits(section(path, array="x_val"))
    assert splits.train.labels is None
    assert splits.test.labels.tolist() == list(range(200, 220))


@pytest.mark.parametrize("prefix", ["train_images test_images", "trainX testX", "images/training images/test"])
def test_training_and_test_arrays_are_found_by_other_usual_names(tmp_path, prefix):
    train, test = prefix.split()
    path = write(tmp_path / "a.h5", **{test: some_images(4), train: some_images(20), "val_images": some_images(3)})
    splits = load_splits(section(path))
    assert splits.numbers == {"train": 20, "validation": 3, "test": 4}


@pytest.mark.parametrize("labels", [np.arange(19), np.linspace(0, 1, 20), np.zeros((20, 10), int)])
def test_labels_of_another_length_or_kind_are_not_taken(tmp_path, labels):
    splits = load_splits(section(write(tmp_path / "a.npz", x_train=some_images(20), y_train=labels)))
    assert splits.train.labels is None


@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_names_can_be_given_and_the_only_other_array_needs_none(tmp_path, ending):
    a, b = some_images(20, seed=1), some_images(8, seed=2)
    path = write(tmp_path / f"a{ending}", cats=a, dogs=b)
    splits = load_splits(section(path, array="dogs", test_array="cats"))
    assert np.array_equal(everything(splits.test)[..., 0], a)
    assert len(splits.train) + len(splits.validation) == 8
    with pytest.raises(UserError, match=r"`data.array` must name .*cats \(20, 6, 5\) uint8; dogs"):
        load_splits(section(path))
    with pytest.raises(UserError, match=r"`data\.array` must name an array in the file\. Received: mice"):
        load_splits(section(path, array="mice"))
    with pytest.raises(UserError, match=r"`data\.test_array` must name an array in the file\. Received: mice"):
        load_splits(section(path, array="cats", test_array="mice"))
    alone = write(tmp_path / f"b{ending}", birds=a, test=b, y_train=np.arange(20))
    assert len(load_splits(section(alone)).test) == 8


def test_training_images_are_never_the_test_part(tmp_path):
    path = write(tmp_path / "a.npz", x_test=some_images(20))
    splits = load_splits(section(path, array="x_test"))
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 20
    for keys in ({"test_array": "x_test"}, {"test_path": str(path)}):
        with pytest.raises(UserError, match="must not be the same array"):
            load_splits(section(path, array="x_test", **keys))


@pytest.mark.parametrize("ending", [".npz", ".h5"])
@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("x_train", "x_val", "x_test"),
        ("X_train", "X_valid", "X_test"),
        ("train", "dev", "test"),
        ("train_images", "validation_images", "test_images"),
        ("x_train", "x_dev", None),
        ("x_train", "x_val", "x_holdout"),
        ("train/images", "val/images", "test/images"),
    ],
)
def test_arrays_with_usual_names_are_the_parts(tmp_path, ending, train, validation, test):
    arrays = {train: some_images(20), validation: some_images(5, seed=1)}
    arrays |= {test: some_images(4, seed=2)} if test else {}
    splits = load_splits(section(write(tmp_path / f"a{ending}", **arrays)))
    assert np.array_equal(everything(splits.validation)[..., 0], arrays[validation])
    assert splits.origins == {
        "validation": f"array {validation}",
        "test": f"array {test}" if test else "held out",
    }
    if test:
        assert np.array_equal(everything(splits.test)[..., 0], arrays[test])
        assert np.array_equal(everything(splits.train)[..., 0], arrays[train])
    else:
        assert len(splits.train) == 18


def test_a_validation_array_or_file_can_be_named_and_what_is_left_is_said(tmp_path):
    path = write(tmp_path / "a.npz", x_train=some_images(20), b=some_images(5, seed=1), c=some_images(3, seed=2))
    splits = load_splits(section(path, validation_array="b"))
    assert splits.numbers == {"train": 18, "validation": 5, "test": 2}
    assert any("not used: c" in note for note in splits.notes)
    with pytest.raises(UserError, match=r"`data\.validation_array` must name an array in the file\. Received: mice"):
        load_splits(section(path, validation_array="mice"))
    with pytest.raises(UserError, match="must not be the same array"):
        load_splits(section(path, validation_array="b", test_array="b"))
    other = write(tmp_path / "v.npy", images=some_images(7, seed=3))
    splits = load_splits(section(path, validation_path=str(other)))
    assert np.array_equal(everything(splits.validation)[..., 0], some_images(7, seed=3))


def test_a_test_path_goes_before_the_files_own_test_part(tmp_path):
    path = write(tmp_path / "a.npz", x_train=some_images(20), x_test=some_images(4))
    other = write(tmp_path / "b.npy", images=some_images(7, seed=3))
    splits = load_splits(section(path, test_path=str(other)))
    assert np.array_equal(everything(splits.test)[..., 0], some_images(7, seed=3))


def test_images_are_resized_and_converted_on_request(tmp_path):
    path = write(tmp_path / "a.npy", images=some_images(9, 8, 6, 3))
    wanted = section(path, image_size=(4, 9), channels=1)
    splits = load_splits(wanted)
    assert find_image_shape(wanted) == splits.image_shape == (4, 9, 1)
    assert splits.train.read(np.array([2, 0, 2])).shape == (3, 4, 9, 1)
    assert splits.train.read(np.array([], int)).shape == (0, 4, 9, 1)


def test_npy_stays_on_disk_and_so_does_a_large_hdf5_array(tmp_path, monkeypatch):
    images = some_images(20)
    npy = array_files.open_array_file(write(tmp_path / "a.npy", images=images))
    assert isinstance(npy.load(""), np.memmap)
    monkeypatch.setattr(array_files, "_IN_MEMORY_BYTES", 0)
    rows = array_files.open_array_file(write(tmp_path / "a.h5", images=images)).load("images")
    assert isinstance(rows, array_files.Hdf5Rows)
    on_disk = ArraySet(rows)
    for indices in ([3, 17, 3, 0], [5], [], range(20)):
        indices = np.array(indices, int)
        assert np.array_equal(on_disk.read(indices)[..., 0], images[indices])


class Trap:
    """Unpickling this would fail the test."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_pickles_are_refused_and_not_loaded(tmp_path):
    trapped = np.array([Trap()] * 9, dtype=object)
    np.save(tmp_path / "a.npy", trapped, allow_pickle=True)
    np.savez(tmp_path / "b.npz", images=trapped)
    np.savez(tmp_path / "c.npz", images=some_images(9), x_test=trapped)
    (tmp_path / "d.npy").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "e.npz").write_bytes(pickle.dumps(Trap()))
    for name in ("a.npy", "b.npz", "c.npz", "d.npy", "e.npz"):
        with pytest.raises(UserError, match=name):
            load_splits(section(tmp_path / name))


def test_links_and_values_outside_an_hdf5_file_are_refused(tmp_path):
    other = write(tmp_path / "other.h5", images=some_images(9))
    (tmp_path / "raw").write_bytes(bytes(9 * 16))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x_train"] = h5py.ExternalLink(str(other), "images")
        file["soft"] = h5py.SoftLink("x_train")
        file.create_dataset("raw", (9, 4, 4), np.uint8, external=[(str(tmp_path / "raw"), 0, 9 * 16)])
        layout = h5py.VirtualLayout((9, 6, 5), np.uint8)
        layout[:] = h5py.VirtualSource(str(other), "images", (9, 6, 5))
        file.create_virtual_dataset("virtual", layout)
    for name in ("x_train", "soft"):
        with pytest.raises(UserError, match="must name an array in the file"):
            load_splits(section(tmp_path / "a.h5", array=name))
    for name in ("raw", "virtual"):
        with pytest.raises(UserError, match=f"stored elsewhere|{name}.*in the file itself"):
            load_splits(section(tmp_path / "a.h5", array=name))


def test_an_hdf5_array_in_a_group_is_found(tmp_path):
    path = write(tmp_path / "a.h5", **{"group/pictures": some_images(9)})
    assert find_image_shape(section(path, array="group/pictures")) == (6, 5, 1)
    assert len(load_splits(section(path)).train) == 7


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 and nothing", b"\x89HDF\r\n\x1a\n"])
def test_broken_files_are_errors_that_name_them(tmp_path, ending, content):
    path = tmp_path / f"broken{ending}"
    path.write_bytes(content)
    for use in (load_splits, find_image_shape):
        with pytest.raises(UserError, match=str(path)):
            use(section(path))


def test_truncated_files_are_errors_that_name_them(tmp_path, ending):
    path = write(tmp_path / f"cut{ending}", images=some_images(50))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(UserError, match=str(path)):
        load_splits(section(path))


def test_missing_files_other_endings_and_no_path_are_errors(tmp_path, ending):
    for path in (tmp_path / f"nowhere{ending}", tmp_path / "a.tif", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            load_splits(section(path))
    with pytest.raises(UserError, match=r"data\.path"):
        load_splits(ArrayData(source="arrays"))
