"""How much a memory holds, and how it has grown: numbers only, for metrics and the page that draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from appliance.storage.schema import memory_items

DAY_MS = 86_400_000
_c = memory_items.c


@dataclass(frozen=True, slots=True)
class Growth:
    """The items of one tenant: `total` of them, of which `per_day` came on each of the last days, oldest first."""

    total: int
    per_day: Sequence[int]


def growth(conn: Connection, tenant_id: str, now: int, days: int) -> Growth:
    """How a tenant's memory has grown over `days` days (UTC) up to and with that of `now` (epoch ms)."""
    today = now // DAY_MS
    day = _c.created_at // DAY_MS
    rows = conn.execute(select(day, func.count()).where(_c.tenant_id == tenant_id).group_by(day)).all()
    stored = {int(when): count for when, count in rows}
    return Growth(sum(stored.values()), [stored.get(today - back, 0) for back in reversed(range(days))])
