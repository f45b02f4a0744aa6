"""Secrets leave the box by its own socket alone, to the owner alone, and stand in no log, error or example."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from appliance.box import Box
from appliance.principal import Role
from appliance.storage.schema import audit_log
from appliance.web.endpoint import CAPTURE, LOCAL, SERVE, SOCKET, WEB, endpoints
from appliance.web.openapi import document

VALUE = "correct horse battery staple"


@pytest.fixture
def owner(ask_at: Callable[[str], Any], owner_key: str) -> Any:
    """The owner's command line, through the daemon's socket."""
    return replace(ask_at(SOCKET), headers={"Authorization": f"Bearer {owner_key}"})


def test_the_owner_sets_reads_lists_and_removes_through_the_socket(owner: Any, ask_at: Callable[[str], Any]) -> None:
    assert owner("PUT", "/v1/secrets/restic-password", {"value": VALUE}).json == {"name": "restic-password"}
    assert owner("GET", "/v1/secrets").json == {"names": ["restic-password"]}
    reply = ask_at(LOCAL)("GET", "/v1/secrets/restic-password")
    assert reply.json == {"name": "restic-password", "value": VALUE}
    assert reply.headers["cache-control"] == "no-store"
    assert owner("PUT", "/v1/secrets/restic-password", {"value": "another", "replace": False}).status == 200
    assert owner("GET", "/v1/secrets/restic-password").json["value"] == VALUE
    assert owner("DELETE", "/v1/secrets/restic-password").json["removed"] is True
    assert owner("GET", "/v1/secrets/restic-password").status == 404


def test_setting_and_removing_is_written_down_without_the_value(owner: Any, box: Box) -> None:
    owner("PUT", "/v1/secrets/smtp-password", {"value": VALUE})
    owner("DELETE", "/v1/secrets/smtp-password")
    owner("DELETE", "/v1/secrets/smtp-password")
    with box.database.read() as conn:
        rows = conn.execute(select(audit_log).where(audit_log.c.subject == "smtp-password").order_by(audit_log.c.id))
        did = [(row.actor, row.action) for row in rows]
    assert did == [(box.access.owner.agent_id, action) for action in ("secret_set", "secret_removed")]


@pytest.mark.parametrize("door", [WEB, SERVE, CAPTURE])
def test_no_other_door_knows_of_secrets(
    door: str, owner: Any, ask_at: Callable[[str], Any], signed_in: Callable[[], Any]
) -> None:
    there = ask_at(door).app
    for caller in (owner, signed_in()):
        for method, path in (("GET", "/v1/secrets"), ("GET", "/v1/secrets/a"), ("PUT", "/v1/secrets/a")):
            assert replace(caller, app=there)(method, path, {"value": VALUE}).status == 404
    assert all(each.doors == {SOCKET, LOCAL} for each in endpoints() if each.path.startswith("/v1/secrets"))


def test_an_agents_key_opens_no_secret(ask_at: Callable[[str], Any], key_of: Callable[..., str]) -> None:
    agent = replace(ask_at(SOCKET), headers={"Authorization": f"Bearer {key_of(Role.ADMIN)}"})
    assert agent("GET", "/v1/secrets/restic-password").detail == "insufficient_role"
    assert agent("PUT", "/v1/secrets/restic-password", {"value": "mine"}).status == 403


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("a", {"value": ""}, 422),
        ("a", {"value": [VALUE]}, 422),
        ("a", {"value": VALUE, "x": "\0"}, 422),
        ("a", {"value": VALUE + "\0"}, 422),
        ("a", b'{"value": "' + VALUE.encode(), 422),
        ("A", {"value": VALUE}, 422),
        ("..", {"value": VALUE}, 422),
        ("a", {"value": VALUE * 3000}, 413),
    ],
)
def test_a_refusal_does_not_repeat_the_value_and_no_log_holds_it(
    owner: Any, caplog: pytest.LogCaptureFixture, name: str, body: Any, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    reply = owner("PUT", f"/v1/secrets/{name}", body)
    assert reply.status == status
    assert VALUE.encode() not in reply.body
    assert VALUE not in caplog.text


def test_a_fault_of_ours_does_not_show_the_value(
    owner: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    caplog.set_level(logging.DEBUG)
    reply = owner("PUT", "/v1/secrets/a", {"value": VALUE})
    assert (reply.status, reply.detail) == (507, "disk_full")
    assert VALUE not in caplog.text
    assert VALUE.encode() not in reply.body


def test_the_document_has_no_example_of_a_secret_and_says_where_it_is_served() -> None:
    described = document()
    schemas = described["components"]["schemas"]
    for model in ("SecretValue", "Secret"):
        assert schemas[model]["properties"]["value"]["format"] == "password"
    paths = {path: each for path, each in described["paths"].items() if path.startswith("/v1/secrets")}
    assert "example" not in json.dumps([paths, schemas["SecretValue"], schemas["Secret"]])
    assert all("own socket" in operation["description"] for each in paths.values() for operation in each.values())
