"""A trained network ready to work: compiled for one image size, and rebuilt for others with the same weights.

At another size the network must not only have the same weights, but its strides and windows must fall on the picture as
they did in training. SAME padding puts as much before a side as the side's remainder by the factor says, in every stage
anew; the decoder has learnt the offset that came of it, and at another remainder what it makes is shifted. Here alone
is decided what is done about that: a picture is continued by its mirror image, to the right and the bottom, up to a
size that leaves the trained one's remainder by all that the stages shrink by, and what was added is cut off again.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.errors import NonFiniteOutputError
from cae.model import Autoencoder, build_autoencoder
from cae.plan import Plan, make_plan
from cae.plan.encoder import check_image_is_large_enough

if TYPE_CHECKING:
    from cae.config.model import ModelSection

_MOST_KEPT = 4


class Network:
    """An autoencoder for images of one shape, and for somewhat smaller ones; with NumPy in and out, always finite.

    Args:
        autoencoder: with its weights.
        run: whose weights they are, for messages.

    Raises:
        NonFiniteOutputError: from every method, where an output would not be finite.
    """

    def __init__(self, autoencoder: Autoencoder, run: str = "the model") -> None:
        self.plan: Plan = autoencoder.plan
        self._autoencoder = autoencoder
        self._run = run

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Reconstruct float32 images (batch, height, width, channels); reconstructions are kept within [0, 1].

        Smaller ones than the network's are continued by their mirror image.
        """
        height, width = images.shape[1:3]
        missing = [(0, full - side) for full, side in zip(self.plan.image_shape, (height, width), strict=False)]
        if missing != [(0, 0), (0, 0)]:
            images = np.pad(images, [(0, 0), *missing, (0, 0)], mode="symmetric")
        reconstructions = self._finite("the reconstruction of", *self._compiled_reconstruct(tf.constant(images)))
        return reconstructions[:, :height, :width]

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Codes of images, float32: (batch, height, width, channels), or (batch, units) of a dense bottleneck."""
        return self._finite("the code of", *self._compiled_encode(tf.constant(images)))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images of codes, for a decoder without switches; kept within [0, 1]."""
        return self._finite("the image decoded from", *self._compiled_decode(tf.constant(codes)))

    def _finite(self, what: str, values: tf.Tensor, are_finite: tf.Tensor) -> np.ndarray:
        """Outputs as an array, once each is known to be finite."""
        if not np.all(are_finite):
            raise NonFiniteOutputError(self._run, what, int(np.argmin(are_finite)))
        found: np.ndarray = values.numpy()
        return found

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code as `encode` gives it."""
        return tuple(self._autoencoder.decoder.inputs[0].shape[1:])

    @cached_property
    def _compiled_reconstruct(self) -> Any:
        def reconstruct(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _as_picture(self._autoencoder.decode(*self._autoencoder.encode(images)))

        return _compile(reconstruct, self.plan.image_shape)

    @cached_property
    def _compiled_encode(self) -> Any:
        def encode(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            codes = tf.cast(self._autoencoder.encode(images)[0], tf.float32)
            return codes, _are_finite(codes)

        return _compile(encode, self.plan.image_shape)

    @cached_property
    def _compiled_decode(self) -> Any:
        dtype = self._autoencoder.decoder.inputs[0].dtype

        def decode(codes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _as_picture(self._autoencoder.decode(tf.cast(codes, dtype), []))

        return _compile(decode, self.code_shape)


class Networks:
    """One model at the sizes that are asked for; of other sizes than its own, the last few are kept.

    Args:
        section: the `model` section.
        autoencoder: the trained model.
        precision: Keras dtype policy that it was built with.
        run: whose weights they are, for messages.
    """

    def __init__(self, section: ModelSection, autoencoder: Autoencoder, precision: str, run: str = "the model") -> None:
        self.own = Network(autoencoder, run)
        self._run = run
        self._section = section
        self.autoencoder = autoencoder
        self._precision = precision
        self._kept: OrderedDict[tuple[int, int], Network] = OrderedDict()

    @property
    def is_convolutional(self) -> bool:
        """Whether the weights fit images of any size: without a dense bottleneck, a global linear path or own parts."""
        return math.isfinite(self.own.plan.receptive_fields()[-1])

    @property
    def factor(self) -> int:
        """How many times all stages together shrink an image's sides."""
        return self._section.factor

    def fit_side(self, length: int, axis: int) -> int:
        """The least length from `length` on at which every stage has the padding of training.

        Args:
            length: pixels, at least 1.
            axis: 0 for a height, 1 for a width.
        """
        own = self.own.plan.image_shape[axis]
        # Shorter sides than both are not sure to be long enough for all stages.
        least = max(length, min(own, self.factor))
        return least + (own - least) % self.factor

    def plan_at(self, size: tuple[int, int]) -> Plan:
        """The plan of the network that images of another height and width go through.

        Raises:
            PlanError: they are too small.
        """
        channels = self.own.plan.image_shape[2]
        check_image_is_large_enough(self._section.encoder, (*size, channels))
        return make_plan(self._section, (self.fit_side(size[0], 0), self.fit_side(size[1], 1), channels))

    def at(self, size: tuple[int, int]) -> Network:
        """The same weights on images of another height and width, with every stage's padding as in training.

        Raises:
            PlanError: they are too small.
        """
        plan = self.plan_at(size)
        size = plan.image_shape[:2]
        if size == self.own.plan.image_shape[:2]:
            return self.own
        if size not in self._kept:
            built = build_autoencoder(plan, precision=self._precision)
            built.model.set_weights(self.autoencoder.model.get_weights())
            self._kept[size] = Network(built, self._run)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(size)
        return self._kept[size]


def _compile(function: Any, shape: tuple[int, ...]) -> Any:
    """Traced once, for batches of any number."""
    return tf.function(function, input_signature=[tf.TensorSpec((None, *shape), tf.float32)], autograph=False)


def _as_picture(reconstructions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Images within [0, 1], and whether each was finite before: clipping makes 1 of infinity."""
    return tf.clip_by_value(tf.cast(reconstructions, tf.float32), 0.0, 1.0), _are_finite(reconstructions)


def _are_finite(values: tf.Tensor) -> tf.Tensor:
    """Of each image, (batch,)."""
    return tf.reduce_all(tf.math.is_finite(values), axis=tf.range(1, tf.rank(values)))
