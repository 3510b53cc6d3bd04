"""Wait until every process of a training is there, in a way that signals can end."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cae.errors import UserError

if TYPE_CHECKING:
    from cae.training.cluster import Cluster

SECONDS_BETWEEN_ROUNDS = 0.2
SECONDS_TO_ANSWER = 1.0


def wait_for_all(cluster: Cluster, seconds: float) -> None:
    """Return when all processes listen at their addresses, as this one does meanwhile.

    TensorFlow's engine waits by itself, too, but while it does it takes no signals and cannot say who is missing.

    Args:
        cluster: the processes.
        seconds: how long to wait.

    Raises:
        UserError: some did not come in time, or this process cannot listen.
    """
    own = cluster.jobs[cluster.job][cluster.index]
    others = [address for addresses in cluster.jobs.values() for address in addresses if address != own]
    if not others:
        return
    deadline = time.monotonic() + seconds
    with _listening(own) as answer_others:
        # All are asked again each time: one that was there may have ended since.
        while absent := [address for address in others if not _answers(address)]:
            answer_others()
            if time.monotonic() > deadline:
                raise UserError(
                    f"Process {cluster.number} of {cluster.num_workers} has waited {seconds:.0f} seconds for the"
                    f" others: nothing answers at {', '.join(absent)}. Either they have not started, or they cannot"
                    " be reached; their own messages may say why."
                )
            time.sleep(SECONDS_BETWEEN_ROUNDS)


@contextlib.contextmanager
def _listening(address: str) -> Iterator[Callable[[], None]]:
    """Listen at this process's own port, until the engine does; gives what answers those who have called."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", _split(address)[1]), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise UserError(f"This process cannot take part as {address}: {error.strerror or error}.") from error

    def answer() -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                server.accept()[0].close()

    with server:
        server.setblocking(False)
        yield answer


def _answers(address: str) -> bool:
    try:
        socket.create_connection(_split(address), SECONDS_TO_ANSWER).close()
    except (OSError, UnicodeError):  # names of machines may not be known yet, or be none at all
        return False
    return True


def _split(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)
