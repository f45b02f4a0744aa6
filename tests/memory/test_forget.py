"""Forgetting: gone from everything but a tombstone and an audit line (who may is in test_visibility)."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.errors import ConflictError, NotFoundError
from appliance.memory import Memory
from appliance.storage import Database, schema


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    with database.read() as conn:
        return [dict(row._mapping) for row in conn.execute(select(table))]


def test_nothing_of_a_forgotten_item_stays_but_that_it_was_there(ada: Any, database: Database) -> None:
    memory_id = ada.keep("zanzibarwhistle opens the gate")
    ada.keep("the gate is green")
    assert ada.forget(memory_id).model_dump() == {"memory_id": memory_id, "deleted": True}
    assert ada.recall("zanzibarwhistle gate") == ["the gate is green"]
    with pytest.raises(NotFoundError):
        ada.inspect(memory_id)
    assert rows(database, schema.tombstones) == [
        {"memory_id": memory_id, "tenant_id": "home", "deleted_at": 1_795_165_200_000}
    ]
    (line,) = rows(database, schema.audit_log)
    assert (line["actor"], line["action"], line["subject"]) == ("ada", "forget", memory_id)
    left = {band["item_id"] for band in rows(database, schema.similarity_bands)}
    assert left == {item["id"] for item in rows(database, schema.memory_items)}
    assert database.check() == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_its_words_are_in_no_file_after_the_scrub(ada: Any, database: Database, tmp_path: Path) -> None:
    kept = [ada.keep(f"quicksilverlantern number {number}") for number in range(20)]
    ada.remember("zanzibarwhistle opens the gate", idempotency_key="zanzibar-key")
    (secret,) = [item["memory_id"] for item in rows(database, schema.memory_items) if item["memory_id"] not in kept]
    ada.forget(secret)
    database.scrub()
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"zanzibarwhistle" not in content
    assert b"quicksilverlantern" in content
    assert len(ada.recall("quicksilverlantern", budget={"max_items": 100})) == 20


def test_an_unknown_item_is_not_found(ada: Any) -> None:
    for memory_id in ("mem_0", "", "x" * 500, "'; DROP TABLE memory_items; --"):
        with pytest.raises(NotFoundError) as missing:
            ada.forget(memory_id)
        assert missing.value.word == "memory_not_found"


def test_two_who_forget_at_once_succeed_once(caller: Any, memory: Memory) -> None:
    """The second finds nothing, also when it looked before the first was done."""
    ada = caller("ada")
    memory_id = ada.keep("the gate code")

    def forgotten_meanwhile(_memory_id: str, _author: str) -> bool:
        memory.forget_section = lambda *_: False
        caller("root", "admin").forget(memory_id)
        return False

    memory.forget_section = forgotten_meanwhile
    with pytest.raises(NotFoundError):
        ada.forget(memory_id)


def test_a_notebook_section_is_forgotten_by_the_notebook(caller: Any, memory: Memory, database: Database) -> None:
    asked: list[tuple[str, str]] = []

    def section(memory_id: str, author: str) -> bool:
        asked.append((memory_id, author))
        return True

    ada = caller("ada")
    memory_id = ada.keep("a line of a file")
    memory.forget_section = section
    assert ada.forget(memory_id).deleted
    assert asked == [(memory_id, "ada")]
    assert rows(database, schema.tombstones) == []  # the notebook's own transaction does it all


def test_what_the_notebook_refuses_is_told(ada: Any, memory: Memory) -> None:
    def refuse(_memory_id: str, _author: str) -> bool:
        raise ConflictError("edit_conflict")

    memory_id = ada.keep("a line of a file")
    memory.forget_section = refuse
    with pytest.raises(ConflictError):
        ada.forget(memory_id)
    assert ada.recall("line") == ["a line of a file"]
