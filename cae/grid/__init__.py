"""Grids: every combination of a configuration's values, each trained in a process of its own."""

from cae.grid.combinations import (
    Combination,
    Shard,
    check_plans,
    find_combinations,
    format_combinations,
    match_parameters,
)
from cae.grid.runner import train_combinations

__all__ = [
    "Combination",
    "Shard",
    "check_plans",
    "find_combinations",
    "format_combinations",
    "match_parameters",
    "train_combinations",
]
