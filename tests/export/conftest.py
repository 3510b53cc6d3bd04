"""For all tests of exports."""

import gc

import pytest


@pytest.fixture(scope="package", autouse=True)
def _earlier_tests_left_nothing_to_look_through():
    """TensorFlow's converter for LiteRT collects garbage each time, which takes seconds among all that tests leave."""
    gc.collect()
    gc.freeze()
