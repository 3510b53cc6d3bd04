"""A trained run as a file or SavedModel folder that others can serve, checked against the run before it is there."""
