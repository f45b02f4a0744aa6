"""Whether the buffer keeps up: silent sessions end, a stale buffer is told once; the record on both stores."""

from collections.abc import Callable

from appliance.agents.sessions.store import Session, Sessions, put
from appliance.box import Box
from appliance.daemon.checks import sessions as check
from appliance.storage import Database
from tests.agents.sessions.conftest import Agent, Hand


def test_a_session_that_falls_silent_gets_its_journal_entry(
    agent: Agent, box: Box, clock: Hand, read: Callable[[str], str]
) -> None:
    agent.says("Please move the registry. We decided to keep both formats.")
    clock.move(hours=23)
    assert box.sessions.check_buffer() == "The buffer is as new as the last session."
    clock.move(hours=2)
    assert box.sessions.check_buffer().startswith("Ended 1 silent session.")
    assert "- We decided to keep both formats." in read("sessions/2026-11-21.md")
    assert "Ended" not in box.sessions.check_buffer()


def test_a_buffer_older_than_the_last_session_is_told_once(agent: Agent, box: Box, clock: Hand) -> None:
    told: list[str] = []
    box.sessions._notify = lambda _title, body: told.append(body)
    agent.says("Please move the registry.")
    clock.move(hours=2)
    agent("TeammateIdle")
    assert "but the buffer was not written" in box.sessions.check_buffer()
    box.sessions.check_buffer()
    assert len(told) == 1
    assert [found.severity.value for found in check.check(box, False)] == ["warn"]
    agent.says("We decided to keep both formats.")
    assert box.sessions.stale() == ""


def test_hooks_that_did_not_get_through_are_told_for_a_week(agent: Agent, box: Box, clock: Hand) -> None:
    agent("SessionStart", failures=4)
    [found] = check.check(box, False)
    assert "4 calls" in found.sentence
    clock.move(days=8)
    [found] = check.check(box, False)
    assert found.severity.value == "ok"


def test_a_session_is_kept_with_its_state(database: Database) -> None:
    record = Sessions(database)
    session = Session("claude", "s" * 128, "shop", "anvil", 1000, 2000, state={"worked": True, "open": ["Öl kaufen"]})
    for failures in (0, 3):
        session.failures = failures
        database.write(lambda conn: put(conn, session))
    assert record.get("claude", "s" * 128) == session
    assert record.get("codex", "s" * 128) is None
    assert record.last_at_work() == session
    assert record.active("me", "shop", since=2000) == session
    assert record.active("me", "shop", since=2001) is None
    assert (record.failures(since=2000), record.failures(since=2001)) == (3, 0)
    assert [each.key for each in record.open(silent_since=2000)] == [session.key]
    record.forget(before=2001)
    assert record.get("claude", "s" * 128) is None


def test_a_sentence_is_told_once(database: Database) -> None:
    record = Sessions(database)
    assert [record.alert(each) for each in ("a", "a", "b", "b")] == [True, False, True, False]
