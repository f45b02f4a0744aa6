"""Taking over a Brainstem store: everything in it, once, as it was; and the store is left as it is."""

import shutil
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from appliance.box import Box, open_box
from appliance.errors import InvalidError
from appliance.imports.brainstem import opened
from appliance.lease import make_home
from appliance.memory.importing import ImportAnswer, ImportRequest
from appliance.memory.models import ForgetRequest, InspectRequest, RecallRequest, Scope
from appliance.principal import Principal, Role

OWNER = Principal("home", "me", Role.ADMIN, owner=True)
FIRST = """CREATE TABLE memory_items (
    memory_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, agent_id TEXT NOT NULL, type TEXT NOT NULL,
    scope TEXT NOT NULL, text TEXT NOT NULL, trust_level TEXT NOT NULL, confidence REAL NOT NULL,
    salience REAL NOT NULL, source_ref TEXT, created_at TEXT NOT NULL, {expiry}
    tombstoned INTEGER NOT NULL DEFAULT 0)"""


@pytest.fixture(params=["", "expires_at TEXT,"], ids=["its first schema", "with expiry"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "theirs" / "brainstem.db"
    path.parent.mkdir()
    conn = sqlite3.connect(path)
    conn.execute(FIRST.format(expiry=request.param))
    add(conn, "mem_0a1b2c3d4e", text="The kettle descales on Sundays")
    add(conn, "mem_private000", agent_id="claude", scope="private", text="The kettle key is blue")
    add(conn, "mem_forgotten0", text="The kettle leaks", tombstoned=1)
    add(conn, "mem_toolong000", text="kettle " * 800)
    conn.commit()
    conn.close()
    return path


def add(conn: sqlite3.Connection, memory_id: str, **fields: Any) -> None:
    row = {
        "memory_id": memory_id,
        "tenant_id": "home",
        "agent_id": "me",
        "type": "policy",
        "scope": "team",
        "trust_level": "trusted_tool",
        "confidence": 0.77,
        "salience": 0.91,
        "source_ref": "wiki:kettle",
        "created_at": "2025-03-01T08:30:00+00:00",
        "tombstoned": 0,
        **fields,
    }
    names = ", ".join(row)
    conn.execute(f"INSERT INTO memory_items ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


@pytest.fixture
def box(tmp_path: Path, empty_database: Path) -> Any:
    make_home(tmp_path / "home")
    shutil.copy(empty_database, tmp_path / "home" / "membox.db")
    opened_box = open_box(tmp_path / "home")
    yield opened_box
    opened_box.close()


def take_over(box: Box, path: Path) -> ImportAnswer:
    with opened(path) as theirs:
        return box.memory.take_over(OWNER, ImportRequest(items=list(theirs.items())))


def recall(box: Box, agent: str) -> set[str]:
    request = RecallRequest(tenant_id="home", agent_id=agent, scope=Scope.TEAM, query="kettle")
    return {item.text for item in box.memory.recall(Principal("home", agent, Role.READER), request).items}


def test_items_come_with_their_ids_owners_scores_and_times(box: Box, store: Path) -> None:
    answer = take_over(box, store)
    assert (answer.stored, answer.known) == (2, 0)
    item = box.memory.inspect(
        OWNER, "mem_0a1b2c3d4e", InspectRequest(tenant_id="home", agent_id="me", scope=Scope.TEAM)
    ).model_dump(mode="json")
    assert item["created_at"].startswith("2025-03-01T08:30:00")
    assert (item["type"], item["scope"], item["trust_level"]) == ("policy", "team", "trusted_tool")
    assert (item["confidence"], item["salience"], item["source_ref"]) == (0.77, 0.91, "wiki:kettle")


def test_each_sees_what_it_saw_there(box: Box, store: Path) -> None:
    take_over(box, store)
    assert recall(box, "me") == {"The kettle descales on Sundays"}
    assert recall(box, "claude") == {"The kettle descales on Sundays", "The kettle key is blue"}


def test_one_that_does_not_fit_is_named_and_keeps_no_other_out(box: Box, store: Path) -> None:
    (refused,) = take_over(box, store).refused
    assert refused.memory_id == "mem_toolong000"
    assert refused.why.startswith("text:")


def test_it_can_be_done_again(box: Box, store: Path) -> None:
    take_over(box, store)
    again = take_over(box, store)
    assert (again.stored, again.known) == (0, 2)


def test_what_was_forgotten_here_does_not_come_back(box: Box, store: Path) -> None:
    take_over(box, store)
    box.memory.forget(OWNER, "mem_0a1b2c3d4e", ForgetRequest(tenant_id="home", agent_id="me"))
    assert take_over(box, store).stored == 0
    assert recall(box, "me") == set()


def test_an_id_twice_in_one_request_is_stored_once(box: Box, store: Path) -> None:
    with opened(store) as theirs:
        item = next(iter(theirs.items()))
    assert box.memory.take_over(OWNER, ImportRequest(items=[item, item])).stored == 1


def test_the_store_is_left_as_it_is_also_with_a_log_beside_it(box: Box, store: Path) -> None:
    writing = sqlite3.connect(store)
    writing.execute("PRAGMA journal_mode = WAL")
    add(writing, "mem_inthelog00", text="The kettle sings")
    writing.commit()
    before = {file.name: sha256(file.read_bytes()).hexdigest() for file in store.parent.iterdir()}
    take_over(box, store)
    assert {file.name: sha256(file.read_bytes()).hexdigest() for file in store.parent.iterdir()} == before
    assert "The kettle sings" in recall(box, "me")
    writing.close()


@pytest.mark.parametrize("make", [lambda path: path.write_text("hello"), lambda path: path.touch(), lambda path: None])
def test_what_is_no_such_store_is_refused_in_a_sentence(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    path = tmp_path / "other.db"
    make(path)
    with pytest.raises(InvalidError, match=r"other\.db (is no Brainstem database|cannot be read)"), opened(path):
        pass
