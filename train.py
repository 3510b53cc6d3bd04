"""Train an autoencoder: `python train.py [CONFIG] [--set KEY=VALUE ...]`; `--help` tells more."""

import sys

from cae.commands.main import entry_point

if __name__ == "__main__":
    sys.exit(entry_point(["train", *sys.argv[1:]]))
