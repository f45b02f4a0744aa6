"""SQLite's copies of vectors in memory: they follow what is written and forgotten, and stay within bounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, func, insert, select, true

from appliance.storage import Database, sqlite_vectors
from appliance.storage.schema import item_vectors, memory_items, removed_vectors
from appliance.storage.sqlite_vectors import SqliteVectors

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DIMS = 4


@pytest.fixture
def index(database: Database) -> SqliteVectors:
    return SqliteVectors("model", DIMS)


def keep(database: Database, index: SqliteVectors, tenant_id: str, **vectors: Sequence[float]) -> None:
    """Items with their vectors."""
    item: dict[str, Any] = {"agent_id": "a", "scope": "team", "type": "fact", "trust_level": "user_claim"}
    item |= dict.fromkeys(("trust", "confidence", "salience", "created_at", "occurred_at"), 0)
    item |= {"tenant_id": tenant_id, "text": "x", "search_text": "x"}
    rows = [{**item, "memory_id": memory_id} for memory_id in vectors]
    database.write(lambda conn: conn.execute(insert(memory_items), rows).close())
    with database.read() as conn:
        missing = index.missing(conn, len(rows))
    numbers = np.array(list(vectors.values()), dtype=np.float32)
    database.write(lambda conn: index.store(conn, missing, numbers / np.linalg.norm(numbers, axis=1, keepdims=True)))


def forget(database: Database, *memory_ids: str) -> None:
    database.write(lambda conn: conn.execute(delete(memory_items).where(memory_items.c.memory_id.in_(memory_ids))))


def found(database: Database, index: SqliteVectors, tenant_id: str = "home") -> list[str]:
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    with database.read() as conn:
        return [row.memory_id for row, _ in index.nearest(conn, tenant_id, vector, true(), 1000)]


def held(index: SqliteVectors, tenant_id: str = "home") -> int:
    """How many vectors are in memory."""
    copy = index._copies.get(tenant_id)
    return sum(len(block.ids) for block in copy.blocks) if copy else 0


def test_a_forgotten_vector_leaves_memory_and_file(database: Database, index: SqliteVectors, tmp_path: Path) -> None:
    telling = np.array([127, -113, 101, -97], dtype=np.float32)
    keep(database, index, "home", secret=telling.tolist(), other=[1, 1, 1, 1])
    assert found(database, index) == ["secret", "other"]
    stored = telling.astype(np.int8).tobytes()  # its largest number becomes 127
    assert stored in b"".join(path.read_bytes() for path in tmp_path.glob("membox.db*"))
    forget(database, "secret")
    assert found(database, index) == ["other"]
    assert held(index) == 1
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(item_vectors)).scalar() == 1
    database.scrub()
    assert stored not in b"".join(path.read_bytes() for path in tmp_path.glob("membox.db*"))


def test_a_write_that_is_undone_changes_no_copy(database: Database, index: SqliteVectors) -> None:
    keep(database, index, "home", one=[1, 0, 0, 0])

    def fail(conn: Any) -> None:
        conn.execute(delete(memory_items))
        raise ZeroDivisionError

    assert found(database, index) == ["one"]
    with pytest.raises(ZeroDivisionError):
        database.write(fail)
    assert found(database, index) == ["one"]


def test_an_older_snapshot_brings_nothing_back(database: Database, index: SqliteVectors) -> None:
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    keep(database, index, "home", kept=[1, 1, 0, 0], gone=[1, 0, 0, 0])
    with database.read() as earlier:
        earlier.execute(select(memory_items.c.id)).all()
        forget(database, "gone")
        assert found(database, index) == ["kept"]
        assert [row.memory_id for row, _ in index.nearest(earlier, "home", vector, true(), 10)] == ["kept"]
        assert held(index) == 1
    assert held(index) == 1


def test_a_copy_that_missed_too_much_is_made_anew(
    database: Database, index: SqliteVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_vectors, "_REMEMBERED", 3)
    keep(database, index, "home", **{f"item {number}": [1, number, 0, 0] for number in range(10)})
    assert len(found(database, index)) == 10
    forget(database, *(f"item {number}" for number in range(8)))
    keep(database, index, "home", last=[1, 0, 0, 0])  # drops all but the last ids of those that went
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(removed_vectors)).scalar() == 3
    assert found(database, index) == ["last", "item 8", "item 9"]
    assert held(index) == 3


def test_small_additions_are_joined_into_large_blocks(
    database: Database, index: SqliteVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_vectors, "_BLOCK_ROWS", 4)
    for number in range(10):
        keep(database, index, "home", **{f"item {number}": [1, number, 0, 0]})
        assert found(database, index) == [f"item {each}" for each in range(number + 1)]
    assert [len(block.ids) for block in index._copies["home"].blocks] == [4, 4, 2]


def test_the_tenants_that_asked_longest_ago_give_up_their_copies(
    database: Database, index: SqliteVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        keep(database, index, f"tenant {number}", **{f"of {number}": [1, 0, 0, 0]})
    assert found(database, index, "tenant 0") == ["of 0"]
    one = index._copies["tenant 0"].bytes
    monkeypatch.setattr(sqlite_vectors, "_MEMORY_BYTES", 2 * one)
    for number in range(5):
        assert found(database, index, f"tenant {number}") == [f"of {number}"]
    assert list(index._copies) == ["tenant 3", "tenant 4"]
    assert found(database, index, "tenant 0") == ["of 0"]


def test_numbers_too_large_for_a_product_of_bytes_are_multiplied_right(
    database: Database, index: SqliteVectors
) -> None:
    keep(database, index, "home", one=[1, 1, 1, 1])
    same = np.full(DIMS, 0.5, dtype=np.float32)
    with database.read() as conn:
        ((_, cosine),) = index.nearest(conn, "home", same, true(), 1)
    assert cosine == pytest.approx(1, abs=0.01)
