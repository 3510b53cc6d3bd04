"""Grids: every combination of a configuration's values, each trained in a process of its own."""

from cae.grid.combinations import (
    Combination,
    Shard,
    check_plans,
    find_combinations,
    format_combinations,
)
from cae.grid.matching import Match, match_models, matching_in_words, narrow_map, read_matching, write_matching
from cae.grid.runner import train_combinations
from cae.grid.tuning import TRIALS, Arm, find_arms, train_arms

__all__ = [
    "TRIALS",
    "Arm",
    "Combination",
    "Match",
    "Shard",
    "check_plans",
    "find_arms",
    "find_combinations",
    "format_combinations",
    "match_models",
    "matching_in_words",
    "narrow_map",
    "read_matching",
    "train_arms",
    "train_combinations",
    "write_matching",
]
