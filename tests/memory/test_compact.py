"""Compact: a summary in its sources' own sentences, never wider, more trusted or longer kept than they are."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from appliance.clock import iso, to_ms
from appliance.errors import ForbiddenError, NotFoundError
from appliance.memory import Memory, NotebookSections, service
from appliance.memory.candidates import FullText
from appliance.memory.compact import compose, cut, store
from appliance.memory.deleting import delete_items
from appliance.memory.work_models import CompactAnswer, CompactRequest
from appliance.storage import Database
from appliance.storage.schema import memory_items
from appliance.text import estimate_tokens

DEPLOY = [
    "We deploy on Thursdays. The coffee machine is new.",
    "A deploy must be approved by ops.",
    "Every deploy is announced in the channel. We deploy on Thursdays!",
]


@pytest.fixture
def compact(memory: Memory) -> Callable[..., CompactAnswer]:
    """Sum up as a caller."""

    def run(caller: Any, query: str = "deploy", **fields: Any) -> CompactAnswer:
        return memory.compact(caller.who, CompactRequest.model_validate(caller.request(query=query, **fields)))

    return run


def lines(answer: CompactAnswer) -> set[str]:
    return set(answer.summary_text.splitlines())


def test_a_summary_says_once_what_its_sources_say_and_is_kept(ada: Any, compact: Callable[..., CompactAnswer]) -> None:
    ids = ada.remember(*DEPLOY).memory_ids
    answer = compact(ada)
    said = {line.rstrip("!") for line in lines(answer)}
    assert said >= {"A deploy must be approved by ops.", "Every deploy is announced in the channel."}
    assert len([line for line in said if "Thursdays" in line]) == 1
    assert set(answer.source_memory_ids) == set(ids)
    assert answer.source_count == 3
    assert answer.warnings == []
    assert answer.output_tokens_estimate == estimate_tokens(answer.summary_text) < answer.input_tokens_estimate
    assert answer.reduction_ratio == round(1 - answer.output_tokens_estimate / answer.input_tokens_estimate, 4)
    kept = ada.inspect(answer.created_memory_id)
    assert (kept.text, kept.type, kept.scope) == (answer.summary_text, "episode", "private")


def test_the_same_items_give_the_same_summary(ada: Any, compact: Callable[..., CompactAnswer]) -> None:
    ada.remember(*DEPLOY)
    first, second = compact(ada), compact(ada)
    assert first.created_memory_id != second.created_memory_id
    assert first.model_copy(update={"created_memory_id": second.created_memory_id}) == second


def test_a_summary_is_no_source_of_another(ada: Any, compact: Callable[..., CompactAnswer]) -> None:
    ada.remember(*DEPLOY)
    first = compact(ada)
    assert first.created_memory_id not in compact(ada).source_memory_ids


def test_what_denies_a_sentence_is_not_taken_for_it(ada: Any, compact: Callable[..., CompactAnswer]) -> None:
    ada.remember(
        "Deploy on Friday.", "Do not deploy on Friday.", "Ann beats Bob at the deploy.", "Bob beats Ann at the deploy."
    )
    assert len(lines(compact(ada))) == 4


def test_without_anything_to_sum_up_nothing_is_made(ada: Any, compact: Callable[..., CompactAnswer]) -> None:
    answer = compact(ada)
    assert answer.model_dump() == {
        "created_memory_id": None,
        "source_memory_ids": [],
        "source_count": 0,
        "input_tokens_estimate": 0,
        "output_tokens_estimate": 0,
        "reduction_ratio": 0.0,
        "summary_text": "",
        "warnings": ["no_source_memories"],
    }


def test_what_has_no_sentence_gives_no_summary(ada: Any, compact: Callable[..., CompactAnswer]) -> None:
    ada.remember("- # deploy")
    answer = compact(ada)
    assert answer.warnings in ([], ["summary_generation_failed"])
    assert (answer.created_memory_id is None) == (answer.summary_text == "")


class TestSight:
    @pytest.mark.parametrize(
        ("scope", "expected"),
        [
            ("private", {"Mine: deploy one.", "Everyone's: deploy three."}),
            ("team", {"The team's: deploy two.", "Everyone's: deploy three."}),
            ("global", {"Everyone's: deploy three."}),
        ],
    )
    def test_a_summary_holds_only_what_all_may_see_who_see_it(
        self, caller: Callable[..., Any], compact: Callable[..., CompactAnswer], scope: str, expected: set[str]
    ) -> None:
        boss, other = caller("boss", "admin"), caller("bob")
        boss.keep("Mine: deploy one.", scope="private")
        boss.keep("The team's: deploy two.", scope="team")
        boss.keep("Everyone's: deploy three.", scope="global")
        other.keep("Bob's own: deploy four.", scope="private")
        answer = compact(boss, scope=scope)
        assert lines(answer) == expected
        assert boss.inspect(answer.created_memory_id, scope=scope).scope == scope

    def test_another_tenants_items_are_in_none(
        self, caller: Callable[..., Any], compact: Callable[..., CompactAnswer]
    ) -> None:
        caller("eve", "admin", "elsewhere").keep("Their deploy.", scope="global")
        assert compact(caller(), scope="team").warnings == ["no_source_memories"]

    def test_only_an_admin_makes_a_global_summary_and_a_reader_none(
        self, caller: Callable[..., Any], compact: Callable[..., CompactAnswer]
    ) -> None:
        with pytest.raises(ForbiddenError, match="global_scope_requires_admin"):
            compact(caller(), scope="global")
        with pytest.raises(ForbiddenError, match="insufficient_role"):
            compact(caller(role="reader"))


class TestLineage:
    def test_it_is_trusted_as_little_as_the_least_of_its_sources(
        self, ada: Any, compact: Callable[..., CompactAnswer]
    ) -> None:
        ada.remember(
            {"text": "A deploy takes an hour.", "trust_level": "trusted_tool", "confidence": 0.9},
            {"text": "A deploy is done by a robot.", "trust_level": "untrusted_web", "confidence": 0.2},
        )
        kept = ada.inspect(compact(ada).created_memory_id)
        assert (kept.trust_level, kept.confidence) == ("untrusted_web", 0.2)

    @pytest.mark.parametrize(("asked", "expected"), [(None, 2), (1, 1), (3, 2)])
    def test_it_expires_with_the_first_of_its_sources_or_when_it_was_asked_to(
        self, ada: Any, clock: Any, compact: Callable[..., CompactAnswer], asked: int | None, expected: int
    ) -> None:
        now = to_ms(clock())

        def hours(count: int | None) -> str | None:
            return None if count is None else iso(now + count * 3_600_000)

        ada.remember({"text": "A deploy takes an hour.", "expires_at": hours(2)}, "A deploy is done by a robot.")
        kept = ada.inspect(compact(ada, expires_at=hours(asked)).created_memory_id)
        assert kept.expires_at == now + expected * 3_600_000

    def test_it_has_the_type_and_the_origin_it_was_asked_for(
        self, ada: Any, compact: Callable[..., CompactAnswer]
    ) -> None:
        ada.remember(*DEPLOY)
        kept = ada.inspect(compact(ada, output_type="policy", source_ref="nightly").created_memory_id)
        assert (kept.type, kept.source_ref) == ("policy", "nightly")


class TestLimits:
    def test_no_more_sources_than_asked_for(self, ada: Any, compact: Callable[..., CompactAnswer]) -> None:
        ada.remember(*DEPLOY)
        assert compact(ada, max_source_items=1).source_count == 1

    def test_the_least_input_takes_the_beginning_of_a_long_item(
        self, ada: Any, compact: Callable[..., CompactAnswer]
    ) -> None:
        ada.keep(
            "A deploy has many steps. " * 3 + "".join(f"Step {n} of the deploy is number {n}. " for n in range(90))
        )
        answer = compact(ada, input_max_tokens=128)
        assert 100 < answer.input_tokens_estimate <= 128
        assert all(line.endswith(".") for line in lines(answer))

    @pytest.mark.parametrize(
        "text", ["deploy " * 500, "deploy " + "x" * 3900, "展開は木曜日に行うことに決めました" * 100]
    )
    def test_the_least_target_is_kept_by_a_text_without_sentences(
        self, ada: Any, compact: Callable[..., CompactAnswer], text: str
    ) -> None:
        ada.keep(text)
        answer = compact(ada, query=text[:12], target_tokens=64)
        assert 32 < answer.output_tokens_estimate <= 64
        assert answer.warnings == ["summary_truncated"]

    def test_what_does_not_fit_is_left_out_and_said(self, ada: Any, compact: Callable[..., CompactAnswer]) -> None:
        ada.remember(*(f"Deploy number {n} was done by the person with number {n}." for n in range(30)))
        answer = compact(ada, target_tokens=64, max_source_items=100)
        assert answer.output_tokens_estimate <= 64
        assert answer.warnings == ["summary_truncated"]
        assert answer.source_count == len(lines(answer))

    def test_the_most_that_can_be_asked_for_is_kept_whole(
        self, ada: Any, compact: Callable[..., CompactAnswer]
    ) -> None:
        for part in range(100):
            ada.keep("".join(f"Deploy {part}.{n} was done by person {part}-{n}. " for n in range(40)))
        answer = compact(ada, max_source_items=100, input_max_tokens=64000, target_tokens=8000)
        assert answer.source_count > 10
        assert 7000 < answer.output_tokens_estimate <= 8000
        assert ada.inspect(answer.created_memory_id).text == answer.summary_text


class TestForgetting:
    def test_what_a_forgotten_source_said_leaves_the_summary(
        self, ada: Any, compact: Callable[..., CompactAnswer]
    ) -> None:
        coffee, ops, _ = ada.remember(*DEPLOY).memory_ids
        summary = compact(ada).created_memory_id
        ada.forget(ops)
        assert "ops" not in ada.inspect(summary).text
        assert ada.recall("approved by ops") == []
        ada.forget(coffee)
        assert "coffee" not in ada.inspect(summary).text

    def test_a_summary_of_nothing_is_forgotten_too(self, ada: Any, compact: Callable[..., CompactAnswer]) -> None:
        ids = ada.remember(*DEPLOY).memory_ids
        summary = compact(ada).created_memory_id
        for memory_id in ids:
            ada.forget(memory_id)
        with pytest.raises(NotFoundError):
            ada.inspect(summary)

    def test_a_forgotten_summary_leaves_its_sources(self, ada: Any, compact: Callable[..., CompactAnswer]) -> None:
        ids = ada.remember(*DEPLOY).memory_ids
        ada.forget(compact(ada).created_memory_id)
        assert [ada.inspect(memory_id).text for memory_id in ids] == DEPLOY

    def test_a_source_forgotten_while_it_was_summed_up_is_not_written_down_again(
        self, ada: Any, database: Database, clock: Any
    ) -> None:
        ops = ada.remember(*DEPLOY).memory_ids[1]
        request = CompactRequest.model_validate(ada.request(query="deploy"))
        now = to_ms(clock())
        with database.read() as conn:
            summary = compose(conn, [FullText(database)], request, now, UTC)
        ada.forget(ops)
        assert database.write(lambda conn: store(conn, summary, now)) is None
        assert ada.recall("approved by ops") == []

    @pytest.mark.parametrize("is_cleaned_up", [False, True])
    def test_a_source_that_expires_while_it_is_summed_up_is_told_by_nobody(
        self,
        is_cleaned_up: bool,
        ada: Any,
        clock: Any,
        database: Database,
        compact: Callable[..., CompactAnswer],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        soon = iso(to_ms(clock()) + 1000)
        ada.remember("We deploy on Thursdays.")
        passing = ada.keep({"text": "A deploy must be approved by ops.", "expires_at": soon})

        def compose_slowly(*args: Any) -> Any:
            summary = compose(*args)
            if to_ms(clock()) < to_ms(datetime.fromisoformat(soon)):
                clock.move(seconds=2)
                if is_cleaned_up:
                    gone = select(memory_items).where(memory_items.c.memory_id == passing)
                    database.write(lambda conn: delete_items(conn, conn.execute(gone).all()))
            return summary

        monkeypatch.setattr(service, "compose", compose_slowly)
        assert compact(ada).summary_text == "We deploy on Thursdays."
        assert ada.recall("approved by ops") == []

    def test_an_edit_of_the_notebook_takes_only_what_is_said_no_more(
        self, caller: Callable[..., Any], database: Database, clock: Any, compact: Callable[..., CompactAnswer]
    ) -> None:
        sections, boss = NotebookSections("home", clock), caller("boss", "admin")

        class Section:
            first_line, last_line, type, trust_level, occurred_at = 1, 2, "fact", "user_claim", None

            def __init__(self, text: str) -> None:
                self.text = text

        def save(text: str) -> None:
            database.write(lambda conn: sections.replace(conn, "a.md", [Section(text)]))

        save("A deploy needs ops. A deploy takes one hour.")
        summary = compact(boss, scope="team").created_memory_id
        save("A deploy needs ops. A deploy takes two hours.")
        assert boss.inspect(summary, scope="team").text == "A deploy needs ops."
        save("Nothing of the kind.")
        with pytest.raises(NotFoundError):
            boss.inspect(summary, scope="team")


@pytest.mark.parametrize("tokens", [64, 65, 100])
def test_a_cut_keeps_to_its_tokens_and_to_whole_words(tokens: int) -> None:
    kept = cut("several words " * 100, tokens)
    assert tokens - 5 < estimate_tokens(kept) <= tokens
    assert kept.removesuffix(" …").split()[-1] in ("several", "words")
