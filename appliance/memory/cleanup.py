"""Job kind `cleanup`: a tenant's expired items are deleted for real, some at a time, so that others can write between.
Then what its models keep of old signals goes too.

Which items were deleted is counted in the step that deletes it: after a crash the count goes on from there.
"""

from sqlalchemy import Connection, insert, select

from appliance.clock import Clock, to_ms
from appliance.jobs import Finish, Kind, Result, Running
from appliance.memory.deleting import delete_items
from appliance.memory.registry import Registry
from appliance.memory.work_models import CleanupWork
from appliance.storage import Database
from appliance.storage.schema import audit_log, memory_items

CLEANUP = "cleanup"
_AT_ONCE = 50
_HOUR_MS = 3_600_000
_items = memory_items.c


def cleanup_kind(database: Database, registry: Registry, clock: Clock) -> Kind:
    """The kind `cleanup`."""

    def work(running: Running) -> Finish:
        asked, job = running.payload(CleanupWork), running.job
        before = to_ms(clock()) - asked.grace_hours * _HOUR_MS
        expired = select(memory_items).where(_items.tenant_id == job.tenant_id, _items.expires_at <= before)
        expired = expired.order_by(_items.expires_at, _items.id).limit(_AT_ONCE).with_for_update(skip_locked=True)

        def some(conn: Connection) -> Result:
            rows = conn.execute(expired).all()
            delete_items(conn, rows)
            if rows:
                database.mark_for_scrub(conn)
            return {"purged_count": running.progress.get("purged_count", 0) + len(rows), "more": len(rows) == _AT_ONCE}

        while running.step(some)["more"]:
            pass
        while registry.prune(job.tenant_id):
            running.proceed()

        def finish(conn: Connection) -> Result:
            count = running.progress["purged_count"]
            said = {"tenant_id": job.tenant_id, "actor": job.agent_id, "action": CLEANUP, "subject": f"{count} items"}
            conn.execute(insert(audit_log), {"at": to_ms(clock()), **said})
            return {"purged_count": count, "grace_hours": asked.grace_hours}

        return finish

    return Kind(CLEANUP, work)
