"""What the service manager hears: real datagrams on a real socket."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.daemon.readiness import Watchdog, notify, under_systemd, watchdog_seconds
from appliance.daemon.time_sync import wait_until


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The receiving end, as systemd has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(10)
        yield sock


@pytest.fixture
def environ(manager: socket.socket) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "40000", "WATCHDOG_PID": str(os.getpid())}


def test_a_state_reaches_the_manager(manager: socket.socket, environ: dict[str, str]) -> None:
    notify("READY=1\nSTATUS=serving", environ)
    assert manager.recv(1024) == b"READY=1\nSTATUS=serving"


def test_the_abstract_namespace_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0membox-test-notify-" + str(os.getpid()))
        sock.settimeout(10)
        notify("READY=1", {"NOTIFY_SOCKET": "@" + sock.getsockname()[1:].decode()})
        assert sock.recv(1024) == b"READY=1"


def test_without_a_manager_nothing_is_said_or_raised(tmp_path: Path) -> None:
    assert not under_systemd({})
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_a_sign_of_life_is_given_only_when_it_is_wanted_of_this_process(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_seconds(environ) == seconds


def test_signs_of_life_come_while_all_is_well_and_stop_when_it_is_not(
    manager: socket.socket, environ: dict[str, str]
) -> None:
    asked, well = threading.Semaphore(0), True

    def is_well() -> bool:
        asked.release()
        if not well:
            raise OSError("the writer is gone")
        return True

    watchdog = Watchdog(is_well, environ)
    watchdog.start()
    try:
        assert [manager.recv(64), manager.recv(64)] == [b"WATCHDOG=1"] * 2
        well = False
        while asked.acquire(blocking=False):
            pass
        for _ in range(3):  # asked again and again, and it goes on asking after an error
            assert asked.acquire(timeout=10)
        manager.setblocking(False)
        late = []
        while (sign := _next(manager)) is not None:
            late.append(sign)
        assert len(late) <= 2  # what was on its way
        assert asked.acquire(timeout=10)
        assert asked.acquire(timeout=10)
        assert _next(manager) is None
    finally:
        watchdog.stop()


def _next(manager: socket.socket) -> bytes | None:
    try:
        return manager.recv(64)
    except BlockingIOError:
        return None


def test_the_wait_for_the_time_ends_when_it_is_right_or_patience_is_over() -> None:
    never = threading.Event()
    assert wait_until(lambda: True, never, 60)
    assert not wait_until(lambda: False, never, 0)


def test_the_wait_for_the_time_ends_with_the_daemon() -> None:
    stopping = threading.Event()
    stopping.set()
    assert not wait_until(lambda: False, stopping, 60)
