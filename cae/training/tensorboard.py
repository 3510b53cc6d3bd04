"""What TensorBoard shows of a training, and the probe images in it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalar_metadata
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.util import tensor_util

from cae.data.pipeline import make_batches
from cae.measures.catalogue import metric
from cae.runs.events import naming_event_failures
from cae.runs.probe_images import CHARTS, chart_pattern, curve_tag

if TYPE_CHECKING:
    from cae.config.run import LoggingSection
    from cae.data.image_set import ImageSet
    from cae.model import Autoencoder
    from cae.runs.directory import RunDirectory
    from cae.training.step import Steps


CONFIGURATION_TAGS = (
    "configuration",
    hparams_metadata.SESSION_START_INFO_TAG,
    custom_scalar_metadata.CONFIG_SUMMARY_TAG,
)
"""What `TensorBoardWriter.write_configuration` writes."""


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
    """Writes everything of a training into the run directory, which TensorBoard shows as one run.

    Curves of training and validation are tags of it, `loss` and `val_loss`, that Custom Scalars lays over one another.

    Args:
        run: where.
        writes: whether anything is written at all.

    Raises:
        UserError: from every method, when the disk takes no more.
    """

    def __init__(self, run: RunDirectory, *, writes: bool = True) -> None:
        self._folder, self._writes = run.path, writes
        # TensorBoard shows 15 letters of it, and puts trials of the same name together.
        self._trial = f"{run.name}, {run.experiment}"
        with naming_event_failures(self._folder):
            folder = str(run.path)
            self._writer = tf.summary.create_file_writer(folder) if writes else tf.summary.create_noop_writer()

    def write_configuration(self, config_text: str, hyperparameters: Mapping[str, Any]) -> None:
        """Configuration, hyperparameters and charts; whenever training begins or goes on, in the place of earlier ones.

        TensorBoard takes the first hyperparameters that it finds.
        """
        with self._at(0):
            tf.summary.text("configuration", _as_code(config_text))
            # TensorBoard shows each number with five digits: whole ones stay whole as text.
            shown = {name: str(value) if type(value) is int else value for name, value in hyperparameters.items()}
            hparams_api.hparams(shown, trial_id=self._trial)
            tf.summary.experimental.write_raw_pb(_charts().SerializeToString(), step=np.int64(0))
        self.flush()

    def write_model(self, plan_text: str, autoencoder: Autoencoder) -> None:
        """Plan and Keras graph; once, at the beginning of a run."""
        if not self._writes:  # the graph would be traced for nobody
            return
        with self._at(0):
            tf.summary.text("plan", _as_code(plan_text))
            _write_graphs(autoencoder)
        self.flush()

    def write_scalars(self, train: Mapping[str, float], validation: Mapping[str, float], step: int) -> None:
        """One point of each curve."""
        # As NumPy's numbers: of Python's, TensorFlow keeps each different one as a tensor until the program ends.
        with self._at(np.int64(step)):
            for name, value in {**train, **{f"val_{name}": value for name, value in validation.items()}}.items():
                tf.summary.scalar(curve_tag(name), np.float32(value))

    def write_picture(self, picture: np.ndarray, step: int) -> None:
        """The probe images' reconstructions, (height, width, 3) uint8."""
        with self._at(step):
            tf.summary.image("reconstructions", picture[np.newaxis])

    def write_probes(self, summary: Summary, step: int) -> None:
        """What the tab that compares decoders shows; see `cae.runs.probe_images`."""
        with self._at(step):
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=np.int64(step))

    def write_histograms(self, autoencoder: Autoencoder, latent: np.ndarray, step: int) -> None:
        """Distributions of every weight and of the probe images' latent values."""
        with self._at(step):
            for part in (autoencoder.encoder, autoencoder.decoder):
                for variable in part.trainable_variables:
                    tf.summary.histogram(f"weights/{part.name}/{variable.path}", variable)
            tf.summary.histogram("weights/latent", latent)

    def flush(self) -> None:
        """Make everything so far visible to readers."""
        with naming_event_failures(self._folder):
            self._writer.flush()

    def close(self) -> None:
        """Flush and close the files."""
        with naming_event_failures(self._folder):
            self._writer.close()

    @contextlib.contextmanager
    def _at(self, step: int | np.int64) -> Iterator[None]:
        with naming_event_failures(self._folder), self._writer.as_default(step=step):
            yield


def _charts() -> Summary:
    """The layout of Custom Scalars: the same in every run, so that TensorBoard makes one of all."""
    charts = [
        layout_pb2.Chart(
            title=metric(name).full_title,
            multiline=layout_pb2.MultilineChartContent(tag=[chart_pattern(name)]),
        )
        for name in CHARTS
    ]
    layout = layout_pb2.Layout(category=[layout_pb2.Category(title="Training and validation", chart=charts)])
    summary = Summary()
    summary.value.add(
        tag=custom_scalar_metadata.CONFIG_SUMMARY_TAG,
        metadata=custom_scalar_metadata.create_summary_metadata(),
        tensor=tensor_util.make_tensor_proto(layout.SerializeToString()),
    )
    return summary


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
