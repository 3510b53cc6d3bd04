"""The compiled training and validation steps: everything that happens between two looks of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from cae.metrics import quality_per_image
from cae.training.corruption import corrupt

if TYPE_CHECKING:
    from cae.config.objective import Corruption
    from cae.model import Autoencoder
    from cae.training.objective import Objective

# What a step adds up over images, in this order; means are sums over the count, so partial batches weigh right.
IMAGE_METRICS = ("loss", "mse", "mae", "psnr", "ssim")
# Corruption of validation images must not change between epochs, runs or machines.
VALIDATION_NOISE_SEED = 20140422


class Steps:
    """Training and validation steps of one autoencoder, each one call for many batches.

    Args:
        autoencoder: the model.
        optimizer: changes its weights.
        objective: the loss of each image.
        corruption: what is done to inputs.
        seed: the run's seed, for the corruption.
        strategy: where the steps run.
        xla: compile each replica's step with XLA.
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
        xla: bool,
    ) -> None:
        self.autoencoder = autoencoder
        self.optimizer = optimizer
        self.objective = objective
        self.corruption = corruption
        self.seed = seed
        self.strategy = strategy
        # The only counter of steps: with loss scaling the optimizer's own leaves out steps it had to skip.
        self.step = keras.Variable(0, dtype="int64", trainable=False, name="step")
        self._train_replica = tf.function(self._train_on_batch, jit_compile=xla, autograph=False)
        self._validate_replica = tf.function(self._validate_on_batch, jit_compile=xla, autograph=False)

    def zero_sums(self) -> tf.Tensor:
        """Sums before the first image: the image metrics, the number of images, gradient norms, steps."""
        return tf.zeros(len(IMAGE_METRICS) + 3, tf.float64)

    @tf.function(autograph=False)
    def train(self, batches: Any, num_steps: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        """Take `num_steps` steps, or fewer when the loss is no longer finite.

        Args:
            batches: iterator over batches, (batch, height, width, channels) in [0, 1].
            num_steps: int64 scalar.
            sums: what was added up in this epoch so far; carried along, so that an epoch's sums are the same bits
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
        """Run a step on every replica; its sums over all of them."""
        parts = self.strategy.run(function, arguments)
        return tf.cast(self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None), tf.float64)

    @tf.function(autograph=False)
    def reconstruct(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Inputs, always with the same corruption, latents, and reconstructions within [0, 1]."""
        corrupted = corrupt(images, self.corruption, (VALIDATION_NOISE_SEED, 0))
        latent, switches = self.autoencoder.encode(corrupted)
        reconstructions = self.autoencoder.decode(latent, switches)
        return corrupted, tf.cast(latent, tf.float32), tf.clip_by_value(reconstructions, 0.0, 1.0)

    def _train_on_batch(self, images: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        count = tf.cast(tf.shape(images)[0], tf.float32)
        global_count = replica.all_reduce(tf.distribute.ReduceOp.SUM, count)
        noise_seed = tf.stack([self.seed, tf.cast(self.step.value, tf.int32)])
        if self.strategy.num_replicas_in_sync > 1:
            noise_seed += tf.stack([replica.replica_id_in_sync_group << 20, 0])
        inputs = corrupt(images, self.corruption, noise_seed)
        with tf.GradientTape() as tape:
            latent, switches = self.autoencoder.encode(inputs, training=True)
            reconstructions = self.autoencoder.decode(latent, switches, training=True)  # [N, H, W, C]
            losses = self.objective.per_image(images, reconstructions, latent)  # [N]
            # Gradients are summed over replicas: each brings its share of the global mean.
            loss = tf.reduce_sum(losses) / global_count
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.autoencoder.model.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        norm = tf.linalg.global_norm(gradients) * tf.math.divide_no_nan(loss, scaled_loss)
        # An overflow of scaled float16 gradients is no news: the optimizer leaves the step out.
        norm = tf.where(tf.math.is_finite(norm), norm, 0.0)
        self.optimizer.apply(gradients, variables)
        return self._sums(images, reconstructions, losses, norm / replica.num_replicas_in_sync)

    def _validate_on_batch(self, images: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        noise_seed = tf.stack([VALIDATION_NOISE_SEED, number])
        inputs = corrupt(images, self.corruption, noise_seed)
        latent, switches = self.autoencoder.encode(inputs)
        reconstructions = self.autoencoder.decode(latent, switches)
        losses = self.objective.per_image(images, reconstructions, latent)
        return self._sums(images, reconstructions, losses, tf.constant(0.0))

    def _sums(self, images: tf.Tensor, reconstructions: tf.Tensor, losses: tf.Tensor, norm: tf.Tensor) -> tf.Tensor:
        # A linear output may leave the pixel range; pictures cannot.
        quality = quality_per_image(images, tf.clip_by_value(reconstructions, 0.0, 1.0))
        per_image = {"loss": losses, **quality}
        count = tf.cast(tf.shape(images)[0], tf.float32)
        return tf.stack([*(tf.reduce_sum(per_image[name]) for name in IMAGE_METRICS), count, norm, tf.constant(1.0)])
