"""Nearest neighbours: which training images have the codes most like an image's, and what class they vote for."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 5


def find_nearest(fitted: np.ndarray, asked: np.ndarray, number: int) -> np.ndarray:
    """Find the rows of `fitted` with the smallest Euclidean distance, the nearest first; exact, not approximate.

    Example:
        >>> fitted = np.array([[0.0], [2.0], [5.0]], np.float32)
        >>> find_nearest(fitted, np.array([[4.0], [0.5]], np.float32), 2).tolist()
        [[2, 1], [0, 1]]

    Args:
        fitted: (images, values).
        asked: (images, values).
        number: how many of each; no more are given than `fitted` has.

    Returns:
        Positions in `fitted`, (images, number).
    """
    search = NearestNeighbors(n_neighbors=min(number, len(fitted)), algorithm="brute").fit(fitted)
    positions: np.ndarray = search.kneighbors(asked, return_distance=False)
    return positions


def vote(classes: np.ndarray) -> np.ndarray:
    """The class that most neighbours have; of several with as many votes, that of the nearest neighbour.

    Example:
        >>> vote(np.array([[4, 7, 7, 9, 4], [1, 2, 2, 3, 4]])).tolist()
        [4, 2]

    Args:
        classes: of each image's neighbours, the nearest first, (images, neighbours).

    Returns:
        (images,).
    """
    votes = (classes[:, :, np.newaxis] == classes[:, np.newaxis, :]).sum(axis=2)  # for each neighbour's class
    winner = votes.argmax(axis=1)  # the first of equals
    return classes[np.arange(len(classes)), winner]
