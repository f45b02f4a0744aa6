"""Moving a store to PostgreSQL: everything is there afterwards, numbered on, and proved; or nothing is."""

import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Float, Integer, LargeBinary, insert, select
from sqlalchemy.types import TypeEngine

from appliance.errors import ConflictError, StorageError
from appliance.storage import Database, copying, moving, open_database, open_postgres, schema
from appliance.storage.copying import tables

ODD = "Ж東京 'quoted' \\ \n\t 👍"


@pytest.fixture
def source(tmp_path: Path, empty_database: Path) -> Iterator[Database]:
    path = tmp_path / "membox.db"
    path.write_bytes(empty_database.read_bytes())
    opened = open_database(path)
    yield opened
    opened.close()


@pytest.fixture
def target(postgres_dsn: str) -> Iterator[Database]:
    opened = open_postgres(postgres_dsn, keeps=False)
    yield opened
    opened.close()


def filled(database: Database, rows: int = 30) -> None:
    """Put rows into every table, their values made up by the columns' types."""
    made = random.Random(7)

    def value(name: str, kind: TypeEngine[Any], number: int) -> Any:
        match kind:
            case Boolean():
                return number % 2 == 0
            case Float():
                return made.random()
            case LargeBinary():
                return made.randbytes(40)
            case Integer():
                return (
                    number
                    if name in ("id", "number") or name.endswith("_id")
                    else made.getrandbits(40 if isinstance(kind, BigInteger) else 30)
                )
        length = min(getattr(kind, "length", None) or 60, 60)
        return (f"{number}-" + "".join(made.choices(string.ascii_letters, k=8)) + ODD)[:length]

    def work(conn: Any) -> None:
        for table in tables():
            conn.execute(
                insert(table),
                [{c.name: value(c.name, c.type, number) for c in table.columns} for number in range(1, rows + 1)],
            )

    database.write(work)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.read() as conn:
        return {
            table.name: sorted(map(tuple, conn.execute(select(table)).all()), key=repr)
            for table in tables()
            if table is not schema.box_state
        }


def test_every_row_of_every_table_is_there(source: Database, target: Database) -> None:
    filled(source)
    moved = moving.move(source, target, "the server")
    assert contents(target) == contents(source)
    assert moved.rows == {table.name: 30 for table in tables()}


def test_what_is_added_afterwards_gets_new_numbers(source: Database, target: Database) -> None:
    filled(source)
    moving.move(source, target, "the server")
    row = {"at": 1, "tenant_id": "home", "actor": "me", "action": "forget", "subject": "mem_1"}
    target.write(lambda conn: conn.execute(insert(schema.audit_log), row))
    with target.read() as conn:
        assert conn.execute(select(schema.audit_log.c.id).where(schema.audit_log.c.actor == "me")).scalar_one() == 31


def test_words_are_found_there(source: Database, target: Database) -> None:
    filled(source)
    moving.move(source, target, "the server")
    with target.read() as conn:
        assert len(target.full_text(conn, ["quoted"], schema.memory_items.c.id > 0, 100)) == 30
    assert target.check() == []


def test_a_store_that_holds_something_is_left_alone(source: Database, target: Database) -> None:
    filled(source)
    moving.move(source, target, "the server")
    before = contents(target)
    with pytest.raises(ConflictError, match="the server holds a box's data already"):
        moving.move(source, target, "the server")
    assert contents(target) == before


def test_what_does_not_read_back_the_same_is_not_kept(
    source: Database, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(source)

    def careless(theirs: Any, ours: Any) -> dict[str, int]:
        counts = copying.copy_rows(theirs, ours)
        ours.execute(schema.audit_log.update().where(schema.audit_log.c.id == 7).values(actor="somebody else"))
        return counts

    monkeypatch.setattr(moving, "copy_rows", careless)
    with pytest.raises(StorageError, match="audit_log was not the same"):
        moving.move(source, target, "the server")
    assert not any(contents(target).values())
