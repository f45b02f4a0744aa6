"""The notebook's sections as memory items: kept in step with a file inside the notebook's own transaction.

A section whose words did not change keeps its item; only its lines are renewed, so an edit at the top of a long
file does not rewrite the index (contract memory-api, Recall: a notebook section is a team item).
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select, update

from appliance.clock import Clock, to_ms
from appliance.memory import similarity, summaries
from appliance.memory.deleting import delete_items, leave_tombstone, take_out
from appliance.memory.models import NOTEBOOK_REF, ItemType, NewItem, Scope, TrustLevel
from appliance.memory.remember import insert_items, new_row
from appliance.quoting import without_recalled
from appliance.storage.schema import memory_items, notebook_sections
from appliance.text import content_words

NOTEBOOK_AGENT = "notebook"


class Section(Protocol):
    """A piece of a notebook file: its text, its lines (from 1, inclusive), and how it counts."""

    # Properties, so that a frozen dataclass satisfies them.
    @property
    def text(self) -> str: ...  # noqa: D102 - told above
    @property
    def first_line(self) -> int: ...  # noqa: D102 - told above
    @property
    def last_line(self) -> int: ...  # noqa: D102 - told above
    @property
    def type(self) -> str: ...  # noqa: D102 - told above
    @property
    def trust_level(self) -> str: ...  # noqa: D102 - told above
    @property
    def occurred_at(self) -> int | None: ...  # noqa: D102 - told above


class NotebookSections:
    """Writes notebook files into memory as items of `tenant_id`; satisfies the notebook's `SectionIndex`."""

    def __init__(self, tenant_id: str, clock: Clock) -> None:
        self._tenant_id, self._clock = tenant_id, clock

    def replace(self, conn: Connection, path: str, sections: Sequence[Section]) -> None:
        """Make the items of `path` those of `sections`: unchanged ones keep their id, gone ones are deleted."""
        known: dict[str, list[Any]] = {}
        rows = conn.execute(
            select(notebook_sections, memory_items.c.id, memory_items.c.tenant_id, memory_items.c.text)
            .join(memory_items, memory_items.c.id == notebook_sections.c.item_id)
            .where(notebook_sections.c.path == path)
            .order_by(notebook_sections.c.first_line)
        )
        for row in rows:
            known.setdefault(row.content_hash, []).append(row)
        added = []
        for section in sections:
            same = known.get(_content_hash(section))
            if same:
                self._renew_lines(conn, same.pop(0), section)
            else:
                added.append(section)
        bereft = take_out(conn, [row for rows in known.values() for row in rows])
        summaries.settle(conn, bereft, heirs=self._add(conn, path, added))

    def append(self, conn: Connection, path: str, sections: Sequence[Section]) -> None:
        """Add items for `sections`, which the file did not have before."""
        self._add(conn, path, sections)

    def _add(self, conn: Connection, path: str, sections: Sequence[Section]) -> list[int]:
        now = to_ms(self._clock())
        kept = [(section, text) for section in sections if (text := without_recalled(section.text).strip())]
        rows = [self._row(path, section, text, now) for section, text in kept]
        bands = [similarity.sketch(self._tenant_id, content_words(text)) for _, text in kept]
        row_ids = insert_items(conn, rows, bands)
        links = [
            {
                "item_id": row_id,
                "path": path,
                "first_line": section.first_line,
                "last_line": section.last_line,
                "content_hash": _content_hash(section),
            }
            for row_id, (section, _) in zip(row_ids, kept, strict=True)
        ]
        if links:
            conn.execute(insert(notebook_sections), links)
        return row_ids

    def forget(self, conn: Connection, memory_id: str) -> None:
        """Delete a section's item, leave a tombstone: no other section of the same words may take over its id."""
        mine = (memory_items.c.memory_id == memory_id, memory_items.c.tenant_id == self._tenant_id)
        delete_items(conn, conn.execute(select(memory_items).where(*mine)).all())
        leave_tombstone(conn, self._tenant_id, memory_id, to_ms(self._clock()))

    def lines_of(self, conn: Connection, memory_id: str) -> tuple[str, int, int] | None:
        """(path, first line, last line) of a section's item; None when the item is not the notebook's."""
        row = conn.execute(
            select(notebook_sections)
            .join(memory_items, memory_items.c.id == notebook_sections.c.item_id)
            .where(memory_items.c.memory_id == memory_id, memory_items.c.tenant_id == self._tenant_id)
        ).first()
        return (row.path, row.first_line, row.last_line) if row else None

    def _row(self, path: str, section: Section, text: str, now: int) -> dict[str, Any]:
        item = NewItem.model_construct(
            type=ItemType(section.type),
            text=text,
            source_ref=_reference(path, section),
            trust_level=TrustLevel(section.trust_level),
            confidence=None,
            salience=None,
            expires_at=None,
            occurred_at=section.occurred_at,
        )
        return new_row(self._tenant_id, NOTEBOOK_AGENT, Scope.TEAM, item, text, now)

    @staticmethod
    def _renew_lines(conn: Connection, row: Any, section: Section) -> None:
        if (row.first_line, row.last_line) == (section.first_line, section.last_line):
            return
        conn.execute(
            update(notebook_sections)
            .where(notebook_sections.c.item_id == row.item_id)
            .values(first_line=section.first_line, last_line=section.last_line)
        )
        conn.execute(
            update(memory_items)
            .where(memory_items.c.id == row.item_id)
            .values(source_ref=_reference(row.path, section))
        )


def _reference(path: str, section: Section) -> str:
    return f"{NOTEBOOK_REF}{path}#L{section.first_line}-L{section.last_line}"


def _content_hash(section: Section) -> str:
    """What must be the same for an item to stay as it is: words, type, trust and time."""
    said = f"{section.type}\0{section.trust_level}\0{section.occurred_at}\0{section.text}"
    return hashlib.sha256(said.encode()).hexdigest()
