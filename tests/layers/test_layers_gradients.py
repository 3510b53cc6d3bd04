"""Gradients of our own: what `tf.custom_gradient` gives, without keeping graphs."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

from cae.layers.gradients import custom_gradient


def seven_times(inputs):
    """The identity, whose gradient is said to be 7."""
    return tf.identity(inputs), lambda above: 7.0 * above


def gradient_outside(function, at):
    with tf.GradientTape() as tape:
        tape.watch(at)
        outputs = function(at)
    return tape.gradient(outputs, at)


def in_a_loop(function):
    def loop(inputs):
        return tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, function(x)), (0, inputs))[1]

    return loop


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (lambda function: function, 7.0),
        (tf.function, 7.0),
        (lambda function: tf.function(tf.function(function)), 7.0),
        (lambda function: tf.function(function, jit_compile=True), 7.0),
        (lambda function: tf.function(in_a_loop(function)), 49.0),
    ],
    ids=["eager", "graph", "graph in a graph", "compiled", "loop"],
)
def test_the_gradient_is_the_given_one_inside_and_outside_of_graphs(wrap, expected):
    function = wrap(custom_gradient(seven_times))
    at = tf.constant([1.0, -2.0])
    np.testing.assert_array_equal(gradient_outside(function, at), [expected] * 2)
    np.testing.assert_array_equal(tf.function(lambda x: gradient_outside(function, x))(at), [expected] * 2)


def test_a_second_gradient_is_that_of_the_first():
    @custom_gradient
    def square(inputs):
        return inputs**2, lambda above: 3 * inputs * above  # on purpose another one

    at = tf.constant(5.0)
    for function in (square, tf.function(square)):
        assert gradient_outside(lambda x, function=function: gradient_outside(function, x), at) == 3


def test_a_graph_goes_with_the_function_it_was_traced_for_and_leaves_nothing_on_the_list():
    listed = gradient_registry._registry
    before = set(listed)
    function = tf.function(custom_gradient(seven_times))
    graph = weakref.ref(function.get_concrete_function(tf.TensorSpec([2])).graph)
    gc.collect()
    assert graph() is not None  # the function holds it
    [name] = set(listed) - before
    gradient_outside(function, tf.zeros(2))
    del function
    gc.collect()
    assert graph() is None
    assert name not in listed
