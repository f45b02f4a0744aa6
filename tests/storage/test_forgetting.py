"""After a scrub the words of deleted items are in none of the database's files."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from sqlite3 import connect
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select

from appliance.errors import StorageError
from appliance.storage import Database, open_database, sqlite
from appliance.storage.schema import box_state, memory_items

# What stays in the files of a server is the server's (docs/postgresql.md).
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SECRET = b"zanzibarwhistle"
KEPT = b"quicksilverlantern"


def item(memory_id: str, text: str) -> dict[str, Any]:
    return {
        "memory_id": memory_id,
        "tenant_id": "home",
        "agent_id": "scribe",
        "scope": "private",
        "type": "fact",
        "text": text,
        "search_text": text,
        "trust_level": "user_claim",
        "trust": 0.7,
        "confidence": 0.66,
        "salience": 0.7,
        "created_at": 0,
        "occurred_at": 0,
    }


def files_with(word: bytes, directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file() and word in path.read_bytes())


def remember_both(database: Database) -> None:
    def work(conn: Connection) -> None:
        for number in range(50):
            conn.execute(insert(memory_items), item(f"kept{number}", f"{KEPT.decode()} number{number}"))
        conn.execute(insert(memory_items), item("secret", f"{SECRET.decode()} opens the gate"))

    database.write(work)


def forget_secret(database: Database) -> None:
    def work(conn: Connection) -> None:
        conn.execute(delete(memory_items).where(memory_items.c.memory_id == "secret"))
        database.mark_for_scrub(conn)

    database.write(work)


def put(conn: Connection, key: str) -> None:
    conn.execute(insert(box_state), {"key": key, "value": ""})


def is_due(database: Database) -> bool:
    with database.read() as conn:
        return conn.execute(select(box_state).where(box_state.c.key == "scrub_due")).first() is not None


def wait_until_scrubbed(database: Database) -> None:
    deadline = monotonic() + 60
    while is_due(database):
        assert monotonic() < deadline
        sleep(0.01)


def test_a_forgotten_word_is_in_no_file_after_a_scrub(database: Database, tmp_path: Path) -> None:
    remember_both(database)
    assert files_with(SECRET, tmp_path)
    forget_secret(database)
    assert is_due(database)
    database.scrub()
    assert files_with(SECRET, tmp_path) == []
    assert files_with(KEPT, tmp_path)
    assert not is_due(database)
    assert database.check() == []


def test_a_scrub_that_a_reader_held_up_is_done_once_the_reader_is_gone(database: Database, tmp_path: Path) -> None:
    remember_both(database)
    database.write(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout = 20").close())
    with database.read() as conn:
        conn.execute(select(memory_items.c.id)).all()
        forget_secret(database)
        database.scrub()
        assert is_due(database)
        assert files_with(SECRET, tmp_path)
    database.scrub()
    assert not is_due(database)
    assert files_with(SECRET, tmp_path) == []


def test_a_scrub_comes_by_itself_also_while_writes_never_pause(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SCRUB_AFTER_SECONDS", 0.05)
    remember_both(database)
    forget_secret(database)

    def until_scrubbed(writer: int) -> int:
        for number in range(5_000):
            database.write(partial(put, key=f"{writer}.{number}"))
            if not is_due(database):
                return number
        return -1

    with ThreadPoolExecutor(2) as pool:
        assert all(number >= 0 for number in pool.map(until_scrubbed, range(2)))
    assert files_with(SECRET, tmp_path) == []


def test_a_scrub_that_was_due_when_the_box_stopped_is_done_after_the_next_start(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_both(database)
    forget_secret(database)
    database.close()
    monkeypatch.setattr(sqlite, "SCRUB_AFTER_SECONDS", 0.0)
    reopened = open_database(tmp_path / "membox.db")
    try:
        wait_until_scrubbed(reopened)
        assert files_with(SECRET, tmp_path) == []
    finally:
        reopened.close()


def test_a_scrub_that_fails_does_not_stop_the_writer_and_is_tried_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_both(database)
    database.write(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout = 20").close())
    monkeypatch.setattr(sqlite, "_SCRUB_AGAIN_SECONDS", 0.0)
    forget_secret(database)
    other = connect(tmp_path / "membox.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError):
        database.scrub()
    other.execute("ROLLBACK")
    other.close()
    wait_until_scrubbed(database)
    assert files_with(SECRET, tmp_path) == []
