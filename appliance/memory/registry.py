"""The model registry: which version decides for a tenant, what it weighs, what was said of it (contract memory-api).

Each tenant has a registry of its own. A change and its event are one transaction that first takes the tenant's state
row, so changes stand one after the other, also those of several daemons on one database.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from appliance.clock import Clock, to_ms
from appliance.errors import PreconditionError
from appliance.memory.models import Request
from appliance.memory.registry_models import (
    HistoryItem,
    HistoryRequest,
    ModelHistory,
    ModelKind,
    ModelRequest,
    ModelState,
    RegisterRequest,
    SignalRequest,
)
from appliance.memory.routing import Weights, stored_weights
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.absent import insert_absent
from appliance.storage.schema import model_events, model_signals, model_states, model_versions

type Judged = Callable[[Connection, str, str, int], None]  # (conn, tenant, a signal's source, at epoch ms)

_states, _signals = model_states.c, model_signals.c
_PRUNED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class _State:
    """A row of `model_states`; a tenant that has none yet is at the baseline."""

    active_version: str
    canary_version: str | None = None
    rollout_percent: int = 0
    tenant_allowlist: tuple[str, ...] = ()
    metadata: str = "{}"
    updated_at: int = 0

    @property
    def values(self) -> dict[str, Any]:
        return {
            "active_version": self.active_version,
            "canary_version": self.canary_version,
            "rollout_percent": self.rollout_percent,
            "tenant_allowlist": json.dumps(self.tenant_allowlist),
            "metadata": self.metadata,
            "updated_at": self.updated_at,
        }


class Registry:
    """The registries of all tenants; each call checks what its caller may do.

    Args:
        database: where states, versions, events and signals are.
        clock: the time of a change.
        window: of so many of a tenant's last signals the summary is made.
        judged: told of every signal's source, in its transaction; traces of recalls learn by it that they were judged.
        kept: so many of the last signals of each tenant's model stay when older ones are pruned.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        window: int = 500,
        judged: Judged = lambda *_signal: None,
        kept: int = 20_000,
    ) -> None:
        self._database, self._clock, self._window, self._judged = database, clock, window, judged
        self._kept = max(kept, window)

    def state(self, who: Principal, kind: ModelKind, request: ModelRequest) -> ModelState:
        """The model's state; raises ForbiddenError."""
        return self._told(self._admin(who, request), kind)

    def register(self, who: Principal, kind: ModelKind, request: RegisterRequest) -> ModelState:
        """Make a version the canary, in the place of another; raises ForbiddenError."""
        caller = self._admin(who, request)
        self._database.write(lambda conn: self.register_in(conn, caller, kind, request), repeatable=True)
        return self._told(caller, kind)

    def register_in(
        self,
        conn: Connection,
        caller: Principal,
        kind: ModelKind,
        request: RegisterRequest,
        weights: Weights | None = None,
    ) -> None:
        """The same in the transaction of whoever checked the caller, for a version that was fitted.

        A version's weights are given once and never change; one that has none decides as the baseline does.
        """
        state, at = self._take(conn, caller.tenant_id, kind)
        if weights is not None:
            insert_absent(conn, model_versions, [_version_row(caller.tenant_id, kind, request.version, weights, at)])
        is_baseline = stored_weights(conn, caller.tenant_id, kind, request.version) is None
        new = replace(
            state,
            canary_version=request.version,
            rollout_percent=request.rollout_percent,
            tenant_allowlist=tuple(sorted(set(request.tenant_allowlist))),
            metadata=json.dumps(request.metadata),
            updated_at=at,
        )
        payload = {
            "version": request.version,
            "rollout_percent": new.rollout_percent,
            "tenant_allowlist": new.tenant_allowlist,
            "metadata": request.metadata,
            "decides_as": kind.baseline if is_baseline else request.version,
        }
        _change(conn, caller, kind, new, "register_canary", payload)

    def promote(self, who: Principal, kind: ModelKind, request: ModelRequest) -> ModelState:
        """Make the canary the active version, for all traffic.

        Raises:
            ForbiddenError: another tenant, or not an admin.
            PreconditionError: `canary_not_set`.
        """
        caller = self._admin(who, request)

        def work(conn: Connection) -> None:
            state, at = self._take(conn, caller.tenant_id, kind)
            if state.canary_version is None:
                raise PreconditionError("canary_not_set", "There is no canary to promote: register a version first.")
            new = _State(state.canary_version, metadata=state.metadata, updated_at=at)
            payload = {"previous_active_version": state.active_version, "new_active_version": new.active_version}
            _change(conn, caller, kind, new, "promote_canary", payload)

        self._database.write(work, repeatable=True)
        return self._told(caller, kind)

    def rollback(self, who: Principal, kind: ModelKind, request: ModelRequest) -> ModelState:
        """Take the canary away, if there is one; the active version stays. Raises ForbiddenError."""
        caller = self._admin(who, request)

        def work(conn: Connection) -> None:
            state, at = self._take(conn, caller.tenant_id, kind)
            new = _State(state.active_version, metadata=state.metadata, updated_at=at)
            _change(conn, caller, kind, new, "rollback_canary", {"previous_canary_version": state.canary_version})

        self._database.write(work, repeatable=True)
        return self._told(caller, kind)

    def signal(self, who: Principal, kind: ModelKind, request: SignalRequest) -> ModelState:
        """Record something measured of a version; raises ForbiddenError."""
        caller = self._admin(who, request)

        def work(conn: Connection) -> None:
            state, at = self._take(conn, caller.tenant_id, kind)
            _store(conn, caller.tenant_id, kind, replace(state, updated_at=at))
            said = request.model_dump(include={"version", "metric", "value", "source"})
            beside = {"tenant_id": caller.tenant_id, "kind": kind.value, "actor_agent_id": caller.agent_id}
            conn.execute(insert(model_signals), {**said, **beside, "created_at": at})
            if request.source:
                self._judged(conn, caller.tenant_id, request.source, at)

        self._database.write(work, repeatable=True)
        return self._told(caller, kind)

    def prune(self, tenant_id: str) -> bool:
        """Delete some of a tenant's signals that are too many, the oldest first; whether that may not have been all."""

        def work(conn: Connection) -> int:
            going = (delete(model_signals).where(_too_many(tenant_id, kind, self._kept)) for kind in ModelKind)
            return sum(conn.execute(each).rowcount for each in going)

        return self._database.write(work, repeatable=True) > 0

    def purge(self) -> None:
        """Delete the signals that are too many, of every tenant."""
        of_model = (_signals.tenant_id, _signals.kind)
        too_many = select(_signals.tenant_id).group_by(*of_model).having(func.count() > self._kept)
        with self._database.read() as conn:
            tenants = conn.execute(too_many.distinct()).scalars().all()
        for tenant_id in tenants:
            while self.prune(tenant_id):
                pass

    def history(self, who: Principal, kind: ModelKind, request: HistoryRequest) -> ModelHistory:
        """Changes and signals, newest first; raises ForbiddenError."""
        caller = self._admin(who, request)
        with self._database.read() as conn:
            events = [_event(row) for row in _last(conn, model_events, caller.tenant_id, kind, request.limit)]
            signals = [_signal(row) for row in _last(conn, model_signals, caller.tenant_id, kind, request.limit)]
        newest_first = merge(events, signals, key=lambda item: -item.created_at)
        return ModelHistory(model_kind=kind, items=list(islice(newest_first, request.limit)))

    def _admin(self, who: Principal, request: Request) -> Principal:
        return who.acting_as(request.tenant_id, request.agent_id, Role.ADMIN)

    def _take(self, conn: Connection, tenant_id: str, kind: ModelKind) -> tuple[_State, int]:
        """The tenant's state, held until the transaction ends, and a time after that of every change before."""
        beginning = {"tenant_id": tenant_id, "kind": kind.value, **_State(kind.baseline).values}
        insert_absent(conn, model_states, [beginning])
        state = _state(conn, tenant_id, kind, hold=True)
        return state, max(to_ms(self._clock()), state.updated_at + 1)

    def _told(self, caller: Principal, kind: ModelKind) -> ModelState:
        with self._database.read() as conn:
            state = _state(conn, caller.tenant_id, kind)
            signals = _last(conn, model_signals, caller.tenant_id, kind, self._window)
        return ModelState(
            model_kind=kind,
            active_version=state.active_version,
            canary_version=state.canary_version,
            rollout_percent=state.rollout_percent,
            tenant_allowlist=list(state.tenant_allowlist),
            metadata=json.loads(state.metadata),
            signal_summary=_summary(signals),
            updated_at=state.updated_at,
        )


def _version_row(tenant_id: str, kind: ModelKind, version: str, weights: Weights, at: int) -> dict[str, Any]:
    row = {"tenant_id": tenant_id, "kind": kind.value, "version": version}
    return {**row, "weights": json.dumps(dict(weights)), "created_at": at}


def _state(conn: Connection, tenant_id: str, kind: ModelKind, hold: bool = False) -> _State:
    wanted = select(model_states).where(_states.tenant_id == tenant_id, _states.kind == kind.value)
    row = conn.execute(wanted.with_for_update() if hold else wanted).first()
    if row is None:
        return _State(kind.baseline)
    return _State(
        row.active_version,
        row.canary_version,
        row.rollout_percent,
        tuple(json.loads(row.tenant_allowlist)),
        row.metadata,
        row.updated_at,
    )


def _change(
    conn: Connection, caller: Principal, kind: ModelKind, new: _State, event_kind: str, payload: dict[str, Any]
) -> None:
    """Store a new state, and how it came about."""
    _store(conn, caller.tenant_id, kind, new)
    conn.execute(
        insert(model_events),
        {
            "tenant_id": caller.tenant_id,
            "kind": kind.value,
            "event_kind": event_kind,
            "actor_agent_id": caller.agent_id,
            "payload": json.dumps(payload),
            "created_at": new.updated_at,
        },
    )


def _store(conn: Connection, tenant_id: str, kind: ModelKind, new: _State) -> None:
    conn.execute(
        update(model_states).where(_states.tenant_id == tenant_id, _states.kind == kind.value).values(**new.values)
    )


def _last(conn: Connection, table: Any, tenant_id: str, kind: ModelKind, limit: int) -> Sequence[Any]:
    """The last `limit` rows of a tenant's model, newest first."""
    mine = (table.c.tenant_id == tenant_id, table.c.kind == kind.value)
    return conn.execute(select(table).where(*mine).order_by(table.c.id.desc()).limit(limit)).all()


def _too_many(tenant_id: str, kind: ModelKind, kept: int) -> ColumnElement[bool]:
    """Some of the signals before the last `kept` of a tenant's model: the transaction that deletes them is short."""
    mine = select(_signals.id).where(_signals.tenant_id == tenant_id, _signals.kind == kind.value)
    first_kept = mine.order_by(_signals.id.desc()).offset(kept - 1).limit(1).scalar_subquery()
    return _signals.id.in_(mine.where(_signals.id < first_kept).order_by(_signals.id).limit(_PRUNED_AT_ONCE))


def _event(row: Any) -> HistoryItem:
    return HistoryItem(
        kind="event",
        event_kind=row.event_kind,
        actor_agent_id=row.actor_agent_id,
        payload=json.loads(row.payload),
        created_at=row.created_at,
    )


def _signal(row: Any) -> HistoryItem:
    return HistoryItem(
        kind="signal",
        event_kind="record_signal",
        actor_agent_id=row.actor_agent_id,
        created_at=row.created_at,
        version=row.version,
        metric=row.metric,
        value=row.value,
        source=row.source,
    )


def _summary(signals: Sequence[Any]) -> dict[str, dict[str, float]]:
    """How many signals each version has of each metric, and their mean."""
    values: dict[str, dict[str, list[float]]] = {}
    for row in signals:
        values.setdefault(row.version, {}).setdefault(row.metric, []).append(row.value)
    return {
        version: {
            name: number
            for metric, measured in metrics.items()
            for name, number in ((f"{metric}.count", float(len(measured))), (f"{metric}.avg", _mean(measured)))
        }
        for version, metrics in values.items()
    }


def _mean(values: Sequence[float]) -> float:
    # Divided first, by a power of two and thus exactly: the sum of large numbers has no place in a float.
    scale = 2.0**20
    return math.fsum(value / scale for value in values) / len(values) * scale
