"""`python -m tests.faults.dying FOLDER WAY NUMBER COMMAND ...` is `python -m cae COMMAND ...`, killed on its way.

WAY `operation`: just before the NUMBER-th time that a file below FOLDER is opened for writing, renamed or removed.
WAY `bytes`: while a file is being written, when NUMBER bytes of it are on the disk.
The program itself is not changed: Python tells of its file operations, and the kernel watches over the size of files.
"""

import os
import resource
import signal
import sys

from cae.commands.main import main

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir")


def kill_before_operation(folder, number):
    done = 0

    def watch(event, arguments):
        nonlocal done
        if event not in CHANGES or not str(arguments[0]).startswith(folder):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        done += 1
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def kill_after_bytes(number):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    # Python would make an error of it.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


if __name__ == "__main__":
    folder, way, number, *command = sys.argv[1:]
    if way == "operation":
        kill_before_operation(folder, int(number))
    else:
        kill_after_bytes(int(number))
    sys.exit(main(command))
