"""The sources `arrays` and `idx`: images in .npy, .npz, .h5 and IDX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cae.config.data import ArrayData, IdxData
from cae.data.array_files import ArrayFile, ArrayHeader, open_array_file
from cae.data.array_set import ArraySet, ImageArray
from cae.data.dividing import Parts
from cae.data.file_errors import file_error, printable
from cae.data.idx import read_idx, read_idx_shape
from cae.data.pixels import is_pixel_type
from cae.errors import ConfigError

_TRAIN_NAMES = ("x_train", "train", "images")
_TEST_NAMES = ("x_test", "test")
_LABELS = {"x_train": "y_train", "train": "y_train", "images": "y_train", "x_test": "y_test", "test": "y_test"}
_CHECKED_BYTES = 1 << 26


def load_arrays(section: ArrayData) -> Parts[ArraySet]:
    """Open the array file or files that a section names.

    The test part is, in this order: `test_path`, `test_array`, or an array x_test or test beside the training array.
    .npy files stay on disk (memory-mapped), .npz arrays are held in memory, .h5 ones when they are smaller than 1 GiB.

    Raises:
        UserError: A file or array is missing, damaged, of a wrong shape or type, or has values outside [0, 1].
    """
    file = open_array_file(required_path(section.path))
    train = _make_set(file, _train_name(file, section.array), section)
    test = None
    if section.test_path is not None:
        test_file = open_array_file(Path(section.test_path))
        test = _make_set(test_file, _test_name(test_file, section.test_array) or _train_name(test_file, None), section)
    elif name := _test_name(file, section.test_array):
        test = _make_set(file, name, section)
    return Parts(train, test=test)
