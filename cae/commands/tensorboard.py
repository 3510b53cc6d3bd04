"""`tensorboard`: start TensorBoard with the tab that compares decoders picture by picture."""

from __future__ import annotations

import argparse
import logging
import threading
import urllib.parse
from pathlib import Path

from cae.engine import start_engine
from cae.errors import ConfigError, UserError
from cae.messages import tell
from cae.runs.probe_images import PLUGIN_NAME
from cae.tensorboard_plugin.loader import Loader

# How much TensorBoard keeps of each tag: by itself 10 pictures and 1000 points of a curve. 0 is everything for the tab,
# which asks for as much; other dashboards ask for as many as are kept, and with 0 show nothing.
_SAMPLES = {PLUGIN_NAME: 0, "images": 1000, "text": 1000, "scalars": 10_000}
_MOST_PORTS = 65_535


def add_tensorboard_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "logdir", type=Path, nargs="?", default=Path("runs"), help="folder with runs at any depth; default: runs"
    )
    parser.add_argument("--port", type=int, help="default: 6006, or the next free one")
    parser.add_argument(
        "--host",
        default="localhost",
        help="the address to listen at; default: localhost, so that only this machine sees it; 0.0.0.0 for everybody",
    )
    parser.add_argument(
        "--load-fast",
        choices=("auto", "true", "false"),
        default="auto",
        help="TensorBoard's fast data loading; default: auto, where it is installed",
    )


def run_tensorboard(options: argparse.Namespace) -> int:
    """Serve until interrupted; prints the address."""
    if options.port is not None and not 0 <= options.port <= _MOST_PORTS:
        raise ConfigError(f"--port must be from 0 to {_MOST_PORTS}. Received: {options.port}.")
    logdir: Path = options.logdir
    if logdir.exists() and not logdir.is_dir():
        raise UserError(f"{logdir}: is a file, and TensorBoard reads a folder.")
    address = start_tensorboard(logdir, options.host, options.port, options.load_fast)
    # One of TensorBoard's own tabs needs it: better now, and without its banners, than while the first page loads.
    start_engine()
    print(f"TensorBoard: {address}", flush=True)
    print(f"Decoders side by side: {urllib.parse.urljoin(address, f'#{PLUGIN_NAME}')}", flush=True)
    if not logdir.exists():
        tell(f"{logdir}: is not there yet; runs show up when they are trained.")
    tell("Open the address in a browser; Ctrl+C here ends TensorBoard")
    threading.Event().wait()
    return 0


def start_tensorboard(logdir: Path, host: str, port: int | None, load_fast: str) -> str:
    """Start TensorBoard, with the tab, in a thread of this process.

    Args:
        logdir: folder with runs at any depth; may come later.
        host: the address to listen at.
        port: 0 for any; None for 6006 or the next free one.
        load_fast: `auto`, `true` or `false`.

    Returns:
        Its address.

    Raises:
        UserError: it cannot listen there.
    """
    # TensorBoard takes a second to import: not for those who ask for help.
    from tensorboard import default, program

    # Says where data are missing or late, which the tab says itself.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    # Where this package is installed, TensorBoard has found the tab by itself.
    others = [plugin for plugin in default.get_plugins() if plugin is not Loader]
    # First: TensorBoard opens on it.
    tensorboard = program.TensorBoard([Loader(always_active=True), *others])
    tensorboard.configure(
        # Absolute, so that a log directory `.` has a name, too.
        logdir=str(logdir.absolute()),
        host=host,
        port=port,
        load_fast=load_fast,
        samples_per_plugin=_SAMPLES,
    )
    try:
        return str(tensorboard.launch())
    except program.TensorBoardServerException as error:
        raise UserError(f"{error}. Choose another --port or --host.") from error
