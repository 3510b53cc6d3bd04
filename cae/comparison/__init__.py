"""Compare trained runs: the same images, seeds as repetitions, what was equal and what was not."""
