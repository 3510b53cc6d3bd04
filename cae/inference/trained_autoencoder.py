"""A trained run as an object: reconstruct, encode, decode and score arrays of several shapes and types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np

from cae.data.pixels import batch_shape, has_colors, is_pixel_type, to_channels, to_float, to_pixels, unusual_reading
from cae.data.value_range import TOLERANCE, Pair, ValuesSeen, given_range, in_words, range_for, suggest
from cae.engine import start_engine
from cae.errors import RunWarning
from cae.files import printable
from cae.inference.inputs import SetInputs, colors_left_out, fit_as_trained, open_part
from cae.plan import make_plan
from cae.runs import RunDirectory, open_run
from cae.runs.images import warn_of_other_images

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.config.data import DataSection
    from cae.data.image_set import Splits
    from cae.inference.any_size import AnySize, Way
    from cae.inference.network import Networks
    from cae.inference.scoring import ImageScore, Metric


class Images(NamedTuple):
    """A batch, and how the answer is to look."""

    pixels: np.ndarray
    """(batch, height, width, channels), uint8 or float32 in [0, 1], channels as the model takes them."""
    is_single: bool
    """Whether there was no axis for the batch."""
    is_flat: bool
    """Whether there was no axis for channels, and the model needs none either."""

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Take away from values for each pixel the axes that the images lacked."""
        if self.is_flat:
            values = values[..., 0]
        return values[0] if self.is_single else values


def as_images(
    images: Any, channels: int, value_range: Pair | None = None, warnings: list[RunWarning] | None = None
) -> Images:
    """Bring images to the form in which the model takes them.

    Arrays are read as in files, see `cae.data.pixels.batch_shape`.

    Example:
        >>> as_images(np.zeros((5, 28, 28), np.uint8), channels=1).pixels.shape
        (5, 28, 28, 1)
        >>> as_images(np.zeros((32, 40, 3)), channels=1).pixels.shape
        (1, 32, 40, 1)

    Args:
        images: (batch, height, width, 1 or 3), (batch, height, width), (height, width, 1 or 3) or (height, width);
            bool, uint8, uint16 (of 65535), or floating point in [0, 1]; with a range any integers and floating point.
        value_range: the model's own, which counts where the type can hold it; see `cae.data.value_range.range_for`.
        warnings: takes what makes the images doubtful.
        channels: 1 or 3, what the model takes: gray is repeated, colour made gray by ITU-R 601 luma.

    Raises:
        ValueError: the shape, the type or the values are others.
    """
    array = np.asarray(images)
    try:
        shape = batch_shape(array.shape)
    except ValueError as error:
        raise ValueError(f"`images` must have shape {error}") from error
    has_channels = array.ndim == 4 or (array.ndim == 3 and shape[1:] == array.shape)
    on_range = range_for(array.dtype, value_range)
    if not is_pixel_type(array.dtype, on_a_range=on_range is not None):
        raise ValueError(
            "`images` must be bool, uint8, uint16, or floating point in [0, 1], or after a training with"
            f" `data.value_range` any integers. Received: dtype={array.dtype}."
        )
    batch = array.reshape(shape)
    if array.dtype.kind == "f":
        _check_floats(batch, is_on_range=on_range is not None)
    ValuesSeen("`images`", on_range, warnings=[] if warnings is None else warnings).note(batch)
    is_single = array.ndim == 2 or (array.ndim == 3 and has_channels)
    return Images(to_channels(to_pixels(batch, on_range), channels), is_single, not has_channels and channels == 1)


def _check_floats(batch: np.ndarray, *, is_on_range: bool) -> None:
    is_finite = np.isfinite(batch.reshape(len(batch), -1)).all(axis=1)
    if not is_finite.all():
        place = int(np.argmin(is_finite))
        received = "nan" if np.isnan(batch[place]).any() else "infinity"
        raise ValueError(f"Floating-point `images` must be finite numbers. Received: {received} in image {place}.")
    low, high = batch.min(), batch.max()
    if not is_on_range and not -TOLERANCE <= low <= high <= 1 + TOLERANCE:
        low, high = float(low), float(high)
        raise ValueError(
            f"Floating-point `images` must be in [0, 1]. Received: values from {low:g} to {high:g}. Bring them from"
            f" {in_words(suggest(low, high))} to [0, 1], or train with `data.value_range`."
        )


Pool = Literal["none", "mean", "max"]


class TrainedAutoencoder:
    """What a run has learned, ready for any images; needs neither the run's data nor TensorFlow objects.

    Every method takes images as (batch, height, width, 1 or 3), (batch, height, width), (height, width, 1 or 3) or
    (height, width): uint8, uint16, bool, or floating point in [0, 1]. A three-dimensional array whose last side is 1 or
    3 is one image. Gray is repeated for a model of colours, colour made gray for a model of gray. After a training with
    `data.value_range` they are numbers on that range, unless their type cannot hold it: 8-bit images still go from 0
    to 255. Values outside are clipped, and `tell` gets a line about it.

    Example:
        model = TrainedAutoencoder.load("runs/quickstart/conv_transpose")
        reconstructions = model.reconstruct(images)  # float32 in [0, 1], the images' shape
        codes = model.encode(images, pool="mean")  # (batch, channels)

    Args:
        directory: the run.
        config: its configuration.
        networks: its model.
        weights_digest: SHA-256 of the weights that were loaded.
        tell: is given a line about images that are doubtful.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: RunConfig,
        networks: Networks,
        weights_digest: str,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._directory = directory
        self.config = config
        self._weights_digest = weights_digest
        self._networks = networks
        self._tell = tell
        self._told: set[str] = set()
        self._fitted: dict[str, ImageScore] = {}
        self._opened: dict[DataSection, Splits] = {}
        """The run's own data, as far as a command has looked for them."""

    @classmethod
    def load(cls, run: str | Path | RunDirectory, tell: Callable[[str], None] = print) -> Self:
        """Load a run's best weights; starts TensorFlow. Nothing in the run is executed.

        Args:
            run: run directory.
            tell: is given a line for the user, when the run is not finished or images are doubtful.

        Raises:
            UserError: there is no such run, or it is damaged.
        """
        directory = run if isinstance(run, RunDirectory) else open_run(Path(run), tell)
        start_engine()
        from cae.config import load_config
        from cae.inference.network import Networks
        from cae.runs.trained import image_shape_of, load_autoencoder

        config = load_config(directory.config)
        plan = make_plan(config.model, image_shape_of(directory, config))
        autoencoder, digest = load_autoencoder(directory, config, plan)
        networks = Networks(config.model, autoencoder, config.training.precision, printable(str(directory.path)))
        return cls(directory, config, networks, digest, tell)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images that the run was trained on."""
        return self._networks.own.plan.image_shape

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code: (height, width, channels), or (units,) of a dense bottleneck."""
        return self._networks.own.code_shape

    @property
    def has_switches(self) -> bool:
        """Whether the decoder needs, besides the code, switches, or indices: where each image's values belong."""
        return bool(self._networks.own.plan.switches)

    def _at_any_size(self, overlap: int | None = None) -> AnySize:
        """How pictures of other sizes are reconstructed; see `cae.inference.any_size.AnySize`."""
        from cae.inference.any_size import AnySize

        return AnySize(self._networks, self.config, overlap)

    def reconstruct(self, images: Any, *, size: Way = "auto", overlap: int | None = None) -> np.ndarray:
        """Reconstruct images of any size.

        Args:
            images: see the class.
            size: what becomes of images of another size than the model's. `resize` brings them to the model's size,
                as training brought its own, and back; `native` takes them through the network at their own size, with
                the same weights, where the bottleneck is not dense; `tile` does so in overlapping tiles, and blends
                these. `auto` keeps to the scale of training: `resize`, or if training saw patches `native`, and `tile`
                for what does not fit into memory or has to pass a dense bottleneck, a global linear path or a part of
                your own.
            overlap: pixels that neighbouring tiles share; None for enough that no seam is left.

        Returns:
            float32 in [0, 1], the images' shape; with the model's channels where these are others.

        Raises:
            ValueError: the images are not as described, or `size` is not open to them.
        """
        given = self._take(images)
        sizes = self._at_any_size(overlap)
        return given.restore(sizes.reconstruct(given.pixels, _choose(sizes, size, given.pixels)))

    def encode(self, images: Any, *, pool: Pool = "none") -> np.ndarray:
        """Encode images.

        Those of another size are first brought to the model's as the run's own were (`data.fit`): stretched, or cut to
        the middle.

        Args:
            images: see the class.
            pool: `mean` or `max` over all places of a spatial code, or `none`.

        Returns:
            float32, (batch, *code_shape), or (batch, channels) when pooled; without the batch's axis for one image.

        Raises:
            ValueError: the images are not as described, are smaller than a patch, or a dense code is to be pooled.
        """
        given = self._take(images)
        step = self.config.training.images_at_once
        from cae.inference.any_size import in_parts

        codes = in_parts(given.pixels, step, lambda batch: self._encode_pixels(batch, pool))
        return codes[0] if given.is_single else codes

    def decode(self, codes: Any) -> np.ndarray:
        """Make images of codes.

        Args:
            codes: (batch, *code_shape), or one code; not pooled.

        Returns:
            float32 in [0, 1], (batch, *image_shape), or one image.

        Raises:
            ValueError: the codes have another shape, are not finite, or the decoder needs switches.
        """
        self._check_decodes()
        array = np.asarray(codes, np.float32)
        is_single = array.shape == self.code_shape
        if is_single:
            array = array[np.newaxis]
        if array.shape[1:] != self.code_shape or not len(array):
            wanted = ", ".join(map(str, self.code_shape))
            raise ValueError(f"`codes` must have shape (batch, {wanted}). Received: shape={np.shape(codes)}.")
        if not np.isfinite(array).all():
            raise ValueError("`codes` must be finite numbers. Received: infinity or not-a-number.")
        step = self.config.training.images_at_once
        from cae.inference.any_size import in_parts

        images = in_parts(array, step, self._networks.own.decode)
        return images[0] if is_single else images

    def score(
        self, images: Any, *, metric: Metric = "auto", size: Way = "auto", overlap: int | None = None
    ) -> np.ndarray:
        """How unlike the images that the run was trained on others are: the higher, the less alike.

        Does what `python -m cae score` does. Fitted metrics read up to 1,024 of the run's training images, once for
        each metric, and take every image as training took its own.

        Args:
            images: see the class.
            metric: `mse`, `mae`, `ssim` (1 - SSIM), `peak` or `top` (small defects) look at the error alone. The others
                are fitted to training images: `place`, `scales`, `whitened`, `patches`, `code_nearest`,
                `code_mahalanobis`, `place_nearest` and `combined`. `auto` is `combined`; where that cannot be had,
                it is `mse`, and `tell` gets a line that says so.
            size: as for `reconstruct`. Resized images are compared at the model's size. With `native` and `tile`, only
                metrics that are not fitted.
            overlap: as for `reconstruct`.

        Returns:
            float64, (batch,), or a number for one image.

        Raises:
            ValueError: as for `reconstruct`, or the metric does not go with `size`, or with a run trained on patches.
            UserError: the metric is fitted, and the training images are not there any more, or fewer than eight.
        """
        given = self._take(images)
        sizes = self._at_any_size(overlap)
        chosen = _choose(sizes, size, given.pixels)
        found = self._find_score(metric, size)
        pixels = given.pixels
        if found.is_fitted:
            pixels = np.stack([fit_as_trained(image, self.image_shape[:2], self.config.data) for image in pixels])
            chosen = "native"
        step = sizes.batch_size(pixels.shape[1:3])
        from cae.inference.any_size import in_parts

        scores = in_parts(pixels, step, lambda batch: found.of(*sizes.compare(batch, chosen)))
        return scores[0] if given.is_single else scores

    def _find_score(self, metric: Metric, size: Way) -> ImageScore:
        """The score by that name; one that was fitted is kept."""
        from cae.data.load import load_splits
        from cae.inference.scoring import find_score

        if metric in self._fitted and size in ("auto", "resize"):
            return self._fitted[metric]

        def open_training(most: int) -> SetInputs:
            splits = load_splits(self.config.data)
            self._tell_once(map(str, warn_of_other_images(self._directory, splits, self.config.data, [])))
            return open_part(self, splits, "train", most=most)

        found = find_score(self, metric, size, is_own=False, open_training=open_training)
        if size in ("auto", "resize"):
            self._fitted |= {metric: found, found.metric: found}
        if found.said and not found.is_fitted:
            self._tell_once([found.said])
        return found

    def _take(self, images: Any) -> Images:
        warnings: list[RunWarning] = []
        given = as_images(images, self.image_shape[2], given_range(self.config.data), warnings)
        # The run's configuration cannot be changed any more; the array can.
        said = [str(one).replace("Set data.", "Scale them, or train with data.") for one in warnings]
        if not given.is_single and (reading := unusual_reading(np.shape(images))):
            said.append(f"`images`: {reading}")
        if self.image_shape[2] == 1 and batch_shape(np.shape(images))[3] == 3 and has_colors(np.asarray(images)):
            said.append(str(colors_left_out("`images` have colours")))
        self._tell_once(said)
        return given

    def _tell_once(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                self._tell(line)

    def _check_decodes(self) -> None:
        """Refuse to decode where a code is not enough.

        Raises:
            ValueError: the decoder needs switches.
        """
        if self.has_switches:
            raise ValueError(
                "codes of this run cannot be decoded: its decoder puts values back where each image's maxima"
                " were or its indices say, and a code does not hold these switches. `reconstruct` does both steps."
            )

    def _check_pools(self, pool: Pool) -> None:
        """Refuse to pool what has no places.

        Raises:
            ValueError: the code is a vector, or there is no such way to pool.
        """
        if pool not in ("none", "mean", "max"):
            raise ValueError(f"`pool` must be none, mean or max. Received: pool={pool!r}.")
        if pool != "none" and len(self.code_shape) == 1:
            raise ValueError(
                f"codes of a dense bottleneck are vectors of {self.code_shape[0]} values, without places to pool over."
                f" Received: pool={pool!r}."
            )

    def _encode_pixels(self, pixels: np.ndarray, pool: Pool = "none") -> np.ndarray:
        """Encode a batch as `cae.data` reads it: (batch, height, width, channels), uint8 or float32.

        Raises:
            ValueError: as for `encode`.
        """
        self._check_pools(pool)
        if pixels.shape[1:] != self.image_shape:
            size = self.image_shape[:2]
            pixels = np.stack([fit_as_trained(image, size, self.config.data) for image in pixels])
        codes = self._networks.own.encode(to_float(pixels))  # [N, h, w, c] or [N, c]
        if pool == "none":
            return codes
        return codes.mean(axis=(1, 2)) if pool == "mean" else codes.max(axis=(1, 2))


def _choose(sizes: AnySize, wanted: Way, pixels: np.ndarray) -> Way:
    from cae.inference.any_size import WAYS

    if wanted not in WAYS:
        raise ValueError(f"`size` must be one of {', '.join(WAYS)}. Received: size={wanted!r}.")
    return sizes.choose(wanted, pixels.shape[1:3])
