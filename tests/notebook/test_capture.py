"""A captured note is durable, in the day's file, indexed, and there once."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from appliance.errors import ConflictError, InvalidError, StorageFullError, TooLargeError
from appliance.notebook import journal
from appliance.notebook.models import Captured, Note
from appliance.notebook.sections import cut
from appliance.notebook.service import Notebook
from appliance.storage import Database
from appliance.storage.schema import document_versions, idempotency, pending_files

DAY = "sessions/2026-11-20.md"


def count(database: Database, table: Any) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_note_is_in_the_file_in_the_database_and_in_the_index(notebook: Notebook, root: Path, index: Any) -> None:
    captured = notebook.capture(Note(text="Call Ana."), "phone")
    assert captured == Captured(timestamp="10:15:30", path=DAY, first_line=5, last_line=7)
    text = "# 2026-11-20\n\n---\n\n### 10:15:30 (captured)\n\nCall Ana.\n"
    assert (root / DAY).read_text() == text
    assert notebook.read(DAY).text == text
    assert index.texts(DAY) == ["Call Ana."]


def test_the_lines_answered_are_where_the_note_stands(notebook: Notebook, root: Path) -> None:
    notebook.capture(Note(text="one"), "phone")
    captured = notebook.capture(Note(text="two\n\n# three", title="T"), "phone")
    lines = (root / DAY).read_text().split("\n")
    assert lines[captured.first_line - 1] == "### 10:15:30 (captured)"
    assert lines[captured.last_line - 1] == "\\# three"
    assert captured.last_line == len(lines) - 1


def test_appending_indexes_what_a_fresh_look_at_the_file_would(notebook: Notebook, index: Any) -> None:
    for number in range(5):
        notebook.capture(Note(text=f"note {number}\n\nwith more", url="https://e.org" if number % 2 else None), "phone")
    assert index.sections[DAY] == cut(DAY, notebook.read(DAY).text, "Europe/Berlin")


def test_notes_of_one_second_each_have_their_own_heading(notebook: Notebook) -> None:
    for text in ("one", "two"):
        notebook.capture(Note(text=text), "phone")
    entries = journal.parse(notebook.read(DAY).text)
    assert [(entry.time, entry.text) for entry in entries] == [("10:15:30", "one"), ("10:15:30", "two")]


@pytest.mark.parametrize("text", ["", "  \n\t\n"])
def test_a_blank_note_is_refused(notebook: Notebook, text: str) -> None:
    with pytest.raises(InvalidError) as refused:
        notebook.capture(Note(text=text), "phone")
    assert refused.value.word == "empty note"


def test_a_note_over_64_kib_is_refused_and_one_of_64_kib_is_taken(notebook: Notebook) -> None:
    with pytest.raises(TooLargeError):
        notebook.capture(Note(text="é" * 32 * 1024 + "x"), "phone")
    notebook.capture(Note(text="é" * 32 * 1024), "phone")


def test_the_day_changes_at_midnight_of_the_configured_timezone(notebook: Notebook, clock: Any) -> None:
    clock.now = datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC)
    assert notebook.capture(Note(text="late"), "phone").path == "sessions/2026-11-20.md"
    clock.pass_time(seconds=1)
    captured = notebook.capture(Note(text="early"), "phone")
    assert (captured.path, captured.timestamp) == ("sessions/2026-11-21.md", "00:00:00")
    assert notebook.today() == "sessions/2026-11-21.md"
    assert notebook.read("sessions/2026-11-21.md").text.startswith("# 2026-11-21\n")


def test_the_hour_that_comes_twice_loses_no_note(notebook: Notebook, clock: Any) -> None:
    clock.now = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    first = notebook.capture(Note(text="summer time"), "phone")
    clock.pass_time(hours=1)
    second = notebook.capture(Note(text="winter time"), "phone")
    assert (first.timestamp, second.timestamp) == ("02:30:00", "02:30:00")
    assert [entry.text for entry in journal.parse(notebook.read(first.path).text)] == ["summer time", "winter time"]


def test_a_retry_with_the_same_key_is_answered_as_before_and_stored_once(notebook: Notebook, clock: Any) -> None:
    first = notebook.capture(Note(text="once"), "phone", "key-1")
    clock.pass_time(hours=23)
    again = notebook.capture(Note(text="once"), "phone", "key-1")
    assert again == first.model_copy(update={"replayed": True})
    assert len(journal.parse(notebook.read(DAY).text)) == 1


def test_a_key_used_for_another_note_is_a_conflict(notebook: Notebook) -> None:
    notebook.capture(Note(text="one"), "phone", "key-1")
    with pytest.raises(ConflictError) as refused:
        notebook.capture(Note(text="two"), "phone", "key-1")
    assert refused.value.word == "idempotency_conflict"
    assert notebook.capture(Note(text="two"), "tablet", "key-1").replayed is False


def test_a_key_is_forgotten_after_a_day(notebook: Notebook, clock: Any, database: Database) -> None:
    notebook.capture(Note(text="old"), "phone", "key-0")
    notebook.capture(Note(text="again"), "phone", "key-1")
    clock.pass_time(hours=24, seconds=1)
    assert notebook.capture(Note(text="again"), "phone", "key-1").replayed is False
    assert count(database, idempotency) == 1


def test_a_key_too_long_to_keep_is_refused(notebook: Notebook) -> None:
    with pytest.raises(InvalidError) as refused:
        notebook.capture(Note(text="x"), "phone", "k" * 129)
    assert refused.value.word == "invalid_idempotency_key"


def test_two_threads_lose_no_note(notebook: Notebook, root: Path) -> None:
    failures: list[BaseException] = []

    def capture_many(who: str) -> None:
        try:
            for number in range(200):
                notebook.capture(Note(text=f"{who} {number}"), who, f"{who}-{number}")
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=capture_many, args=(who,)) for who in ("ana", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    entries = [entry.text for entry in journal.parse((root / DAY).read_text())]
    assert sorted(entries) == sorted(f"{who} {number}" for who in ("ana", "ben") for number in range(200))
    for who in ("ana", "ben"):
        assert [text for text in entries if text.startswith(who)] == [f"{who} {number}" for number in range(200)]


def test_a_code_block_left_open_by_hand_swallows_no_later_note(notebook: Notebook, edit: Any) -> None:
    edit(DAY, "# 2026-11-20\n\n### 09:00:00\n\n```\nls\n")
    notebook.notice()
    for text in ("one", "two"):
        notebook.capture(Note(text=text), "phone")
    assert [entry.text for entry in journal.parse(notebook.read(DAY).text)] == ["```\nls\n```", "one", "two"]


def test_pending_marks_do_not_pile_up(notebook: Notebook, database: Database, clock: Any) -> None:
    for _ in range(5):
        notebook.capture(Note(text="x"), "phone")
        clock.pass_time(days=1)
    assert count(database, pending_files) <= 1
    notebook.notice()
    assert count(database, pending_files) == 0


def test_a_full_disk_is_said_and_the_retry_stores_the_note_once(
    notebook: Notebook, open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.capture(Note(text="before"), "phone")

    def no_room(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("appliance.notebook.files.os.fsync", no_room)
        with pytest.raises(StorageFullError) as refused:
            notebook.capture(Note(text="during"), "phone", "key-1")
        assert DAY in refused.value.sentence
        notebook.notice()
        assert any("disk is full" in sentence for sentence in notebook.problems())
    assert notebook.capture(Note(text="during"), "phone", "key-1").replayed
    assert [entry.text for entry in journal.parse((root / DAY).read_text())] == ["before", "during"]
    notebook.notice()
    assert not notebook.problems()


def test_the_next_look_repairs_a_file_that_could_not_be_written(
    notebook: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("appliance.notebook.files.os.replace", refused)
        with pytest.raises(Exception, match="could not be written"):
            notebook.capture(Note(text="kept"), "phone")
    assert not (root / DAY).exists()
    assert notebook.notice() == []
    assert "kept" in (root / DAY).read_text()


def test_many_notes_keep_their_history_small(notebook: Notebook, database: Database) -> None:
    for number in range(210):
        notebook.capture(Note(text=f"note number {number}"), "phone")
    with database.read() as conn:
        stored = conn.execute(select(func.sum(func.length(document_versions.c.body)))).scalar_one()
    assert stored < 6 * len(notebook.read(DAY).text)
    assert notebook.past.version(DAY, 150).count("(captured)") == 150
