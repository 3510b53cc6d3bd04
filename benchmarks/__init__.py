"""How fast the program is, beside plain Keras, PyTorch and what the machine can do.

Each module with a `--json` option is a benchmark of its own: `training`, `layers`, `pipeline` and `program`.
Contestants run in processes of their own, take turns, and are compared turn by turn, so that what else the machine does
hits all alike. `docs/speed.md` explains the figures; `python -m benchmarks.page` writes them there.
"""
