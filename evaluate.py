"""Evaluate trained runs: `python evaluate.py RUN [RUN ...]`; `--help` tells more."""

import sys

from cae.commands.main import entry_point

if __name__ == "__main__":
    sys.exit(entry_point(["evaluate", *sys.argv[1:]]))
