"""Train an autoencoder: `python train.py [CONFIG] [--set KEY=VALUE ...]`; `--help` tells more."""

import sys

from cae.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
