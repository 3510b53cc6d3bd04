"""Trained models at one size of code after another, beside what needs no training."""
