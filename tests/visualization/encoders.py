"""Small encoders of every kind, and what automatic differentiation makes of them."""

import keras
import numpy as np
import tensorflow as tf

from cae.config.model import ModelSection
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.visualization.feature_layers import find_feature_layers

SPATIAL = {"kind": "spatial", "channels": 3}
DENSE = {"kind": "dense", "units": 5}

# Name to (image shape, encoder section, bottleneck, upsampling, and perhaps the linear path).
ENCODERS = {
    "max": ((13, 10, 3), {"convs_per_stage": 2}, "none", "resize"),
    "max with recorded switches, dense": ((9, 14, 1), {"downsampling": {"kind": "max_pool", "pool_size": 3}}, DENSE,
                                          "max_unpool"),
    "max, group, residual": ((11, 8, 3), {"normalization": {"kind": "group", "groups": 2}, "residual_blocks": 1,
                                          "dropout": 0.3}, SPATIAL, "resize"),
    "average, batch, dense": ((11, 14, 1), {"downsampling": {"kind": "average_pool", "pool_size": 3},
                                            "normalization": "batch"}, DENSE, "resize"),
    "average of even windows": ((7, 9, 3), {"downsampling": "average_pool", "kernel_size": 4}, SPATIAL, "resize"),
    "strided, layer, residual": ((9, 12, 3), {"downsampling": "strided_conv", "kernel_size": 4, "residual_blocks": 1,
                                              "normalization": "layer", "convs_per_stage": 2}, SPATIAL, "resize"),
    "strides beyond the kernel": ((14, 11, 1), {"downsampling": {"kind": "strided_conv", "strides": 3},
                                                "kernel_size": 2}, "none", "resize"),
    "a linear path, odd blocks": ((9, 14, 3), {"filters": [4], "downsampling": {"kind": "average_pool",
                                                                                "pool_size": 3}},
                                  SPATIAL, "resize", "block"),
    "average past shortcuts": ((10, 13, 3), {"downsampling": "average_pool", "shortcut": "space_to_channel",
                                             "filters": [4, 8], "residual_blocks": 1}, SPATIAL, "resize"),
    "stem, space to depth, pre-activation": ((11, 13, 3), {"stem": 2, "filters": [4], "code_filters": 5,
                                                           "residual_style": "pre_activation", "residual_blocks": 1,
                                                           "downsampling": "space_to_depth",
                                                           "residual_blocks_at_code": 1}, SPATIAL, "resize"),
    "mirrored borders": ((10, 7, 3), {"padding": "reflect", "downsampling": "average_pool", "residual_blocks": 1,
                                      "filters": [4]}, SPATIAL, "resize"),
    "a linear path, all pixels": ((8, 7, 1), {}, SPATIAL, "resize", "global"),
}  # fmt: skip


def build(name, **changes):
    """An autoencoder with random weights everywhere: biases, scales, offsets and moving statistics too."""
    shape, encoder, bottleneck, upsampling, *path = ENCODERS[name]
    section = ModelSection.model_validate(
        {
            "encoder": {"filters": [4, 6], **encoder, **changes},
            "bottleneck": bottleneck,
            "decoder": {"upsampling": upsampling},
            **({"linear_path": path[0]} if path else {}),
        }
    )
    autoencoder = build_autoencoder(make_plan(section, shape))
    generator = np.random.default_rng(3)
    for weight in autoencoder.encoder.weights:
        scale = 0.5 if weight.name == "kernel" else 0.1
        centre = 1.0 if weight.name in ("gamma", "moving_variance") else 0.0
        weight.assign(centre + scale * generator.standard_normal(weight.shape))
        if weight.name == "moving_variance":
            weight.assign(np.abs(weight.numpy()))
    return autoencoder


def layers_of(autoencoder):
    return {layer.name: layer for layer in find_feature_layers(autoencoder.plan)}


def telling_layers(autoencoder):
    """The last layer, whose way goes through all others, and one inside of a residual block, which leaves the skip."""
    layers = list(layers_of(autoencoder).values())
    return [*[layer for layer in layers if layer.name == "stage_2_residual_1_conv_1"], layers[-1]]


def images_for(autoencoder, number, seed=0):
    return np.random.default_rng(seed).random((number, *autoencoder.plan.image_shape), np.float32)


class Rectifier(keras.layers.Layer):
    """An activation whose gradient is replaced: `backward(incoming, inputs)`."""

    def __init__(self, forward, backward, **kwargs):
        super().__init__(**kwargs)
        self.forward, self.backward = forward, backward

    def call(self, inputs):
        @tf.custom_gradient
        def rectify(x):
            return self.forward(x), lambda incoming: self.backward(incoming, x)

        return rectify(inputs)


def autodiff(autoencoder, layer, backward, images, maps, positions, values):
    """The gradient of chosen values of a layer, times `values`, with respect to the images.

    The encoder is copied, with `backward` in the place of every activation's gradient; all other gradients are
    TensorFlow's own.
    """
    copy = keras.models.clone_model(
        autoencoder.encoder,
        clone_function=lambda original: (
            Rectifier(original.activation, backward, name=original.name)
            if isinstance(original, keras.layers.Activation) and original.activation.__name__ != "linear"
            else original.__class__.from_config(original.get_config())
        ),
    )
    copy.set_weights(autoencoder.encoder.get_weights())
    output = copy.get_layer(layer.path[-1].name).output
    features = keras.Model(copy.input, output[0] if isinstance(output, list | tuple) else output)
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        flat = tf.reshape(features(x, training=False), (len(images), -1, layer.num_maps))
        chosen = tf.gather_nd(flat, [(i, p, m) for i, (p, m) in enumerate(zip(positions, maps, strict=True))])
        target = tf.reduce_sum(chosen * tf.constant(values, tf.float32))
    return tape.gradient(target, x).numpy()
