"""Versions in the database: append one, read any, rewrite a history when something is forgotten."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, func, insert, select, update

from appliance.notebook import deltas
from appliance.notebook.models import VersionInfo
from appliance.notebook.plaintext import digest, lines_of
from appliance.storage.schema import document_versions as versions_table
from appliance.storage.schema import documents as documents_table

FORGET = "forget"
DELETED = "deleted"

_DIFF_LINES = 2000


@dataclass(frozen=True)
class Stored:
    """A document's row with its newest version's author and time."""

    id: int
    path: str
    version: int
    hash: str
    deleted: bool
    author: str
    changed_at: int
    chain: tuple[int, int] | None = None
    """Deltas since the last whole version, and their bytes; None when not counted yet."""


def stored_documents(conn: Connection) -> list[Stored]:
    """Every document the database knows, the deleted too."""
    newest = versions_table.c
    rows = conn.execute(
        select(documents_table, newest.author, newest.created_at).join(
            versions_table, (newest.document_id == documents_table.c.id) & (newest.number == documents_table.c.version)
        )
    )
    return [
        Stored(row.id, row.path, row.version, row.content_hash, row.deleted, row.author, row.created_at) for row in rows
    ]


def append(
    conn: Connection, before: Stored | None, previous: str, path: str, text: str, author: str, reason: str, at: int
) -> Stored:
    """Store `text` as the next version of `path`; `previous` is the text of the version `before`."""
    content_hash, deleted = digest(text), reason == DELETED
    number = before.version + 1 if before else 1
    if before is None:
        row = {"path": path, "version": number, "content_hash": content_hash, "deleted": deleted}
        document_id = conn.execute(insert(documents_table).values(row).returning(documents_table.c.id)).scalar_one()
    else:
        document_id = before.id
        changed = {"version": number, "content_hash": content_hash, "deleted": deleted}
        conn.execute(update(documents_table).where(documents_table.c.id == document_id).values(changed))
    chain, size = (before.chain or _chain(conn, document_id)) if before else (0, 0)
    is_full, body = deltas.encode(previous if before else None, text, chain, size)
    chain, size = (0, 0) if is_full else (chain + 1, size + len(body))
    added, removed = changed_lines(previous, text)
    conn.execute(
        insert(versions_table).values(
            document_id=document_id,
            number=number,
            created_at=at,
            author=author,
            reason=reason,
            is_full=is_full,
            body=body,
            content_hash=content_hash,
            lines_added=added,
            lines_removed=removed,
        )
    )
    return Stored(document_id, path, number, content_hash, deleted, author, at, (chain, size))


def _chain(conn: Connection, document_id: int) -> tuple[int, int]:
    """How many deltas follow the last whole version, and their bytes."""
    table = versions_table.c
    row = conn.execute(
        select(func.count(), func.coalesce(func.sum(func.length(table.body)), 0)).where(
            table.document_id == document_id, table.number > _last_full(document_id)
        )
    ).one()
    return int(row[0]), int(row[1])


def _last_full(document_id: int, until: int | None = None) -> ScalarSelect[Any]:
    table = versions_table.c
    query = select(func.max(table.number)).where(table.document_id == document_id, table.is_full)
    return (query if until is None else query.where(table.number <= until)).scalar_subquery()


def changed_lines(old: str, new: str) -> tuple[int, int]:
    """How many lines were added and removed between two texts."""
    same = deltas.shared(old, new)
    before, after = lines_of(same.middle(old)), lines_of(same.middle(new))
    if not before or not after:
        return len(after), len(before)
    if max(len(before), len(after)) > _DIFF_LINES:  # a precise comparison could take minutes
        gone, come = Counter(before), Counter(after)
        return (come - gone).total(), (gone - come).total()
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = sum(block.size for block in blocks)
    return len(after) - kept, len(before) - kept


def text_at(conn: Connection, document_id: int, number: int) -> str | None:
    """The text of a version; None when there is no such version."""
    return next((text for _, text in texts_between(conn, document_id, number, number)), None)


def texts_between(conn: Connection, document_id: int, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Number and text of the versions from `first` to `last`, oldest first; one walk along the deltas."""
    table = versions_table.c
    rows = conn.execute(
        select(table.number, table.is_full, table.body)
        .where(
            table.document_id == document_id,
            table.number <= last,
            table.number >= _last_full(document_id, first),
        )
        .order_by(table.number)
    )
    text = None
    for row in rows:
        text = deltas.apply(text, row.is_full, row.body)
        if row.number >= first:
            yield row.number, text


def number_with_hash(conn: Connection, document_id: int, content_hash: str) -> int | None:
    """The newest version that has this content; None when none has."""
    table = versions_table.c
    query = select(func.max(table.number)).where(table.document_id == document_id, table.content_hash == content_hash)
    number: int | None = conn.execute(query).scalar()
    return number


def all_texts(conn: Connection, document_id: int) -> Iterator[tuple[Row[Any], str]]:
    """Every version's row and text, oldest first."""
    table = versions_table.c
    text: str | None = None
    query = select(versions_table).where(table.document_id == document_id).order_by(table.number)
    for row in conn.execute(query):
        text = deltas.apply(text, row.is_full, row.body)
        yield row, text


def history(conn: Connection, document_id: int | None, limit: int, before: int | None) -> list[VersionInfo]:
    """The newest `limit` versions of one document or of all, newest first.

    Args:
        before: only older ones: than this number for one document, than this time (epoch milliseconds) for all.
    """
    table = versions_table.c
    query = select(
        documents_table.c.path,
        table.number,
        table.created_at,
        table.author,
        table.reason,
        table.lines_added,
        table.lines_removed,
    ).join(documents_table, documents_table.c.id == table.document_id)
    if document_id is not None:
        query = query.where(table.document_id == document_id).order_by(table.number.desc())
        query = query if before is None else query.where(table.number < before)
    else:
        query = query.order_by(table.created_at.desc(), table.document_id, table.number.desc())
        query = query if before is None else query.where(table.created_at < before)
    return [VersionInfo(**row._mapping, removed=row.reason == FORGET) for row in conn.execute(query.limit(limit))]


def reason_of(conn: Connection, document_id: int, number: int) -> str | None:
    """Why the version was made; None when there is none."""
    table = versions_table.c
    query = select(table.reason).where(table.document_id == document_id, table.number == number)
    reason: str | None = conn.execute(query).scalar()
    return reason


@dataclass(frozen=True)
class Rewritten:
    """A past version in its new form."""

    number: int
    is_full: bool
    body: bytes
    content_hash: str
    lines_added: int
    lines_removed: int


def reencoded(texts: Sequence[tuple[int, str]] | Iterator[tuple[int, str]]) -> list[Rewritten]:
    """The whole history of a document encoded anew, from its numbers and texts, oldest first."""
    chain = size = 0
    previous: str | None = None
    result: list[Rewritten] = []
    for number, text in texts:
        is_full, body = deltas.encode(previous, text, chain, size)
        chain, size = (0, 0) if is_full else (chain + 1, size + len(body))
        result.append(Rewritten(number, is_full, body, digest(text), *changed_lines(previous or "", text)))
        previous = text
    return result


def rewrite(conn: Connection, document_id: int, versions: Sequence[Rewritten]) -> None:
    """Replace the stored bodies of a document's versions."""
    table = versions_table.c
    for version in versions:
        values = {
            "is_full": version.is_full,
            "body": version.body,
            "content_hash": version.content_hash,
            "lines_added": version.lines_added,
            "lines_removed": version.lines_removed,
        }
        conn.execute(
            update(versions_table)
            .where(table.document_id == document_id, table.number == version.number)
            .values(values)
        )
