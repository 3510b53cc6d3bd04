"""Pictures of reconstructions, the same in TensorBoard and in the evaluation."""

from cae.pictures.evaluation_figure import best_median_worst
from cae.pictures.grid import reconstruction_grid
from cae.pictures.png import save_png

__all__ = ["best_median_worst", "reconstruction_grid", "save_png"]
