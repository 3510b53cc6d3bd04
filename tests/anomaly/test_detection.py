"""AUROC and average precision against their definitions, counted pair by pair."""

import gzip
import re

import numpy as np
import pytest

from cae.anomaly import measure_detection
from cae.anomaly.detection import read_classes
from cae.errors import UserError

GENERATOR = np.random.default_rng(5)
CLASSES = GENERATOR.choice(["1", "2", "10"], 60).tolist()
SCORES = GENERATOR.integers(0, 12, 60).astype(float)  # with ties


def auroc(normal, anomalous):
    pairs = [(0.5 * (a == n)) + (a > n) for a in anomalous for n in normal]
    return np.mean(pairs)


def average_precision(normal, anomalous):
    """The precision at each anomalous image's score, on the average."""
    everything = np.concatenate([normal, anomalous])
    return np.mean([(anomalous >= score).sum() / (everything >= score).sum() for score in anomalous])


def test_each_class_is_measured_against_the_normal_ones_alone():
    overall, each = measure_detection(SCORES, CLASSES, {"2"})
    names = np.array(CLASSES)
    normal = SCORES[names == "2"]
    assert list(each) == ["1", "10"]  # numbers in their order
    for name, found in each.items():
        anomalous = SCORES[names == name]
        assert found.images == len(anomalous)
        assert found.auroc == pytest.approx(auroc(normal, anomalous))
        assert found.average_precision == pytest.approx(average_precision(normal, anomalous))
    assert overall.auroc == pytest.approx(auroc(normal, SCORES[names != "2"]))
    assert overall.average_precision == pytest.approx(average_precision(normal, SCORES[names != "2"]))


def test_classes_that_make_no_sense_are_refused():
    with pytest.raises(UserError, match=r"must be classes of the images: 1, 10, 2. Received: 3"):
        measure_detection(SCORES, CLASSES, {"3"})
    with pytest.raises(UserError, match="must be images that are not normal"):
        measure_detection(SCORES, CLASSES, {"1", "2", "10"})


def test_labels_are_read_from_a_table_in_any_order(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("label,file\ngood,b.png\nbad,sub/a.png\ngood,never asked for.png\n")
    assert read_classes(path, ["sub/a.png", "b.png"]) == ["bad", "good"]
    with pytest.raises(UserError, match=r"none for 1 of 2: c.png"):
        read_classes(path, ["b.png", "c.png"])
    path.write_text("name,class\nb.png,good\n")
    with pytest.raises(UserError, match="columns file and label"):
        read_classes(path, ["b.png"])


def test_labels_are_read_from_arrays_of_numbers(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([[3], [1]]))
    assert read_classes(tmp_path / "labels.npy", ["0", "1"]) == ["3", "1"]
    (tmp_path / "labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x02\x07\x09")
    assert read_classes(tmp_path / "labels-idx1-ubyte", ["0", "1"]) == ["7", "9"]
    for labels in (np.array([1.0, 2.0]), np.array([1, 2, 3])):
        np.save(tmp_path / "labels.npy", labels)
        with pytest.raises(UserError, match="a whole number for each of the 2 images"):
            read_classes(tmp_path / "labels.npy", ["0", "1"])


def test_labels_in_a_file_of_another_kind_are_told_what_it_is_and_a_damaged_one_what_is_wrong_with_it(tmp_path):
    path, numbers = tmp_path / "labels", bytes([0, 0, 0, 2, 7, 9])
    rule = "columns file and label, whole numbers in a .npy file, or an IDX file of uint8"
    for content, reason in (
        (b"\0\0\x0c\x01\0\0\0\x02" + bytes(8), f"{rule}. Received: an IDX file of int32."),
        (b"cat\ndog\n", f'{rule}. Received: text that begins with "cat".'),
        (b"", f"{rule}. Received: an empty file."),
        (b"\0\0\x08\x01" + numbers[:2], "the file is truncated: it ends within its header"),
        (gzip.compress(b"\0\0\x08\x01" + numbers)[:14], "cannot be read: "),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"labels: .*{re.escape(reason)}"):
            read_classes(path, ["0", "1"])
