"""Which version of a model decides for a tenant: the active one or the canary (contract memory-api, Model registry)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, bindparam, select

from appliance.memory.registry_models import ModelKind
from appliance.storage.direct import Direct
from appliance.storage.schema import model_states, model_versions

type Weights = Mapping[str, float]

ACTIVE, CANARY_ALLOWLIST, CANARY_PERCENT = "active", "canary_allowlist", "canary_percent"

_states, _versions = model_states.c, model_versions.c
_routing = Direct(
    select(_states.active_version, _states.canary_version, _states.rollout_percent, _states.tenant_allowlist).where(
        _states.tenant_id == bindparam("tenant"), _states.kind == bindparam("kind")
    )
)
_weighing = Direct(
    select(_versions.weights).where(
        _versions.tenant_id == bindparam("tenant"),
        _versions.kind == bindparam("kind"),
        _versions.version == bindparam("version"),
    )
)


@dataclass(frozen=True, slots=True)
class Route:
    """Which version decides, and why it: `active`, `canary_allowlist` or `canary_percent`.

    A version that was registered without weights decides as the baseline does: its `weights` are None.
    """

    version: str
    route: str
    weights: Weights | None


def route(conn: Connection, tenant_id: str, kind: ModelKind) -> Route:
    """Which version decides for a tenant (contract memory-api, Model registry)."""
    rows = _routing.rows(conn, {"tenant": tenant_id, "kind": kind.value})
    if not rows:
        return Route(kind.baseline, ACTIVE, None)
    active, canary, percent, allowlist = rows[0]
    why = ACTIVE
    if canary is not None:
        if tenant_id in json.loads(allowlist):
            why = CANARY_ALLOWLIST
        elif bucket(kind, tenant_id) < percent:
            why = CANARY_PERCENT
    version = active if why == ACTIVE else canary
    return Route(version, why, stored_weights(conn, tenant_id, kind, version))


def active_weights(conn: Connection, tenant_id: str, kind: ModelKind) -> Weights | None:
    """What the active version weighs, whoever is routed to the canary; None for the baseline's weights."""
    rows = _routing.rows(conn, {"tenant": tenant_id, "kind": kind.value})
    return stored_weights(conn, tenant_id, kind, rows[0][0]) if rows else None


@lru_cache(maxsize=1_000)
def bucket(kind: ModelKind, tenant_id: str) -> int:
    """0 to 99, always the same for a tenant: below the rollout's percentage it gets the canary."""
    return int(hashlib.sha256(f"{kind}:{tenant_id}".encode()).hexdigest()[:8], 16) % 100


def stored_weights(conn: Connection, tenant_id: str, kind: ModelKind, version: str) -> Weights | None:
    """What a version weighs; None for the baseline, and for one that was registered without weights."""
    if version == kind.baseline:
        return None
    rows = _weighing.rows(conn, {"tenant": tenant_id, "kind": kind.value, "version": version})
    return _read(rows[0][0]) if rows else None


@lru_cache(maxsize=64)
def _read(weights: str) -> Weights:
    read: Weights = json.loads(weights)
    return read
