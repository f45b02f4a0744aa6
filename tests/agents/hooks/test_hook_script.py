"""What the hooks run: tells the box by its socket, hands on what it answers, and never keeps the agent."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.agents.hooks.installing import install
from appliance.box import Box
from tests.agents.hooks.conftest import Hooks

PROMPT = "We decided to keep both formats."


def buffer(box: Box) -> str:
    return (box.home / "notebook" / "working-buffer.md").read_text("utf-8")


def test_what_was_said_is_in_the_file_when_the_hook_ends(hooks: Hooks, box: Box) -> None:
    assert hooks("UserPromptSubmit", prompt=PROMPT) == ""
    part = buffer(box).partition(f"## {hooks.project.name} · claude on anvil")[2]
    assert f"decision: {PROMPT}" in part
    assert hooks.failures == 0


def test_a_start_gets_words_for_the_context(hooks: Hooks) -> None:
    output = json.loads(hooks("SessionStart", source="startup"))["hookSpecificOutput"]
    assert output["hookEventName"] == "SessionStart"
    assert "session_recover" in output["additionalContext"]


def test_how_full_the_context_is_comes_from_the_transcript(hooks: Hooks, box: Box, tmp_path: Path) -> None:
    transcript = tmp_path / "with space.jsonl"
    used = {"input_tokens": 3, "cache_read_input_tokens": 150_000, "cache_creation": {"x": 1}}
    transcript.write_text(
        "".join(json.dumps({"message": {"usage": each}}) + "\n" for each in ({"input_tokens": 9}, used))
    )
    hooks("UserPromptSubmit", prompt=PROMPT)
    hooks("Stop", last_assistant_message="All done.", transcript_path=str(transcript))
    [archived] = (box.home / "notebook" / "archive").glob(f"*{hooks.project.name}*")
    assert "did: All done." in archived.read_text()


def test_a_stop_without_a_transcript_is_told_all_the_same(hooks: Hooks, box: Box) -> None:
    hooks("UserPromptSubmit", prompt=PROMPT)
    for path in ("/nowhere.jsonl", 'a"b\\c', ""):
        hooks("Stop", last_assistant_message=f"Answer to {path}.", transcript_path=path)
    part = buffer(box).partition(f"## {hooks.project.name} · ")[2]
    assert part.count("did: Answer to") == 3


def test_a_project_of_any_name_is_told(hooks: Hooks, box: Box) -> None:
    for name, key in (("Grüße 店", "Grüße-店"), ("a\nX-Evil: 1", ""), ('quo"te', "quo-te")):
        hooks.environ["CLAUDE_PROJECT_DIR"] = f"/home/me/{name}"
        hooks("UserPromptSubmit", prompt=PROMPT, session_id=f"of {name!r}")
        assert f"## {key or hooks.project.name} · " in buffer(box)


def test_a_box_that_is_away_is_counted_and_told_later(hooks: Hooks, box: Box, url: str) -> None:
    before = box.sessions.hook_failures()
    config = hooks.place.curl.read_text()
    hooks.place.curl.write_text(config.replace(url.removeprefix("unix:"), "/nowhere/membox.sock"))
    for _ in range(3):
        assert hooks("UserPromptSubmit", prompt=PROMPT) == ""
    assert hooks.failures == 3
    hooks.place.curl.write_text(config)
    hooks("UserPromptSubmit", prompt=PROMPT)
    assert hooks.failures == 0
    assert box.sessions.hook_failures() == before + 3


def test_a_key_that_is_worth_nothing_is_a_failure_and_no_more(hooks: Hooks, url: str) -> None:
    install(hooks.place, url, "mbx_wrong", "anvil")
    assert hooks("UserPromptSubmit", prompt=PROMPT) == ""
    assert hooks.failures == 1


@pytest.fixture
def silent_box(tmp_path: Path) -> Iterator[str]:
    """A socket that takes connections and never answers."""
    path = tmp_path / "silent.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    taken: list[socket.socket] = []

    def take() -> None:
        while True:
            try:
                taken.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=take)
    thread.start()
    yield f"unix:{path}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(timeout=15)
    for each in taken:
        each.close()


def test_a_box_that_hangs_does_not_keep_the_agent(hooks: Hooks, silent_box: str) -> None:
    install(hooks.place, silent_box, "mbx_key", "anvil")
    assert hooks("UserPromptSubmit", prompt=PROMPT) == ""
    assert hooks.failures == 1


def test_a_hook_that_is_killed_half_way_has_been_counted(hooks: Hooks, silent_box: str) -> None:
    install(hooks.place, silent_box, "mbx_key", "anvil")
    running = hooks.start("UserPromptSubmit", prompt=PROMPT)
    while not hooks.failures:
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGKILL)
    assert running.communicate(timeout=60) == ("", "")
    assert hooks.failures == 1


def test_failures_that_cannot_be_counted_keep_nobody(hooks: Hooks, box: Box) -> None:
    hooks.place.failures.mkdir()
    hooks("UserPromptSubmit", prompt=PROMPT)
    assert f"## {hooks.project.name} · " in buffer(box)


def test_it_does_nothing_for_memboxs_own_calls(hooks: Hooks, box: Box) -> None:
    hooks.environ["MEMBOX_HOOKS"] = "off"
    hooks("UserPromptSubmit", prompt=PROMPT)
    assert f"## {hooks.project.name} " not in buffer(box)
    assert hooks.failures == 0


def test_no_argument_of_a_process_holds_the_key(hooks: Hooks, silent_box: str) -> None:
    install(hooks.place, silent_box, "mbx_key", "anvil")
    running = hooks.start("UserPromptSubmit", prompt=PROMPT)
    assert running.stdin
    running.stdin.close()
    seen = ""
    while "curl" not in seen and running.poll() is None:
        seen = " ".join(_arguments(pid) for pid in _group(running.pid))
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(timeout=60)
    assert "--config" in seen
    assert "mbx_key" not in seen


def _group(leader: int) -> list[int]:
    pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [pid for pid in pids if _group_of(pid) == leader]


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _arguments(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
