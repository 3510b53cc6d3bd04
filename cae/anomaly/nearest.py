"""Distances from the nearest of rows that are known, and which of many are worth knowing."""

from __future__ import annotations

import numpy as np

_NEIGHBOURS, _CANDIDATES = 3, 8
_AT_ONCE = 1024


def spread_out(rows: np.ndarray, most: int) -> np.ndarray:
    """Keep rows so that none is far from one that is kept: again and again the farthest is added (greedy k-center).

    The farthest row is at most twice as far as with the best choice. Of more than eight times as many rows as are kept,
    only a random sample is looked at; time grows with the product of both numbers.

    Example:
        >>> spread_out(np.array([[0.0], [0.1], [0.2], [9.0], [5.0]]), most=3)[:, 0].tolist()
        [0.2, 9.0, 5.0]

    Args:
        rows: (rows, values).
        most: how many to keep.

    Source:
        Gonzalez 1985, "Clustering to minimize the maximum intercluster distance"; Roth et al. 2022, algorithm 1.
    """
    if len(rows) <= most:
        return rows
    rows = np.random.default_rng(0).permutation(rows)[: _CANDIDATES * most]
    squares = np.square(rows).sum(axis=1)
    nearest, chosen = np.full(len(rows), np.inf), [0]
    while len(chosen) < most:
        nearest = np.minimum(nearest, squares - 2 * (rows @ rows[chosen[-1]]) + squares[chosen[-1]])
        chosen.append(int(nearest.argmax()))
    return np.asarray(rows[chosen])


def to_nearest(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean distance of each row from the three nearest of those known, or as many as there are."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(known)), algorithm="brute").fit(known)
    parts = [nearest.kneighbors(rows[first : first + _AT_ONCE])[0] for first in range(0, len(rows), _AT_ONCE)]
    return np.concatenate(parts).mean(axis=1, dtype=np.float64)
