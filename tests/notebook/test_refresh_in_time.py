"""Days, nights and edits that come between: nothing is lost, everything is merged once and in order."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import RefusedError
from appliance.notebook.models import Note
from appliance.notebook.refresh.models import Outcome, State
from appliance.notebook.refresh.service import Refresh
from appliance.notebook.service import Notebook
from appliance.redaction import Redactor
from appliance.settings import Core
from appliance.storage import Database
from tests.notebook.scribe import MEMORY, Scribe

FILE = "GLOBAL_MEMORY.md"
PUSH = "- Never push to main without review"


@pytest.fixture
def note(notebook: Notebook, clock: Any) -> Callable[[str, str], None]:
    """Captures a text at a moment of UTC."""

    def captured(moment: str, text: str) -> None:
        clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        notebook.capture(Note(text=text), "phone")

    return captured


def ended(refresh: Refresh) -> State:
    """The state once nothing runs aside any more."""
    while (state := refresh.state()).running is not None:
        time.sleep(0.01)
    return state


def lines_after(notebook: Notebook) -> list[str]:
    """What the refreshes have added to the memory, in order."""
    text = notebook.read(FILE).text
    assert text.startswith(MEMORY)
    return text.removeprefix(MEMORY).splitlines()


def test_two_days_switched_off_are_made_up_for_in_order(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], clock: Any, open_notebook: Any
) -> None:
    note("2026-11-18T08:00:00", "first")
    refresh.nightly()
    note("2026-11-18T22:59:30", "before the box went off")
    clock.pass_time(days=2)  # 23:55 passed twice meanwhile
    open_notebook()
    note("2026-11-21T07:00:00", "after it came back")
    refresh.nightly()
    refresh.nightly()
    assert lines_after(notebook) == ["- first", "- before the box went off", "- after it came back"]


def test_a_note_between_the_refresh_and_midnight_is_of_the_next_one(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe, clock: Any
) -> None:
    note("2026-11-20T20:00:00", "in the evening")
    clock.now = datetime(2026, 11, 20, 22, 55, tzinfo=UTC)  # 23:55 in Berlin
    refresh.nightly()
    note("2026-11-20T22:58:00", "at 23:58")
    note("2026-11-20T23:01:00", "at 00:01")
    clock.now = datetime(2026, 11, 21, 22, 55, tzinfo=UTC)
    refresh.nightly()
    assert lines_after(notebook) == ["- in the evening", "- at 23:58", "- at 00:01"]
    assert "Entry 1 · 2026-11-20 23:58 · sessions/2026-11-20.md" in scribe.asked[1].prompt
    assert "Entry 2 · 2026-11-21 00:01 · sessions/2026-11-21.md" in scribe.asked[1].prompt


@pytest.mark.parametrize(
    ("moments", "times"),
    [
        (("2026-10-25T00:30:00", "2026-10-25T01:30:00", "2026-10-25T02:10:00"), ["02:30", "02:30", "03:10"]),
        (("2026-03-29T00:30:00", "2026-03-29T01:00:00"), ["01:30", "03:00"]),
    ],
    ids=["an hour twice", "an hour left out"],
)
def test_a_night_in_which_the_clock_is_put_doubles_and_loses_nothing(
    moments: tuple[str, ...],
    times: list[str],
    refresh: Refresh,
    notebook: Notebook,
    note: Callable[[str, str], None],
    scribe: Scribe,
) -> None:
    for moment in moments:
        note(moment, "woke up")
        refresh.nightly()
    assert lines_after(notebook) == ["- woke up"] * len(moments)
    heads = [line for request in scribe.asked for line in request.prompt.splitlines() if line.startswith("Entry")]
    assert [head.split(" · ")[1].split()[1] for head in heads] == times


def test_an_edit_on_a_page_while_the_model_works_is_kept(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe
) -> None:
    note("2026-11-20T09:00:00", "a note")
    version = notebook.read(FILE).version
    edited = MEMORY.replace("- Ship the shop", "- Ship the shop by May")
    scribe.meanwhile = lambda: notebook.save(FILE, edited, version, "ana")
    (done,) = refresh.run()
    assert notebook.read(FILE).text == f"{edited}- a note\n"
    changes = [line for line in refresh.decisions.refresh(done.id).diff.splitlines() if line[:1] in "+-"]
    assert changes[2:] == ["+- a note"]
    refresh.decisions.undo("ana")
    assert notebook.read(FILE).text == edited


def test_an_edit_by_hand_while_the_model_works_is_kept(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe, edit: Any, root: Path
) -> None:
    note("2026-11-20T09:00:00", "a note")
    by_hand = MEMORY.replace("- Ship the shop", "- Ship the shop by hand")
    scribe.meanwhile = lambda: edit(FILE, by_hand)
    refresh.run()
    assert (root / FILE).read_text() == notebook.read(FILE).text == f"{by_hand}- a note\n"


def test_a_constraint_written_while_the_model_works_is_kept(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe
) -> None:
    note("2026-11-20T09:00:00", "a note")
    version = notebook.read(FILE).version
    edited = MEMORY.replace(PUSH, f"{PUSH}\n- Never deploy on Fridays")
    scribe.meanwhile = lambda: notebook.save(FILE, edited, version, "ana")
    scribe.answer = lambda document, _: document.replace(f"{PUSH}\n", "").replace("Ship the", "Close the")
    refresh.run()
    assert notebook.read(FILE).text == edited.replace("Ship the", "Close the")


def test_a_constraint_written_meanwhile_that_the_reply_turns_around_refuses_it(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe
) -> None:
    note("2026-11-20T09:00:00", "deploys happen on Fridays")
    version = notebook.read(FILE).version
    edited = MEMORY.replace(PUSH, f"{PUSH}\n- Never deploy on Fridays")
    scribe.meanwhile = lambda: notebook.save(FILE, edited, version, "ana")
    scribe.answer = lambda document, _: document + "- You may deploy on Fridays\n"
    with pytest.raises(RefusedError, match="opposite"):
        refresh.run()
    assert notebook.read(FILE).text == edited


def test_where_both_changed_the_same_line_the_person_wins_and_the_note_waits(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe
) -> None:
    note("2026-11-20T09:00:00", "the shop opens in May")
    version = notebook.read(FILE).version
    edited = MEMORY.replace("- Ship the shop", "- Sell the shop")
    scribe.meanwhile = lambda: notebook.save(FILE, edited, version, "ana")
    scribe.answer = lambda document, _: document.replace("- Ship the shop", "- Ship the shop in May")
    with pytest.raises(RefusedError, match="edited meanwhile"):
        refresh.run()
    assert notebook.read(FILE).text == edited
    scribe.answer = Scribe().answer
    refresh.run()
    assert notebook.read(FILE).text == f"{edited}- the shop opens in May\n"


def test_a_note_that_comes_while_the_model_works_is_of_the_next_portion(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe
) -> None:
    note("2026-11-20T09:00:00", "first")
    scribe.meanwhile = lambda: note("2026-11-20T09:00:30", "second")
    assert [done.outcome for done in refresh.run()] == [Outcome.APPLIED] * 2
    assert lines_after(notebook) == ["- first", "- second"]


def test_killed_while_the_model_works_it_begins_anew(
    refresh: Refresh,
    notebook: Notebook,
    note: Callable[[str, str], None],
    scribe: Scribe,
    database: Database,
    clock: Any,
    open_notebook: Callable[[], Notebook],
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def die() -> None:
        raise Killed

    note("2026-11-20T09:00:00", "a note")
    scribe.meanwhile = die
    with pytest.raises(Killed):
        refresh.run()
    again = open_notebook()
    Refresh(again, database, scribe, lambda: Redactor([]), Core(timezone="Europe/Berlin"), clock).run()
    assert lines_after(again) == ["- a note"]


def test_two_runs_at_once_merge_each_note_once(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None]
) -> None:
    note("2026-11-20T09:00:00", "a note")
    runs = [threading.Thread(target=refresh.run) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert lines_after(notebook) == ["- a note"]


def test_a_run_aside_tells_how_far_it_is_and_how_it_ended(
    refresh: Refresh, notebook: Notebook, note: Callable[[str, str], None], scribe: Scribe
) -> None:
    note("2026-11-20T09:00:00", "a note")
    began, may_end = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        may_end.wait(60)

    scribe.meanwhile = wait
    assert refresh.begin().last is None
    assert began.wait(60)
    state = refresh.begin()
    assert state.running is not None
    assert (state.running.path, state.running.entries, state.waiting_entries) == (FILE, 1, 1)
    may_end.set()
    last = ended(refresh).last
    assert last is not None
    assert [done.outcome for done in last.refreshes] == [Outcome.APPLIED]
    scribe.fault = RefusedError("refused", "No.")
    note("2026-11-20T09:10:00", "another")
    refresh.begin()
    last = ended(refresh).last
    assert last is not None
    assert (last.word, last.message) == ("refused", "No.")
    assert lines_after(notebook) == ["- a note"]
