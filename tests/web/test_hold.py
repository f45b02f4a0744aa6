"""A held box at its doors: 503 and when to come back for what writes, an answer for what reads."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appliance import hold
from appliance.box import Box
from appliance.principal import Role
from appliance.web.endpoint import CAPTURE, LOCAL, SOCKET, WEB

FACT = {"tenant_id": "home", "agent_id": "me", "items": [{"type": "fact", "text": "held"}]}
QUERY = {"tenant_id": "home", "agent_id": "me", "query": "held"}


@pytest.fixture
def held(box: Box, key_of: Callable[..., str]) -> Iterator[Box]:
    key_of(Role.ADMIN)
    box.hold("it is being upgraded", 60)
    yield box
    hold.release(box.home)


@pytest.fixture
def at(ask_at: Callable[[str], Any], key_of: Callable[..., str]) -> Callable[[str], Any]:
    """An admin at a door."""

    def admin(door: str) -> Any:
        caller = ask_at(door)
        caller.headers = {"Authorization": f"Bearer {key_of(Role.ADMIN)}"}
        return caller

    return admin


@pytest.mark.parametrize("door", [WEB, CAPTURE, SOCKET, LOCAL])
def test_a_note_is_refused_at_every_door_until_later(at: Callable[[str], Any], held: Box, door: str) -> None:
    reply = at(door)("POST", "/note", {"text": "no"})
    assert (reply.status, reply.json) == (503, {"error": "held"})
    assert 1 <= int(reply.headers["retry-after"]) <= 10


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v0/memory/remember", FACT),
        ("PUT", "/v1/notebook/document", {"path": "projects/held.md", "text": "# Held\n", "base_version": 0}),
        ("POST", "/v1/keys", {"name": "held", "role": "reader"}),
        ("POST", "/v1/notebook/undo", {"path": "GLOBAL_MEMORY.md"}),
    ],
)
def test_what_writes_is_refused_until_later(
    at: Callable[[str], Any], held: Box, method: str, path: str, body: dict[str, Any]
) -> None:
    reply = at(WEB)(method, path, body)
    assert (reply.status, reply.detail) == (503, "held")
    assert 1 <= int(reply.headers["retry-after"]) <= 10


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/healthz", b""),
        ("GET", "/v0/meta", b""),
        ("POST", "/v0/memory/recall", QUERY),
        ("GET", "/v1/status", b""),
        ("GET", "/v1/notebook/document?path=GLOBAL_MEMORY.md", b""),
    ],
)
def test_what_reads_is_answered(at: Callable[[str], Any], held: Box, method: str, path: str, body: Any) -> None:
    assert at(WEB)(method, path, body).status == 200


@pytest.mark.parametrize("path", ["/", "/memory", "/search?q=held", "/history", "/devices"])
def test_pages_are_shown(signed_in: Callable[[], Any], box: Box, path: str) -> None:
    browser = signed_in()
    box.hold("it is being upgraded", 60)
    try:
        assert browser("GET", path).status == 200
    finally:
        hold.release(box.home)


def test_nobody_holds_a_box_from_afar(at: Callable[[str], Any], box: Box) -> None:
    body = {"why": "a prank", "seconds": 60}
    assert at(WEB)("POST", "/v1/hold", body).status == 404
    assert at(SOCKET)("POST", "/v1/hold", body).status == 403, "an admin's key is not the owner's"
    assert hold.held(box.home) is None
