"""Whose call it is: tokens and where they stand, those of the environment, and the existing system's clients."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from appliance.config import GivenKey
from appliance.principal import Role
from tests.mcp.conftest import answer, error, fact

pytestmark = pytest.mark.anyio

TOKENS = {
    name: GivenKey.model_validate({"tenant_id": "t_mcp", "agent_id": f"a_{name}", "role": name})
    for name in ("reader", "writer", "admin")
}
ENVELOPES: list[Callable[[str], Mapping[str, Any]]] = [
    lambda token: {"auth_token": token},
    lambda token: {"_session": {"token": token}},
]
BRAIN = {
    f"brain.{name}"
    for name in ("remember", "recall", "compact", "inspect", "forget", "reflect", "train", "cleanup", "job_status")
}


async def test_the_existing_systems_names_take_one_payload(agent: Callable[..., Any]) -> None:
    async with agent(dotted=True) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == BRAIN
    assert all(list(tool.input_schema["properties"]) == ["payload"] for tool in tools)


@pytest.mark.parametrize("envelope", ENVELOPES)
async def test_its_clients_work_as_they_are(agent: Callable[..., Any], mode: str, envelope: Any) -> None:
    async def call(token: str, tool: str, **payload: Any) -> Any:
        named = {"tenant_id": "t_mcp", "agent_id": f"a_{token}"}
        return await client.call_tool(f"brain.{tool}", {"payload": {**envelope(token), **named, **payload}})

    async with agent(dotted=True, mode=mode, tokens=TOKENS, must_show=True) as client:
        items = [fact("The MCP fact as it was written")]
        stored = answer(await call("writer", "remember", scope="team", items=items))
        found = answer(await call("reader", "recall", scope="team", query="What MCP fact exists?"))
        assert "insufficient_role" in error(await call("reader", "remember", items=items))
        assert "insufficient_role" in error(await call("writer", "train", model_kind="reranker"))
        queued = answer(await call("writer", "reflect", window_hours=4))["job_id"]
        assert answer(await call("admin", "job_status", job_id=queued))["job_id"] == queued
        assert "agent_mismatch" in error(await call("reader", "job_status", job_id=queued))
        assert "tenant_mismatch" in error(await call("reader", "recall", query="x", tenant_id="home"))
    [item] = [item for item in found["items"] if item["memory_id"] == stored["memory_ids"][0]]
    assert item["text"] == "The MCP fact as it was written"


async def test_a_token_is_asked_for_and_must_be_known(agent: Callable[..., Any], key: Callable[..., str]) -> None:
    asked = {"tenant_id": "t_mcp", "agent_id": "a_reader", "query": "x"}
    async with agent(dotted=True, tokens=TOKENS, must_show=True) as client:
        nowhere: list[dict[str, Any]] = [{}, {"auth_token": None}, {"_session": {}}, {"_session": "reader"}]
        for missing in nowhere:
            result = await client.call_tool("brain.recall", {"payload": {**asked, **missing}})
            assert error(result).startswith("missing_mcp_token: ")
        for wrong in ("bad-token", "reader ", "with space", "ü", key("fine")[:-1]):
            result = await client.call_tool("brain.recall", {"payload": {**asked, "auth_token": wrong}})
            assert error(result).startswith("invalid_mcp_token: "), wrong
        assert error(await client.call_tool("brain.recall", {"payload": "no object"})).startswith("invalid: ")
        assert error(await client.call_tool("brain.recall", {})).startswith("invalid: ")


async def test_a_key_of_the_box_is_a_token_until_it_is_revoked(
    agent: Callable[..., Any], box: Any, key: Callable[..., str]
) -> None:
    new = box.access.create_key("brief", "home", "brief", Role.READER)
    payload = {"auth_token": new.key, "query": "anything"}
    async with agent(dotted=True, must_show=True) as client:
        answer(await client.call_tool("brain.recall", {"payload": payload}))
        box.access.revoke_key(new.key_id, "home")
        assert error(await client.call_tool("brain.recall", {"payload": payload})).startswith("invalid_mcp_token")


async def test_tenant_and_agent_are_the_tokens_own(agent: Callable[..., Any]) -> None:
    async with agent(tokens=TOKENS, must_show=True) as client:
        token = {"auth_token": "writer"}
        [memory_id] = answer(await client.call_tool("memory_remember", {"items": [fact("Mine")], **token}))[
            "memory_ids"
        ]
        whole = answer(await client.call_tool("memory_inspect", {"memory_id": memory_id, **token}))
        assert error(await client.call_tool("memory_inspect", {"memory_id": memory_id})).startswith("missing_mcp_token")
    assert (whole["tenant_id"], whole["agent_id"]) == ("t_mcp", "a_writer")


async def test_another_tenants_token_does_not_read_this_ones_notebook(agent: Callable[..., Any]) -> None:
    async with agent(tokens=TOKENS, must_show=True) as client:
        searched = await client.call_tool("notebook_search", {"query": "note", "auth_token": "admin"})
    assert answer(searched)["items"] == []


async def test_with_auth_off_a_call_is_of_whomever_it_names(agent: Callable[..., Any]) -> None:
    named = {"tenant_id": "t_legacy", "agent_id": "a_legacy"}
    async with agent(dotted=True, is_open=True) as client:
        stored = answer(await client.call_tool("brain.remember", {"payload": {**named, "items": [fact("Old")]}}))
        asked = {**named, "memory_id": stored["memory_ids"][0], "auth_token": "of other days"}
        whole = answer(await client.call_tool("brain.inspect", {"payload": asked}))
        unnamed = answer(await client.call_tool("brain.recall", {"payload": {"query": "Old"}}))
    assert (whole["tenant_id"], whole["agent_id"], unnamed["items"]) == ("t_legacy", "a_legacy", [])


async def test_with_auth_off_a_server_lends_no_more_than_its_own_key(
    agent: Callable[..., Any], key: Callable[..., str]
) -> None:
    async with agent(key("scout"), is_open=True) as client:
        refused = await client.call_tool("memory_recall", {"query": "x", "tenant_id": "t_legacy", "agent_id": "a"})
    assert error(refused).startswith("tenant_mismatch")


async def test_a_server_with_a_writers_key_cannot_act_for_tokens(
    agent: Callable[..., Any], key: Callable[..., str]
) -> None:
    async with agent(key("scout"), tokens=TOKENS, must_show=True) as client:
        refused = await client.call_tool("memory_recall", {"query": "x", "auth_token": "admin"})
    assert error(refused).startswith("insufficient_role")


async def test_a_capture_key_notes_and_does_nothing_else(agent: Callable[..., Any], key: Callable[..., str]) -> None:
    async with agent(key("phone", "capture")) as client:
        assert answer(await client.call_tool("notebook_note", {"text": "From the phone"}))["ok"] is True
        assert error(await client.call_tool("memory_recall", {"query": "phone"})).startswith("insufficient_role")
