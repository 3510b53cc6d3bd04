"""`python -m tests.faults.filling FILE COMMAND ...` is `python -m cae COMMAND ...` on a disk that fills up.

The disk is full from the moment on when FILE is opened for more than its last block has room for.
"""

import os
import sys

from cae.commands.main import main

BLOCK, LINE = 4096, 250


def fill_disk_of(file):
    filler = os.open(os.path.join(os.path.dirname(file), "filler"), os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(filler, bytes(BLOCK))
    except OSError:
        os.close(filler)


def watch(event, arguments):
    global file
    if event == "open" and file and str(arguments[0]) == file and os.path.getsize(file) % BLOCK > BLOCK - LINE:
        full, file = file, ""
        fill_disk_of(full)


if __name__ == "__main__":
    file, *command = sys.argv[1:]
    sys.addaudithook(watch)
    sys.exit(main(command))
