"""What comes out: relevance first, within both budgets, each text once, with what contradicts what."""

from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.memory.conflicts import claim, contradicts
from appliance.memory.models import RecallRequest
from appliance.text import estimate_tokens

ITEM_FIELDS = {"memory_id", "type", "text", "confidence", "salience", "source_ref", "created_at"}
ANSWER_FIELDS = {"items", "composed_tokens_estimate", "conflicts", "trace_id", "model_version", "model_route"}


def test_an_answer_has_exactly_the_contracts_fields(ada: Any) -> None:
    ada.keep("the gate code")
    answer = ada.ask("gate").model_dump(mode="json")
    assert answer.keys() == ANSWER_FIELDS
    assert answer["items"][0].keys() == ITEM_FIELDS
    assert answer["trace_id"].startswith("rec_")
    assert (answer["model_version"], answer["model_route"]) == ("reranker-baseline-v1", "active")
    explained = ada.ask("gate", explain=True).model_dump(mode="json")
    assert explained["items"][0].keys() == ITEM_FIELDS | {"why", "file", "line", "occurred_at"}
    assert explained["items"][0]["why"] == ["gate"]


@pytest.mark.parametrize(
    "fields",
    [
        {"query": ""},
        {"query": "q" * 1025},
        {"query": 5},
        {"scope": "all"},
        {"budget": {"max_items": 0}},
        {"budget": {"max_items": 101}},
        {"budget": {"max_tokens": 63}},
        {"budget": {"max_tokens": 32001}},
        {"budget": {"max_items": "12"}},
        {"budget": {"max_items": True}},
        {"budget": {"max_items": 12.5}},
        {"budget": {"max_items": float("inf")}},
        {"budget": None},
        {"filters": {"trust_min": 1.1}},
        {"filters": {"types": ["rumour"]}},
        {"filters": {"types": "fact"}},
        {"explain": "yes"},
    ],
)
def test_a_request_past_a_limit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RecallRequest.model_validate({"tenant_id": "home", "agent_id": "ada", "query": "gate", **fields})


def test_a_whole_number_may_be_written_with_a_point(ada: Any) -> None:
    ada.remember("the gate code", "the gate key")
    assert len(ada.recall("gate", budget={"max_items": 1.0, "max_tokens": 1400.0})) == 1


@pytest.mark.parametrize("query", ["?", " ", "—…!", "🙂", "___"])
def test_a_query_without_a_word_returns_no_items(ada: Any, query: str) -> None:
    ada.keep("the gate code ? 🙂")
    assert ada.ask(query).items == []
    assert ada.ask(query).composed_tokens_estimate == 0


@pytest.mark.parametrize("query", ["flibbertigibbet quux", "zebra xylophone marmalade", "qwxz"])
def test_a_nonsense_query_returns_nothing(ada: Any, query: str) -> None:
    ada.remember("the gate code is 1234", "the deploy is on Friday", "pears keep until March")
    assert ada.recall(query) == []


def test_an_item_that_shares_one_common_word_of_a_long_question_is_not_an_answer(ada: Any) -> None:
    ada.remember("the billing service deploys on Friday from the release branch", "on Friday we eat fish")
    found = ada.recall("which release branch does the billing service deploy from on Friday")
    assert found == ["the billing service deploys on Friday from the release branch"]


def test_words_are_found_in_other_forms_cases_and_with_or_without_accents(ada: Any) -> None:
    ada.remember("Deployments were running at the Café", "東京タワーに行く", "Die Straße ist gesperrt")
    for query, expected in (
        ("deployment", "Deployments were running at the Café"),
        ("RUN", "Deployments were running at the Café"),
        ("cafe", "Deployments were running at the Café"),
        ("東京", "東京タワーに行く"),
        ("京", "東京タワーに行く"),
        ("strasse", "Die Straße ist gesperrt"),
    ):
        assert ada.recall(query) == [expected], query


def test_nothing_lifts_an_irrelevant_item_over_a_relevant_one(ada: Any) -> None:
    """Salience, confidence, trust and recency break ties only."""
    ada.keep(
        {
            "text": "the gate code for the garden is kept in the green box",
            "salience": 0.0,
            "confidence": 0.0,
            "trust_level": "untrusted_web",
            "occurred_at": "2001-01-01T00:00:00Z",
        }
    )
    ada.keep(
        {
            "text": "the garden is full of pears and the harvest must not wait",
            "salience": 1.0,
            "confidence": 1.0,
            "trust_level": "trusted_tool",
        }
    )
    assert ada.recall("gate code garden")[0] == "the gate code for the garden is kept in the green box"


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"salience": 0.9}, {"salience": 0.1}),
        ({"confidence": 0.9}, {"confidence": 0.1}),
        ({"trust_level": "trusted_tool", "confidence": 0.5}, {"trust_level": "untrusted_web", "confidence": 0.5}),
        ({"occurred_at": "2026-11-19T00:00:00Z"}, {"occurred_at": "2020-11-19T00:00:00Z"}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_equally_relevant_items_are_ordered_by_their_standing(
    ada: Any, better: dict[str, Any], worse: dict[str, Any], first: bool
) -> None:
    items = [{"text": "gate code alpha", **better}, {"text": "gate code omega", **worse}]
    ada.remember(*(items if first else items[::-1]))
    assert ada.recall("gate code") == ["gate code alpha", "gate code omega"]


def test_a_rare_word_does_not_drown_among_rows_with_more_of_the_common_ones(ada: Any) -> None:
    ada.keep("the zoo has a new gate")
    for start in range(0, 500, 100):
        ada.remember(*(f"deployments of services were approved {number}" for number in range(start, start + 100)))
    assert ada.recall("zoo deployments services")[0] == "the zoo has a new gate"


def test_the_same_question_has_the_same_answer(ada: Any) -> None:
    ada.remember(*(f"gate number {number}" for number in range(50)))
    assert len({tuple(ada.recall("gate number")) for _ in range(5)}) == 1


class TestBudget:
    def test_no_more_items_than_asked_for(self, ada: Any) -> None:
        ada.remember(*(f"gate number {number}" for number in range(100)))
        assert len(ada.recall("gate")) == 12
        for count in (1, 50, 100):
            assert len(ada.recall("gate", budget={"max_items": count, "max_tokens": 32000})) == count

    def test_tokens_stay_within_the_budget_and_are_told(self, ada: Any) -> None:
        ada.remember(*(f"gate {number} " + "words and more " * 20 for number in range(30)))
        answer = ada.ask("gate", budget={"max_tokens": 300})
        assert answer.composed_tokens_estimate == sum(estimate_tokens(item.text) for item in answer.items) <= 300
        assert len(answer.items) == 3

    def test_an_item_that_is_too_large_is_skipped_and_not_the_end(self, ada: Any) -> None:
        large = "gate gate gate code " * 150
        ada.remember(large, "a gate, and some way behind it the code")
        assert ada.recall("gate code", budget={"max_tokens": 64}) == ["a gate, and some way behind it the code"]
        assert len(ada.recall("gate code")) == 2

    def test_unsegmented_scripts_count_by_the_character(self, ada: Any) -> None:
        ada.remember(*(f"門{number}" + "東京都庁舎" * 12 for number in range(5)))
        answer = ada.ask("門", budget={"max_tokens": 130})
        assert len(answer.items) == 2
        assert 100 < answer.composed_tokens_estimate <= 130


class TestEqualTexts:
    def test_texts_equal_but_for_case_space_and_punctuation_come_once(self, ada: Any) -> None:
        ada.remember(
            "The gate code is green.", "the  GATE code\nis green", "The gate-code is green!!", "The gate code is red."
        )
        assert len(ada.recall("gate code")) == 2

    def test_the_one_with_the_better_standing_comes(self, ada: Any) -> None:
        ada.remember({"text": "the gate code", "salience": 0.1}, {"text": "The gate code.", "salience": 0.9})
        assert ada.recall("gate") == ["The gate code."]

    def test_what_differs_in_a_number_or_sign_is_not_the_same(self, ada: Any) -> None:
        ada.remember("gate costs 1.5", "gate costs 15", "gate 👍", "gate 👎", "gate résumé", "gate resume")
        assert len(ada.recall("gate")) == 6


class TestConflicts:
    CONTRADICT = (
        ("The deploy is on Friday", "The deploy is on Monday"),
        ("The standup is at 10:30", "The standup is at 11:00"),
        ("Meeting at 3 pm in the large room", "Meeting at 4 pm in the large room"),
        ("The retry limit is 5", "The retry limit is 7"),
        ("We run Postgres version 16.2.1", "We run Postgres version 17.0.1"),
        ("The release server is Oslo", "The release server is Rome"),
        ("The launch date is 2026-12-01", "The launch date is 2026-12-15"),
        ("Deploys are allowed on Fridays", "Deploys are not allowed on Fridays"),
        ("The server has a firewall", "The server doesn't have a firewall"),
        ("Always commit to main", "Never commit to main"),
    )
    AGREE = (
        ("The deploy is on Friday", "On Friday we eat fish together with the neighbours"),
        ("The deploy is on Friday", "The deploy is on Friday at 10:30"),
        ("The retry limit is 5", "The upload size limit of the portal is 7"),
        ("The release server is Oslo", "Oslo is the release server"),
        ("Pears keep until March", "The gate code is green"),
    )

    @pytest.mark.parametrize(("one", "other"), CONTRADICT)
    def test_another_value_or_a_denial_for_one_subject_contradicts(self, one: str, other: str) -> None:
        assert contradicts(claim(one), claim(other))
        assert contradicts(claim(other), claim(one))

    @pytest.mark.parametrize(("one", "other"), AGREE)
    def test_another_subject_or_more_detail_does_not(self, one: str, other: str) -> None:
        assert not contradicts(claim(one), claim(other))
        assert not contradicts(claim(other), claim(one))

    def test_each_pair_of_returned_items_is_named_once(self, ada: Any) -> None:
        ids = ada.remember("The deploy is on Friday", "The deploy is on Monday", "The deploy needs approval").memory_ids
        (named,) = ada.ask("deploy").conflicts
        assert named in {f"possible_conflict:{one}:{other}" for one, other in permutations(ids[:2])}

    def test_an_item_that_is_not_returned_is_not_named(self, ada: Any) -> None:
        ada.remember("The deploy is on Friday", "The deploy is on Monday")
        assert ada.ask("deploy", budget={"max_items": 1}).conflicts == []


class TestFilters:
    def test_types(self, ada: Any) -> None:
        for kind in ("event", "fact", "episode", "policy"):
            ada.keep({"text": f"gate {kind}", "type": kind})
        assert set(ada.recall("gate", filters={"types": ["event", "policy"]})) == {"gate event", "gate policy"}
        every: list[str] | None
        for every in (None, []):
            assert len(ada.recall("gate", filters={"types": every})) == 4

    def test_types_may_be_repeated_at_any_length(self, ada: Any) -> None:
        ada.remember({"text": "gate fact"}, {"text": "gate policy", "type": "policy"})
        # More than any SQLite takes in one statement, as builds differ.
        assert ada.recall("gate", filters={"types": ["policy"] * 300_000}) == ["gate policy"]

    def test_trust_and_type_hold_together(self, ada: Any) -> None:
        ada.keep({"text": "gate web", "trust_level": "untrusted_web"})
        ada.keep({"text": "gate event", "type": "event"})
        ada.keep({"text": "gate both"})
        assert ada.recall("gate", filters={"types": ["fact"], "trust_min": 0.5}) == ["gate both"]


class TestClockJumps:
    def test_after_an_hour_back_everything_is_still_found(self, ada: Any, clock: Any) -> None:
        ada.keep("the gate code")
        clock.move(hours=-1)
        ada.keep("the garden gate")
        assert set(ada.recall("gate")) == {"the gate code", "the garden gate"}

    def test_after_a_day_forward_and_back_only_what_has_expired_was_away(self, ada: Any, clock: Any) -> None:
        ada.remember("the gate code", {"text": "the guest gate", "expires_at": "2026-11-20T20:00:00Z"})
        clock.move(days=1)
        assert ada.recall("gate") == ["the gate code"]
        clock.move(days=-1)
        assert len(ada.recall("gate")) == 2
