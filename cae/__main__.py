"""`python -m cae COMMAND`."""

import sys

from cae.commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
