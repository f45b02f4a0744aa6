"""Clients that stall in the middle of a header or a body hold nobody up (issue: bad days)."""

import socket
import time
from statistics import quantiles
from typing import Any

import pytest

CLIENTS = 40
REQUESTS = 100
BEGINNINGS = (
    b"POST /v0/memory/remember HTTP/1.1\r\nHost: loc",
    b"POST /v0/memory/remember HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /note HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"G",
)


def p95(served: Any) -> float:
    """The 95th percentile of /healthz, in seconds."""
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        assert served.ask("GET", "/healthz").status == 200
        times.append(time.perf_counter() - began)
    return quantiles(times, n=20)[-1]


@pytest.mark.reliability
def test_forty_stalled_clients_do_not_slow_healthz(served: Any) -> None:
    calm = p95(served)
    stalled = []
    try:
        for number in range(CLIENTS):
            sock = socket.create_connection(("127.0.0.1", served.port), timeout=10)
            sock.sendall(BEGINNINGS[number % len(BEGINNINGS)])
            stalled.append(sock)
        under_stall = p95(served)
    finally:
        for sock in stalled:
            sock.close()
    # Threads held up would show as seconds; a busy machine shows in both.
    assert under_stall < max(10 * calm, 0.1), (calm, under_stall)
    assert served.ask("GET", "/healthz").status == 200
