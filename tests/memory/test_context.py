"""What stands beside the items found, for a caller who asks for it."""

from typing import Any

import pytest

from appliance.memory import NotebookSections
from appliance.notebook.sections import Section
from appliance.storage import Database

FOUND = "the alarm code is 4711"


def talk(*said: str, source: str = "talk/session_1", first: int = 1, **fields: Any) -> list[dict[str, Any]]:
    return [{"text": text, "source_ref": f"{source}#D1:{number}", **fields} for number, text in enumerate(said, first)]


def beside(caller: Any, question: str = "alarm code", **asked: Any) -> list[tuple[int, str]]:
    answer = caller.ask(question, context=asked)
    return [(each.offset, each.text) for each in answer.context]


def test_messages_before_and_after_come_along_in_their_order(ada: Any) -> None:
    ada.remember(*talk("good morning", "is it armed?", FOUND, "thank you", "bye"))
    assert beside(ada) == [(-2, "good morning"), (-1, "is it armed?"), (1, "thank you"), (2, "bye")]
    assert beside(ada, neighbours=1) == [(-1, "is it armed?"), (1, "thank you")]


def test_who_does_not_ask_gets_the_contracts_fields_alone(ada: Any) -> None:
    ada.remember(*talk("good morning", FOUND))
    assert set(ada.ask("alarm code").model_dump()) == {
        "items",
        "composed_tokens_estimate",
        "conflicts",
        "trace_id",
        "model_version",
        "model_route",
    }


def test_a_neighbour_says_beside_which_item_it_stands_and_has_an_items_fields(ada: Any) -> None:
    _, found = ada.remember(*talk("good morning", FOUND)).memory_ids
    answer = ada.ask("alarm code", context={})
    (neighbour,) = answer.model_dump()["context"]
    (item,) = answer.model_dump()["items"]
    assert neighbour["beside"] == found
    assert set(neighbour) == set(item) | {"beside", "offset"}


def test_nothing_comes_twice_and_what_was_found_is_no_neighbour(ada: Any) -> None:
    ada.remember(*talk("alarm code one", "between", "alarm code two"))
    assert sorted(beside(ada)) in ([(-1, "between")], [(1, "between")])


def test_the_numbers_of_a_source_give_the_order_not_when_it_was_remembered(ada: Any) -> None:
    ada.remember(*talk("thank you", first=3), *talk("is it armed?", FOUND))
    assert beside(ada) == [(-1, "is it armed?"), (1, "thank you")]


def test_another_conversation_and_another_time_are_not_beside(ada: Any, clock: Any) -> None:
    ada.remember(*talk("elsewhere", source="other"), *talk(FOUND), *talk("elsewhere too", source="other", first=2))
    assert beside(ada) == []
    ada.remember("an hour before")
    clock.move(hours=1)
    ada.remember("the gate is locked", "said together with that")
    assert beside(ada, "gate locked") == [(1, "said together with that")]


def test_nobody_gets_what_only_another_sees_or_what_has_expired(ada: Any, caller: Any, clock: Any) -> None:
    ada.remember(*talk("private to ada"))
    ada.remember(*talk(FOUND, first=2), scope="team")
    ada.remember(*talk("for the team", first=4), scope="team")
    ada.remember(*talk("over soon", first=3, expires_at="2026-11-20T10:00:00Z"), scope="team")
    clock.move(hours=2)
    bob = caller("bob")
    answer = bob.ask("alarm code", scope="team", context={})
    assert [each.text for each in answer.context] == ["for the team"]


def test_filters_hold_for_neighbours_too(ada: Any) -> None:
    web = talk("from the web", trust_level="untrusted_web")
    ada.remember(*web, *talk(FOUND, first=2))
    answer = ada.ask("alarm code", filters={"trust_min": 0.7}, context={})
    assert answer.context == []


def test_their_budget_is_their_own_and_the_nearest_come_first(ada: Any) -> None:
    long = "word " * 40  # about 50 tokens
    ada.remember(*talk(f"far {long}", f"near {long}", FOUND))
    answer = ada.ask("alarm code", budget={"max_tokens": 64}, context={"max_tokens": 64})
    assert [each.offset for each in answer.context] == [-1]
    assert 50 <= answer.context_tokens_estimate <= 64
    assert answer.composed_tokens_estimate < 10


def test_sections_of_a_file_are_beside_each_other_however_often_they_were_edited(
    ada: Any, database: Database, clock: Any
) -> None:
    sections = NotebookSections("home", clock)
    first, last = Section("the shed is green", 1, 2, "fact"), Section("the fence is new", 9, 10, "fact")

    def save(middle: str, path: str = "home.md") -> None:
        database.write(lambda conn: sections.replace(conn, path, [first, Section(middle, 4, 7, "fact"), last]))

    save("nothing yet")
    ada.remember(*(f"filler {number}" for number in range(100)), scope="team")
    ada.remember(*(f"more filler {number}" for number in range(100)), scope="team")
    ada.remember(*(f"yet more {number}" for number in range(10)), scope="team")
    save(FOUND)
    save("of another file", "other.md")
    answer = ada.ask("alarm code", scope="team", context={"neighbours": 1})
    assert [each.text for each in answer.context] == ["the shed is green", "the fence is new"]


@pytest.mark.parametrize("asked", [{"neighbours": 0}, {"neighbours": 11}, {"max_tokens": 63}, {"neighbours": "two"}])
def test_limits_are_those_of_the_documentation(ada: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="context"):
        ada.ask("alarm code", context=asked)
