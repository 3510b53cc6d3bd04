"""Make the images in cae/data/bundled: the first images of each class of Fashion-MNIST, in their original order.

    python scripts/make_bundled_data.py /usr/share/datasets/fashion-mnist

The same input gives the same bytes (with the same version of Python and zlib).
"""

from __future__ import annotations

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np

from cae.data.formats.array_files import read_idx
from cae.data.sources.standard import BUNDLED_FOLDER

NUM_CLASSES = 10
IMAGES_PER_CLASS = {"train": 500, "t10k": 100}


def choose_first_of_each_class(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Positions of each class's first images, rising."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in range(NUM_CLASSES)]))


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write a compressed IDX file of unsigned bytes, without a name or time inside."""
    header = struct.pack(f">I{values.ndim}I", 0x0800 | values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=9, mtime=0))


def main() -> None:
    """Read the complete data set and write the chosen images and labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the four original .gz files")
    folder = parser.parse_args().folder
    for part, per_class in IMAGES_PER_CLASS.items():
        labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
        chosen = choose_first_of_each_class(labels, per_class)
        write_idx(BUNDLED_FOLDER / f"{part}-labels-idx1-ubyte.gz", labels[chosen])
        images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
        write_idx(BUNDLED_FOLDER / f"{part}-images-idx3-ubyte.gz", images[chosen])


if __name__ == "__main__":
    main()
