"""How SQLite goes about the queries of every write: by what is asked for, never through a whole tenant."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import sqlite

from appliance.memory import similarity
from appliance.storage import sqlite_words


def plan(path: Path, statement: str, values: int) -> list[str]:
    conn = sqlite3.connect(path)
    try:
        return [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}", [0] * values)]
    finally:
        conn.close()


def test_neighbours_are_looked_up_by_their_bands(empty_database: Path) -> None:
    sharing: Any = similarity._sharing(3)
    statement = str(sharing._statement.compile(dialect=sqlite.dialect()))
    steps = plan(empty_database, statement, statement.count("?"))
    assert steps == [
        "SEARCH similarity_bands USING PRIMARY KEY (band=?)",
        "SEARCH memory_items USING INTEGER PRIMARY KEY (rowid=?)",
    ]


def test_what_happened_then_is_looked_up_by_its_time(empty_database: Path) -> None:
    statement = "SELECT * FROM memory_items WHERE tenant_id = ? AND occurred_at BETWEEN ? AND ?"
    (step,) = plan(empty_database, statement, 3)
    assert "USING INDEX ix_memory_items_occurred_at (occurred_at>? AND occurred_at<?)" in step


def test_the_newest_with_a_word_come_from_the_index_in_their_order(empty_database: Path) -> None:
    statement = sqlite_words._NEWEST_WITH.format(visible="memory_items.tenant_id = ?")
    index, row = plan(empty_database, statement, 3)
    assert index.startswith("SCAN memory_fts VIRTUAL TABLE")
    assert row == "SEARCH memory_items USING INTEGER PRIMARY KEY (rowid=?)"


def test_only_the_best_by_their_words_are_looked_up(empty_database: Path) -> None:
    steps = plan(empty_database, sqlite_words._WITH_MOST.format(visible="memory_items.tenant_id = ?"), 4)
    assert steps[0] in ("CO-ROUTINE matches", "MATERIALIZE matches")  # with its limit, before any row is looked at
    assert steps.index("SEARCH memory_items USING INTEGER PRIMARY KEY (rowid=?)") > steps.index("SCAN matches")
