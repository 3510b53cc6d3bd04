"""The plan as a picture: encoder on the left going down to the code, decoder on the right going up again."""

from cae.plan_figure.draw import check_ending, draw_plan, save_plan_figure

__all__ = ["check_ending", "draw_plan", "save_plan_figure"]
