"""`membox models`: a version's way through the registry, told in words and as data."""

import json
from typing import Any


def test_a_model_begins_with_the_baseline(box: Any) -> None:
    told = box("models", "show").stdout
    assert "reranker-baseline-v1" in told
    assert "never" in told
    assert "Nothing has happened" in box("models", "history").stdout
    assert box.json("models", "show", "salience")["active_version"] == "salience-baseline-v1"


def test_a_version_is_tried_promoted_and_its_way_is_told(box: Any) -> None:
    said = box("models", "register", "reranker", "v2", "--percent", "100", "--tenant", "home").stdout
    assert said == "v2 is the canary of reranker, for 100 % of tenants, and home.\n"
    assert box.json("recall", "anything")["model_route"] == "canary_allowlist"
    assert "tried on" in box("models", "show").stdout
    assert box("models", "promote", "reranker").stdout == "v2 is the active reranker now.\n"
    assert "no canary to promote" in box("models", "promote", "reranker", code=1).stderr
    box("models", "register", "reranker", "v3")
    assert box("models", "rollback", "reranker").stdout == "No canary; v2 is the active reranker.\n"
    told = box("models", "history").stdout.splitlines()
    for line, expected in zip(
        told[1:],
        (
            "the canary v3 was taken away",
            "v3 became the canary for 10 % of tenants, without weights: it decides as reranker-baseline-v1",
            "v2 became active after reranker-baseline-v1",
            "v2 became the canary for 100 % of tenants",
        ),
        strict=True,
    ):
        assert expected in line


def test_what_was_recalled_is_judged_by_a_command_of_its_own(box: Any) -> None:
    for text in ("The spare key is in the blue tin", "The spare key of the shed is lost"):
        box("remember", text)
    recalled = json.loads(box("recall", "spare key", "--json").stdout)
    source = f"{recalled['trace_id']}:{recalled['items'][0]['memory_id']}"
    said = box("models", "signal", "reranker", "helpful", "1", "--source", source).stdout
    assert said == "Recorded: helpful of reranker-baseline-v1 is 1 now, of 1.\n"
    assert box.json("models", "signal", "reranker", "helpful", "0")["signal_summary"] == {
        "reranker-baseline-v1": {"helpful.count": 2, "helpful.avg": 0.5}
    }
    assert source in box("models", "history").stdout


def test_another_kind_of_model_is_a_wrong_word(box: Any) -> None:
    assert "salience" in box("models", "show", "ranker", code=2).stderr
