"""What a command line and a call in Python do alike: from a configuration or a run to results."""
