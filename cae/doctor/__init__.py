"""What may stand in the way of training on this machine, found out in seconds; one small function for each check.

Nothing is taken from the running process but what a `Machine` gives, so that every check can be tried on any machine.
"""
