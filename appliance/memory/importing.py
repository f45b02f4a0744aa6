"""Taking over items that another system has kept: with their ids, owners and times, and any number of times."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, select

from appliance.memory import similarity
from appliance.memory.models import Answer, Moment, Name, NewItem, Scope
from appliance.memory.remember import insert_items, new_row
from appliance.quoting import without_recalled
from appliance.storage.schema import memory_items, tombstones
from appliance.text import content_words

MOST = 100  # items at once


class TakenOver(NewItem):
    """An item as it was kept elsewhere."""

    # The length apart: counted by the pattern, which knows every letter of Unicode, it takes twelve megabytes.
    memory_id: Annotated[str, Field(max_length=128, pattern=r"^[\w.:-]+$")]
    tenant_id: Name
    agent_id: Name
    scope: Scope
    created_at: Moment


class ImportRequest(BaseModel):
    """Up to 100 items with the fields of `TakenOver`; each is judged by itself."""

    model_config = ConfigDict(frozen=True)

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST)]


class Refused(Answer):
    """An item that was not taken over, and why."""

    memory_id: str
    why: str


class ImportAnswer(Answer):
    """How many items are new here, how many were known or have been forgotten here, and which were refused."""

    stored: int
    known: int
    refused: list[Refused]


class Importing:
    """One import request, prepared outside the transaction so that other writers wait only while it is stored."""

    def __init__(self, request: ImportRequest, now: int) -> None:
        self._now = now
        self._refused: list[Refused] = []
        self._rows: list[dict[str, Any]] = []
        for fields in request.items:
            self._prepare(fields)

    def _prepare(self, fields: dict[str, Any]) -> None:
        name = str(fields.get("memory_id", ""))[:128]
        try:
            item = TakenOver.model_validate(fields)
        except ValidationError as fault:
            first = fault.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            self._refused.append(Refused(memory_id=name, why=f"{where}: {first['msg']}"))
            return
        text = without_recalled(item.text.strip()).strip()
        if not text:
            self._refused.append(Refused(memory_id=name, why="text: nothing but blanks or what came out of recall"))
            return
        row = new_row(item.tenant_id, item.agent_id, item.scope, item, text, item.created_at)
        self._rows.append({**row, "memory_id": item.memory_id})

    def store(self, conn: Connection) -> ImportAnswer:
        """Store what is not known yet; an id that was forgotten here stays forgotten."""
        known = _known(conn, [row["memory_id"] for row in self._rows])
        new = {row["memory_id"]: row for row in self._rows if row["memory_id"] not in known}
        rows = list(new.values())
        bands = [similarity.sketch(row["tenant_id"], content_words(row["text"])) for row in rows]
        insert_items(conn, rows, bands)
        return ImportAnswer(stored=len(rows), known=len(self._rows) - len(rows), refused=self._refused)


def _known(conn: Connection, memory_ids: Sequence[str]) -> set[str]:
    here = select(memory_items.c.memory_id).where(memory_items.c.memory_id.in_(memory_ids))
    forgotten = select(tombstones.c.memory_id).where(tombstones.c.memory_id.in_(memory_ids))
    return {*conn.execute(here).scalars(), *conn.execute(forgotten).scalars()}
