"""The streams of batches: order, resumption, scaling, errors, and the end of the process."""

import contextlib
import gc
import hashlib
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cae.config.data import Augmentation, ImageFolderData
from cae.data.image_set import ArraySet
from cae.data.load import load_splits
from cae.data.pipeline import _Reads, make_batches, make_training_batches, steps_per_epoch, user_errors
from cae.errors import UserError

ROOT = Path(__file__).parents[2]
EVERYTHING = Augmentation(horizontal_flip=True, vertical_flip=True, random_crop=3)


def numbered(count):
    """Images whose first pixel tells their number, up to 65535."""
    images = np.zeros((count, 5, 4), np.uint16)
    images[:, 0, 0] = np.arange(count)
    return ArraySet(images)


def numbers(batch):
    return np.round(batch[:, 0, 0, 0].astype(float) * 65535).astype(int).tolist()


def numbers_of_all(batches):
    return [number for batch in batches for number in numbers(batch)]


def take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def random_images(count=23, height=6, width=5, channels=3):
    return ArraySet(np.random.default_rng(0).integers(0, 256, (count, height, width, channels), np.uint8))


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(10, 5, 2), (10, 4, 3), (10, 1, 10), (3, 8, 1), (1, 1, 1)])
def test_every_epoch_is_a_permutation_of_all_images(count, batch_size, steps):
    assert steps_per_epoch(count, batch_size) == steps
    batches = take(make_training_batches(numbered(count), batch_size, seed=7), 3 * steps)
    for epoch in range(3):
        of_epoch = batches[epoch * steps : (epoch + 1) * steps]
        assert [len(batch) for batch in of_epoch[:-1]] == [batch_size] * (steps - 1)
        assert sorted(numbers_of_all(of_epoch)) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed, epoch):
        stream = make_training_batches(numbered(1000), 1000, seed=seed, first_step=epoch)
        return tuple(numbers(take(stream, 1)[0]))

    assert len({order(0, 0), order(0, 1), order(1, 0), order(1, 1), tuple(range(1000))}) == 5
    assert order(3, 4) == order(3, 4)


def test_the_order_depends_on_seed_and_epoch_only_and_not_on_the_batch_size():
    by_four = take(make_training_batches(numbered(12), 4, seed=5), 6)
    by_six = take(make_training_batches(numbered(12), 6, seed=5), 4)
    assert numbers_of_all(by_four) == numbers_of_all(by_six)


@pytest.mark.parametrize("first_step", [0, 1, 4, 5, 6, 13, 1001])
def test_a_stream_taken_up_at_any_step_gives_the_same_bits(first_step):
    images = random_images()
    whole = make_training_batches(images, 5, seed=3, augmentation=EVERYTHING).skip(first_step)
    resumed = make_training_batches(images, 5, seed=3, first_step=first_step, augmentation=EVERYTHING)
    for expected, batch in zip(take(whole, 7), take(resumed, 7), strict=True):
        assert expected.tobytes() == batch.tobytes()


def test_random_patches_are_the_same_bits_after_taking_up_and_differ_between_epochs(tmp_path):
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    section = ImageFolderData(
        source="image_folder", path=str(tmp_path), image_size=(5, 6), fit="patch", random_patches=True
    )
    splits = load_splits(section)
    whole = take(make_training_batches(splits.train, 4, seed=1, augmentation=EVERYTHING), 6)
    resumed = take(make_training_batches(splits.train, 4, seed=1, first_step=3, augmentation=EVERYTHING), 3)
    assert [batch.tobytes() for batch in whole[3:]] == [batch.tobytes() for batch in resumed]
    plain = take(make_training_batches(splits.train, len(splits.train), seed=1), 2)
    # The same six pictures, but hardly one patch in both epochs.
    assert not {image.tobytes() for image in plain[0]} & {image.tobytes() for image in plain[1]}
    fixed = [take(make_batches(splits.validation, 4), 1)[0].tobytes() for _ in range(2)]
    assert fixed[0] == fixed[1]


def test_bytes_are_divided_by_255_and_deeper_images_stay_as_they_are():
    values = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    batch = np.concatenate(take(make_batches(ArraySet(values), 5), 4))
    assert batch.dtype == np.float32
    assert np.array_equal(batch[..., 0], values.astype(np.float32) / np.float32(255))
    deep = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 4, 4)
    assert np.array_equal(take(make_batches(ArraySet(deep), 16), 1)[0][..., 0], deep)


@pytest.mark.parametrize("batch_size", [1, 4, 5, 10, 64])
def test_validation_batches_are_all_images_once_in_order(batch_size):
    dataset = make_batches(numbered(10), batch_size)
    batches = list(dataset.as_numpy_iterator())
    assert numbers_of_all(batches) == list(range(10))
    assert len(batches) == dataset.cardinality() == steps_per_epoch(10, batch_size)
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)


def test_shapes_are_known_but_for_the_batch_and_the_tuner_is_off():
    images = random_images()
    for dataset in (make_training_batches(images, 4, seed=0, augmentation=EVERYTHING), make_batches(images, 4)):
        assert dataset.element_spec == tf.TensorSpec((None, 6, 5, 3), tf.float32)
        assert dataset.options().autotune.enabled is False
        assert dataset.options().deterministic is True
    assert make_training_batches(images, 4, seed=0).cardinality() > 2**61


def test_only_training_is_augmented():
    images = random_images(count=16)
    plain = np.concatenate(take(make_batches(images, 4), 4))
    assert np.array_equal(plain, (images.read(np.arange(16)) / 255).astype(np.float32))
    changed = np.concatenate(take(make_training_batches(images, 4, seed=0, augmentation=EVERYTHING), 4))
    unchanged = np.concatenate(take(make_training_batches(images, 4, seed=0), 4))
    assert sorted(image.tobytes() for image in unchanged) == sorted(image.tobytes() for image in plain)
    assert len({image.tobytes() for image in changed} - {image.tobytes() for image in plain}) > 8


class MeetingSet(ArraySet):
    """Reads wait until another read is under way."""

    def __init__(self, array):
        super().__init__(array)
        self.begun, self.lock, self.meeting = 0, threading.Lock(), threading.Barrier(2)

    def read(self, indices, seed=None):
        if len(indices):
            with self.lock:
                self.begun += 1
            with contextlib.suppress(threading.BrokenBarrierError):  # the test is over
                self.meeting.wait(timeout=60)
        return super().read(indices, seed)


@pytest.mark.parametrize("training", [True, False])
def test_batches_are_read_side_by_side_and_ahead_of_their_use(training):
    images = MeetingSet(np.zeros((40, 4, 4), np.uint8))
    stream = iter(make_training_batches(images, 4, seed=0) if training else make_batches(images, 4))
    next(stream)
    assert not images.meeting.broken, "a reader was alone"
    limit = time.monotonic() + 20
    while images.begun < 4 and time.monotonic() < limit:  # the first batch's two, and two that nobody has asked for
        time.sleep(0.01)
    assert images.begun >= 4
    images.meeting.abort()


class RecordingSet(ArraySet):
    """Notes the seeds that it is read with."""

    def read(self, indices, seed=None):
        if len(indices):
            self.seeds.append(seed)
        return super().read(indices, seed)


def test_each_training_step_is_read_with_a_seed_of_its_own_and_validation_with_none():
    images = RecordingSet(np.zeros((10, 4, 4), np.uint8))
    images.seeds = []
    take(make_training_batches(images, 4, seed=9, first_step=2), 4)
    assert {(9, step) for step in range(2, 6)} <= set(images.seeds)
    images.seeds = []
    take(make_batches(images, 4), 3)
    assert set(images.seeds) == {None}


def test_each_training_step_is_augmented_in_its_own_way():
    one_picture = np.random.default_rng(0).integers(0, 256, (1, 12, 12), np.uint8)
    images = ArraySet(np.repeat(one_picture, 8, axis=0))
    batches = take(make_training_batches(images, 8, seed=0, augmentation=EVERYTHING), 4)
    assert len({batch.tobytes() for batch in batches}) == 4


class BreakingSet:
    """A set whose image 7 can no longer be read."""

    image_shape = (4, 4, 1)
    names = tuple(map(str, range(10)))
    labels = None

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 10

    def read(self, indices, seed=None):
        if 7 in indices:
            raise self.error
        return np.zeros((len(indices), 4, 4, 1), np.uint8)


@pytest.mark.parametrize("inside_a_graph", [False, True])
def test_a_users_error_while_reading_reaches_the_loop_as_itself(inside_a_graph):
    error = UserError("/pictures/7.png: vanished")
    dataset = make_batches(BreakingSet(error), 3)

    def total(dataset):
        return dataset.reduce(np.int32(0), lambda count, batch: count + tf.shape(batch)[0])

    with pytest.raises(UserError) as caught, user_errors():
        (tf.function(total, autograph=False) if inside_a_graph else total)(dataset)
    assert caught.value is error


def test_other_errors_pass_as_they_are():
    with pytest.raises(tf.errors.OpError, match="a programming mistake"), user_errors():
        list(make_batches(BreakingSet(ValueError("a programming mistake")), 3))
    with pytest.raises(KeyError), user_errors():
        raise KeyError
    # An error kept from a stream that nobody looks at any more is not taken for the cause of another one.
    with pytest.raises(tf.errors.OpError):
        list(make_batches(BreakingSet(UserError("old")), 3))
    with pytest.raises(tf.errors.InvalidArgumentError), user_errors():
        tf.reshape(tf.zeros(4), (3,))


def test_a_vanished_file_is_named_through_the_whole_pipeline(tmp_path):
    for number in range(6):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    splits = load_splits(ImageFolderData(source="image_folder", path=str(tmp_path)))
    gone = tmp_path / splits.train.names[0]
    gone.unlink()
    with pytest.raises(UserError, match=str(gone)), user_errors():
        take(make_training_batches(splits.train, 2, seed=0), 2)


def test_the_end_of_the_program_waits_for_reads_under_way_and_refuses_new_ones():
    reads, done = _Reads(), []

    def slow_read():
        with reads.counted():
            time.sleep(0.4)
            done.append(True)

    thread = threading.Thread(target=slow_read)
    thread.start()
    time.sleep(0.1)
    reads.stop()
    assert done
    thread.join()
    with pytest.raises(RuntimeError, match="ending"), reads.counted():
        pass


IN_ANOTHER_PROCESS = """
import hashlib, sys, tensorflow as tf
from cae.config.data import Augmentation, ImageFolderData
from cae.data.load import load_splits
from cae.data.pipeline import make_training_batches

tf.config.experimental.enable_op_determinism()
splits = load_splits(ImageFolderData(source="image_folder", path=sys.argv[1]))
changes = Augmentation(horizontal_flip=True, vertical_flip=True, random_crop=3)
stream = iter(make_training_batches(splits.train, 12, seed=3, augmentation=changes))
print(hashlib.sha256(b"".join(next(stream).numpy().tobytes() for _ in range(7))).hexdigest())
"""


def test_deterministic_mode_gives_the_same_bits_and_a_process_ends_while_its_stream_is_reading(tmp_path):
    # Large enough that the stream is still reading ahead when the program ends.
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (200, 200, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    train = load_splits(ImageFolderData(source="image_folder", path=str(tmp_path))).train
    here = take(make_training_batches(train, 12, seed=3, augmentation=EVERYTHING), 7)
    assert done.returncode == 0
    assert done.stdout.strip() == hashlib.sha256(b"".join(batch.tobytes() for batch in here)).hexdigest()
    assert not [word for word in ("Traceback", "terminate", "Fatal") if word in done.stderr]


@pytest.mark.parametrize("make", [make_batches, lambda *given: make_training_batches(*given, seed=0)])
def test_images_go_with_their_stream_and_stay_as_long_as_an_iterator_does(make):
    images = numbered(9)
    seen = weakref.ref(images)
    iterator = iter(make(images, 2).take(4).repeat(2))
    del images
    gc.collect()
    assert [len(numbers(batch.numpy())) for batch in iterator] == [2] * 8
    assert seen() is not None
    del iterator
    gc.collect()
    assert seen() is None
