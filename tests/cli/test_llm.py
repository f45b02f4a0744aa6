"""Language models, messages and the digest from the command line, with the contract's exit codes."""

import json
from typing import Any

import pytest

from tests.llm_server import LlmServer, failed, good


@pytest.fixture
def reached(box: Any, llm: LlmServer) -> Any:
    """The command on a home whose provider is the server `llm`."""
    box("config", "set", "llm.openai_base_url", f"{llm.url}/v1")
    box("config", "set", "llm.openai_model", "small")
    return box


def test_what_can_be_asked_is_listed_with_what_is_missing(box: Any) -> None:
    told = box("llm", "list").stdout
    assert "membox secrets set anthropic-api-key" in told
    assert "not in llm.providers" in told
    assert "Today: 0 calls" in told


def test_a_model_is_tried_and_its_usage_counted(reached: Any, llm: LlmServer) -> None:
    llm.will(good("Yes, I am here.", input_tokens=30, output_tokens=6))
    assert "Yes, I am here." in reached("llm", "test").stdout
    (spent,) = reached.json("llm", "usage")["models"]
    assert (spent["provider"], spent["input_tokens"], spent["output_tokens"]) == ("openai", 30, 6)
    assert reached("llm", "models", "openai").stdout.split() == llm.models


@pytest.mark.parametrize(
    ("words", "code"), [(["llm", "test", "anthropic"], 4), (["llm", "test"], 5), (["llm", "test", "nobody"], 1)]
)
def test_exit_codes_are_the_contracts(reached: Any, llm: LlmServer, words: list[str], code: int) -> None:
    llm.will(failed(400))
    told = reached(*words, code=code)
    assert told.stderr.startswith("Error: ")


def test_a_target_is_added_listed_and_removed_and_its_address_never_shown(box: Any) -> None:
    address = "ntfys://me:hunter2@ntfy.example.com/topic"
    box("notify", "add", "phone", stdin=address)
    told = box("notify", "list").stdout + json.dumps(box.json("notify", "list"))
    assert "phone" in told
    assert "hunter2" not in told
    box("notify", "rm", "phone")
    assert "phone" not in box("notify", "list").stdout
    box("notify", "add", "email", stdin=address, code=2)
    assert "hunter2" not in box("notify", "add", "phone", stdin="hunter2", code=2).stderr


def test_a_test_message_arrives_or_says_why_not(box: Any) -> None:
    box("notify", "test", "file")
    (alert,) = (box.home / "alerts").iterdir()
    assert "A test by membox" in alert.read_text()
    assert "membox notify add phone" in box("notify", "test", "phone", code=1).stderr


def test_a_digest_is_shown_and_sent(box: Any) -> None:
    box("config", "set", "daemon.drift_notify", "file")
    box("note", "The boiler man comes on Tuesday")
    assert "The boiler man comes on Tuesday" in box("digest").stdout
    assert "sent to file" in box("digest", "--send").stdout
    (alert,) = (box.home / "alerts").iterdir()
    assert "The boiler man comes on Tuesday" in alert.read_text()
