"""The figures and tables of `docs/upsampling.md`: `python -m docs.upsampling` makes them again.

Each module is one figure or table: `numbers()` computes what it shows, in plain NumPy and apart from the program's
layers (tests compare the two), and `draw()` draws that. A picture carries its numbers in its file.
"""
