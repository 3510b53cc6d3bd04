"""Start TensorFlow and Keras with the settings that every command relies on."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cae.caches import keras_datasets_folder
from cae.errors import UserError

# Says for this process and those that it starts whether `--device` asks for a CPU or a GPU.
DEVICE = "CAE_DEVICE"
# Says for a process how many like it train side by side.
JOBS = "CAE_JOBS"
# What Keras imports where it is installed, for its plots, data frames, notebooks and wrappers.
_UNUSED_BY_COMMANDS = ("IPython", "matplotlib", "pandas", "sklearn")
_hidden_from_keras: tuple[str, ...] = ()


def start_quickly() -> None:
    """Have `start_engine` hide from Keras the libraries that commands do not use through it: a third of its start.

    Collections of garbage, of which each model makes much, then no longer look through all that TensorFlow has made: a
    quarter of a second each. For processes that run commands. In a program of yours Keras is whole, and garbage yours.
    """
    global _hidden_from_keras
    _hidden_from_keras = _UNUSED_BY_COMMANDS


def start_engine() -> None:
    """Set what must be set before the first import of TensorFlow, then import it.

    Raises:
        UserError: the program has imported Keras on another backend before.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if not os.path.isabs(os.path.expanduser("~")):
        # Where the system knows no home folder, one called ~ would be made in the current folder.
        os.environ.setdefault("KERAS_HOME", str(keras_datasets_folder().parent))
    with _without_banners(), _hiding(_hidden_from_keras):
        import keras
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if keras.config.backend() != "tensorflow":
        raise UserError(
            f"Keras was imported on another backend before ({keras.config.backend()}). Set KERAS_BACKEND=tensorflow"
            " before the first import of Keras."
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    if os.environ.get(DEVICE) == "gpu" and not gpus:
        raise UserError("--device gpu: TensorFlow finds no such GPU here; `python -m cae doctor` says why.")
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0":
        # Its hints about retracing are for programmers.
        tf.get_logger().setLevel("ERROR")
    for gpu in gpus:
        # A program that has used the GPU before has decided how its memory is taken.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    if _hidden_from_keras:
        _freeze_what_is_there()


@functools.cache  # to count what is frozen takes as long as to look through it
def _freeze_what_is_there() -> None:
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


@contextlib.contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Make every operation in the block give the same bits run after run on the same hardware, where that is wanted.

    Behind it, also after an error, all is as it was: an operation that has no deterministic form would be refused, and
    the generators of Python, NumPy, TensorFlow and Keras are the program's.
    """
    if not wanted:
        yield
        return
    start_engine()
    import keras
    import numpy as np
    import tensorflow as tf

    # Neither library offers to put back what was.
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED
    from tensorflow.python.eager.context import context
    from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled

    was_wanted, engine = is_op_determinism_enabled(), context()
    of_python, of_numpy = random.getstate(), np.random.get_state()
    of_engine = {key: getattr(engine, key, None) for key in ("_seed", "_rng")}  # the second is not there at first
    of_keras = {key: global_state.get_global_attribute(key) for key in (GLOBAL_RANDOM_SEED, GLOBAL_SEED_GENERATOR)}
    # Draws without a seed of their own are an error under determinism; none is left to chance here.
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if not was_wanted:
            disable_op_determinism()
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        for key, value in of_engine.items():
            setattr(engine, key, value)
        for key, value in of_keras.items():
            global_state.set_global_attribute(key, value)


@contextlib.contextmanager
def _hiding(modules: Sequence[str]) -> Iterator[None]:
    """Let these modules seem not to be installed, those apart that are imported already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None has their import fail
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def _without_banners() -> Iterator[None]:
    """Hold back what TensorFlow's libraries print when they are loaded, unless something goes wrong.

    Their first lines come before any setting of theirs is read, so only the file descriptor itself helps. Who sets
    TF_CPP_MIN_LOG_LEVEL to 0 or 1 gets them, except for the message that there is no GPU.
    """
    is_wanted = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") < "2"  # as a process that started this one may say
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+") as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(stderr, 2)
            held.seek(0)
            shutil.copyfileobj(held, sys.stderr)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        if is_wanted:
            held.seek(0)
            os.write(2, "".join(line for line in held if "cuInit" not in line).encode())


# Where Linux says which programs get pages of 2 MB instead of 4 kB: `always`, `madvise` (on request), or `never`.
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
ON_REQUEST, NEVER = "[madvise]", "[never]"
VARIABLE = "GLIBC_TUNABLES"
# Has glibc ask for them (from version 2.35 on; earlier ones ignore it).
_VALUE = "glibc.malloc.hugetlb=1"


def restart_with_huge_pages(setting: Path = SETTING) -> None:
    """Run this process' command line again with an allocator that asks for large pages.

    A training step walks through maps of tens of megabytes again and again; in pages of 4 kB the processor must look up
    thousands of addresses for each, in large ones a few: steps took 2 to 8 percent less time. The C library reads
    its settings only when a process starts. Nothing happens where the system gives large pages to all or to nobody,
    where glibc's settings are the user's own, and when it has been done. The process keeps its number; those that it
    starts get the setting, too.

    Args:
        setting: the file in which Linux says who gets large pages.
    """
    if VARIABLE in os.environ or not gives_on_request(setting) or not sys.executable:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    environment = os.environ | {VARIABLE: _VALUE}
    # Where nothing can be started, it goes on as it is.
    with contextlib.suppress(OSError):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def gives_on_request(setting: Path = SETTING) -> bool:
    """Whether the system gives large pages to those who ask."""
    try:
        return ON_REQUEST in setting.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False
