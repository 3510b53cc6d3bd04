"""Random changes held against NumPy: what may come out, and how often."""

import numpy as np
import pytest
import tensorflow as tf

from cae.config.data import Augmentation
from cae.data.image_set import ArraySet
from cae.data.pipeline import augment, make_training_batches
from cae.errors import UserError

SEED = (11, 5)


def images(count=400, height=6, width=5, channels=2, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels)).astype(dtype)


def augmented(batch, seed=SEED, **changes):
    result = augment(tf.constant(batch), Augmentation(**changes), tf.constant(seed, tf.int64))
    assert result.shape == batch.shape
    assert result.dtype == batch.dtype
    return result.numpy()


def mirrored_shift(image, down, right):
    """The cut from a picture that goes on mirrored, by NumPy's own padding."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((9, 9), (9, 9), (0, 0)), mode="reflect")
    return padded[9 + down : 9 + down + height, 9 + right : 9 + right + width]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("key", "axis"), [("horizontal_flip", 1), ("vertical_flip", 0)])
def test_about_half_of_the_images_are_flipped_and_the_others_untouched(key, axis, dtype):
    batch = images(dtype=dtype)
    changed = augmented(batch, **{key: True})
    flipped = np.array([np.array_equal(new, np.flip(old, axis)) for old, new in zip(batch, changed, strict=True)])
    same = np.array([np.array_equal(new, old) for old, new in zip(batch, changed, strict=True)])
    assert (flipped ^ same).all()
    assert 140 < flipped.sum() < 260  # 6 standard deviations of 400 coins


def test_the_two_flips_are_independent():
    batch = images()
    changed = augmented(batch, horizontal_flip=True, vertical_flip=True)
    flips = [(slice(None, None, v), slice(None, None, h)) for v in (1, -1) for h in (1, -1)]
    counts = [sum(np.array_equal(new, old[flip]) for old, new in zip(batch, changed, strict=True)) for flip in flips]
    assert sum(counts) == 400
    assert min(counts) > 50  # 100 expected


def test_with_all_three_flips_a_square_has_each_of_its_eight_positions():
    batch = images(height=5, width=5)
    changed = augmented(batch, horizontal_flip=True, vertical_flip=True, diagonal_flip=True)
    turns = [lambda image, k=k: np.rot90(image, k) for k in range(4)]
    turns += [lambda image, k=k: np.rot90(image.swapaxes(0, 1), k) for k in range(4)]
    counts = [sum(np.array_equal(new, turn(old)) for old, new in zip(batch, changed, strict=True)) for turn in turns]
    assert sum(counts) == 400
    assert min(counts) > 20  # 50 expected


def test_a_diagonal_flip_changes_no_other_draw_and_needs_squares():
    batch = images(height=5, width=5)
    plain, both = (augmented(batch, horizontal_flip=True, diagonal_flip=diagonal) for diagonal in (False, True))
    same = [np.array_equal(one, other) for one, other in zip(plain, both, strict=True)]
    swapped = [np.array_equal(one, other.swapaxes(0, 1)) for one, other in zip(plain, both, strict=True)]
    assert np.logical_xor(same, swapped).all()
    oblong = ArraySet(images())
    with pytest.raises(UserError, match=r"diagonal_flip needs square images\. Received: 6x5 pixels"):
        make_training_batches(oblong, 2, seed=0, augmentation=Augmentation(diagonal_flip=True))


def test_bytes_are_not_transposed_by_the_operation_that_complains_of_them_on_stderr():
    flips = Augmentation(horizontal_flip=True, vertical_flip=True, diagonal_flip=True, random_crop=2)
    seed = tf.constant(SEED, tf.int64)
    batches = tf.TensorSpec((None, 5, 5, 3), tf.uint8)
    traced = tf.function(lambda batch: augment(batch, flips, seed)).get_concrete_function(batches)
    assert not [one for one in traced.graph.get_operations() if one.type == "Transpose"]


@pytest.mark.parametrize("most", [1, 2, 4])
def test_images_are_shifted_by_every_amount_up_to_the_limit_with_mirrored_borders(most):
    batch = images(height=12, width=11)
    changed = augmented(batch, random_crop=most)
    span = range(-most, most + 1)
    seen = []
    for old, new in zip(batch, changed, strict=True):
        shifts = [(y, x) for y in span for x in span if np.array_equal(new, mirrored_shift(old, y, x))]
        assert len(shifts) == 1
        seen += shifts
    for axis in (0, 1):
        counts = [sum(shift[axis] == amount for shift in seen) for amount in span]
        assert min(counts) > 0.5 * 400 / len(span)


def test_shifts_larger_than_the_image_go_on_mirroring():
    batch = images(count=50, height=3, width=2)
    for old, new in zip(batch, augmented(batch, random_crop=8), strict=True):
        span = range(-8, 9)
        assert any(np.array_equal(new, mirrored_shift(old, y, x)) for y in span for x in span)


def test_an_image_of_one_pixel_stays():
    batch = images(height=1, width=1)
    assert np.array_equal(augmented(batch, random_crop=3, horizontal_flip=True), batch)


def test_the_seed_fixes_everything_and_both_its_parts_count():
    batch = images()
    changes = {"horizontal_flip": True, "vertical_flip": True, "random_crop": 2}
    first = augmented(batch, (1, 2), **changes)
    assert np.array_equal(first, augmented(batch, (1, 2), **changes))
    for other in ((1, 3), (2, 2), (2, 1)):
        assert (first != augmented(batch, other, **changes)).any(axis=(1, 2, 3)).mean() > 0.8


def test_all_channels_of_an_image_move_together():
    gray = images(channels=1)
    changed = augmented(np.repeat(gray, 3, axis=-1), horizontal_flip=True, vertical_flip=True, random_crop=2)
    assert np.array_equal(changed[..., 0], changed[..., 1])
    assert np.array_equal(changed[..., 0], changed[..., 2])


def test_it_compiles_under_xla():
    batch = images(count=8)
    changes = Augmentation(horizontal_flip=True, vertical_flip=True, random_crop=2)
    compiled = tf.function(lambda x, s: augment(x, changes, s), jit_compile=True)
    assert compiled(tf.constant(batch), tf.constant(SEED, tf.int64)).shape == batch.shape
