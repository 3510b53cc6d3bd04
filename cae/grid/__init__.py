"""Grids: every combination of a configuration's values, trained in other processes."""

from cae.grid.combinations import (
    Combination,
    Shard,
    check_plans,
    find_combinations,
    format_combinations,
)
from cae.grid.jobs import Jobs, Load, choose_jobs, parse_jobs
from cae.grid.matching import Match, match_models, matching_in_words, narrow_map, read_matching, write_matching
from cae.grid.runner import train_combinations
from cae.grid.tuning import TRIALS, Arm, find_arms, train_arms

__all__ = [
    "TRIALS",
    "Arm",
    "Combination",
    "Jobs",
    "Load",
    "Match",
    "Shard",
    "check_plans",
    "choose_jobs",
    "find_arms",
    "find_combinations",
    "format_combinations",
    "match_models",
    "matching_in_words",
    "narrow_map",
    "parse_jobs",
    "read_matching",
    "train_arms",
    "train_combinations",
    "write_matching",
]
