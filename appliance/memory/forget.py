"""Forgetting an item: who may, and what stays of it: a tombstone and an audit line."""

from typing import Any

from sqlalchemy import Connection, Row, insert, select

from appliance.errors import ForbiddenError, NotFoundError
from appliance.memory.deleting import delete_items, leave_tombstone
from appliance.memory.models import NOTEBOOK_REF, Scope
from appliance.memory.visibility import visible_to
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.schema import audit_log, memory_items


def not_found() -> NotFoundError:
    """The error for an item that is not there, or that the caller may not know of: nobody can tell which."""
    return NotFoundError("memory_not_found", "There is no such memory, or none you may see.")


def may_forget(conn: Connection, who: Principal, memory_id: str, now: int) -> Row[Any]:
    """The row of an item that `who` may delete.

    Raises:
        NotFoundError: there is none, or none that `who` may know of.
        ForbiddenError: `insufficient_role`, the item is visible to a writer who does not own it.
    """
    items = memory_items.c
    row = conn.execute(
        select(memory_items).where(items.memory_id == memory_id, items.tenant_id == who.tenant_id)
    ).first()
    if row is None:
        raise not_found()
    # A notebook section has no owner but the notebook's: an agent named like its author does not become that.
    own = row.agent_id == who.agent_id and not (row.source_ref or "").startswith(NOTEBOOK_REF)
    if own or who.role is Role.ADMIN:
        return row
    seen = select(items.id).where(
        items.memory_id == memory_id, visible_to(who.tenant_id, who.agent_id, Scope.TEAM, now)
    )
    if conn.execute(seen).first() is None:
        raise not_found()
    raise ForbiddenError("insufficient_role", "A writer deletes its own items only; ask an admin.")


def forget(conn: Connection, database: Database, who: Principal, memory_id: str, now: int) -> None:
    """Delete the item for good, in the caller's transaction; raises as `may_forget` does."""
    delete_items(conn, [may_forget(conn, who, memory_id, now)])
    leave_tombstone(conn, who.tenant_id, memory_id, now)
    conn.execute(
        insert(audit_log),
        {"at": now, "tenant_id": who.tenant_id, "actor": who.agent_id, "action": "forget", "subject": memory_id},
    )
    database.mark_for_scrub(conn)
