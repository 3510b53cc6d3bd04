"""Programs for the processes of a grid that train nothing, and need nothing that takes long to be imported."""

import time
from pathlib import Path

held = []


def hold_more(words):
    """Take memory and keep it, instead of training: words 1 and 2 are the MiB to take and the exit code to give."""
    held.append(bytearray(2**20 * int(words[1])))
    return int(words[2])


def wait_for_a_stop(words):
    """A program for a process of runs, which says that it runs, and never ends by itself."""
    Path(words[1]).touch()
    while True:
        time.sleep(0.01)
