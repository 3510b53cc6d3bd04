"""Streams of batches, augmented for training."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from cae.config.data import Augmentation
from cae.data.batch_shares import Position, Shares, TrainingOrder, steps_per_epoch
from cae.data.image_set import ImageSet
from cae.errors import UserError


def augment(
    images: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor, position: Position | None = None
) -> tf.Tensor:
    """Flip and shift each image of a batch at random; the same seed gives the same changes.

    >>> images = tf.reshape(tf.range(6.0), (1, 2, 3, 1))
    >>> augment(images, Augmentation(), tf.constant([0, 0])) is images
    True

    Args:
        images: (batch, height, width, channels), any type; as high as wide for a diagonal flip.
        augmentation: which changes are made.
        seed: two integers, such as the run's seed and the step.
        position: where these images lie in a batch that others have a part of; None where they are all of it.

    Returns:
        The same shape and type.

    Source: Krizhevsky et al. 2012, section 4.1 (shifts and reflections).
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    position = position or Position(0, tf.shape(images)[0])
    if augmentation.horizontal_flip:
        images = _flip_half(images, 2, seeds[0], position)
    if augmentation.vertical_flip:
        images = _flip_half(images, 1, seeds[1], position)
    if augmentation.diagonal_flip:
        chosen = _half(images, tf.random.experimental.stateless_fold_in(seed, 3), position)
        images = tf.where(chosen, _transpose(images), images)
    if augmentation.random_crop > 0:
        images = _shift(images, augmentation.random_crop, seeds[2], position)
    return images


def _flip_half(images: tf.Tensor, axis: int, seed: tf.Tensor, position: Position) -> tf.Tensor:
    return tf.where(_half(images, seed, position), tf.reverse(images, [axis]), images)


def _transpose(images: tf.Tensor) -> tf.Tensor:
    """Exchange rows and columns; by a gather, since TensorFlow complains on stderr of a transposition of bytes."""
    batch, height, width, channels = tf.unstack(tf.shape(images))
    places = tf.range(width)[:, tf.newaxis] + width * tf.range(height)  # of the pixels, (width, height)
    pixels = tf.gather(tf.reshape(images, [batch, height * width, channels]), places, axis=1)
    return tf.ensure_shape(pixels, images.shape)


def _half(images: tf.Tensor, seed: tf.Tensor, position: Position) -> tf.Tensor:
    # A number or two for an image: all of the batch's are drawn, and those of these images kept.
    draws = tf.random.stateless_uniform([position.total, 1, 1, 1], seed)
    return draws[position.first :][: tf.shape(images)[0]] < 0.5


def _shift(images: tf.Tensor, most: int, seed: tf.Tensor, position: Position) -> tf.Tensor:
    """Move each image by up to `most` pixels, as if cut out of a picture that goes on mirrored past its borders."""
    batch, height, width, _ = tf.unstack(tf.shape(images))
    shifts = tf.random.stateless_uniform([2, position.total, 1], seed, -most, most + 1, tf.int32)
    shifts = shifts[:, position.first :][:, :batch]  # (2, batch, 1)
    rows = _mirror(tf.range(height) + shifts[0], height)  # (batch, height)
    columns = _mirror(tf.range(width) + shifts[1], width)  # (batch, width)
    # One gather over flat pixels is faster than one along each axis.
    pixels = rows[:, :, tf.newaxis] * width + columns[:, tf.newaxis, :]  # (batch, height, width)
    flat = tf.reshape(images, [batch, height * width, -1])
    return tf.reshape(tf.gather(flat, tf.reshape(pixels, [batch, -1]), batch_dims=1), tf.shape(images))


def _mirror(positions: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Fold positions back into [0, size): ... 2 1 | 0 1 2 3 | 2 1 ..., the border pixel itself not repeated."""
    period = tf.maximum(2 * (size - 1), 1)
    positions = tf.math.floormod(positions, period)
    return tf.minimum(positions, period - positions)


__all__ = ["make_batches", "make_training_batches", "steps_per_epoch"]

_LAST_STEP = 2**62
_MOST_PARALLEL_BATCHES = 16


def make_training_batches(
    images: ImageSet,
    batch_size: int,
    *,
    seed: int,
    first_step: int = 0,
    augmentation: Augmentation | None = None,
    shares: Shares | None = None,
) -> tf.data.Dataset:
    """Make the one stream of a whole training run.

    Every epoch is a permutation of all images that depends on (seed, epoch) only; its last batch may be smaller. A
    stream that starts at a later step gives the same bits as one that has come to it. Errors that are the user's to
    mend (a file has vanished) are raised by `cae.data.pipeline.user_errors`.

    Args:
        images: the training part.
        batch_size: images in a step, at least 1.
        seed: the run's seed, not negative.
        first_step: where to start, counted over all epochs; epoch = step // steps_per_epoch.
        augmentation: random changes; None for none.
        shares: how batches are divided between replicas. This process then reads its own images of each batch only,
            and gets the same ones, with the same random changes, that it would get in the whole batch.

    Returns:
        An endless data set of (batch, height, width, channels), float32 in [0, 1]; with shares, of pairs of the
        process's images and their table (`Shares.table`).
    """
    height, width, _ = images.image_shape
    if augmentation is not None and augmentation.diagonal_flip and height != width:
        raise UserError(f"data.augmentation.diagonal_flip needs square images. Received: {height}x{width} pixels.")
    order = TrainingOrder(len(images), batch_size, seed)

    def read(step: int) -> np.ndarray:
        indices = order.indices(step)
        if shares is None:
            return images.read(indices, (seed, step))
        return images.read(indices, (seed, step), shares.read(len(indices)))

    def change(batch: tf.Tensor, step: tf.Tensor, position: Position | None) -> tf.Tensor:
        if augmentation is None:
            return batch
        return augment(batch, augmentation, tf.stack([tf.constant(seed, tf.int64), step]), position)

    steps = tf.data.Dataset.range(first_step, _LAST_STEP)
    return _make_stream(images, steps, read, change, shares, lambda step: len(order.indices(step)))


def make_batches(images: ImageSet, batch_size: int, shares: Shares | None = None) -> tf.data.Dataset:
    """Make batches of all images once, in order and unchanged; the last one may be smaller.

    For validation and test. Errors as in `make_training_batches`.

    Args:
        images: any part.
        batch_size: images in a batch, at least 1.
        shares: how batches are divided between replicas; as in `make_training_batches`.

    Returns:
        A data set of (batch, height, width, channels), float32 in [0, 1], with known cardinality; with shares, of
        pairs of the process's images and their table.
    """

    def indices_of(step: int) -> np.ndarray:
        return np.arange(step * batch_size, min((step + 1) * batch_size, len(images)))

    def read(step: int) -> np.ndarray:
        indices = indices_of(step)
        return images.read(indices if shares is None else indices[shares.read(len(indices))])

    steps = tf.data.Dataset.range(steps_per_epoch(len(images), batch_size))
    return _make_stream(images, steps, read, _unchanged, shares, lambda step: len(indices_of(step)))


def _unchanged(batch: tf.Tensor, step: tf.Tensor, position: Position | None) -> tf.Tensor:
    return batch


def _make_stream(
    images: ImageSet,
    steps: tf.data.Dataset,
    read: Callable[[int], np.ndarray],
    change: Callable[[tf.Tensor, tf.Tensor, Position | None], tf.Tensor],
    shares: Shares | None,
    size_of: Callable[[int], int],
) -> tf.data.Dataset:
    def table(step: int) -> np.ndarray:
        assert shares is not None
        return shares.table(size_of(step))

    read_step, table_of_step = guard_reads(read), guard_reads(table)
    # A batch of no images tells the set's type without reading anything.
    dtype = tf.as_dtype(images.read(np.empty(0, np.int64)).dtype)

    def make_batch(step: tf.Tensor, position: Position | None = None) -> tf.Tensor:
        # Not stateful, as the batch depends on the step alone: deterministic mode may read steps side by side.
        batch = tf.numpy_function(read_step, [step], dtype, stateful=False)
        batch.set_shape((None, *images.image_shape))
        batch = change(batch, step, position)
        return tf.cast(batch, tf.float32) / 255.0 if dtype == tf.uint8 else batch

    def make_share(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        assert shares is not None
        divided = tf.numpy_function(table_of_step, [step], tf.int64, stateful=False)
        divided.set_shape((shares.num_local, 4))
        return make_batch(step, Position(divided[0, 2], divided[0, 3])), divided

    options = tf.data.Options()
    # The tuner holds up the end of an iterator for as long as it sleeps, so parallelism and prefetch are fixed instead.
    options.autotune.enabled = False
    options.deterministic = True
    parallel = min(_MOST_PARALLEL_BATCHES, max(2, os.cpu_count() or 1))
    # There is no Python in it to convert, and what is said of a failed conversion keeps every frame on the stack alive.
    make = tf.autograph.experimental.do_not_convert(make_batch if shares is None else make_share)
    stream = steps.map(make, num_parallel_calls=parallel, deterministic=True).prefetch(2).with_options(options)
    stream.called = read, table  # iterators hold their stream, and nothing else holds these two
    return stream


# How long no read may begin before the interpreter may shut down. A stream whose reads are refused fills its few
# places ahead in far less time, and then asks for no more.
_QUIET_SECONDS = 0.05


class _Reads:
    """Counts the reads under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._last_change = 0.0
        self._ending = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is done in the block as one read; refuse it when the program ends."""
        self._change(+1)
        try:
            if self._ending:
                raise RuntimeError("the program is ending")
            yield
        finally:
            self._change(-1)

    def stop(self) -> None:
        """Refuse new reads; wait for those under way, and until no more are asked for."""
        self._ending = True
        self._change(0)
        while self._under_way or time.monotonic() < self._last_change + _QUIET_SECONDS:
            time.sleep(_QUIET_SECONDS / 10)

    def _change(self, by: int) -> None:
        with self._lock:
            self._under_way += by
            self._last_change = time.monotonic()


_reads = _Reads()
atexit.register(_reads.stop)
counted_read = _reads.counted


_kept: dict[str, UserError] = {}
_numbers = itertools.count()


def guard_reads(read: Callable[[int], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Wrap a function for `tf.numpy_function`: `user_errors` will find its `UserError`, and the program may end.

    TensorFlow keeps what it is given to call for as long as the program runs. Here it does not keep the function, which
    holds all images: the caller must, while it may be called.
    """
    function = weakref.ref(read)

    def guarded(step: np.ndarray) -> np.ndarray:
        with counted_read():
            found = function()
            if found is None:
                raise RuntimeError("the stream of batches is gone")
            try:
                return found(int(step))
            except UserError as error:
                word = f"<read failure {next(_numbers)}>"
                _kept[word] = error
                # Without a cause, TensorFlow's log has no second traceback.
                raise RuntimeError(word) from None

    return guarded


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise the `UserError` itself when a pipeline in the block failed because of one; leave all other errors alone.

    Wrap it round every loop over batches:

    >>> from cae.data.image_set import ArraySet
    >>> from cae.data.pipeline import make_batches
    >>> with user_errors():
    ...     for batch in make_batches(ArraySet(np.zeros((5, 4, 4), np.uint8)), batch_size=2):
    ...         print(batch.shape)
    (2, 4, 4, 1)
    (2, 4, 4, 1)
    (1, 4, 4, 1)
    """
    try:
        yield
    except tf.errors.OpError as error:
        word = next((word for word in _kept if word in str(error)), None)
        if word is None:
            raise
        raise _kept.pop(word) from None
