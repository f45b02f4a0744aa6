"""What of a person's message must be kept; and how well that is found, on the corpus."""

from pathlib import Path

import pytest

import appliance
from appliance.agents.sessions.detector import MOST_FOUND, Found, detect
from appliance.agents.sessions.measuring import Message, load_messages, scores
from appliance.agents.sessions.rules import KINDS
from appliance.errors import InvalidError
from appliance.quoting import quotation

CORPUS = Path(appliance.__file__).parent / "bench" / "datasets" / "session-messages.json"


def test_precision_and_recall_are_those_that_the_contract_asks_for() -> None:
    overall = scores(load_messages(CORPUS))[0].overall
    assert overall.precision >= 0.95
    assert overall.recall >= 0.90


def test_messages_that_the_rules_were_not_made_with_are_told_apart() -> None:
    assert [each.part for each in scores(load_messages(CORPUS))] == ["all", "tuning", "held-out"]


def test_the_corpus_has_every_class_and_as_many_messages_that_say_nothing() -> None:
    messages = load_messages(CORPUS)
    assert len(messages) >= 400
    assert len({message.text for message in messages}) == len(messages)
    for part in ("tuning", "held-out"):
        some = [message for message in messages if message.part == part]
        assert {kind for message in some for kind in message.classes} == set(KINDS)
        assert sum(not message.classes for message in some) >= len(some) / 3


@pytest.mark.parametrize(
    "word", ["continue", "Continue.", "actually", "Actually...", "no", "No.", "wait", "stop", "ok"]
)
def test_a_word_alone_triggers_nothing(word: str) -> None:
    assert detect(word) == []


def test_each_sentence_is_kept_with_its_class_and_the_reason_that_follows_it() -> None:
    message = "Thanks! We decided to keep both formats. Because old clients read the first one.\n- Never push to main."
    assert detect(message) == [
        Found("decision", "We decided to keep both formats. Because old clients read the first one."),
        Found("prohibition", "Never push to main."),
    ]


def test_what_stands_after_a_no_is_read_with_it() -> None:
    assert detect("No. Use the other port, 8443.") == [Found("correction", "No. Use the other port, 8443.")]


@pytest.mark.parametrize(
    "pasted",
    [
        "```\nNever push to main.\n```",
        "> Never push to main.",
        "$ echo We decided to keep it",
        'The log said "Never push to main."',
        "<system-reminder>\nNever push to main.\n</system-reminder>",
        quotation({"memory_id": "mem_0a", "text": "Never push to main.", "type": "policy"}),
    ],
)
def test_what_was_pasted_is_not_what_the_person_says(pasted: str) -> None:
    assert detect(f"Look at this:\n\n{pasted}\n") == []


def test_a_question_decides_nothing() -> None:
    assert detect("Did we decide to never push to main?") == []


def test_a_flood_is_cut_off() -> None:
    assert len(detect("Never push to main.\n" * 1000)) == MOST_FOUND


def test_scores_count_messages_and_classes() -> None:
    told = [
        Message(text="Never push to main.", classes=("prohibition",)),
        Message(text="Never push to main!"),
        Message(text="hello there", classes=("value",)),
        Message(text="ok"),
    ]
    every = scores(told)[0]
    assert (every.overall.precision, every.overall.recall) == (0.5, 0.5)
    assert {
        each.name: (each.right, each.wrong, each.missed) for each in every.classes if each.name == "prohibition"
    } == {"prohibition": (1, 1, 0)}
    assert every.wrongly == [
        "prohibition in place of nothing: Never push to main!",
        "nothing in place of value: hello there",
    ]


def test_a_file_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"words": 1}]')
    with pytest.raises(InvalidError, match="no corpus"):
        load_messages(tmp_path / "a.json")
