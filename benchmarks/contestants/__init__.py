"""The program and what it is measured against; each module is the worker of a child process."""
