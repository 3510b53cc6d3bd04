"""What the processes of `tests.warm` have imported when they begin."""

import importlib

from cae.engine import start_engine, start_quickly

start_quickly()
start_engine()
for module in ("cae.commands.train", "cae.evaluation.results", "cae.training.train"):
    importlib.import_module(module)
