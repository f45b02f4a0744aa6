"""Vectors in each dialect: which are missing, which lie nearest, and what forgetting leaves of them."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Row, delete, insert, select, text, true

from appliance.storage import Database, postgres_vectors
from appliance.storage.schema import memory_items
from appliance.storage.vectors import VectorIndex

DIMS = 8
MODEL = "model-1"


def item(memory_id: str, tenant_id: str = "home", kind: str = "fact") -> dict[str, Any]:
    return {
        "memory_id": memory_id,
        "tenant_id": tenant_id,
        "agent_id": "scribe",
        "scope": "private",
        "type": kind,
        "text": f"text of {memory_id}",
        "search_text": memory_id,
        "trust_level": "user_claim",
        "trust": 0.7,
        "confidence": 0.66,
        "salience": 0.7,
        "created_at": 0,
        "occurred_at": 0,
    }


def keep(database: Database, *items: dict[str, Any]) -> None:
    database.write(lambda conn: conn.execute(insert(memory_items), items).close())


def forget(database: Database, *memory_ids: str) -> None:
    database.write(lambda conn: conn.execute(delete(memory_items).where(memory_items.c.memory_id.in_(memory_ids))))


def pointing(degrees: float) -> Any:
    """A vector whose cosine to `pointing(0)` is that of the angle."""
    vector = np.zeros(DIMS, dtype=np.float32)
    vector[:2] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vector


def missing(database: Database, index: VectorIndex, limit: int = 100) -> list[Row[Any]]:
    with database.read() as conn:
        return index.missing(conn, limit)


def embed(database: Database, index: VectorIndex, *degrees: float) -> list[Row[Any]]:
    """Give the items that miss one their vectors, in order."""
    rows = missing(database, index, len(degrees))
    database.write(lambda conn: index.store(conn, rows, np.stack([pointing(each) for each in degrees])))
    return rows


def nearest(database: Database, index: VectorIndex, limit: int = 10, visible: Any = None, **more: Any) -> list[str]:
    condition = memory_items.c.tenant_id == "home" if visible is None else visible
    with database.read() as conn:
        found = index.nearest(conn, more.pop("tenant_id", "home"), pointing(0), condition, limit, **more)
    return [row.memory_id for row, _ in found]


@pytest.fixture
def index(database: Database) -> VectorIndex:
    return database.vector_index(MODEL, DIMS)


def test_items_miss_their_vectors_until_they_have_them_the_oldest_first(database: Database, index: VectorIndex) -> None:
    keep(database, item("one"), item("two"), item("three", "elsewhere"))
    rows = missing(database, index, 2)
    assert [(row.memory_id, row.tenant_id, row.text) for row in rows] == [
        ("one", "home", "text of one"),
        ("two", "home", "text of two"),
    ]
    embed(database, index, 10, 20)
    assert [row.memory_id for row in missing(database, index)] == ["three"]
    with database.read() as conn:
        assert index.behind(conn) == 1
    embed(database, index, 30)
    assert missing(database, index) == []


def test_the_nearest_come_first_with_their_cosines(database: Database, index: VectorIndex) -> None:
    keep(database, *(item(name) for name in ("far", "near", "nearer", "opposite")))
    embed(database, index, 80, 20, 10, 180)
    with database.read() as conn:
        found = index.nearest(conn, "home", pointing(0), true(), 10)
    assert [row.memory_id for row, _ in found] == ["nearer", "near", "far", "opposite"]
    cosines = [cosine for _, cosine in found]
    assert cosines == pytest.approx([0.985, 0.94, 0.174, -1], abs=0.01)
    assert found[0][0].text == "text of nearer"


def test_no_more_than_asked_for_and_nothing_farther_than_allowed(database: Database, index: VectorIndex) -> None:
    keep(database, *(item(f"at {degrees}") for degrees in range(0, 90, 10)))
    embed(database, index, *range(0, 90, 10))
    assert nearest(database, index, 2) == ["at 0", "at 10"]
    assert nearest(database, index, 10, least=0.9) == ["at 0", "at 10", "at 20"]


def test_what_the_caller_may_not_see_crowds_out_nothing(database: Database, index: VectorIndex) -> None:
    keep(database, *(item(f"secret {number}", kind="policy") for number in range(100)), item("mine"))
    embed(database, index, *[1.0] * 100, 50)
    visible = memory_items.c.type == "fact"
    assert nearest(database, index, 3, visible) == ["mine"]


def test_another_tenants_items_are_not_found(database: Database, index: VectorIndex) -> None:
    keep(database, item("ours"), item("theirs", "elsewhere"))
    embed(database, index, 40, 0)
    assert nearest(database, index) == ["ours"]
    assert nearest(database, index, visible=memory_items.c.tenant_id == "elsewhere", tenant_id="elsewhere") == [
        "theirs"
    ]


def test_cosines_of_given_items(database: Database, index: VectorIndex) -> None:
    keep(database, item("near"), item("far"), item("later"))
    near, far = embed(database, index, 10, 90)
    later = missing(database, index)[0]
    with database.read() as conn:
        cosines = index.similarities(conn, pointing(0), [near.id, far.id, later.id, 10**9])
        assert index.similarities(conn, pointing(0), []) == {}
    assert cosines == {near.id: pytest.approx(0.985, abs=0.01), far.id: pytest.approx(0, abs=0.01)}


def test_a_text_that_says_nothing_is_near_to_nothing(database: Database, index: VectorIndex) -> None:
    keep(database, item("silent"), item("near"))
    rows = missing(database, index)
    nothing = np.zeros(DIMS, dtype=np.float32)
    database.write(lambda conn: index.store(conn, rows, np.stack([nothing, pointing(5)])))
    assert missing(database, index) == []
    assert nearest(database, index, least=0.1) == ["near"]


def test_a_forgotten_item_is_not_found_and_the_others_are(database: Database, index: VectorIndex) -> None:
    keep(database, item("one"), item("two"), item("three"))
    embed(database, index, 10, 20, 30)
    assert nearest(database, index) == ["one", "two", "three"]
    forget(database, "two")
    assert nearest(database, index) == ["one", "three"]
    keep(database, item("four"))
    embed(database, index, 15)
    assert nearest(database, index) == ["one", "four", "three"]


def test_what_is_forgotten_while_it_is_embedded_gets_no_vector(database: Database, index: VectorIndex) -> None:
    keep(database, item("kept"), item("forgotten"))
    rows = missing(database, index)
    forget(database, "forgotten")
    keep(database, item("new"))  # on SQLite it takes over the row id
    database.write(lambda conn: index.store(conn, rows, np.stack([pointing(10), pointing(0)])))
    assert nearest(database, index) == ["kept"]
    assert [row.memory_id for row in missing(database, index)] == ["new"]
    embed(database, index, 5)
    assert nearest(database, index) == ["new", "kept"]


def test_another_models_vectors_are_not_found_but_made_anew(database: Database, index: VectorIndex) -> None:
    keep(database, item("one"), item("two"))
    embed(database, index, 10, 20)
    other = database.vector_index("model-2", DIMS)
    assert nearest(database, other) == []
    assert [row.memory_id for row in missing(database, other)] == ["one", "two"]
    embed(database, other, 30)
    assert nearest(database, other) == ["one"]
    embed(database, other, 10)
    assert nearest(database, other) == ["two", "one"]
    assert missing(database, other) == []
    assert [row.memory_id for row in missing(database, index)] == ["one", "two"]


def test_started_over_every_vector_is_missing_and_still_found(database: Database, index: VectorIndex) -> None:
    keep(database, item("one"), item("two"), item("three"))
    rows = embed(database, index, 10, 20, 30)
    database.write(index.start_over)
    assert _names(missing(database, index)) == ["one", "two", "three"]
    assert nearest(database, index) == ["one", "two", "three"]
    # A batch that was under way when it was started over does not pass for more than it is.
    database.write(lambda conn: index.store(conn, rows[2:], np.stack([pointing(5)])))
    assert {"one", "two"} <= set(_names(missing(database, index)))
    embed(database, index, *[40] * len(missing(database, index)))
    assert missing(database, index) == []


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the vectors on PostgreSQL count, which a test moves; ask for it before the index."""
    now = [1000.0]
    monkeypatch.setattr(postgres_vectors, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_what_has_had_its_vector_for_long_is_looked_at_every_hour(
    database: Database, seconds: list[float], index: VectorIndex
) -> None:
    keep(database, item("one"), item("two"))
    embed(database, index, 10, 20)
    for _ in range(2):
        assert missing(database, index) == []
        seconds[0] += 130
    assert missing(database, index) == []
    lost = text("DELETE FROM item_embeddings WHERE item_id = (SELECT min(item_id) FROM item_embeddings)")
    database.write(lambda conn: conn.execute(lost).close())
    keep(database, item("three"))
    assert _names(embed(database, index, 30)) == ["three"]
    with database.read() as conn:
        assert index.behind(conn) == 0
    seconds[0] += 3600
    assert _names(missing(database, index)) == ["one"]
    with database.read() as conn:
        assert index.behind(conn) == 1


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_an_item_that_comes_after_younger_ones_is_missed_too(
    database: Database, seconds: list[float], index: VectorIndex
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(conn: Connection) -> None:
        conn.execute(insert(memory_items), [item("slow")])
        begun.set()
        assert go_on.wait(30)

    thread = threading.Thread(target=database.write, args=(slowly,))
    thread.start()
    assert begun.wait(30)
    keep(database, item("quick"))
    assert _names(embed(database, index, 10)) == ["quick"]
    assert missing(database, index) == []
    seconds[0] += 60  # the longest that a statement takes
    assert missing(database, index) == []
    go_on.set()
    thread.join(30)
    seconds[0] += 70
    assert _names(missing(database, index)) == ["slow"]


def test_what_is_made_anew_is_missed_together_with_what_is_new(database: Database, index: VectorIndex) -> None:
    keep(database, item("one"), item("two"))
    embed(database, index, 10, 20)
    database.write(index.start_over)
    keep(database, item("three"))
    assert _names(missing(database, index)) == ["one", "two", "three"]
    assert _names(missing(database, index, 1)) == ["one"]
    with database.read() as conn:
        assert index.behind(conn) == 3
    embed(database, index, 10, 20, 30)
    assert missing(database, index) == []


def _names(rows: Sequence[Row[Any]]) -> list[str]:
    return [row.memory_id for row in rows]


def test_a_reader_sees_the_vectors_of_its_own_snapshot(database: Database, index: VectorIndex) -> None:
    keep(database, item("old"), item("older"))
    embed(database, index, 10, 20)
    with database.read() as earlier:
        earlier.execute(select(memory_items.c.id)).all()  # its snapshot begins
        forget(database, "old")
        keep(database, item("new"))
        embed(database, index, 0)
        assert nearest(database, index) == ["new", "older"]
        seen = [row.memory_id for row, _ in index.nearest(earlier, "home", pointing(0), true(), 10)]
        assert set(seen) <= {"old", "older"}
        assert "older" in seen
    assert nearest(database, index) == ["new", "older"]


def test_random_keeping_and_forgetting_leaves_what_a_plain_search_finds(database: Database, index: VectorIndex) -> None:
    chance = np.random.default_rng(20261120)
    there: dict[str, float] = {}
    for turn in range(60):
        if there and chance.random() < 0.4:
            gone = str(chance.choice(sorted(there)))
            forget(database, gone)
            del there[gone]
        else:
            degrees = float(turn * 2)
            keep(database, item(f"item {turn}"))
            embed(database, index, degrees)
            there[f"item {turn}"] = degrees
        if turn % 5 == 0:
            assert nearest(database, index, 100) == sorted(there, key=lambda name: there[name])
    assert nearest(database, index, 100) == sorted(there, key=lambda name: there[name])
