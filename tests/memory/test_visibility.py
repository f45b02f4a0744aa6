"""Who sees, changes and infers what: generated over every scope, caller and role (contract memory-api)."""

from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import ForbiddenError, MemboxError, NotFoundError
from appliance.memory import Memory
from appliance.memory.models import ForgetRequest, RecallRequest, RememberRequest
from appliance.principal import Principal, Role

SCOPES = ("private", "team", "global")
ROLES = ("reader", "writer", "admin")
CALLERS = (("home", "ada"), ("home", "bob"), ("away", "ada"))
Caller = Callable[..., Any]


def sees(stored_scope: str, asked_scope: str, tenant: str, agent: str) -> bool:
    """The contract's visibility, of an item of agent ada in tenant home."""
    if tenant != "home":
        return False
    if stored_scope == "private":
        return agent == "ada"
    return stored_scope == "global" or asked_scope != "private"


@pytest.fixture
def items(caller: Caller) -> dict[str, str]:
    """An item of ada's, in each scope."""
    ada = caller("ada", "admin")
    return {scope: ada.keep(f"the gate code, {scope}", scope=scope) for scope in SCOPES}


@pytest.mark.parametrize(("tenant", "agent"), CALLERS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("asked", SCOPES)
def test_recall_and_inspect_show_exactly_what_the_scope_allows(
    caller: Caller, items: dict[str, str], tenant: str, agent: str, role: str, asked: str
) -> None:
    someone = caller(agent, role, tenant)
    expected = {scope for scope in SCOPES if sees(scope, asked, tenant, agent)}
    assert {item.memory_id for item in someone.ask("gate code", scope=asked).items} == {items[it] for it in expected}
    for scope, memory_id in items.items():
        if scope in expected:
            assert someone.inspect(memory_id, scope=asked).scope == scope
        else:
            with pytest.raises(NotFoundError, match="no such memory") as missing:
                someone.inspect(memory_id, scope=asked)
            assert missing.value.word == "memory_not_found"


@pytest.mark.parametrize(("tenant", "agent"), CALLERS)
@pytest.mark.parametrize(("role", "scope"), list(product(ROLES, SCOPES)))
def test_forgetting_is_for_the_owner_and_the_admin(
    caller: Caller, items: dict[str, str], tenant: str, agent: str, role: str, scope: str
) -> None:
    someone, memory_id = caller(agent, role, tenant), items[scope]
    expected: type[MemboxError] | None = None
    if role == "reader":
        expected = ForbiddenError
    elif tenant != "home":
        expected = NotFoundError
    elif agent != "ada" and role != "admin":
        expected = NotFoundError if scope == "private" else ForbiddenError
    if expected is None:
        assert someone.forget(memory_id).model_dump() == {"memory_id": memory_id, "deleted": True}
        with pytest.raises(NotFoundError):
            someone.forget(memory_id)
        return
    with pytest.raises(expected) as refused:
        someone.forget(memory_id)
    words: dict[type[MemboxError], str] = {
        ForbiddenError: "insufficient_role",
        NotFoundError: "memory_not_found",
    }
    assert refused.value.word == words[expected]
    assert caller("ada", "admin").inspect(memory_id, scope="team").memory_id == memory_id


@pytest.mark.parametrize(("role", "scope"), list(product(ROLES, SCOPES)))
def test_who_may_store_in_which_scope(caller: Caller, role: str, scope: str) -> None:
    someone = caller("ada", role)
    if role == "reader":
        word = "insufficient_role"
    elif scope == "global" and role != "admin":
        word = "global_scope_requires_admin"
    else:
        assert someone.remember("a gate", scope=scope).accepted == 1
        return
    with pytest.raises(ForbiddenError) as refused:
        someone.remember("a gate", scope=scope)
    assert refused.value.word == word


@pytest.mark.parametrize("role", ROLES)
def test_the_first_of_the_reasons_to_refuse_is_named(caller: Caller, role: str) -> None:
    someone = caller("ada", role)

    def word(**fields: Any) -> str | None:
        try:
            someone.remember("a gate", scope="global", **fields)
        except ForbiddenError as refused:
            return refused.word
        return None

    assert word(tenant_id="away", agent_id="bob") == "tenant_mismatch"
    assert word(agent_id="bob") == (None if role == "admin" else "agent_mismatch")
    assert word() == {"reader": "insufficient_role", "writer": "global_scope_requires_admin", "admin": None}[role]


@pytest.mark.parametrize("call", ["ask", "inspect", "forget", "remember"])
def test_every_call_checks_tenant_and_agent(caller: Caller, call: str) -> None:
    someone = caller("ada", "writer")
    for fields, word in (({"tenant_id": "away"}, "tenant_mismatch"), ({"agent_id": "bob"}, "agent_mismatch")):
        with pytest.raises(ForbiddenError) as refused:
            getattr(someone, call)("mem_0", **fields)
        assert refused.value.word == word


def test_an_admin_may_speak_for_another_agent_of_its_tenant(caller: Caller) -> None:
    admin, bob = caller("root", "admin"), caller("bob", "reader")
    admin.keep("bob's own gate", agent_id="bob")
    assert bob.recall("gate") == ["bob's own gate"]
    assert admin.recall("gate", agent_id="bob") == ["bob's own gate"]
    assert admin.recall("gate") == []


def test_without_keys_the_caller_is_admin_of_whatever_it_names(memory: Memory) -> None:
    anyone = Principal("", "", Role.ADMIN, unbound=True)
    for tenant in ("one", "two"):
        request = {"tenant_id": tenant, "agent_id": "x", "items": [{"type": "fact", "text": f"gate of {tenant}"}]}
        memory.remember(anyone, RememberRequest.model_validate({**request, "scope": "global"}))
    found = memory.recall(anyone, RecallRequest(tenant_id="two", agent_id="y", query="gate"))
    assert [item.text for item in found.items] == ["gate of two"]
    with pytest.raises(NotFoundError):
        memory.forget(anyone, found.items[0].memory_id, ForgetRequest(tenant_id="one", agent_id="x"))


def test_a_small_tenant_is_not_drowned_by_a_large_one(caller: Caller) -> None:
    crowd, lone = caller("x", tenant="crowd"), caller("x", tenant="lone")
    for start in range(0, 5000, 100):
        crowd.remember(*(f"gate gate gate code {number}" for number in range(start, start + 100)), scope="team")
    lone.keep("somewhere in a long sentence about quite other matters there is a gate")
    assert lone.recall("gate code") == ["somewhere in a long sentence about quite other matters there is a gate"]


def test_filters_are_part_of_the_candidates_too(caller: Caller, ada: Any, clock: Any) -> None:
    for start in range(0, 1000, 100):
        ada.remember(*({"text": f"gate code {n}", "trust_level": "untrusted_web"} for n in range(start, start + 100)))
        ada.remember(
            *({"text": f"gate code {n}", "expires_at": "2026-11-20T10:00:00Z"} for n in range(start, start + 100))
        )
    ada.keep({"text": "in the end it was only an old gate that nobody used", "type": "policy"})
    clock.move(hours=2)
    expected = ["in the end it was only an old gate that nobody used"]
    assert ada.recall("gate code", filters={"types": ["policy"]}) == expected
    assert ada.recall("gate code", filters={"trust_min": 0.5}) == expected


WORDS = ["gate", "code", "garden", "green", "deploy", "friday", "river", "stone", "must", "maybe"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mine=TEXTS,
    theirs=TEXTS,
    query=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
)
def test_private_items_of_others_change_nothing_at_all_in_an_answer(
    caller: Caller, mine: list[str], theirs: list[str], query: str
) -> None:
    tenant = str(uuid4())
    me, other, foreign = caller("me", tenant=tenant), caller("other", tenant=tenant), caller("me", tenant=f"{tenant}.")
    me.remember(*mine)

    def answer() -> dict[str, Any]:
        return me.ask(query, scope="team", explain=True).model_dump(exclude={"trace_id"})  # type: ignore[no-any-return]

    before = answer()
    other.remember(*theirs * 5)
    foreign.remember(*theirs * 5, scope="team")
    assert answer() == before
    # Nor does what a writer is told of its own new item.
    warned = me.remember(*theirs).warnings
    assert all(me.inspect(warning.removeprefix("similar:")).agent_id == "me" for warning in warned)


def test_nor_do_they_when_there_are_more_matches_than_candidates(caller: Caller) -> None:
    """Which of many rows become candidates must not depend on what others wrote either."""
    me, other = caller("me"), caller("other")
    for start in range(0, 100, 50):
        me.remember(*(f"the river has number {n}" for n in range(start, start + 50)))
        me.remember(*(f"a stone of number {n}" for n in range(start, start + 50)))
    before = me.recall("river stone")
    for word in ("stone", "river " * 40):
        other.remember(*[f"{word} lies there"] * 100)
        other.remember(*[f"{word} lies there"] * 100)
        other.remember(*[f"{word} lies there"] * 100)
        assert me.recall("river stone") == before
