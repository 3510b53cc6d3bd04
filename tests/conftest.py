"""Settings for every test."""

import os

# Tests must behave alike with and without a GPU in the machine, and stay quiet.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
