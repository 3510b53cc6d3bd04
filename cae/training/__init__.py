"""Training: steps, loop, state, checkpoints, and what is written down on the way."""
