"""Measure a trained run on images it has not seen, beside baselines."""
