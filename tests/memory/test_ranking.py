"""What makes a candidate better than another: meaning, neighbours, who speaks, when it was."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, override
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import ColumnElement, Connection, Row, select

from appliance.clock import from_ms, to_ms
from appliance.memory import Memory
from appliance.memory.candidates import Candidates, CandidateSource, FullText, Query, candidates
from appliance.memory.features import NAMES
from appliance.memory.models import Scope
from appliance.memory.rank import Ranked, rank
from appliance.memory.reranker import BASELINE, weights_of
from appliance.memory.timing import nearness, windows
from appliance.memory.visibility import visible_to
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.schema import memory_items
from tests.memory.conftest import Caller


class Meanings(CandidateSource):
    """Knows by heart how near each text is to every question."""

    floor = 0.3

    def __init__(self, cosine_of: Mapping[str, float]) -> None:
        self._cosine_of = cosine_of

    @override
    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        rows = conn.execute(select(memory_items).where(visible))
        return [row for row in rows if self._cosine_of.get(row.text, 0.0) >= self.floor]

    @override
    def cosines(self, conn: Connection, query: Query, item_ids: Sequence[int]) -> dict[int, float]:
        rows = conn.execute(select(memory_items).where(memory_items.c.id.in_(item_ids)))
        return {row.id: self._cosine_of[row.text] for row in rows if row.text in self._cosine_of}


@pytest.fixture
def ask(database: Database, clock: Any) -> Any:
    """Ranks what ada sees for a question, with the cosines given by text."""

    def ranked(
        question: str, cosine_of: Mapping[str, float] | None = None, version: Mapping[str, float] | None = None
    ) -> list[Ranked]:
        now = to_ms(clock())
        query = Query.of("home", question, now)
        sources: list[CandidateSource] = [FullText(database), Meanings(cosine_of or {})]
        with database.read() as conn:
            found = candidates(conn, sources, query, visible_to("home", "ada", Scope.PRIVATE, now), 60)
        return rank(query, found, now, version)

    return ranked


def texts(ranked: Sequence[Ranked]) -> list[str]:
    return [each.row.text for each in ranked]


def turn(text: str, number: int, talk: str = "talk", **fields: Any) -> dict[str, Any]:
    """A message of a conversation."""
    return {"text": text, "source_ref": f"{talk}#D1:{number}", "occurred_at": "2026-11-01T10:00:00Z", **fields}


class TestMeaning:
    def test_what_shares_no_word_is_found_by_meaning_from_the_floor_on(self, ada: Any, ask: Any) -> None:
        ada.remember("we adopted a puppy", "the tax is due")
        (found,) = ask("pets", {"we adopted a puppy": 0.31, "the tax is due": 0.29})
        assert (found.row.text, found.matched) == ("we adopted a puppy", ["meaning"])

    def test_of_equal_words_the_nearer_meaning_comes_first(self, ada: Any, ask: Any) -> None:
        ada.remember("the bank of the river", "the bank for money")
        for near, far in (
            ("the bank of the river", "the bank for money"),
            ("the bank for money", "the bank of the river"),
        ):
            assert texts(ask("bank", {near: 0.6, far: 0.2})) == [near, far]

    def test_an_item_whose_vector_is_not_made_yet_is_not_behind_for_that(self, ada: Any, ask: Any) -> None:
        ada.remember("gate code old", "gate code new", "gate code far")
        assert texts(ask("gate code", {"gate code old": 0.5, "gate code far": 0.1})) == [
            "gate code old",
            "gate code new",
            "gate code far",
        ]

    def test_a_question_without_a_word_finds_nothing_by_meaning_either(self, ada: Any, ask: Any) -> None:
        ada.keep("the gate code")
        assert ask("🙂", {"the gate code": 1.0}) == []


class TestNeighbours:
    def test_beside_a_good_answer_a_poor_one_weighs_more(self, ada: Any, ask: Any) -> None:
        ada.remember(
            turn("that code was lost", 1),
            turn("unrelated chatter here", 2),
            turn("something else again", 3),
            turn("nothing to see", 4),
            turn("which alarm code is it", 5),
            turn("this code was lost", 6),
        )
        assert texts(ask("alarm code"))[:2] == ["which alarm code is it", "this code was lost"]

    def test_items_of_another_conversation_lend_nothing(self, ada: Any, ask: Any) -> None:
        ada.remember(turn("which alarm code is it", 1), turn("this code was lost", 2, talk="other"))
        lent = {each.row.text: each.features[NAMES.index("neighbour_lexical")] for each in ask("alarm code")}
        assert lent["this code was lost"] == 0

    def test_what_is_two_away_lends_half_and_what_is_three_away_nothing(self, ada: Any, ask: Any) -> None:
        ada.remember(turn("alarm code", 1), turn("code one", 2), turn("code two", 3), turn("code six", 4))
        lent = {each.row.text: each.features[NAMES.index("neighbour_lexical")] for each in ask("alarm code")}
        assert lent["code one"] == 1
        assert lent["code two"] == pytest.approx(0.5)
        assert lent["code six"] < 0.5

    def test_without_numbers_what_was_remembered_together_is_beside_each_other(self, ada: Any, ask: Any) -> None:
        ada.remember("alarm code", "code one")
        assert {each.features[NAMES.index("neighbour_lexical")] > 0 for each in ask("alarm code")} == {True}

    def test_an_unseen_neighbour_lends_nothing(self, ada: Any, ask: Any, caller: Any) -> None:
        caller("bob").remember(turn("alarm code alarm code", 1))
        ada.remember(turn("code one", 2))
        assert ask("alarm code")[0].features[NAMES.index("neighbour_lexical")] == 0


class TestSpeakers:
    def test_whoever_the_question_names_is_asked_for(self, ada: Any, ask: Any) -> None:
        said = "I like to paint the sea"
        ada.remember(*(f"{who}: {said}" for who in ("Melanie", "Caroline", "Melanie", "Caroline")))
        assert all(text.startswith("Caroline") for text in texts(ask("What does Caroline like to paint?"))[:2])
        assert all(text.startswith("Melanie") for text in texts(ask("What does Melanie like to paint?"))[:2])

    def test_the_first_person_is_the_one_who_talks_to_an_assistant(self, ada: Any, ask: Any) -> None:
        ada.remember(
            *(f"{who}: the sprint ends on {day}" for day in ("May 2", "May 9") for who in ("assistant", "user"))
        )
        assert all(text.startswith("user") for text in texts(ask("When does my sprint end?"))[:2])

    def test_one_heading_is_no_speaker(self, ada: Any, ask: Any) -> None:
        ada.remember("Deploy: the gate is green", "the deploy is on Friday")
        assert {each.features[NAMES.index("speaker")] for each in ask("deploy")} == {0.0}


class TestAnswers:
    def test_a_question_is_no_answer(self, ada: Any, ask: Any) -> None:
        ada.remember("is the gate code green?", "well, the gate code is green")
        assert texts(ask("gate code"))[0] == "well, the gate code is green"

    def test_asked_when_what_names_a_day_comes_first(self, ada: Any, ask: Any) -> None:
        ada.remember("the gate was mended well", "the gate was mended Monday")
        assert texts(ask("When was the gate mended?"))[0] == "the gate was mended Monday"

    def test_words_about_the_asking_weigh_less_than_those_about_the_subject(self, ada: Any, ask: Any) -> None:
        ada.remember("the list in order of mention", "the budget tracker")
        assert texts(ask("can you list the order in which I mentioned the budget"))[0] == "the budget tracker"


class TestTime:
    def test_of_equals_what_happened_then_comes_first(self, ada: Any, ask: Any) -> None:
        for day, text in (("17", "we met the plumber again"), ("03", "we met the plumber"), ("10", "we met a plumber")):
            ada.keep({"text": text, "occurred_at": f"2026-11-{day}T10:00:00Z"})
        assert texts(ask("who met the plumber on Tuesday"))[0] == "we met the plumber again"
        assert texts(ask("who met the plumber on 10 November"))[0] == "we met a plumber"
        (first, *_) = ask("who met the plumber on 2026-11-03")
        assert (first.row.text, first.matched[-1]) == ("we met the plumber", "2026-11-03")

    def test_what_happened_then_does_not_drown_in_what_came_later(self, ada: Any, ask: Any) -> None:
        ada.keep({"text": "the review of the gate", "occurred_at": "2026-03-10T10:00:00Z"})
        for start in range(0, 300, 100):
            ada.remember(*(f"the review of the gate, round {number}" for number in range(start, start + 100)))
        assert texts(ask("what did the review of the gate say in March"))[0] == "the review of the gate"

    def test_asked_for_nothing_but_a_time_all_that_was_then_answers(self, ada: Any, clock: Any) -> None:
        ada.remember(
            {"text": "we planted pears", "occurred_at": "2026-11-17T10:00:00Z"},
            {"text": "we ate fish", "occurred_at": "2026-11-16T10:00:00Z"},
            {"text": "old secret", "occurred_at": "2026-11-17T10:00:00Z", "expires_at": "2026-11-18T00:00:00Z"},
        )
        assert ada.recall("what happened last Tuesday?") == ["we planted pears"]
        (item,) = ada.ask("What happened on 2026-11-16?", explain=True).items
        assert (item.text, item.why) == ("we ate fish", ["2026-11-16"])

    @pytest.mark.parametrize(
        ("question", "first", "last"),
        [
            ("what was said yesterday", "2026-11-19", "2026-11-19"),
            ("the day before yesterday", "2026-11-18", "2026-11-18"),
            ("last Friday's lunch", "2026-11-13", "2026-11-13"),
            ("lunch on Thursday", "2026-11-19", "2026-11-19"),
            ("last week", "2026-11-09", "2026-11-15"),
            ("this month", "2026-11-01", "2026-11-30"),
            ("last year", "2025-01-01", "2025-12-31"),
            ("in March", "2026-03-01", "2026-03-31"),
            ("in December", "2025-12-01", "2025-12-31"),
            ("in February 2024", "2024-02-01", "2024-02-29"),
            ("on 7 May 2023", "2023-05-07", "2023-05-07"),
            ("May 7th, 2023", "2023-05-07", "2023-05-07"),
            ("on 24 December", "2025-12-24", "2025-12-24"),
            ("two weeks ago", "2026-11-03", "2026-11-09"),
            ("3 days ago", "2026-11-17", "2026-11-17"),
            ("in 2024", "2024-01-01", "2024-12-31"),
        ],
    )
    def test_times_as_people_name_them(self, question: str, first: str, last: str, clock: Any) -> None:
        (likeliest, *_), _ = windows(question, to_ms(clock()))
        assert (from_ms(likeliest.first).date().isoformat(), from_ms(likeliest.last).date().isoformat()) == (
            first,
            last,
        )
        assert likeliest.likelihood == 1

    @pytest.mark.parametrize(
        "question", ["May I march on", "2026-02-30", "the 31 June plan", "99 weeks", "Sunday roast"]
    )
    def test_what_is_no_time_names_none(self, question: str, clock: Any) -> None:
        assert windows(question, to_ms(clock())) == ([], False)

    @pytest.mark.parametrize(
        ("now", "zone", "question", "first", "last"),
        [
            ("2026-11-20T12:30:00Z", "Pacific/Auckland", "today", "2026-11-20T11:00Z", "2026-11-21T11:00Z"),  # +13
            ("2026-11-20T10:30:00Z", "Pacific/Auckland", "yesterday", "2026-11-18T11:00Z", "2026-11-19T11:00Z"),
            (
                "2026-11-20T07:30:00Z",
                "America/Los_Angeles",
                "yesterday",
                "2026-11-18T08:00Z",
                "2026-11-19T08:00Z",
            ),  # −8
            ("2026-11-20T09:00:00Z", "America/Los_Angeles", "in October", "2026-10-01T07:00Z", "2026-11-01T07:00Z"),
            (
                "2026-10-26T09:00:00Z",
                "Europe/Berlin",
                "yesterday",
                "2026-10-24T22:00Z",
                "2026-10-25T23:00Z",
            ),  # 25 hours
            (
                "2026-03-30T09:00:00Z",
                "Europe/Berlin",
                "yesterday",
                "2026-03-28T23:00Z",
                "2026-03-29T22:00Z",
            ),  # 23 hours
            (
                "2026-04-25T09:00:00Z",
                "Africa/Cairo",
                "yesterday",
                "2026-04-23T22:00Z",
                "2026-04-24T21:00Z",
            ),  # no midnight
        ],
    )
    def test_days_are_those_of_the_zone(self, now: str, zone: str, question: str, first: str, last: str) -> None:
        asked, begin, end = (to_ms(datetime.fromisoformat(moment)) for moment in (now, first, last))
        ((window, *_), _) = windows(question, asked, ZoneInfo(zone))
        assert (window.first, window.last) == (begin, end - 1)

    def test_memory_asks_for_the_days_of_its_own_zone(self, database: Database, clock: Any, caller: Any) -> None:
        caller().remember({"text": "tea with Luisa", "occurred_at": "2026-11-18T12:00:00Z"})  # the 19th, there
        at_home = Caller(Memory(database, clock, timezone="Pacific/Auckland"), Principal("home", "ada", Role.WRITER))
        assert at_home.recall("what happened yesterday?") == ["tea with Luisa"]
        assert caller().recall("what happened yesterday?") == []

    def test_a_month_of_an_earlier_year_fits_less(self, clock: Any) -> None:
        named, _ = windows("in March", to_ms(clock()))
        fits = [nearness(to_ms(clock().replace(year=year, month=3, day=5)), named) for year in (2026, 2025, 2024, 2010)]
        assert fits == sorted(fits, reverse=True)
        assert (fits[0], fits[-1]) == (1.0, 0.0)


class TestVersions:
    def test_a_versions_weights_order_the_candidates_but_do_not_move_the_floor(self, ada: Any, ask: Any) -> None:
        ada.remember({"text": "gate code code", "salience": 0.1}, {"text": "gate", "salience": 0.9}, "pears")
        assert texts(ask("gate code")) == ["gate code code", "gate"]
        assert texts(ask("gate code", version=dict.fromkeys(NAMES, 0.0) | {"salience": 1.0})) == [
            "gate",
            "gate code code",
        ]

    def test_what_a_version_leaves_out_weighs_as_in_the_baseline(self) -> None:
        assert weights_of(None) == [BASELINE.get(name, 0.0) for name in NAMES]
        assert weights_of({"lexical": 3.0, "unknown": 9.0})[1:] == weights_of(None)[1:]
        assert weights_of({"lexical": 3.0})[0] == 3.0

    def test_every_candidate_carries_its_features_in_their_order(self, ada: Any, ask: Any) -> None:
        ada.keep({"text": "gate code", "salience": 0.37})
        (found,) = ask("gate")
        assert len(found.features) == len(NAMES)
        assert found.features[NAMES.index("salience")] == 0.37
        assert found.features[NAMES.index("lexical")] == 1
        assert 0 < found.score <= 1

    def test_no_candidates_rank_as_none(self, clock: Any) -> None:
        assert rank(Query.of("home", "gate", 0), Candidates([]), 0) == []


class TestPacking:
    def test_what_was_said_sentence_by_sentence_is_not_said_again(self, ada: Any) -> None:
        both = "The gate code is green. The gate key is under the stone."
        ada.remember(both, "The gate key is under the stone!", "The gate code is green. The bell is loud.")
        assert set(ada.recall("gate code key green stone")) == {both, "The gate code is green. The bell is loud."}


def test_a_memory_without_a_model_still_answers_by_words(memory: Memory, ada: Any) -> None:
    ada.keep("the gate code")
    assert memory.vectors.behind() == 0
    assert ada.recall("gate") == ["the gate code"]
