"""The notebook's files as resources: listed, read, and told of when they change."""

import secrets
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp_types import ResourceListChangedNotification, ResourceUpdatedNotification

from appliance.box import Box
from appliance.mcp import resources
from appliance.mcp.resources import changes, uri_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def page(box: Box) -> str:
    """A new file of the notebook, with a name that a URI must quote."""
    path = f"projects/Haus & Höfe {secrets.token_hex(4)}.md"
    box.notebook.save(path, "# Garden\n\nHazels.\n", 0, "owner")
    return path


async def test_files_are_listed_and_read(
    agent: Callable[..., Any], key: Callable[..., str], mode: str, page: str
) -> None:
    async with agent(key("reader", "reader"), mode=mode) as client:
        listed = {each.uri: each for each in (await client.list_resources()).resources}
        mine = listed[uri_of(page)]
        [text] = (await client.read_resource(mine.uri)).contents
    assert (mine.name, mine.mime_type, text.text) == (page, "text/markdown", "# Garden\n\nHazels.\n")
    assert (mine.size, mine.annotations.last_modified[:2], mine.uri.isascii()) == (18, "20", True)
    assert uri_of("GLOBAL_MEMORY.md") == "membox://notebook/GLOBAL_MEMORY.md"


@pytest.mark.parametrize("uri", ["membox://notebook/none.md", "membox://notebook/../config.toml", "file:///etc/passwd"])
async def test_what_is_no_file_of_the_notebook_is_not_read(agent: Callable[..., Any], uri: str) -> None:
    async with agent() as client:
        with pytest.raises(MCPError):
            await client.read_resource(uri)


async def test_a_refusal_carries_the_word_of_rest(agent: Callable[..., Any], key: Callable[..., str]) -> None:
    async with agent(key("stranger", tenant="elsewhere")) as client:
        with pytest.raises(MCPError, match="tenant_mismatch"):
            await client.list_resources()
    async with agent(must_show=True) as client:
        with pytest.raises(MCPError, match="missing_mcp_token"):
            await client.list_resources()


async def test_a_listening_client_is_told_of_changes(
    agent: Callable[..., Any], box: Box, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_LOOK_SECONDS", 0.05)
    seen = []
    wanted = {"resources_list_changed": True, "resource_subscriptions": [uri_of(page)]}
    async with agent() as client, client.listen(**wanted) as changed:
        box.notebook.save(page, "# Garden\n\nApples.\n", box.notebook.read(page).version, "owner")
        box.notebook.save(f"{page}x.md", "# New\n", 0, "owner")
        async for event in changed:
            seen.append(event)
            if {type(each) for each in seen} == {ResourceUpdated, ResourcesListChanged}:
                break
    assert ResourceUpdated(uri=uri_of(page)) in seen


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")  # of the protocol before 2026, still spoken
async def test_an_older_client_is_told_by_its_connection(
    agent: Callable[..., Any], connect: Any, box: Box, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a server on a home without a daemon, of what it wrote itself."""
    from mcp import Client

    from appliance.mcp.callers import Callers
    from appliance.mcp.server import make_server

    told: list[Any] = []
    both = anyio.Event()

    async def keep(message: Any) -> None:
        told.append(message)
        if {type(each) for each in told} >= {ResourceUpdatedNotification, ResourceListChangedNotification}:
            both.set()

    server = make_server(Callers(connect, is_served=lambda: False), follows=True)
    async with Client(server, mode="legacy", message_handler=keep) as client:
        await client.subscribe_resource(uri_of(page))
        box.notebook.save(page, "# Garden\n\nPears.\n", box.notebook.read(page).version, "owner")
        box.notebook.save(f"{page}y.md", "# New\n", 0, "owner")
        await client.call_tool("notebook_note", {"text": "Pears are planted"})
        with anyio.fail_after(30):
            await both.wait()
        await client.unsubscribe_resource(uri_of(page))
    assert [each.params.uri for each in told if isinstance(each, ResourceUpdatedNotification)] == [uri_of(page)]


def test_changes_are_files_that_came_or_went_and_new_versions() -> None:
    before = {"a.md": 1, "b.md": 4}
    assert list(changes(before, dict(before))) == []
    assert list(changes(before, {"a.md": 2, "b.md": 4})) == [ResourceUpdated(uri="membox://notebook/a.md")]
    assert list(changes(before, {"b.md": 4})) == [ResourcesListChanged()]
