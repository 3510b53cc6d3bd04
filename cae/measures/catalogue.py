"""The catalogue of per-image metrics: one row for each, and everything that any table, chart or file asks of it.

To add a metric, write a function of images and reconstructions and add a row to `METRICS`: evaluations, comparisons,
TensorBoard and the pages then show it. The functions load NumPy and TensorFlow only when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cae.config.objective import MS_SSIM_LEAST_SIDE
from cae.config.registration import BUILT_IN, OWN_METRICS, call_part, register
from cae.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# A figure, or those of many images.
Figures = TypeVar("Figures", float, "np.ndarray")

Better = Literal["more", "less", "one"]
"""Whether a figure is the better the larger, the smaller, or the nearer to 1 it is."""


@dataclass(frozen=True)
class Metric:
    """A figure of an image and its reconstruction.

    Args:
        name: in files and tags.
        title: for people, without the unit.
        better: which figures are better.
        digits: format of a value, as many digits as mean something.
        function: of images and reconstructions in [0, 1], both (batch, height, width, channels), to (batch,).
        unit: of a value; empty where it has none.
        least_side: images with a shorter side, in pixels, do not have it.
        in_graph: whether the function can be part of a compiled TensorFlow function.
        while_training: of which images of a batch it is measured while training: `all`, an even `sample` since it
            costs much, or `none`.
        main: whether it stands in the main table of a comparison.
        band: smaller differences between decoders do not matter; None where it was never set.
    """

    name: str
    title: str
    better: Better
    digits: str
    function: Callable[[Any, Any], Any]
    unit: str = ""
    least_side: int = 1
    in_graph: bool = True
    while_training: Literal["all", "sample", "none"] = "none"
    main: bool = False
    band: float | None = None

    @property
    def full_title(self) -> str:
        """Title and unit: `PSNR (dB)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def aim(self) -> str:
        """Which figures are better, as a few words for people."""
        return {"more": "more is better", "less": "less is better", "one": "1 is best"}[self.better]

    def per_image(self, images: Any, reconstructions: Any) -> np.ndarray:
        """Measure a batch: pixels in [0, 1], both (batch, height, width, channels), to (batch,).

        Raises:
            UserError: one of your own fails, or gives something else.
        """
        import numpy as np

        if self.name in OWN_METRICS:
            values = np.asarray(call_part(self.name, self.function, images, reconstructions))
        else:
            values = np.asarray(self.function(images, reconstructions))
        if values.shape != (len(images),):
            rule = f"{self.name}: must give a value for each image, shape {(len(images),)}"
            raise UserError(f"{rule}. Received: shape {values.shape}.")
        return values

    def compared(self, figures: Figures) -> Figures:
        """The quantity by which decoders are sorted and compared: the figure of each image as it is.

        A metric that is best at 1 is compared by its distance from 1, image by image: a decoder that is too sharp on
        some images and too smooth on others does not come out even. The mean distance does not follow from the mean.

        Example:
            >>> import numpy as np
            >>> metric("high_frequency_ratio").compared(np.array([0.75, 1.5])), metric("mse").compared(0.25)
            (array([0.25, 0.5 ]), 0.25)
        """
        return abs(figures - 1.0) if self.better == "one" else figures

    def badness(self, figures: Figures) -> Figures:
        """Numbers that are the smaller the better figures are.

        Example:
            >>> metric("psnr").badness(30.0) < metric("psnr").badness(20.0)
            True
        """
        quantity = self.compared(figures)
        return -quantity if self.better == "more" else quantity


def _loss(images: Any, reconstructions: Any) -> Any:
    raise ValueError("The loss depends on a run's objective, not on images and reconstructions alone.")


def _mse(images: Any, reconstructions: Any) -> Any:
    from cae.measures.per_image import mse_per_image

    return mse_per_image(images, reconstructions)


def _mae(images: Any, reconstructions: Any) -> Any:
    from cae.measures.per_image import mae_per_image

    return mae_per_image(images, reconstructions)


def _psnr(images: Any, reconstructions: Any) -> Any:
    from cae.measures.per_image import psnr_from_mse

    return psnr_from_mse(_mse(images, reconstructions))


def _ssim(images: Any, reconstructions: Any) -> Any:
    from cae.measures.per_image import ssim_per_image

    return ssim_per_image(images, reconstructions)


def _ms_ssim(images: Any, reconstructions: Any) -> Any:
    from cae.measures.per_image import ms_ssim_per_image

    return ms_ssim_per_image(images, reconstructions)


def _high_frequency_ratio(images: Any, reconstructions: Any) -> Any:
    from cae.measures.spectrum import high_frequency_ratio

    return high_frequency_ratio(images, reconstructions)


# In the order of per_image.csv and of the sums in checkpoints.
METRICS = (
    Metric("mse", "MSE", "less", "#.4g", _mse, while_training="all", main=True),
    Metric("mae", "MAE", "less", "#.4g", _mae, while_training="all"),
    Metric("psnr", "PSNR", "more", ".2f", _psnr, unit="dB", while_training="all", main=True, band=0.1),
    Metric("ssim", "SSIM", "more", ".4f", _ssim, while_training="sample", main=True),
    Metric("ms_ssim", "MS-SSIM", "more", ".4f", _ms_ssim, least_side=MS_SSIM_LEAST_SIDE),
    Metric(
        "high_frequency_ratio", "high-frequency ratio", "one", ".3f", _high_frequency_ratio, in_graph=False, main=True
    ),
)
BUILT_IN["metric"] = frozenset(one.name for one in METRICS)
LOSS = Metric("loss", "loss", "less", "#.4g", _loss)
"""What a run was trained for: measured with the metrics, by its own objective."""

# What people look at first; others follow in the catalogue's order.
_FIRST = ("psnr", "ssim", "ms_ssim", "mse", "mae")


def register_metric(name: str, function: Any = None) -> Any:
    """Add a metric of your own to evaluations and comparisons; entry points are in `cae.metrics`.

    Args:
        name: as for `register_upsampling`.
        function: of images and reconstructions in [0, 1], NumPy arrays or tensors (batch, height, width, channels), to
            (batch,). Attributes say more: `title`, `unit`, and `better`, which is `less` (the default) or `more`.
            Without it this is a decorator.

    Returns:
        The function.

    Raises:
        UserError: the name is not usable or taken, or it is no function.
    """
    if function is not None and name in _BY_NAME:
        raise UserError(f"register_metric: the name must be a new word. Received: {name!r}, which is built in.")
    return register("metric", name, function) if function else lambda decorated: register_metric(name, decorated)


def all_metrics() -> tuple[Metric, ...]:
    """Those of this program, then those that were registered."""
    own = (
        Metric(
            name,
            getattr(function, "title", name),
            getattr(function, "better", "less"),
            "#.4g",
            function,
            getattr(function, "unit", ""),
            in_graph=False,
        )
        for name, function in OWN_METRICS.items()
    )
    return (*METRICS, *own)


def metric(name: str) -> Metric:
    """Look up a metric by its name.

    Raises:
        KeyError: there is no such metric.
    """
    return _BY_NAME[name] if name in _BY_NAME else {one.name: one for one in all_metrics()}[name]


def is_metric(name: str) -> bool:
    """Whether the catalogue has a metric, or the loss, of that name."""
    return name in _BY_NAME or name in OWN_METRICS


def metrics_of(image_shape: tuple[int, ...]) -> tuple[Metric, ...]:
    """The metrics that images of a size have, in the order of per_image.csv.

    Example:
        >>> [one.name for one in metrics_of((28, 28, 1))]
        ['mse', 'mae', 'psnr', 'ssim', 'high_frequency_ratio']

    Args:
        image_shape: (height, width, channels), in pixels.
    """
    return tuple(one for one in all_metrics() if min(image_shape[:2]) >= one.least_side)


def metrics_while_training() -> tuple[Metric, ...]:
    """The metrics that training measures after each epoch, in the order of its sums."""
    return tuple(one for one in METRICS if one.while_training != "none")


def by_importance(names: Iterable[str]) -> list[str]:
    """Order names, each once, as people look at them; those of validation (`val_NAME`) like their metric.

    Example:
        >>> by_importance(["loss", "val_mse", "val_psnr"])
        ['val_psnr', 'val_mse', 'loss']
    """
    order = [*_FIRST, *(one.name for one in all_metrics() if one.name not in _FIRST), LOSS.name]
    places = {name: place for place, name in enumerate(order)}
    return sorted(dict.fromkeys(names), key=lambda name: places.get(name.removeprefix("val_"), len(places)))


def graph_metrics_per_image(images: Any, reconstructions: Any) -> dict[str, Any]:
    """The metrics that TensorFlow computes; may be part of a compiled function.

    Args:
        images: pixels in [0, 1], (batch, height, width, channels).
        reconstructions: the same shape, clipped by the caller where it may leave [0, 1].

    Returns:
        Each metric's name to float32, (batch,).

    Raises:
        ValueError: the arguments are not two batches of images of one shape.
    """
    return {
        one.name: one.function(images, reconstructions) for one in metrics_of(tuple(images.shape[1:])) if one.in_graph
    }


def metrics_per_image(images: Any, reconstructions: Any) -> dict[str, np.ndarray]:
    """All metrics of a batch.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((2, 8, 8, 1), np.float32)
        >>> {name: values.round(3).tolist() for name, values in metrics_per_image(images, images + 0.1).items()}["psnr"]
        [20.0, 20.0]

    Args:
        images: pixels in [0, 1], (batch, height, width, channels).
        reconstructions: the same shape.

    Returns:
        Each metric's name to float32 or float64, (batch,).

    Raises:
        ValueError: the arguments are not two batches of images of one shape.
    """
    return {one.name: one.per_image(images, reconstructions) for one in metrics_of(tuple(images.shape[1:]))}


_BY_NAME = {one.name: one for one in (*METRICS, LOSS)}
