"""The child process: what it is told stays between the two, and it ends when its time is over."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from appliance.errors import ProviderError
from appliance.providers import Request
from tests.llm_server import LlmServer, good, hanging
from tests.providers.conftest import KEY, Setup, by_anthropic, by_openai

QUESTION = Request("Keep the memory.", "The note of today.", purpose="refresh")


@pytest.fixture
def asked(setup: Setup, llm: LlmServer) -> Setup:
    return by_openai(setup, llm).in_a_process()


def test_the_sdk_is_loaded_in_the_child_only(setup: Setup, llm: LlmServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "anthropic"]:
        monkeypatch.delitem(sys.modules, name)
    llm.will(good("fine"))
    pieces: list[str] = []
    reply = by_anthropic(setup, llm).in_a_process().providers.complete(QUESTION, pieces.append)
    assert (reply.text, "".join(pieces)) == ("fine", "fine")
    assert reply.model.startswith("claude-sonnet-")
    assert "anthropic" not in sys.modules


def test_one_who_never_answers_is_ended_with_all_that_was_started(asked: Setup, llm: LlmServer) -> None:
    asked.set("llm.timeout_seconds", 2)
    llm.will(hanging())
    with pytest.raises(ProviderError, match="within 2 s"):
        asked.providers.complete(QUESTION)
    assert children_of(os.getpid()) == []
    (spent,) = asked.providers.usage.since(1)
    assert spent.input_tokens > 0  # what was sent will be charged


def test_closing_the_box_ends_what_is_asked(asked: Setup, llm: LlmServer) -> None:
    llm.will(hanging())
    told: list[Exception] = []

    def ask() -> None:
        try:
            asked.providers.complete(QUESTION)
        except ProviderError as error:
            told.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not llm.asked:
        time.sleep(0.01)
    asked.providers.stop()
    thread.join(timeout=20)
    assert len(told) == 1
    with pytest.raises(ProviderError, match="closing"):
        asked.providers.complete(QUESTION)


def test_the_key_is_in_no_command_line_and_no_environment(asked: Setup, llm: LlmServer) -> None:
    seen: list[str] = []

    def look(_text: str) -> None:
        for child in children_of(os.getpid()):
            seen.append(Path(f"/proc/{child}/cmdline").read_text() + Path(f"/proc/{child}/environ").read_text())

    asked.secrets.set("openai-api-key", KEY)
    llm.will(good("fine"))
    asked.providers.complete(QUESTION, look)
    assert seen
    assert not any(KEY in each or "The note of today" in each for each in seen)
    assert KEY in str(llm.asked[-1].headers)


def children_of(process: int) -> list[int]:
    """The living children of `process`."""
    listed = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in listed for child in task.read_text().split()]
