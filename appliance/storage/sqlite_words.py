"""Words on SQLite: which items the full-text index has for a question, among those that the caller may see.

Searches give row ids, and what is found in several ways is read once. They are written as text: putting a statement
together took SQLAlchemy longer than SQLite takes to answer it. Only the caller's condition is a Core expression.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, text

from appliance.storage.direct import fetched, written
from appliance.storage.schema import memory_items

# Whether a match may be seen costs a look at its row, for a common word tens of thousands of them. So first only this
# many times as many of the best matches as are asked for are looked at; when enough of them are visible, they are
# what a look at all matches would have found.
_AHEAD = 2
_ALL = -1
_WORDS_ALONE = 32  # of a query's words that are looked for each alone, too
# CROSS JOIN: in this order, as FTS5 can be asked for a word only once it is known.
_WITH_MOST = """
    SELECT memory_items.id FROM (
        SELECT fts.rowid AS item_id, count(*) AS shared FROM json_each(?) AS words
        CROSS JOIN memory_fts AS fts WHERE fts.memory_fts MATCH words.value
        GROUP BY fts.rowid ORDER BY shared DESC, item_id DESC LIMIT ?
    ) AS matches
    CROSS JOIN memory_items ON memory_items.id = matches.item_id
    WHERE {visible} ORDER BY matches.shared DESC, matches.item_id DESC LIMIT ?
"""
_NEWEST_WITH = """
    SELECT memory_items.id FROM memory_fts CROSS JOIN memory_items ON memory_items.id = memory_fts.rowid
    WHERE memory_fts MATCH ? AND {visible} ORDER BY memory_fts.rowid DESC LIMIT ?
"""
_items = text(
    "SELECT memory_items.* FROM json_each(:ids) AS given CROSS JOIN memory_items ON memory_items.id = given.value"
).columns(*memory_items.c)


def with_words(conn: Connection, words: Sequence[str], visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
    """See `Database.full_text`."""
    asked = [_expression(word) for word in words]
    condition, values = written(visible, conn.dialect)
    found = dict.fromkeys(_with_most(conn, json.dumps(asked), condition, values, limit))
    newest = _NEWEST_WITH.format(visible=condition)
    for word in asked[:_WORDS_ALONE]:  # a rare word must not drown among rows that have more of the common ones
        found |= dict.fromkeys(_ids(conn, newest, word, *values, -(-limit // len(asked))))
    return items(conn, list(found))


def with_phrase(conn: Connection, phrase: Sequence[str], visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
    """See `Database.containing`."""
    condition, values = written(visible, conn.dialect)
    expression = " + ".join(f'"{word}"' for word in phrase)
    return items(conn, _ids(conn, _NEWEST_WITH.format(visible=condition), expression, *values, limit))


def items(conn: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """The rows of `memory_items` with these row ids, in their order."""
    return list(conn.execute(_items, {"ids": json.dumps(ids)}).all())


def _with_most(conn: Connection, asked: str, condition: str, values: Sequence[Any], limit: int) -> list[int]:
    """The visible items that have most of the words, the newest of equals first.

    Not by bm25(): it weighs words by how many rows of the whole store have them, so which rows are found, and which
    are not, would tell a caller what others wrote. Which words are rare among the found is for `memory/rank.py`.
    """
    statement = _WITH_MOST.format(visible=condition)
    ids = _ids(conn, statement, asked, _AHEAD * limit, *values, limit)
    if len(ids) < limit:  # the best are not for the caller's eyes, or there are no more: ask exactly
        ids = _ids(conn, statement, asked, _ALL, *values, limit)
    return ids


def _ids(conn: Connection, statement: str, *values: object) -> list[int]:
    return [row[0] for row in fetched(conn, statement, values)]


def _expression(word: str) -> str:
    """`word` for FTS5; one unsegmented character also matches pairs that begin with it."""
    return f'"{word}"*' if len(word) == 1 and not word.isascii() else f'"{word}"'
