"""`membox mcp` as an agent starts it: a process of its own, on standard input and output."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.mcp.conftest import answer, error, fact

# Each starts processes that load the SDK, which takes its time on a busy machine.
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

MEMBOX = (sys.executable, "-m", "appliance.cli.main")
SYSTEM = {name: os.environ[name] for name in ("PATH", "XDG_CONFIG_HOME")}


def server(*words: str, **environ: str) -> StdioServerParameters:
    return StdioServerParameters(command=MEMBOX[0], args=[*MEMBOX[1:], *words, "mcp"], env={**SYSTEM, **environ})


async def test_an_agent_that_has_a_key_calls_as_itself(home: Path, key: Callable[..., str], mode: str) -> None:
    url = f"unix://{home}/run/membox.sock"
    async with Client(server(MEMBOX_URL=url, MEMBOX_API_KEY=key("stdio")), mode=mode) as client:
        [memory_id] = answer(await client.call_tool("memory_remember", {"items": [fact("By stdio")]}))["memory_ids"]
        whole = answer(await client.call_tool("memory_inspect", {"memory_id": memory_id}))
        files = (await client.list_resources()).resources
    assert (whole["agent_id"], "GLOBAL_MEMORY.md" in {each.name for each in files}) == ("stdio", True)


async def test_a_home_without_a_daemon_is_served_too_and_stays_free(tmp_path: Path) -> None:
    subprocess.run([*MEMBOX, "--home", tmp_path, "init"], env=SYSTEM, check=True, capture_output=True)
    async with Client(server("--home", str(tmp_path))) as client:
        answer(await client.call_tool("memory_remember", {"items": [fact("The heron is grey")]}))
        found = subprocess.run(
            [*MEMBOX, "--home", tmp_path, "recall", "heron"], env=SYSTEM, check=True, capture_output=True, text=True
        )
        [item] = answer(await client.call_tool("memory_recall", {"query": "heron"}))["items"]
    assert "The heron is grey" in found.stdout
    assert "The heron is grey" in item["text"]


async def test_the_existing_systems_environment_works_as_it_is(home: Path) -> None:
    tokens = {"writer-token": {"tenant_id": "t_env", "agent_id": "a_writer", "role": "writer"}}
    environ = {"MEMBOX_HOME": str(home), "MEMBOX_MCP_DOTTED": "1", "BRAINSTEM_MCP_TOKENS": json.dumps(tokens)}
    payload = {"tenant_id": "t_env", "agent_id": "a_writer", "items": [fact("From an old client")]}
    async with Client(server(**environ), mode="legacy") as client:
        refused = error(await client.call_tool("brain.remember", {"payload": payload}))
        stored = await client.call_tool("brain.remember", {"payload": {**payload, "auth_token": "writer-token"}})
    assert (refused.partition(":")[0], answer(stored)["accepted"]) == ("missing_mcp_token", 1)


def test_a_server_ends_with_its_agent_also_while_it_follows_the_notebook(home: Path) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}
    said = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "resources/list"},
    ]
    command = [*MEMBOX, "--home", str(home), "mcp"]
    with subprocess.Popen(command, env=SYSTEM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.writelines(json.dumps(each) + "\n" for each in said)
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    assert answers[1]["result"]["resources"]


def test_a_home_that_there_is_not_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run([*MEMBOX, "--home", tmp_path, "mcp"], env=SYSTEM, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "membox init" in done.stderr


@pytest.fixture
def claude(tmp_path: Path) -> Callable[..., str]:
    """Claude Code, with a home of its own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = shutil.which("claude") or shutil.which("claude", path=cache / "membox/claude/bin")  # as in .ci/tools
    if program is None:
        pytest.skip("no Claude Code: npm install --global @anthropic-ai/claude-code")
    environ = {**SYSTEM, "HOME": str(tmp_path), "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [program, *words], env=environ, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_claude_code_adds_the_server_and_connects_to_it(
    claude: Callable[..., str], home: Path, key: Callable[..., Any]
) -> None:
    environ = (f"MEMBOX_URL=unix://{home}/run/membox.sock", f"MEMBOX_API_KEY={key('claude')}")
    claude("mcp", "add", "--scope", "user", "membox", *(f"--env={each}" for each in environ), "--", *MEMBOX, "mcp")
    listed = claude("mcp", "list")
    assert "membox: " in listed
    assert "Connected" in listed
