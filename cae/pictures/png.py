"""PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cae.atomic_files import replacing


def save_png(picture: np.ndarray, path: Path) -> None:
    """Write a picture as PNG; the file is either old or new, never half.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "black.png"
        >>> save_png(np.zeros((8, 6, 3), np.uint8), path)
        >>> with Image.open(path) as image:
        ...     image.size
        (6, 8)

    Args:
        picture: uint8, shape (height, width, 3) or (height, width).
        path: Where to; the folder exists.

    Raises:
        OSError: The file cannot be written.
    """
    with replacing(Path(path)) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
