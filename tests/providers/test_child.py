"""What a provider cannot do is done without, or told in words; the agent's unit is asked where there is one."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance import errand
from appliance.providers import Access, Capability, Failure, OnText, Reply, Request, child
from appliance.providers.claude_command import ClaudeCommand

SCHEMA = {"type": "object", "properties": {"document": {"type": "string"}}}


@dataclass
class Plain:
    """A provider that can nothing but answer."""

    name: str = "plain"
    capabilities: frozenset[Capability] = frozenset()
    asked: list[Request] = field(default_factory=list)
    text: str = "fine"

    def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(self.text, self.name, "small")

    def stream(self, request: Request, on_text: OnText) -> Reply:
        raise AssertionError("it does not stream")

    def list_models(self) -> list[str]:
        raise Failure("It has no list.")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Plain:
    provider = Plain()
    monkeypatch.setattr(child, "provider_of", lambda _name, _access: provider)
    return provider


def said(do: str = "complete", **more: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    request = {"system": "Be brief.", "prompt": "?", "schema": SCHEMA}
    child.answer({"do": do, "provider": "plain", "access": {}, "request": request, **more}, lines.append)
    return lines


def test_a_schema_is_told_in_words_where_none_is_known(plain: Plain) -> None:
    (line,) = said()
    assert line["reply"]["text"] == "fine"
    (asked,) = plain.asked
    assert asked.schema is None
    assert json.dumps(SCHEMA) in asked.system


def test_one_that_does_not_stream_hands_its_text_over_at_once(plain: Plain) -> None:
    assert [list(line) for line in said(stream=True)] == [["text"], ["reply"]]


def test_what_it_cannot_tell_is_a_failure(plain: Plain) -> None:
    assert said("models")[0]["error"]["sentence"] == "It has no list."


def test_an_endless_answer_is_not_taken(plain: Plain) -> None:
    plain.text = "x" * 8_000_001
    assert "longer than any" in said()[0]["error"]["sentence"]


def test_whatever_is_raised_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "provider_of", lambda _name, _access: None)
    assert "AttributeError" in said()[0]["error"]["sentence"]


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The agent's unit: what it was asked stands in the list, whose first place is its answer."""
    path = tmp_path / "errand.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    talk: list[Any] = [None]

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as asked:
            talk.append(json.loads(asked.read()))
            connection.sendall(json.dumps(talk[0]).encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ask = errand.ask
    monkeypatch.setattr(errand, "is_there", lambda: True)
    monkeypatch.setattr(errand, "ask", lambda name, fields, seconds: ask(name, fields, seconds, path))
    yield talk
    listener.close()


def test_on_a_box_the_agents_unit_is_asked(unit: list[Any]) -> None:
    unit[0] = {"reply": {"text": "fine", "provider": "claude", "model": "claude-sonnet-5-5"}}
    reply = ClaudeCommand(Access(model="claude-sonnet-5-5", timeout_seconds=10)).complete(Request("Be brief.", "?"))
    assert reply.text == "fine"
    asked = unit[1]
    assert asked["errand"] == "complete"
    assert (asked["request"]["prompt"], asked["request"]["model"]) == ("?", "claude-sonnet-5-5")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"error": {"sentence": "Not logged in."}}, "Not logged in."),
        ({"failed": "no such errand"}, "no such errand"),
        ([], "not done"),
    ],
)
def test_what_the_unit_cannot_do_is_a_failure(unit: list[Any], answer: Any, sentence: str) -> None:
    unit[0] = answer
    with pytest.raises(Failure, match=sentence):
        ClaudeCommand(Access(timeout_seconds=10)).complete(Request("Be brief.", "?"))
