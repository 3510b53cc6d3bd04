"""What takes long to make is made by the first of pytest's workers that needs it, for all of them."""

import fcntl
import os
import shutil


def made_once(tmp_path_factory, name, make):
    """A folder that `make(folder)` has filled, the same in each worker; its content is for reading only.

    Args:
        tmp_path_factory: pytest's.
        name: of the folder, among all that are shared.
        make: is called once; where it fails, the next worker tries again.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # which has a folder of its own in the one of all workers
        shared = shared.parent
    shared = shared / "shared"
    shared.mkdir(exist_ok=True)
    folder, made = shared / name, shared / f"{name}.made"
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
