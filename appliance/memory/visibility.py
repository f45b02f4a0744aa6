"""Who sees which items (contract memory-api, Visibility), as a condition of the query itself."""

from functools import lru_cache

from sqlalchemy import BindParameter, ColumnElement, and_, or_

from appliance.memory.models import Scope
from appliance.storage.schema import memory_items

_c = memory_items.c
_endless, _current = _c.expires_at.is_(None), _c.superseded_by.is_(None)


def visible_to(
    tenant_id: str | BindParameter[str], agent_id: str | BindParameter[str], scope: Scope, now: int | BindParameter[int]
) -> ColumnElement[bool]:
    """Live items of the tenant: the agent's own private ones, global ones, and the team's unless `scope` is private."""
    return and_(_seen_by(tenant_id, agent_id, scope), alive(now))


def alive(now: int | BindParameter[int]) -> ColumnElement[bool]:
    """Neither expired at `now` (epoch ms) nor superseded."""
    return and_(or_(_endless, _c.expires_at > now), _current)


@lru_cache(maxsize=64)  # the same callers ask again and again
def _seen_by(
    tenant_id: str | BindParameter[str], agent_id: str | BindParameter[str], scope: Scope
) -> ColumnElement[bool]:
    # No IN: SQLAlchemy writes its list anew into every statement.
    shared = _c.scope == Scope.GLOBAL
    if scope is not Scope.PRIVATE:
        shared = or_(shared, _c.scope == Scope.TEAM)
    return and_(_c.tenant_id == tenant_id, or_(shared, and_(_c.scope == Scope.PRIVATE, _c.agent_id == agent_id)))
