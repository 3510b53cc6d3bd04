"""How batches are divided, and that what is drawn for an image does not depend on it."""

import numpy as np
import pytest
import tensorflow as tf

from cae.config.data import Augmentation
from cae.config.objective import GaussianCorruption, MaskedPatchesCorruption, SaltAndPepperCorruption
from cae.data.batch_shares import Position, Shares
from cae.data.image_set import ArraySet
from cae.data.pipeline import make_batches, make_training_batches
from cae.data.sources.folder import FolderSet
from cae.training.objective import corrupt
from tests.data import folders


def workers(num_workers, num_local):
    return [Shares(num_workers * num_local, number * num_local, num_local) for number in range(num_workers)]


@pytest.mark.parametrize(("num_workers", "num_local"), [(1, 2), (1, 4), (2, 1), (3, 1), (2, 4)])
@pytest.mark.parametrize("num_images", [1, 2, 3, 7, 8, 9, 64, 101])
def test_every_image_counts_once_and_shares_are_even(num_workers, num_local, num_images):
    counts, sizes = np.zeros(num_images), []
    for shares in workers(num_workers, num_local):
        read = np.arange(num_images)[shares.read(num_images)]
        for start, end, first, batch_size in shares.table(num_images):
            own = read[start:end]
            assert len(own) > 0
            assert (own[0], batch_size) == (first, num_images)
            counts[own] += 1 if num_images >= shares.num_replicas else 1 / shares.num_replicas
            sizes.append(len(own))
    np.testing.assert_allclose(counts, 1)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    "section",
    [
        GaussianCorruption(stddev=0.3),
        SaltAndPepperCorruption(fraction=0.3),
        MaskedPatchesCorruption(fraction=0.4, patch_size=2),
    ],
    ids=lambda section: section.kind,
)
@pytest.mark.parametrize("xla", [False, True])
def test_an_images_noise_is_the_same_in_any_part_of_its_batch(section, xla):
    images = tf.constant(np.random.default_rng(0).random((11, 7, 5, 3)), tf.float32)  # 105 numbers an image, not 4n
    whole = corrupt(images, section, (5, 9)).numpy()
    assert np.abs(whole - images).max() > 0.1
    in_part = tf.function(
        lambda part, first: corrupt(part, section, tf.constant([5, 9]), Position(first, tf.constant(11, tf.int64))),
        jit_compile=xla,
        autograph=False,
    )
    for start, end in ((0, 4), (3, 7), (10, 11)):
        part = in_part(images[start:end], tf.constant(start, tf.int64))
        np.testing.assert_allclose(part, whole[start:end], rtol=0, atol=3e-7)


def test_processes_together_read_the_batches_of_one():
    generator = np.random.default_rng(3)
    images = ArraySet(generator.integers(0, 256, (23, 6, 4), np.uint8))
    changes = Augmentation(horizontal_flip=True, vertical_flip=True, random_crop=2)

    def stream(shares):
        return make_training_batches(images, 10, seed=7, first_step=1, augmentation=changes, shares=shares).take(5)

    streams = [list(stream(shares)) for shares in workers(3, 1)]
    sizes = []
    for whole, *parts in zip(stream(None), *streams, strict=True):
        own = [batch[table[0, 0] : table[0, 1]] for batch, table in parts]
        np.testing.assert_array_equal(tf.concat(own, axis=0), whole)
        sizes.append(len(whole))
    assert sizes == [10, 3, 10, 10, 3]


def test_a_batch_smaller_than_the_number_of_processes_goes_to_all():
    images = ArraySet(np.random.default_rng(3).integers(0, 256, (6, 6, 4), np.uint8))
    last = [list(make_batches(images, 4, shares))[-1] for shares in workers(3, 1)]
    whole = list(make_batches(images, 4))[-1]
    for batch, table in last:
        np.testing.assert_array_equal(batch, whole)
        np.testing.assert_array_equal(table, [[0, 2, 0, 2]])


def test_random_patches_are_cut_at_the_same_places_in_a_part(tmp_path):
    names = folders.numbered(5)
    folders.write(tmp_path, names, height=20, width=30)
    images = FolderSet(
        tmp_path,
        names,
        None,
        section=folders.section(tmp_path, image_size=(8, 8), fit="patch", random_patches=True),
        image_shape=(8, 8, 3),
        dtype=np.dtype(np.uint8),
        replaced={},
    )
    whole = images.read(np.arange(5), (1, 2))
    assert not np.array_equal(whole, images.read(np.arange(5), (1, 3)))
    np.testing.assert_array_equal(images.read(np.arange(5), (1, 2), slice(2, 4)), whole[2:4])
