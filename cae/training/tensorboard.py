"""What TensorBoard shows of a training, and the probe images in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api

from cae.data.pipeline import make_batches
from cae.runs.events import naming_event_failures

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

    from cae.config.run import LoggingSection
    from cae.data.image_set import ImageSet
    from cae.model import Autoencoder
    from cae.runs.directory import RunDirectory
    from cae.training.step import Steps


@dataclass(frozen=True)
class ProbeImages:
    """The first images of a split.

    Args:
        images: pixels in [0, 1], (images, height, width, channels).
        names: one for each.
        batch_size: of evaluation: the noise of a corrupted image depends on its place in its batch.
        num_in_split: images that the split has.
    """

    images: np.ndarray
    names: Sequence[str]
    batch_size: int
    num_in_split: int

    @classmethod
    def first_of(cls, split: ImageSet, number: int, batch_size: int) -> ProbeImages:
        """Take the first `number` images of a split, or all that there are."""
        number = min(number, len(split))
        images = np.asarray(next(iter(make_batches(split, number))))
        return cls(images, split.names[:number], batch_size, len(split))

    def reconstruct(self, steps: Steps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs as the model is given them, latents, and reconstructions within [0, 1]."""
        parts = []
        for number, first in enumerate(range(0, len(self.images), self.batch_size)):
            images = tf.constant(self.images[first : first + self.batch_size])
            in_batch = min(self.batch_size, self.num_in_split - first)
            found = steps.reconstruct(images, tf.constant(number), tf.constant(in_batch))
            parts.append([tensor.numpy() for tensor in found])
        corrupted, latent, reconstructions = map(np.concatenate, zip(*parts, strict=True))
        return corrupted, latent, reconstructions


class TensorBoardWriter:
    """Writes into RUN/train and RUN/validation, same tags in both, and hyperparameters into RUN itself.

    Raises:
        UserError: from every method, when the disk takes no more.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._folder = run.path
        with naming_event_failures(self._folder):
            self._train = tf.summary.create_file_writer(str(run.train_events))
            self._validation = tf.summary.create_file_writer(str(run.validation_events))
            self._run = tf.summary.create_file_writer(str(run.path))
        self._name = f"{run.path.parent.name}/{run.path.name}"

    def write_configuration(self, config_text: str, hyperparameters: Mapping[str, Any], step: int) -> None:
        """Configuration and hyperparameters; at the beginning, and when a run goes on for longer."""
        with naming_event_failures(self._folder), self._train.as_default(step=step):
            tf.summary.text("configuration", _as_code(config_text))
        with naming_event_failures(self._folder), self._run.as_default(step=step):
            hparams_api.hparams(dict(hyperparameters), trial_id=self._name)
        self.flush()

    def write_model(self, plan_text: str, autoencoder: Autoencoder) -> None:
        """Plan and Keras graph; once, at the beginning of a run."""
        with naming_event_failures(self._folder), self._train.as_default(step=0):
            tf.summary.text("plan", _as_code(plan_text))
            _write_graphs(autoencoder)
        self.flush()

    def write_scalars(self, train: Mapping[str, float], validation: Mapping[str, float], step: int) -> None:
        """One point of each curve."""
        for writer, values in ((self._train, train), (self._validation, validation)):
            # As NumPy's numbers: of Python's, TensorFlow keeps each different one as a tensor until the program ends.
            with naming_event_failures(self._folder), writer.as_default(step=np.int64(step)):
                for name, value in values.items():
                    tf.summary.scalar(name, np.float32(value))

    def write_picture(self, picture: np.ndarray, step: int) -> None:
        """The probe images' reconstructions, (height, width, 3) uint8."""
        with naming_event_failures(self._folder), self._validation.as_default(step=step):
            tf.summary.image("reconstructions", picture[np.newaxis])

    def write_probes(self, summary: Summary, step: int) -> None:
        """What the tab that compares decoders shows; see `cae.runs.probe_images`."""
        with naming_event_failures(self._folder), self._validation.as_default(step=step):
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=np.int64(step))

    def write_histograms(self, autoencoder: Autoencoder, latent: np.ndarray, step: int) -> None:
        """Distributions of every weight and of the probe images' latent values."""
        with naming_event_failures(self._folder), self._train.as_default(step=step):
            for part in (autoencoder.encoder, autoencoder.decoder):
                for variable in part.trainable_variables:
                    tf.summary.histogram(f"weights/{part.name}/{variable.path}", variable)
        with naming_event_failures(self._folder), self._validation.as_default(step=step):
            tf.summary.histogram("latent", latent)

    def flush(self) -> None:
        """Make everything so far visible to readers."""
        with naming_event_failures(self._folder):
            for writer in (self._train, self._validation, self._run):
                writer.flush()

    def close(self) -> None:
        """Flush and close the files."""
        with naming_event_failures(self._folder):
            for writer in (self._train, self._validation, self._run):
                writer.close()


def is_picture_epoch(section: LoggingSection, epoch: int, last_epoch: int) -> bool:
    """Whether pictures are written after an epoch; always after the first and the last.

    `auto` writes every epoch up to 10, then every 5th, from 100 on every 50th, and so on: what changes quickly is
    seen closely, and the number of pictures grows with the logarithm of the epochs only.

    Example:
        >>> from cae.config.run import LoggingSection
        >>> [epoch for epoch in range(1, 31) if is_picture_epoch(LoggingSection(), epoch, 30)]
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30]
    """
    if epoch in (1, last_epoch):
        return True
    when = section.image_epochs
    if isinstance(when, tuple):
        return epoch in when
    if isinstance(when, int):
        return epoch % when == 0
    return epoch < 10 or epoch % (5 * 10 ** (int(math.log10(epoch)) - 1)) == 0


def _as_code(text: str) -> str:
    """Markdown that shows a text as it stands."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _write_graphs(autoencoder: Autoencoder) -> None:
    """The graph of operations, which TensorBoard opens first, and that of Keras layers, its "conceptual graph"."""
    images = tf.TensorSpec((None, *autoencoder.plan.image_shape), tf.float32)
    tf.summary.graph(tf.function(autoencoder.model.__call__, autograph=False).get_concrete_function(images).graph)
    # As Keras' own callback writes it.
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "graph_keras_model"
    metadata.plugin_data.content = b"1"
    tf.summary.write("keras", tf.constant(autoencoder.model.to_json()), metadata=metadata)
