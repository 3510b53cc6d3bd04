"""Processes wait for each other before the engine does: until all answer, for so long, and under signals."""

import os
import signal
import socket
import threading
import time

import pytest

from cae.errors import UserError
from cae.training.distribution.cluster import Cluster, wait_for_all
from tests.distribution.runs import free_ports


@pytest.fixture
def addresses():
    return tuple(f"127.0.0.1:{port}" for port in free_ports(3))


def test_all_go_on_together_however_late_the_last_one_comes(addresses):
    ended, all_ended = [], threading.Event()

    def wait(index):
        wait_for_all(Cluster({"worker": addresses}, "worker", index), 20)
        with socket.create_server(("127.0.0.1", int(addresses[index].rsplit(":", 1)[1]))):  # as the engine does now
            ended.append(index)
            all_ended.wait(20)

    threads = [threading.Thread(target=wait, args=[index]) for index in range(3)]
    for thread in threads[:2]:
        thread.start()
    time.sleep(0.6)
    assert ended == []
    threads[2].start()
    deadline = time.monotonic() + 20
    while len(ended) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    all_ended.set()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [0, 1, 2]


def test_who_does_not_come_is_named(addresses):
    with pytest.raises(UserError, match=rf"Process 1 of 3 .* answers at {addresses[0]}, {addresses[2]}\."):
        wait_for_all(Cluster({"worker": addresses}, "worker", 1), 0.3)


def test_a_name_that_no_machine_can_have_is_named_too(addresses):
    with pytest.raises(UserError, match=r"answers at a\.\.b:1\."):
        wait_for_all(Cluster({"worker": (addresses[0], "a..b:1")}, "worker", 0), 0.3)


def test_an_address_that_another_program_has_is_told(addresses):
    cluster = Cluster({"worker": addresses}, "worker", 0)
    other = socket.create_server(("", int(addresses[0].rsplit(":", 1)[1])))
    with other, pytest.raises(UserError, match=rf"cannot take part as {addresses[0]}: .*in use"):
        wait_for_all(cluster, 2)


def test_one_process_waits_for_nobody():
    wait_for_all(Cluster({"worker": ("no.such.machine:1",)}, "worker", 0), 0)


def test_an_interrupt_ends_the_wait(addresses):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        wait_for_all(Cluster({"worker": addresses}, "worker", 0), 20)
    assert time.monotonic() - started < 5
