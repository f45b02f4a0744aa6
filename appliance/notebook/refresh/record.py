"""Refreshes in the database: each one, the entries it has merged, the rewordings it offers.

An entry is merged when the refresh that holds it was applied; while that awaits approval the entry waits with it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import batched
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from appliance.errors import ConflictError, NotFoundError, RefusedError
from appliance.notebook.forgetting import Forgetting
from appliance.notebook.refresh.constraints import Offer
from appliance.notebook.refresh.models import Offered, Outcome, Refreshed
from appliance.notebook.versions import FORGET
from appliance.storage.schema import document_versions, documents, merged_entries, offered_merges, refreshes

OPEN, TAKEN, LEFT = "open", "taken", "left"
FORGOTTEN = "[forgotten]"
_AT_ONCE = 400
_r, _m, _o = refreshes.c, merged_entries.c, offered_merges.c


def add(conn: Connection, **values: Any) -> int:
    """Store a refresh; its id."""
    return int(conn.execute(insert(refreshes).values(values).returning(_r.id)).scalar_one())


def change(conn: Connection, refresh_id: int, was: Outcome, **values: Any) -> None:
    """Change a refresh whose outcome still is `was`. ConflictError `refresh_settled` when it no longer is."""
    mine = (_r.id == refresh_id) & (_r.outcome == was)
    if conn.execute(update(refreshes).where(mine).values(values)).rowcount != 1:
        raise ConflictError("refresh_settled", f"Refresh {refresh_id} is no longer {was}; look at the list again.")


def all_of(conn: Connection, limit: int, before: int | None, outcome: Outcome | None = None) -> list[Refreshed]:
    """Refreshes, newest first; those before an id, those of one outcome."""
    query = select(refreshes).order_by(_r.id.desc()).limit(limit)
    query = query if before is None else query.where(_r.id < before)
    query = query if outcome is None else query.where(_r.outcome == outcome)
    return [_refreshed(row) for row in conn.execute(query)]


def one(conn: Connection, refresh_id: int) -> tuple[Refreshed, str]:
    """A refresh and the text it proposes. NotFoundError `refresh_not_found`."""
    row = conn.execute(select(refreshes).where(_r.id == refresh_id)).first()
    if row is None:
        raise NotFoundError("refresh_not_found", f"There is no refresh {refresh_id}.")
    return _refreshed(row), row.proposal or ""


def of_version(conn: Connection, path: str, version: int) -> Refreshed | None:
    """The refresh that stored that version of a file, if it was not undone."""
    mine = (_r.path == path) & (_r.version == version) & (_r.outcome == Outcome.APPLIED)
    row = conn.execute(select(refreshes).where(mine)).first()
    return _refreshed(row) if row else None


def _refreshed(row: Row[Any]) -> Refreshed:
    return Refreshed(**{name: row._mapping[name] for name in Refreshed.model_fields})


# The watermark


def known(conn: Connection, hashes: Collection[str], outcome: Outcome = Outcome.APPLIED) -> set[str]:
    """Those of `hashes` that a refresh of that outcome holds."""
    found: set[str] = set()
    for some in batched(hashes, _AT_ONCE, strict=False):
        query = select(_m.entry_hash).join(refreshes, _r.id == _m.refresh_id)
        found |= set(conn.execute(query.where(_m.entry_hash.in_(some), _r.outcome == outcome)).scalars())
    return found


def hold(conn: Connection, refresh_id: int, entries: Iterable[tuple[str, str]]) -> None:
    """Let a refresh hold these entries, path and hash each, whichever held them before."""
    rows = [{"path": path, "entry_hash": name, "refresh_id": refresh_id} for path, name in dict.fromkeys(entries)]
    for some in batched([row["entry_hash"] for row in rows], _AT_ONCE, strict=False):
        conn.execute(delete(merged_entries).where(_m.entry_hash.in_(some)))
    if rows:
        conn.execute(insert(merged_entries), rows)


def release(conn: Connection, refresh_id: int) -> None:
    """Let the entries of a refresh wait again, and withdraw what it offered."""
    conn.execute(delete(merged_entries).where(_m.refresh_id == refresh_id))
    conn.execute(delete(offered_merges).where(_o.refresh_id == refresh_id, _o.state == OPEN))


def supersede(conn: Connection, path: str) -> None:
    """Decline what still awaits approval for a file: a newer refresh has its entries too."""
    waiting = conn.execute(select(_r.id, _r.detail).where(_r.path == path, _r.outcome == Outcome.AWAITING)).all()
    for row in waiting:
        detail = f"{row.detail}\nA newer refresh took its place."
        change(conn, row.id, Outcome.AWAITING, outcome=Outcome.DECLINED, proposal=None, detail=detail)
        release(conn, row.id)


def require_unforgotten(conn: Connection, read: Mapping[str, int]) -> None:
    """Raise RefusedError when something was forgotten in a file since the version that was read, by path."""
    table = document_versions.c
    joined = select(table.number).join(documents, documents.c.id == table.document_id)
    for path, version in read.items():
        later = (documents.c.path == path) & (table.number > version) & (table.reason == FORGET)
        if conn.execute(joined.where(later).limit(1)).first():
            raise RefusedError(
                "refused", f"Something was forgotten in {path} while the model had it; nothing was changed."
            )


def next_version(conn: Connection, path: str) -> int:
    """The number that the next version of a file will have."""
    found = conn.execute(select(documents.c.version).where(documents.c.path == path)).scalar()
    return int(found or 0) + 1


# What is offered


def offer(conn: Connection, refresh_id: int, path: str, offers: Sequence[Offer]) -> None:
    """Offer rewordings to a person, but for those that wait already or were left."""
    for each in offers:
        same = (_o.path == path) & (_o.kept == each.kept) & (_o.offered == each.offered) & (_o.state != TAKEN)
        if conn.execute(select(_o.id).where(same)).first() is None:
            values = {"refresh_id": refresh_id, "path": path, "kept": each.kept, "offered": each.offered}
            conn.execute(insert(offered_merges).values(**values, state=OPEN))


def offers(conn: Connection, which: ColumnElement[bool] = _o.state == OPEN) -> list[Offered]:
    """The rewordings that wait for a person, oldest first."""
    query = select(offered_merges, _r.at).join(refreshes, _r.id == _o.refresh_id).where(which).order_by(_o.id)
    return [Offered(**{name: row._mapping[name] for name in Offered.model_fields}) for row in conn.execute(query)]


def offered(conn: Connection, offer_id: int) -> Offered:
    """One that still waits. NotFoundError `offer_not_found`."""
    found = offers(conn, (_o.id == offer_id) & (_o.state == OPEN))
    if not found:
        raise NotFoundError("offer_not_found", f"There is no rewording {offer_id} to take; it may be settled already.")
    return found[0]


def settle(conn: Connection, offer_id: int, state: str, at: int) -> None:
    """Say that a person has decided. NotFoundError `offer_not_found` when somebody has before."""
    mine = (_o.id == offer_id) & (_o.state == OPEN)
    if conn.execute(update(offered_merges).where(mine).values(state=state, decided_at=at)).rowcount != 1:
        raise NotFoundError("offer_not_found", f"The rewording {offer_id} is settled already.")


def count(conn: Connection) -> tuple[int, int]:
    """How many refreshes await approval, and how many rewordings a decision."""
    awaiting = select(func.count()).select_from(refreshes).where(_r.outcome == Outcome.AWAITING)
    waiting = select(func.count()).select_from(offered_merges).where(_o.state == OPEN)
    return int(conn.execute(awaiting).scalar_one()), int(conn.execute(waiting).scalar_one())


def stamp(conn: Connection) -> tuple[int, int]:
    """What changes whenever an entry is merged or waits again."""
    newest, held = select(func.max(_r.id)), select(func.count()).select_from(merged_entries)
    return int(conn.execute(newest).scalar() or 0), int(conn.execute(held).scalar_one())


# Forgetting


def forget(conn: Connection, block: Sequence[str]) -> None:
    """Take forgotten lines out of what refreshes propose, offer and say."""
    forgetting = Forgetting(list(block))
    told = [line.strip(" \t-*+#>") for line in block]
    words = [line for line in told if sum(char.isalnum() for char in line) >= 4]
    pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
    for table, lines, texts in ((refreshes, ("proposal",), ("detail",)), (offered_merges, (), ("kept", "offered"))):
        for row in conn.execute(select(table)).mappings().all():
            new = {name: forgetting.removed_from(row[name]) for name in lines if row[name]}
            new |= {name: pattern.sub(FORGOTTEN, row[name]) for name in texts if pattern}
            if any(row[name] != text for name, text in new.items()):
                conn.execute(update(table).where(table.c.id == row["id"]).values(new))
