"""Transposed convolution to an exact size, with a kernel of its own or with that of a convolution."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.gradients import custom_gradient
from cae.layers.windows import Size, height_and_width, restored_size, whole_number


def add_bias(outputs: tf.Tensor, bias: Any) -> tf.Tensor:
    """Add a bias to each channel.

    On a CPU the gradient of `tf.nn.bias_add` adds up 16-bit floats in 16 bits. In bfloat16 a sum grows no more once it
    is 256 times as large as what comes next: the gradients of 4,096 pixels, all one, come to 256.
    Here they are added up in float32. (Where TensorFlow fuses convolution and bias, the gradient is right, too: plain
    convolutions keep `tf.nn.bias_add`, which lets it.)

    Example:
    >>> bias = tf.zeros(1, tf.bfloat16)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(bias)
    ...     outputs = add_bias(tf.zeros((1, 64, 64, 1), tf.bfloat16), bias)
    >>> int(tape.gradient(outputs, bias)[0])
    4096

    Args:
        outputs: (batch, height, width, channels).
        bias: (channels,), of the same type.

    Returns:
        The shape of `outputs`.
    """
    bias = tf.convert_to_tensor(bias)

    @custom_gradient
    def add(outputs: tf.Tensor, bias: tf.Tensor) -> Any:
        return tf.nn.bias_add(outputs, bias), lambda above: (above, bias_gradient(above))

    return tf.nn.bias_add(outputs, bias) if outputs.dtype.size >= 4 else add(outputs, bias)


def bias_gradient(above: tf.Tensor) -> tf.Tensor:
    """The gradient of a bias: the sum over all pixels.

    Args:
        above: the gradient of the sum, (batch, height, width, channels).

    Returns:
        (channels,), of the same type, added up in float32 at least.
    """
    if above.dtype.size >= 4:
        return tf.raw_ops.BiasAddGrad(out_backprop=above)
    # TensorFlow sums bfloat16 in float32 by itself, but not float16.
    wide = tf.cast(above, tf.float32) if above.dtype == tf.float16 else above
    return tf.cast(tf.reduce_sum(wide, axis=(0, 1, 2)), above.dtype)


Shape = tuple[int | None, ...]

# What this layer decides itself, and what its configuration therefore leaves out.
_FIXED = {"padding": "same", "output_padding": None, "data_format": "channels_last", "dilation_rate": 1}


@keras.saving.register_keras_serializable(package="cae")
class Conv2DTransposeToSize(keras.layers.Conv2DTranspose):
    """A transposed convolution that restores an exact size.

    It is the transpose of the SAME convolution with the same kernel and strides on images of `output_size`,
    odd sizes included: <convolution(image), latent> = <image, transposed(latent)>. Where `output_size` is
    `strides` times the input's it is `keras.layers.Conv2DTranspose`. Any kernel goes with any strides, but a
    kernel that is not a multiple of the strides overlaps unevenly (checkerboard artefacts), and a smaller one
    leaves gaps.

    Example:
    >>> import numpy as np
    >>> latent = np.zeros((1, 4, 4, 8), "float32")
    >>> Conv2DTransposeToSize(3, kernel_size=4, output_size=(7, 8))(latent).shape
    TensorShape([1, 7, 8, 3])

    Args:
        filters: number of output channels.
        kernel_size: side of the kernel in pixels, or (height, width).
        strides: how many times higher and wider, or (height, width).
        output_size: height and width to restore; divided by `strides` and rounded up they must be the
            input's. None stands for `strides` times the input's.
        **kwargs: `activation`, `use_bias`, initializers, regularizers, constraints, `name`, `dtype`: as for
            `keras.layers.Conv2DTranspose`.

    Call arguments:
        inputs: features of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, filters).

    Raises:
        ValueError: when an argument is out of range, or when `output_size` does not fit the input.
        TypeError: when `padding`, `output_padding`, `dilation_rate` or `data_format` are given: this layer
            decides them.

    Reference:
        Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Size,
        strides: int | Size = 2,
        output_size: Size | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, **_FIXED, **kwargs)
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged features."""
        shape = self.compute_output_shape(keras.ops.shape(inputs))
        # The operation itself is the gradient of a convolution and takes the exact size; cropping afterwards
        # would be off by a pixel where the convolution's padding is uneven.
        outputs = tf.nn.conv2d_transpose(inputs, self.kernel, shape, self.strides, padding="SAME")
        if self.use_bias:
            outputs = add_bias(outputs, self.bias)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged features."""
        batch, height, width, _ = input_shape
        return (batch, *restored_size((height, width), self.strides, self.output_size), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {key: value for key, value in super().get_config().items() if key not in _FIXED}
        return {**config, "output_size": self.output_size}


@keras.saving.register_keras_serializable(package="cae")
class TiedConv2DTranspose(keras.layers.Layer):
    """The transpose of a convolution: its very kernel, read the other way, and a bias of its own.

    A convolution's kernel is (height, width, channels in, channels out); a transposed convolution's is (height,
    width, channels out, channels in). For the way back these are the same tensor, neither flipped nor transposed:
    this layer has no kernel but uses the other layer's variable, and training adds both gradients to it. With the
    same strides, and without biases, <convolution(image), features> = <image, transposed(features)>.

    The variable counts among the weights of both layers, and once in those of a model that has both. A `.keras`
    file keeps the two tied where they are layers of one model; where they are in models within a model, Keras
    loads equal kernels that are no longer one, and the model is to be built again and given the weights.

    Example:
    >>> import numpy as np
    >>> convolution = keras.layers.Conv2D(8, 3, strides=2, padding="same")
    >>> features = convolution(np.zeros((1, 7, 9, 3), "float32"))
    >>> transposed = TiedConv2DTranspose(convolution, output_size=(7, 9))
    >>> transposed(features).shape, transposed.kernel is convolution.kernel
    (TensorShape([1, 7, 9, 3]), True)

    Args:
        convolution: a built `keras.layers.Conv2D` without dilation or groups; its padding, `same` or `valid`, is
            kept.
        output_size: height and width of the result, such that the convolution with `strides` would give the
            input's size.
        strides: how many times higher and wider, or (height, width); None for the convolution's. Others than its
            own make it the transpose of a convolution with the same kernel that takes these strides.
        use_bias: whether a bias is added, one for each channel that the convolution takes.
        bias_initializer: its start.
        **kwargs: `name`, `dtype`.

    Call arguments:
        inputs: features of shape (batch, height, width, channels that the convolution gives).

    Output shape:
        (batch, output height, output width, channels that the convolution takes).

    Raises:
        ValueError: when the convolution is not built, is dilated or grouped, or when sizes do not fit.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1, "Filtering";
        Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.1.
    """

    def __init__(
        self,
        convolution: keras.layers.Conv2D,
        output_size: Size,
        strides: int | Size | None = None,
        use_bias: bool = True,
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_convolution(convolution)
        # The kernel is this layer's, the convolution is not: behind a function Keras does not take it for a part.
        self._convolution = lambda: convolution
        self.kernel = convolution.kernel
        self.padding = convolution.padding
        self.kernel_size = convolution.kernel_size
        self.filters = self.kernel.shape[2]
        self.output_size = _pair("output_size", output_size)
        self.strides = _pair("strides", convolution.strides if strides is None else strides)
        self.use_bias = use_bias
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        """Make the bias."""
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged features."""
        shape = self.compute_output_shape(keras.ops.shape(inputs))
        # Another layer's variable may have another type than this layer works in.
        kernel = tf.cast(self.kernel, inputs.dtype)
        outputs = tf.nn.conv2d_transpose(inputs, kernel, shape, self.strides, self.padding.upper())
        return add_bias(outputs, self.bias) if self.use_bias else outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged features."""
        batch, *sides, channels = input_shape
        if channels is not None and channels != self.kernel.shape[3]:
            raise ValueError(
                f"The input must have the {self.kernel.shape[3]} channels that the convolution gives. Received:"
                f" input_shape={input_shape}."
            )
        expected = [
            -(-size // stride) if self.padding == "same" else (size - kernel) // stride + 1
            for size, stride, kernel in zip(self.output_size, self.strides, self.kernel_size, strict=True)
        ]
        for side, fitting in zip(sides, expected, strict=True):
            if isinstance(side, int) and side != fitting:
                raise ValueError(
                    f"`output_size` {self.output_size} needs an input of {tuple(expected)}, which is what the"
                    f" convolution makes of it. Received: input_shape={input_shape}."
                )
        return (batch, *self.output_size, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        convolution = keras.saving.serialize_keras_object(self._convolution())
        convolution["build_config"] = {"input_shape": (None, None, None, self.filters)}
        return {
            **super().get_config(),
            "convolution": convolution,
            "output_size": self.output_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TiedConv2DTranspose:
        """Make the layer, tied to the convolution that was loaded with it."""
        convolution = keras.saving.deserialize_keras_object(config["convolution"])
        return cls(**{**config, "convolution": convolution})


def _pair(name: str, value: int | Size) -> Size:
    height, width = value if isinstance(value, list | tuple) else (value, value)
    return whole_number(name, height, least=1), whole_number(name, width, least=1)


def _check_convolution(convolution: Any) -> None:
    if not isinstance(convolution, keras.layers.Conv2D) or not convolution.built:
        raise ValueError(f"`convolution` must be a built Conv2D. Received: convolution={convolution!r}.")
    if convolution.groups != 1 or convolution.dilation_rate != (1, 1):
        raise ValueError(
            "`convolution` must have neither groups nor dilation. Received: "
            f"groups={convolution.groups}, dilation_rate={convolution.dilation_rate}."
        )
