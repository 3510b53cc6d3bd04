"""Gradients of our own that do not keep every graph that was ever traced."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# TensorFlow offers no way to take a gradient off its list.
from tensorflow.python.framework.ops import gradient_registry

_listed = gradient_registry._registry
_FUNCTION = "type"  # the key of an entry's function
_KEPT = "_gradients_by_name"


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Do what `tf.custom_gradient` does, and let graphs go.

    Whenever a graph is traced, TensorFlow lists the gradient for all time, which holds the tensors and so the
    whole graph. Here the graph holds its gradients, and with it they leave the list.

    Args:
        function: of tensors; returns its results and a function from their gradients to those of its arguments.
    """
    decorated = tf.custom_gradient(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        results = decorated(*arguments)
        if not tf.executing_eagerly():
            _give_to_graph(tf.nest.flatten(results)[0].op)
        return results

    return call


def _give_to_graph(operation: Any) -> None:
    """Let an operation's graph hold the gradient that was listed for it."""
    graph, name = operation.graph, operation.get_attr("_gradient_op_type").decode()
    if not hasattr(graph, _KEPT):
        setattr(graph, _KEPT, {})
    getattr(graph, _KEPT)[name] = _listed[name][_FUNCTION]
    holder = weakref.ref(graph)
    _listed[name][_FUNCTION] = lambda *arguments: getattr(holder(), _KEPT)[name](*arguments)
    weakref.finalize(graph, _listed.pop, name, None).atexit = False
