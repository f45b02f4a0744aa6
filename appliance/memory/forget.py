"""Really deleting an item: text, full-text row, bands; what stays is a tombstone and an audit line."""

from sqlalchemy import Connection, delete, insert, select

from appliance.errors import ForbiddenError, NotFoundError
from appliance.memory import similarity
from appliance.memory.models import NOTEBOOK_REF, Scope
from appliance.memory.visibility import visible_to
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.schema import audit_log, memory_items, tombstones


def not_found() -> NotFoundError:
    """The error for an item that is not there, or that the caller may not know of: nobody can tell which."""
    return NotFoundError("memory_not_found", "There is no such memory, or none you may see.")


def may_forget(conn: Connection, who: Principal, memory_id: str, now: int) -> tuple[int, str]:
    """(row id, text) of an item that `who` may delete.

    Raises:
        NotFoundError: there is none, or none that `who` may know of.
        ForbiddenError: `insufficient_role`, the item is visible to a writer who does not own it.
    """
    items = memory_items.c
    row = conn.execute(
        select(items.id, items.agent_id, items.text, items.source_ref).where(
            items.memory_id == memory_id, items.tenant_id == who.tenant_id
        )
    ).first()
    if row is None:
        raise not_found()
    # A notebook section has no owner but the notebook's: an agent named like its author does not become that.
    own = row.agent_id == who.agent_id and not (row.source_ref or "").startswith(NOTEBOOK_REF)
    if own or who.role is Role.ADMIN:
        return row.id, row.text
    seen = select(items.id).where(
        items.memory_id == memory_id, visible_to(who.tenant_id, who.agent_id, Scope.TEAM, now)
    )
    if conn.execute(seen).first() is None:
        raise not_found()
    raise ForbiddenError("insufficient_role", "A writer deletes its own items only; ask an admin.")


def forget(conn: Connection, database: Database, who: Principal, memory_id: str, now: int) -> None:
    """Delete the item for good, in the caller's transaction; raises as `may_forget` does."""
    row_id, text = may_forget(conn, who, memory_id, now)
    similarity.remove(conn, who.tenant_id, row_id, text)
    conn.execute(delete(memory_items).where(memory_items.c.id == row_id))
    leave_tombstone(conn, who.tenant_id, memory_id, now)
    conn.execute(
        insert(audit_log),
        {"at": now, "tenant_id": who.tenant_id, "actor": who.agent_id, "action": "forget", "subject": memory_id},
    )
    database.mark_for_scrub(conn)


def leave_tombstone(conn: Connection, tenant_id: str, memory_id: str, now: int) -> None:
    """Keep what stays of a forgotten item: its id, and when."""
    conn.execute(insert(tombstones), {"memory_id": memory_id, "tenant_id": tenant_id, "deleted_at": now})
