"""Files, read back with another program's eyes."""

import csv
import functools
import json
import os
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

HIDDEN = re.compile(r"\.(writing-|whole|old-)")


@functools.cache
def read(path, digest):
    """Read a file back with another program's eyes, once for the same bytes; gives what is wrong."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            *lines, end = path.read_text().split("\n")
            for line in lines:
                json.loads(line)
            # Files that grow by lines are read up to where a kill has cut the last one.
            assert not end or path.name == "metrics.jsonl"
        elif path.suffix == ".csv":
            rows = list(csv.reader(path.read_text().splitlines()))
            assert len({len(row) for row in rows}) == 1
        elif path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                assert [arrays[name] for name in arrays.files]
        elif path.suffix == ".npy":
            np.load(path)
        elif path.suffix == ".h5":
            with h5py.File(path) as file:
                file.visititems(lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None)
        elif path.suffix in (".html", ".svg"):
            assert path.read_text().rstrip().endswith(f"</{path.suffix[1:]}>")
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
    except Exception as error:
        return f"{path} is not whole: {error!r}"[:300]
    return ""


def files_in(folder):
    """Paths of the files below a folder by their names, those alike whose names carry times; no hidden leftovers."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not HIDDEN.match(name)]
        for file in files:
            if not HIDDEN.match(file):
                path = os.path.join(place, file)
                name = re.sub(r"tfevents\.[^/]*?(\.\w+)?$", r"tfevents\1", os.path.relpath(path, folder))
                found[name] = Path(path)
    return found
