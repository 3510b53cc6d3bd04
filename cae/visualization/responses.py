"""What the maps of a layer answered over a stream of images: the strongest responses, and statistics."""

from __future__ import annotations

import numpy as np


class TopResponses:
    """The images that activate each map most, in a stream; memory does not grow with the images.

    Each image counts once for a map, with its largest value. Of equal values the first image wins, wherever batches
    begin; NaN comes last.

    Example:
        >>> responses = TopResponses(num_maps=1, top=2)
        >>> responses.add(np.array([[1.0], [3.0]]), np.array([[7], [8]]))
        >>> responses.add(np.array([[3.0], [2.0]]), np.array([[9], [5]]))
        >>> responses.values[:, 0].tolist(), responses.images[:, 0].tolist(), responses.positions[:, 0].tolist()
        ([3.0, 3.0], [1, 2], [8, 9])

    Args:
        num_maps: feature maps of the layer.
        top: how many images to keep for each, at least 1.

    Attributes:
        values: the responses, largest first, shape (images kept, maps).
        images: the images' places in the stream, the same shape.
        positions: where in the map each response is, row * width + column, the same shape.
    """

    def __init__(self, num_maps: int, top: int) -> None:
        self._top = top
        self._seen = 0
        self.values = np.empty((0, num_maps), np.float32)
        self.images = np.empty((0, num_maps), np.int64)
        self.positions = np.empty((0, num_maps), np.int64)

    def add(self, values: np.ndarray, positions: np.ndarray) -> None:
        """Take in the next images: the largest value of each map and its position, both of shape (images, maps)."""
        images = np.broadcast_to(np.arange(self._seen, self._seen + len(values))[:, None], values.shape)
        self._seen += len(values)
        # What is kept stands first, and the sort is stable: an earlier image stays before a later one.
        order = np.argsort(-np.concatenate([self.values, values]), axis=0, kind="stable")[: self._top]
        for name, new in (("values", values), ("images", images), ("positions", positions)):
            old = getattr(self, name)
            setattr(self, name, np.take_along_axis(np.concatenate([old, new]), order, axis=0).astype(old.dtype))


class MapStatistics:
    """Mean, extremes and share of positive values of each map over a stream.

    Example:
        >>> statistics = MapStatistics(num_maps=2, is_rectified=True)
        >>> statistics.add(np.array([2.0, 0.0]), np.array([0.0, 0.0]), np.array([3.0, 0.0]), np.array([2, 0]), count=4)
        >>> statistics.mean.tolist(), statistics.share_positive.tolist(), statistics.is_dead.tolist()
        ([0.75, 0.0], [0.5, 0.0], [False, True])

    Args:
        num_maps: feature maps of the layer.
        is_rectified: whether the layer's values come out of a rectifier.

    Attributes:
        maximum: each map's largest value, shape (maps,).
        minimum: its smallest value.
    """

    def __init__(self, num_maps: int, is_rectified: bool) -> None:
        self._is_rectified = is_rectified
        self._sum = np.zeros(num_maps)
        self._positive = np.zeros(num_maps, np.int64)
        self._count = 0
        self.maximum = np.full(num_maps, -np.inf)
        self.minimum = np.full(num_maps, np.inf)

    def add(
        self, maximum: np.ndarray, minimum: np.ndarray, total: np.ndarray, positive: np.ndarray, count: int
    ) -> None:
        """Take in the values of some images.

        Args:
            maximum: each map's largest value, shape (maps,).
            minimum: its smallest.
            total: the sum of its values.
            positive: how many of them are above 0.
            count: how many values a map has in these images.
        """
        self.maximum = np.maximum(self.maximum, maximum)
        self.minimum = np.minimum(self.minimum, minimum)
        self._sum += total
        self._positive += positive
        self._count += count

    @property
    def mean(self) -> np.ndarray:
        """Mean over all positions of all images, shape (maps,)."""
        return self._sum / self._count

    @property
    def share_positive(self) -> np.ndarray:
        """Share of positions with a value above 0, shape (maps,)."""
        return self._positive / self._count

    @property
    def is_dead(self) -> np.ndarray:
        """Maps that never respond, shape (maps,): none of their values is above 0 anywhere.

        Where no rectifier holds negative values back (the latent, tanh) a negative value is a response too. There a
        map is dead that has the same value everywhere, which a single value cannot show.
        """
        if self._is_rectified:
            return self.maximum <= 0
        return (self.maximum == self.minimum) & (self._count > 1)
