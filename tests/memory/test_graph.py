"""Related items: what shares words, a phrase, a reference or its time with what was found comes along, and no more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from appliance.memory import Memory
from appliance.principal import Principal, Role
from appliance.settings import Graph
from appliance.storage import Database
from tests.memory.conftest import Caller, MovableClock

OUTAGE = "Outage of the greenhouse pump, see https://example.org/runbooks/pump and PUMP-17"


@pytest.fixture
def with_graph(database: Database, clock: MovableClock) -> Callable[..., Caller]:
    """A caller to a memory whose graph is on, with settings of its own."""

    def caller(agent: str = "me", **settings: Any) -> Caller:
        memory = Memory(database, clock, graph=Graph(enabled=True, **settings))
        return Caller(memory, Principal("home", agent, Role.WRITER))

    return caller


def at(clock: MovableClock, hours: float) -> str:
    return (clock() + timedelta(hours=hours)).isoformat()


def test_it_is_off_unless_asked_for(database: Database, clock: MovableClock) -> None:
    me = Caller(Memory(database, clock), Principal("home", "me", Role.WRITER))
    me.remember(OUTAGE, "Replaced the impeller as PUMP-17 says")
    assert me.recall("greenhouse outage") == [OUTAGE]


@pytest.mark.parametrize(
    ("relation", "other"),
    [
        ("reference", "The steps are in https://example.org/runbooks/pump, last page"),
        ("reference", "Closed PUMP-17 after a test run"),
        ("phrase", "A spare greenhouse pump lies in the shed"),
    ],
)
def test_what_has_something_in_common_comes_along(
    with_graph: Callable[..., Caller], clock: MovableClock, relation: str, other: str
) -> None:
    me = with_graph()
    me.remember({"text": OUTAGE, "occurred_at": at(clock, 0)}, {"text": other, "occurred_at": at(clock, -30)})
    items = me.ask("outage", explain=True).items
    assert [item.text for item in items] == [OUTAGE, other]
    assert any(why.startswith(relation) for why in items[1].model_dump()["why"])


def test_what_happened_in_the_same_hours_comes_along(with_graph: Callable[..., Caller], clock: MovableClock) -> None:
    me = with_graph(temporal_weight=3)
    me.remember(
        {"text": OUTAGE, "occurred_at": at(clock, -100)},
        {"text": "Lightning struck nearby", "occurred_at": at(clock, -99)},
        {"text": "Bought bread", "occurred_at": at(clock, -50)},
    )
    assert me.recall("outage") == [OUTAGE, "Lightning struck nearby"]


def test_a_relation_to_long_ago_counts_less(with_graph: Callable[..., Caller], clock: MovableClock) -> None:
    near = {"text": "Closed PUMP-17 for now", "occurred_at": at(clock, -2)}
    far = {"text": "Opened PUMP-17 with a photo", "occurred_at": at(clock, -2000)}
    with_graph().remember({"text": OUTAGE, "occurred_at": at(clock, 0)}, far, near)
    assert with_graph().recall("outage")[1:] == [near["text"]]
    assert with_graph(half_life_hours=100_000).recall("outage")[1:] == [near["text"], far["text"]]


def test_a_weight_of_nothing_switches_a_relation_off(with_graph: Callable[..., Caller]) -> None:
    me = with_graph(reference_weight=0, keyword_weight=0, phrase_weight=0, temporal_weight=0)
    me.remember(OUTAGE, "Closed PUMP-17 after a test run")
    assert me.recall("outage") == [OUTAGE]


def test_no_more_come_along_than_allowed(with_graph: Callable[..., Caller]) -> None:
    with_graph().remember(OUTAGE, *(f"PUMP-17 again, visit {n} of the fitter" for n in range(10)))
    assert len(with_graph().recall("outage", budget={"max_items": 50})) == 1 + 4
    assert len(with_graph(max_expansion=2).recall("outage", budget={"max_items": 50})) == 1 + 2
    assert with_graph(max_expansion=0).recall("outage") == [OUTAGE]


def test_what_very_many_have_in_common_relates_none_of_them(with_graph: Callable[..., Caller]) -> None:
    me = with_graph()
    me.remember(OUTAGE, *(f"PUMP-17 again, visit {n} of the fitter" for n in range(40)))
    assert me.recall("outage") == [OUTAGE]


def test_nothing_comes_along_that_may_not_be_seen(with_graph: Callable[..., Caller], clock: MovableClock) -> None:
    me, other = with_graph(), with_graph("other")
    me.remember(OUTAGE)
    other.remember("PUMP-17 is our secret")
    me.remember({"text": "PUMP-17 was here", "expires_at": at(clock, 1)})
    clock.move(hours=2)
    assert me.recall("outage") == [OUTAGE]


def test_filters_hold_for_related_items_too(with_graph: Callable[..., Caller]) -> None:
    me = with_graph()
    me.remember(OUTAGE, {"text": "Closed PUMP-17 after a test run", "trust_level": "untrusted_web"})
    assert me.recall("outage", filters={"trust_min": 0.5}) == [OUTAGE]


def test_what_others_have_in_common_does_not_show(with_graph: Callable[..., Caller]) -> None:
    """Whether a term is a hub is judged by what the caller sees: else the count of others' items could be told."""
    me, other = with_graph(), with_graph("other")
    me.remember(OUTAGE, "Closed PUMP-17 after a test run")
    before = me.recall("outage")
    other.remember(*(f"PUMP-17 again, visit {n}" for n in range(40)))
    assert me.recall("outage") == before


def test_a_forgotten_item_is_related_to_nothing(with_graph: Callable[..., Caller]) -> None:
    me = with_graph()
    me.remember(OUTAGE)
    related = me.keep("Closed PUMP-17 after a test run")
    assert len(me.recall("outage")) == 2
    me.forget(related)
    assert me.recall("outage") == [OUTAGE]
