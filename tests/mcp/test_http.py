"""`membox mcp --http`: the SDK's client over HTTP, and what the door in front of it turns away."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types.version import LATEST_MODERN_VERSION

from tests.mcp.conftest import answer, error, fact
from tests.mcp.test_stdio import MEMBOX, SYSTEM

# Each starts processes that load the SDK, which takes its time on a busy machine.
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

# Puts a socket where systemd would, and becomes the program.
ACTIVATED = """
import os, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
os.dup2(sock.fileno(), 3, inheritable=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@dataclass
class Address:
    """Where a server listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def client(self, key: str, mode: str = "auto") -> Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return Client(
            streamable_http_client(self.url, http_client=httpx2.AsyncClient(headers=headers, timeout=300)), mode=mode
        )

    def ask(
        self, headers: Mapping[str, str], body: object = CALL, method: str = "POST", path: str = "/mcp"
    ) -> tuple[int, Any]:
        """One bare request, and what came back."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, data, {**ACCEPT, **headers})
        reply = connection.getresponse()
        said = reply.read().decode()
        connection.close()
        return reply.status, said


def activated(home: Path, listening: socket.socket, *words: str, **environ: str) -> subprocess.Popen[bytes]:
    """The server, started as systemd starts it: with a socket that listens already."""
    program = [sys.executable, "-c", ACTIVATED, str(listening.fileno()), *MEMBOX, "--home", str(home), "mcp", "--http"]
    return subprocess.Popen([*program, *words], env={**SYSTEM, **environ}, pass_fds=[listening.fileno()])


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = activated(home, listening)
        address = Address(listening.getsockname()[1])
        # A client that has no answer within ten seconds takes a server for one of the older protocol.
        assert address.ask({})[0] == 401
        yield address
        process.terminate()
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)


async def test_the_sdks_client_calls_by_its_key(served: Address, key: Callable[..., str], mode: str) -> None:
    async with served.client(key("http"), mode) as client:
        [memory_id] = answer(await client.call_tool("memory_remember", {"items": [fact("By HTTP")]}))["memory_ids"]
        whole = answer(await client.call_tool("memory_inspect", {"memory_id": memory_id}))
        files = {each.name for each in (await client.list_resources()).resources}
    assert (whole["agent_id"], "GLOBAL_MEMORY.md" in files) == ("http", True)


async def test_a_listening_client_is_told_that_a_file_came(served: Address, key: Callable[..., str], box: Any) -> None:
    reader = served.client(key("http", "reader"), mode=LATEST_MODERN_VERSION)
    async with reader as client, client.listen(resources_list_changed=True) as changed:
        box.notebook.save(f"projects/{served.port}.md", "# New\n", 0, "owner")
        async for event in changed:
            assert type(event).__name__ == "ResourcesListChanged"
            break
        else:
            pytest.fail("the stream ended without any news")


def test_who_brings_no_good_key_is_turned_away(served: Address) -> None:
    for headers, word in (
        ({}, "missing_mcp_token"),
        ({"Authorization": "Basic bWU6"}, "missing_mcp_token"),
        ({"Authorization": "Bearer wrong"}, "invalid_mcp_token"),
        ({"Authorization": "Bearer two words"}, "invalid_mcp_token"),
    ):
        status, said = served.ask(headers)
        assert (status, json.loads(said)["detail"]) == (401, word)


def test_other_hosts_origins_and_the_internet_are_refused(served: Address, key: Callable[..., str]) -> None:
    good = {"Authorization": f"Bearer {key('http')}"}
    assert served.ask({**good, "Host": "evil.example"})[0] == 421
    assert served.ask({**good, "Origin": "https://evil.example"})[0] == 403
    assert served.ask({**good, "Origin": f"http://127.0.0.1:{served.port}"})[0] == 200
    assert served.ask({**good, "Tailscale-Funnel-Request": "?1"})[0] == 403


def test_there_is_nothing_but_calls(served: Address, key: Callable[..., str]) -> None:
    good = {"Authorization": f"Bearer {key('http')}"}
    assert served.ask(good, path="/.well-known/oauth-authorization-server")[0] == 404
    assert served.ask(good, method="GET")[0] == 405


def test_a_body_over_the_limit_is_refused(served: Address, key: Callable[..., str]) -> None:
    padded = json.dumps(CALL).encode().ljust(1_200_000)
    assert served.ask({"Authorization": f"Bearer {key('http')}"}, padded)[0] == 413


def test_one_that_nobody_calls_ends_and_the_next_call_starts_another(home: Path, key: Callable[..., str]) -> None:
    headers = {"Authorization": f"Bearer {key('idle')}"}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address(listening.getsockname()[1])
        for _ in range(2):
            process = activated(home, listening, "--idle", "1")
            assert address.ask(headers)[0] == 200
            assert process.wait(timeout=60) == 0


async def test_over_http_the_old_systems_clients_may_send_their_token_inside(
    home: Path, key: Callable[..., str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = activated(home, listening, MEMBOX_MCP_DOTTED="1")
        try:
            async with Address(listening.getsockname()[1]).client("") as client:
                token = {"auth_token": key("old")}
                answer(await client.call_tool("brain.recall", {"payload": {"query": "x", **token}}))
                refused = await client.call_tool("brain.recall", {"payload": {"query": "x"}})
                assert error(refused).startswith("missing_mcp_token")
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_without_auth_there_is_no_http(home: Path) -> None:
    environ = {**SYSTEM, "MEMBOX_MCP_AUTH_MODE": "disabled", "MEMBOX_HOME": str(home)}
    done = subprocess.run([*MEMBOX, "mcp", "--http"], env=environ, check=False, capture_output=True, text=True)
    assert (done.returncode, "stdio only" in done.stderr) == (2, True)


def test_a_port_that_is_taken_is_named(home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        (tmp_path / "config.toml").write_text(f"[mcp]\nport = {port}\n")
        command = [*MEMBOX, "--home", str(tmp_path), "mcp", "--http"]
        done = subprocess.run(command, env=SYSTEM, check=False, capture_output=True, text=True)
    assert (done.returncode, f"127.0.0.1:{port}" in done.stderr) == (2, True)
