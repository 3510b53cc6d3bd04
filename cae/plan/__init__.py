"""The network as pure arithmetic: shapes, parameters, multiply-accumulates, receptive fields, code size."""

from cae.plan.encoder import PlanError
from cae.plan.plan import Code, Plan, first_difference, make_plan

__all__ = ["Code", "Plan", "PlanError", "first_difference", "make_plan"]
