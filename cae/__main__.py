"""`python -m cae COMMAND`."""

import sys

from cae.commands.main import entry_point

if __name__ == "__main__":
    sys.exit(entry_point())
