"""The binary version of CIFAR-10 and CIFAR-100: per image one or two label bytes, then the red, green and blue planes.

Format: A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version". The Python version is pickled, and not read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cae.data.file_errors import file_error, naming

_SIDE = 32
_PIXEL_BYTES = 3 * _SIDE * _SIDE


def read_cifar(paths: list[Path], label_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read binary CIFAR files one after the other.

    Args:
        paths: The files, in order.
        label_bytes: 1 for CIFAR-10; 2 for CIFAR-100, whose second label, the fine one, is taken.

    Returns:
        Images (images, 32, 32, 3) and labels (images,), both uint8.

    Raises:
        UserError: A file cannot be read, or its length is not a whole number of images.
    """
    records = np.concatenate([_read_records(path, label_bytes + _PIXEL_BYTES) for path in paths])
    planes = records[:, label_bytes:].reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, label_bytes - 1].copy()


def _read_records(path: Path, record_bytes: int) -> np.ndarray:
    with naming(path):
        content = np.fromfile(path, np.uint8)
    if content.size == 0 or content.size % record_bytes:
        raise file_error(
            path, f"the length must be a multiple of {record_bytes} bytes. Received: {content.size} bytes; truncated?"
        )
    return content.reshape(-1, record_bytes)
