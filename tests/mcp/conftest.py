"""A box that is served at its socket, and the SDK's own client before our server."""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult

from appliance.access.keys import make_key
from appliance.box import Box, open_box
from appliance.cli.connect import Caller
from appliance.home import owner_key_path, run_directory, socket_path
from appliance.mcp.callers import Callers
from appliance.mcp.server import make_server
from appliance.principal import Role
from appliance.web.server import Server

Json = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box whose socket answers, as a daemon's would."""
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").touch()
    run_directory(home).mkdir()
    opened = open_box(home)
    owner = make_key().key
    opened.access.accept_owner_key(owner)
    owner_key_path(home).write_text(owner)
    server = Server(opened)
    server.listen_unix(socket_path(home))
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield opened
    server.stop()
    thread.join(timeout=15)
    opened.close()


@pytest.fixture(scope="session")
def home(box: Box) -> Path:
    return box.home


@pytest.fixture(scope="session")
def key(box: Box) -> Callable[..., str]:
    """A new key of an agent."""
    return lambda agent, role="writer", tenant="home": box.access.create_key(agent, tenant, agent, Role.named(role)).key


@pytest.fixture(scope="session")
def connect(home: Path) -> Callable[[str], Any]:
    """How a server of ours reaches the box, by whose key it is given, or the owner's."""
    return Caller(home, home_named=True).box


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    """The protocol since 2026, and the one before."""
    return str(request.param)


@pytest.fixture
def agent(connect: Callable[[str], Any]) -> Callable[..., AbstractAsyncContextManager[Client]]:
    """An agent's client, in this process: `agent(key)` calls as that key's, as a server on stdio would."""

    @asynccontextmanager
    async def connected(
        own_key: str = "", dotted: bool = False, mode: str = "auto", **callers: Any
    ) -> AsyncIterator[Client]:
        server = make_server(Callers(lambda key: connect(key or own_key), **callers), dotted, follows=True)
        async with Client(server, mode=mode) as client:
            yield client

    return connected


def answer(result: Any) -> Json:
    """What a tool answered, which is the same as text and as data."""
    assert isinstance(result, CallToolResult)
    assert not result.is_error, result.content
    [content] = result.content
    assert content.type == "text"
    assert json.loads(content.text) == result.structured_content
    return dict(result.structured_content)


def error(result: Any) -> str:
    """The word and sentence of a tool's error."""
    assert isinstance(result, CallToolResult)
    assert result.is_error, result.content
    [content] = result.content
    assert content.type == "text"
    return content.text


def fact(text: str, **more: Any) -> Json:
    """One item to remember."""
    return {"type": "fact", "text": text, **more}
