"""The model registry: what is tried on whom, what becomes of it, and what was said; each tenant's apart."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.errors import ForbiddenError, PreconditionError
from appliance.memory import Registry
from appliance.memory import registry as registry_module
from appliance.memory.registry_models import (
    HistoryRequest,
    ModelKind,
    ModelRequest,
    RegisterRequest,
    SignalRequest,
)
from appliance.memory.routing import Route, route
from appliance.principal import Principal, Role
from appliance.storage import Database

RERANKER = ModelKind.RERANKER
BASELINE = "reranker-baseline-v1"


@dataclass(frozen=True)
class Admin:
    """An admin of a tenant, at the registry."""

    registry: Registry
    database: Database
    tenant: str = "home"
    role: Role = Role.ADMIN
    kind: ModelKind = RERANKER

    def _ask(self, method: str, model: Any, fields: dict[str, Any]) -> Any:
        request = model.model_validate({"tenant_id": self.tenant, "agent_id": "ada", **fields})
        return getattr(self.registry, method)(Principal(self.tenant, "ada", self.role), self.kind, request)

    def state(self) -> Any:
        return self._ask("state", ModelRequest, {})

    def register(self, version: str = "v2", **fields: Any) -> Any:
        return self._ask("register", RegisterRequest, {"version": version, **fields})

    def fitted(self, version: str, weights: dict[str, float], **fields: Any) -> None:
        """Register a version with weights, as a training does."""
        request = RegisterRequest(tenant_id=self.tenant, agent_id="ada", version=version, **fields)
        who = Principal(self.tenant, "ada", self.role)
        self.database.write(lambda conn: self.registry.register_in(conn, who, self.kind, request, weights))

    def promote(self) -> Any:
        return self._ask("promote", ModelRequest, {})

    def rollback(self) -> Any:
        return self._ask("rollback", ModelRequest, {})

    def signal(self, version: str = "v2", metric: str = "helpful", value: float = 1, **fields: Any) -> Any:
        return self._ask("signal", SignalRequest, {"version": version, "metric": metric, "value": value, **fields})

    def history(self, **fields: Any) -> Any:
        return self._ask("history", HistoryRequest, fields)


@pytest.fixture
def registry(database: Database, clock: Callable[[], Any]) -> Registry:
    return Registry(database, clock)


@pytest.fixture
def admin(registry: Registry, database: Database) -> Admin:
    return Admin(registry, database)


@pytest.fixture
def routed(database: Database) -> Callable[..., Route]:
    """The route of a tenant."""

    def ask(tenant: str = "home", kind: ModelKind = RERANKER) -> Route:
        with database.read() as conn:
            return route(conn, tenant, kind)

    return ask


def bucket_of(tenant: str) -> int:
    """The contract's rule, written down a second time."""
    return int(hashlib.sha256(f"reranker:{tenant}".encode()).hexdigest()[:8], 16) % 100


def test_a_tenant_begins_with_the_baseline_and_nothing_said(admin: Admin, routed: Callable[..., Route]) -> None:
    assert admin.state().model_dump(mode="json") == {
        "model_kind": "reranker",
        "active_version": BASELINE,
        "canary_version": None,
        "rollout_percent": 0,
        "tenant_allowlist": [],
        "metadata": {},
        "signal_summary": {},
        "updated_at": "1970-01-01T00:00:00.000Z",
    }
    assert routed() == Route(BASELINE, "active", None)
    assert routed(kind=ModelKind.SALIENCE).version == "salience-baseline-v1"


def test_a_registered_version_is_the_canary_in_the_place_of_another(admin: Admin) -> None:
    admin.register("v2", rollout_percent=30, tenant_allowlist=["z", "home", "z"], metadata={"why": [1, {"a": None}]})
    state = admin.state()
    assert (state.active_version, state.canary_version, state.rollout_percent) == (BASELINE, "v2", 30)
    assert (state.tenant_allowlist, state.metadata) == (["home", "z"], {"why": [1, {"a": None}]})
    assert state.model_dump(mode="json")["updated_at"] == "2026-11-20T09:00:00.000Z"
    again = admin.register("v3")
    assert (again.canary_version, again.rollout_percent, again.tenant_allowlist, again.metadata) == ("v3", 10, [], {})


def test_promoting_makes_the_canary_active_and_clears_rollout_and_allowlist(admin: Admin) -> None:
    admin.register("v2", rollout_percent=30, tenant_allowlist=["home"], metadata={"n": 1})
    state = admin.promote()
    assert (state.active_version, state.canary_version) == ("v2", None)
    assert (state.rollout_percent, state.tenant_allowlist, state.metadata) == (0, [], {"n": 1})


def test_there_is_nothing_to_promote_without_a_canary(admin: Admin) -> None:
    with pytest.raises(PreconditionError) as refused:
        admin.promote()
    assert refused.value.word == "canary_not_set"
    assert admin.history().items == []


def test_rolling_back_takes_the_canary_away_and_leaves_the_active_version(admin: Admin) -> None:
    admin.register("v2")
    admin.promote()
    admin.register("v3", rollout_percent=100, tenant_allowlist=["home"])
    state = admin.rollback()
    assert (state.active_version, state.canary_version) == ("v2", None)
    assert (state.rollout_percent, state.tenant_allowlist) == (0, [])
    assert admin.rollback().canary_version is None


def test_an_allowlisted_tenant_gets_the_canary_whatever_the_percentage(
    admin: Admin, routed: Callable[..., Route]
) -> None:
    admin.register("v2", rollout_percent=0, tenant_allowlist=["home"])
    assert routed() == Route("v2", "canary_allowlist", None)


def test_a_share_of_tenants_gets_the_canary_by_the_contracts_hash(
    registry: Registry, database: Database, routed: Callable[..., Route]
) -> None:
    for tenant in (f"tenant-{number}" for number in range(9)):
        bucket = bucket_of(tenant)
        Admin(registry, database, tenant).register("v2", rollout_percent=bucket)
        assert routed(tenant) == Route(BASELINE, "active", None)
        Admin(registry, database, tenant).register("v2", rollout_percent=bucket + 1)
        assert routed(tenant) == Route("v2", "canary_percent", None)


def test_a_promoted_version_decides_for_all(admin: Admin, routed: Callable[..., Route]) -> None:
    admin.fitted("v2", {"lexical": 0.5}, rollout_percent=0)
    assert routed().weights is None
    admin.promote()
    assert routed() == Route("v2", "active", {"lexical": 0.5})


def test_a_versions_weights_are_given_once(admin: Admin, routed: Callable[..., Route]) -> None:
    admin.fitted("v2", {"lexical": 0.5}, rollout_percent=100)
    admin.fitted("v2", {"lexical": 0.9}, rollout_percent=100)
    assert routed().weights == {"lexical": 0.5}
    admin.rollback()
    admin.register("v2", rollout_percent=100)
    assert routed().weights == {"lexical": 0.5}


def test_a_version_without_weights_is_said_to_decide_as_the_baseline(admin: Admin) -> None:
    admin.register("named only")
    admin.fitted("fitted", {"lexical": 0.5})
    fitted, named_only = [item.payload for item in admin.history().items]
    assert fitted is not None and fitted["decides_as"] == "fitted"  # noqa: PT018 - the first is for the type
    assert named_only is not None and named_only["decides_as"] == BASELINE  # noqa: PT018 - likewise


def test_the_two_kinds_of_models_are_apart(registry: Registry, database: Database) -> None:
    Admin(registry, database).register("v2")
    assert Admin(registry, database, kind=ModelKind.SALIENCE).state().canary_version is None


def test_signals_are_counted_and_averaged_for_each_version_and_metric(admin: Admin) -> None:
    for version, metric, value in [("a", "m", 1), ("a", "m", 0.5), ("a", "n", -3), ("b", "m", 2)]:
        state = admin.signal(version, metric, value)
    assert state.signal_summary == {
        "a": {"m.count": 2, "m.avg": 0.75, "n.count": 1, "n.avg": -3},
        "b": {"m.count": 1, "m.avg": 2},
    }


def test_only_the_last_signals_count(database: Database, clock: Callable[[], Any]) -> None:
    admin = Admin(Registry(database, clock, window=3), database)
    for value in range(5):
        state = admin.signal("a", "m", value)
    assert state.signal_summary == {"a": {"m.count": 3, "m.avg": 3}}


def test_the_last_signals_of_each_model_stay_when_older_ones_are_pruned(
    database: Database, clock: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "_PRUNED_AT_ONCE", 2)
    registry = Registry(database, clock, window=1, kept=3)
    admin, other = Admin(registry, database), Admin(registry, database, tenant="other")
    salience = Admin(registry, database, kind=ModelKind.SALIENCE)
    for value in range(8):
        admin.signal("a", "m", value)
        other.signal("a", "m", value)
    salience.signal("a", "m", 0)

    def values(of: Admin) -> list[float]:
        return [item.value for item in of.history().items]

    while registry.prune("home"):
        pass
    assert (values(admin), values(salience), len(values(other))) == ([7, 6, 5], [0], 8)
    registry.purge()
    assert values(other) == [7, 6, 5]


def test_what_the_summary_is_made_of_is_never_pruned(database: Database, clock: Callable[[], Any]) -> None:
    admin = Admin(Registry(database, clock, window=3, kept=1), database)
    for value in range(5):
        admin.signal("a", "m", value)
    admin.registry.purge()
    assert admin.state().signal_summary == {"a": {"m.count": 3, "m.avg": 3}}


def test_the_mean_of_the_largest_numbers_is_a_number(admin: Admin) -> None:
    largest = 1.7976931348623157e308
    admin.signal("a", "m", largest)
    assert admin.signal("a", "m", largest).signal_summary["a"]["m.avg"] == largest


def test_the_history_tells_changes_and_signals_newest_first(admin: Admin) -> None:
    admin.register("v2", rollout_percent=5)
    admin.signal("v2", "ndcg", 0.7, source="benchmark")
    admin.promote()
    admin.register("v3")
    admin.rollback()
    items = admin.history().items
    assert [item.event_kind for item in items] == [
        *("rollback_canary", "register_canary", "promote_canary", "record_signal", "register_canary")
    ]
    signal = items[3].model_dump(mode="json")
    assert signal == {
        "kind": "signal",
        "event_kind": "record_signal",
        "actor_agent_id": "ada",
        "payload": None,
        "created_at": signal["created_at"],
        "version": "v2",
        "metric": "ndcg",
        "value": 0.7,
        "source": "benchmark",
    }
    assert items[2].payload == {"previous_active_version": BASELINE, "new_active_version": "v2"}
    assert items[0].payload == {"previous_canary_version": "v3"}
    assert len({item.created_at for item in items}) == 5
    assert [item.event_kind for item in admin.history(limit=2).items] == ["rollback_canary", "register_canary"]


def test_a_clock_that_goes_back_does_not_mix_up_the_history(admin: Admin, clock: Any) -> None:
    admin.register("v2")
    clock.move(hours=-2)
    admin.signal()
    admin.promote()
    assert [item.event_kind for item in admin.history().items] == [
        *("promote_canary", "record_signal", "register_canary")
    ]


def test_another_tenants_registry_is_neither_seen_nor_changed(
    registry: Registry, database: Database, routed: Callable[..., Route]
) -> None:
    mine, theirs = Admin(registry, database), Admin(registry, database, "away")
    mine.fitted("v2", {"lexical": 1.0}, rollout_percent=100, tenant_allowlist=["away"])
    mine.signal()
    assert (theirs.state().canary_version, theirs.state().signal_summary, theirs.history().items) == (None, {}, [])
    assert routed("away") == Route(BASELINE, "active", None)
    theirs.register("v2", rollout_percent=100)
    assert routed("away").weights is None
    theirs.promote()
    assert mine.state().active_version == BASELINE


@pytest.mark.parametrize("role", [Role.READER, Role.WRITER])
def test_only_an_admin_may_ask(registry: Registry, database: Database, role: Role) -> None:
    for method in ("state", "register", "promote", "rollback", "signal", "history"):
        with pytest.raises(ForbiddenError) as refused:
            getattr(Admin(registry, database, role=role), method)()
        assert refused.value.word == "insufficient_role"


def test_changes_at_once_stand_one_after_the_other(admin: Admin) -> None:
    def change(number: int) -> None:
        admin.register(f"v{number}")
        with suppress(PreconditionError):  # another promoted first what stood there
            admin.promote()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    active: str | None = BASELINE
    canary: str | None = None
    for item in reversed(admin.history(limit=500).items):
        payload = item.payload or {}
        if item.event_kind == "register_canary":
            canary = payload["version"]
        else:
            assert payload == {"previous_active_version": active, "new_active_version": canary}
            active, canary = canary, None
    state = admin.state()
    assert (state.active_version, state.canary_version) == (active, canary)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": ""},
        {"version": "v" * 129},
        {"rollout_percent": 101},
        {"rollout_percent": -1},
        {"rollout_percent": True},
        {"tenant_allowlist": [""]},
        {"tenant_allowlist": ["t"] * 1_001},
        {"metadata": {"n": float("inf")}},
        {"metadata": {"n": "x" * 20_000}},
        {"metadata": []},
    ],
)
def test_what_cannot_be_a_version_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RegisterRequest.model_validate({"tenant_id": "home", "agent_id": "ada", "version": "v2", **fields})
