"""The compiled training and validation steps: everything that happens between two looks of the host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import tensorflow as tf

from cae.data.batch_shares import Position, Shares
from cae.measures.catalogue import metrics_while_training
from cae.training.objective import corrupt
from cae.training.optimizer import expect_summed_gradients, one_rate

if TYPE_CHECKING:
    from cae.config.objective import Corruption
    from cae.model import Autoencoder
    from cae.training.objective import Objective
    from cae.training.optimizer import WeightAverage

# What a step adds up over images, in this order; means are sums over the count, so partial batches weigh right.
IMAGE_METRICS = ("loss", *(metric.name for metric in metrics_while_training()))
# While training, costly metrics are computed of every n-th image of a batch only.
TRAINING_SAMPLE_EVERY = 8
# Corruption of validation images must not change between epochs, runs or machines.
VALIDATION_NOISE_SEED = 20140422
# Replicas drop different values: the seeds of their generators are this far apart.
_DROPOUT_SEED_DISTANCE = 1_000_003


class Sums(NamedTuple):
    """What steps have added up."""

    image_metrics: tuple[float, ...]
    """Over images, in the order of `IMAGE_METRICS`."""
    images: float
    gradient_norms: float
    """Over training steps; 0 in validation."""
    steps: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Sums:
        """Name the numbers that steps return and checkpoints hold.

        >>> Sums.of([0.0] * len(IMAGE_METRICS) + [64, 3.0, 2]).images
        64
        """
        *image_metrics, images, gradient_norms, steps = numbers
        return cls(tuple(image_metrics), images, gradient_norms, steps)

    @property
    def means(self) -> dict[str, float]:
        """Means over images, by metric."""
        return {name: total / self.images for name, total in zip(IMAGE_METRICS, self.image_metrics, strict=True)}


class _Part(NamedTuple):
    """What a replica has of a batch; weight and position are None when it has the whole."""

    images: tf.Tensor
    batch_size: tf.Tensor
    """Images in the whole batch, float32."""
    weight: tf.Tensor | None
    """What each image counts."""
    position: Position | None

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Of a value for each image."""
        total = tf.reduce_sum(values)
        return total if self.weight is None else total * self.weight

    def sample(self, values: tf.Tensor, every: int) -> tf.Tensor:
        """Take the values of every n-th image, the same ones however the batch is divided."""
        if every == 1:
            return values
        first = 0 if self.position is None else tf.math.floormod(-self.position.first, every)
        return values[first::every]


class Steps:
    """Training and validation steps of one autoencoder, each one call for many batches.

    Args:
        autoencoder: the model.
        optimizer: changes its weights.
        objective: the loss of each image.
        corruption: what is done to inputs.
        seed: the run's seed, for the corruption.
        strategy: where the steps run; the model and the optimizer were made in its scope.
        shares: how batches are divided between its replicas; None for a single one.
        average: of the weights, brought up to date with every step.
        xla: compile the step with XLA; for a single replica only.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        optimizer: keras.optimizers.Optimizer,
        objective: Objective,
        corruption: Corruption,
        *,
        seed: int,
        strategy: tf.distribute.Strategy,
        shares: Shares | None = None,
        average: WeightAverage | None = None,
        xla: bool,
    ) -> None:
        self.autoencoder = autoencoder
        self.optimizer = optimizer
        self.objective = objective
        self.corruption = corruption
        self.seed = seed
        self.strategy = strategy
        self.shares = shares
        self.average = average
        # The only counter of steps: with loss scaling the optimizer's own leaves out steps it had to skip.
        self.step = keras.Variable(0, dtype="int64", trainable=False, name="step")
        # Traced once for however many images: those that are shown, and those that are looked at in the end.
        images = tf.TensorSpec((None, *autoencoder.plan.image_shape))
        numbers = [tf.TensorSpec((), tf.int32)] * 2
        self._traced_reconstruct = tf.function(self._reconstruct, [images, *numbers], autograph=False)
        self._train_replica: Any = self._train_on_batch
        self._validate_replica: Any = self._validate_on_batch
        expect_summed_gradients(optimizer)
        if shares is None:
            self._train_replica = tf.function(self._train_on_batch, jit_compile=xla, autograph=False)
            self._validate_replica = tf.function(self._validate_on_batch, jit_compile=xla, autograph=False)
        else:
            # Replicas cannot exchange anything from inside a function of their own.
            self.spread_dropout_seeds()

    def spread_dropout_seeds(self) -> None:
        """Give each replica numbers of its own for dropout; the first one's are those of a single replica."""
        if self.shares is None:
            return
        for variable in self.autoencoder.model.non_trainable_variables:
            if variable.path.endswith("seed_generator_state"):
                copies = self.strategy.experimental_local_results(variable.value)
                for replica, copy in enumerate(copies, start=self.shares.first_replica):
                    copy.assign_add([replica * _DROPOUT_SEED_DISTANCE, 0])

    def zero_sums(self) -> tf.Tensor:
        """`Sums` before the first image, float64."""
        return tf.zeros(len(IMAGE_METRICS) + 3, tf.float64)

    @tf.function(autograph=False)
    def train(self, batches: Any, num_steps: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        """Take `num_steps` steps, or fewer when the loss is no longer finite.

        Args:
            batches: iterator over batches, (batch, height, width, channels) in [0, 1]; with `shares`, over pairs of
                this process's images and their table.
            num_steps: int64 scalar.
            sums: what was added up in this epoch so far (`Sums`); carried along, so that they are the same bits
                however it is cut into calls.

        Returns:
            The sums with these steps added.
        """

        def go_on(number: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
            return (number < num_steps) & tf.math.is_finite(sums[0])

        def take_step(number: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            sums += self._run(self._train_replica, next(batches))
            with tf.control_dependencies([sums]):
                self.step.assign_add(1)
            return number + 1, sums

        # Written out, since AutoGraph cannot read its source under every Python that this program runs on.
        return tf.while_loop(go_on, take_step, (tf.constant(0, tf.int64), sums), parallel_iterations=1)[1]

    @tf.function(autograph=False)
    def validate(self, batches: Any, num_batches: tf.Tensor) -> tf.Tensor:
        """Sums of the image metrics over the next `num_batches` batches, and the number of images."""

        def measure(number: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            part = self._run(self._validate_replica, next(batches), tf.cast(number, tf.int32))
            return number + 1, sums + part

        start = (tf.constant(0, tf.int64), self.zero_sums())
        return tf.while_loop(lambda number, _: number < num_batches, measure, start, parallel_iterations=1)[1]

    def _run(self, function: Any, *arguments: Any) -> tf.Tensor:
        """Run a step on every replica; each gives the sums over all of them."""
        sums = self.strategy.run(function, arguments)
        return tf.cast(self.strategy.experimental_local_results(sums)[0], tf.float64)

    def reconstruct(
        self, images: tf.Tensor, number: tf.Tensor, num_in_batch: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Inputs, always with the same corruption, latents, and reconstructions within [0, 1].

        Args:
            images: the first ones of a batch of validation images.
            number: of the batch, from 0.
            num_in_batch: images in the whole batch.
        """
        found: tuple[tf.Tensor, tf.Tensor, tf.Tensor] = self._traced_reconstruct(images, number, num_in_batch)
        return found

    def _reconstruct(
        self, images: tf.Tensor, number: tf.Tensor, num_in_batch: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        noise_seed = tf.stack([VALIDATION_NOISE_SEED, number])
        corrupted = corrupt(images, self.corruption, noise_seed, Position(0, num_in_batch))
        latent, switches = self.autoencoder.encode(corrupted)
        reconstructions = self.autoencoder.decode(latent, self.autoencoder.as_trained(switches))
        return corrupted, tf.cast(latent, tf.float32), tf.clip_by_value(reconstructions, 0.0, 1.0)

    def _train_on_batch(self, batch: Any) -> tf.Tensor:
        part = self._own_part(batch)
        noise_seed = tf.stack([self.seed, tf.cast(self.step.value, tf.int32)])
        inputs = corrupt(part.images, self.corruption, noise_seed, part.position)
        with tf.GradientTape() as tape:
            latent, switches = self.autoencoder.encode(inputs, training=True)
            given = self.autoencoder.as_trained(switches)
            reconstructions = self.autoencoder.decode(latent, given, training=True)  # [N, H, W, C]
            losses = self._losses(part, reconstructions, latent)  # [N]
            # Gradients are summed over replicas: each brings its share of the whole batch's mean.
            loss = part.sum(losses) / part.batch_size
            scaled_loss = self.optimizer.scale_loss(loss)
        self._share_statistics()
        variables = self.autoencoder.model.trainable_variables
        *gradients, sums = self._add_up(
            [
                *tape.gradient(scaled_loss, variables),
                self._image_sums(part, reconstructions, losses, sample_every=TRAINING_SAMPLE_EVERY),
            ]
        )
        norm = tf.linalg.global_norm(gradients) * tf.math.divide_no_nan(loss, scaled_loss)
        # An overflow of scaled float16 gradients is no news: the optimizer leaves the step out.
        norm = tf.where(tf.math.is_finite(norm), norm, 0.0)
        with one_rate(self.optimizer) if self.shares is None else contextlib.nullcontext():
            self.optimizer.apply(gradients, variables)
        if self.average is not None:
            self.average.update(self.step.value)
        return tf.concat([sums, [norm, 1.0]], axis=0)

    def _validate_on_batch(self, batch: Any, number: tf.Tensor) -> tf.Tensor:
        part = self._own_part(batch)
        noise_seed = tf.stack([VALIDATION_NOISE_SEED, number])
        inputs = corrupt(part.images, self.corruption, noise_seed, part.position)
        latent, switches = self.autoencoder.encode(inputs)
        reconstructions = self.autoencoder.decode(latent, self.autoencoder.as_trained(switches))
        losses = self._losses(part, reconstructions, latent)
        (sums,) = self._add_up([self._image_sums(part, reconstructions, losses)])
        return tf.concat([sums, [0.0, 1.0]], axis=0)

    def _losses(self, part: _Part, reconstructions: tf.Tensor, latent: tf.Tensor) -> tf.Tensor:
        """The objective of each image, and what layers of your own add: regularizers, and `add_loss`, as in Keras."""
        losses = self.objective.per_image(part.images, reconstructions, latent)
        for added in self.autoencoder.model.losses:
            losses += tf.cast(tf.reduce_sum(added), tf.float32)
        return losses

    def _own_part(self, batch: Any) -> _Part:
        """What the running replica has of a batch."""
        if self.shares is None:
            return _Part(batch, tf.cast(tf.shape(batch)[0], tf.float32), None, None)
        images, table = batch
        replica = tf.distribute.get_replica_context()
        # Cut where the batch lies, so that only the replica's own images go to its device.
        with tf.device("CPU:0"):
            own = table[replica.replica_id_in_sync_group - self.shares.first_replica]
            images = images[own[0] : own[1]]
        # A batch smaller than their number goes whole to all replicas.
        num_replicas, batch_size = self.shares.num_replicas, own[3]
        weight = tf.where(batch_size < num_replicas, 1.0 / num_replicas, 1.0)
        return _Part(images, tf.cast(batch_size, tf.float32), weight, Position(own[2], batch_size))

    def _add_up(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        """Sums over all replicas."""
        if self.shares is None:
            return values
        return list(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values))

    def _share_statistics(self) -> None:
        """Go on with the mean of what all replicas have seen, so that what is validated is what is saved."""
        if self.shares is None:
            return
        states = self.autoencoder.model.non_trainable_variables
        moving = [variable for variable in states if not variable.path.endswith("seed_generator_state")]
        if moving:
            totals = self._add_up([variable.value for variable in moving])
            for variable, total in zip(moving, totals, strict=True):
                variable.assign(total / self.shares.num_replicas)

    def _image_sums(
        self, part: _Part, reconstructions: tf.Tensor, losses: tf.Tensor, sample_every: int = 1
    ) -> tf.Tensor:
        # A linear output may leave the pixel range; pictures cannot.
        clipped = tf.clip_by_value(reconstructions, 0.0, 1.0)
        sums = [part.sum(losses)]
        for metric in metrics_while_training():
            every = sample_every if metric.while_training == "sample" else 1
            images, pictures = (part.sample(values, every) for values in (part.images, clipped))
            total = part.sum(metric.function(images, pictures))
            sums.append(total * part.batch_size / tf.math.ceil(part.batch_size / every) if every > 1 else total)
        return tf.stack([*sums, part.sum(tf.ones_like(losses))])
