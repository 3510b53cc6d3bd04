"""Pictures of reconstructions, the same in TensorBoard and in the evaluation."""

from cae.pictures.colors import save_png
from cae.pictures.grid import best_median_worst, reconstruction_grid

__all__ = ["best_median_worst", "reconstruction_grid", "save_png"]
