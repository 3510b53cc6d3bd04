"""Evaluate trained runs: `python evaluate.py RUN [RUN ...]`; `--help` tells more."""

import sys

from cae.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
