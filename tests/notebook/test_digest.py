"""The week's digest: seven days to today, 150 to 250 words, only when there is something."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.box import Box, open_box
from appliance.config_file import set_value
from appliance.errors import UnavailableError
from appliance.lease import COMMAND, Lease
from appliance.notebook.digest import FEWEST, MOST, Week, composed
from appliance.notebook.models import Note
from tests.llm_server import Answer, LlmServer, failed, good

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MEMORY = "GLOBAL_MEMORY.md"
WORDS = "The memory now says that tea is preferred, and the boiler is to be mended on Tuesday by a man. " * 10


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="session")
def made_box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("digest") / "box"
    with Lease.acquire(home, COMMAND):
        open_box(home, lambda: NOW - timedelta(days=60)).close()
    set_value(home, "core.timezone", "Europe/Berlin")
    set_value(home, "daemon.drift_notify", "file")
    return home


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(tmp_path: Path, made_box: Path, clock: Clock) -> Iterator[Box]:
    shutil.copytree(made_box, tmp_path / "box")
    with Lease.acquire(tmp_path / "box", COMMAND):
        opened = open_box(tmp_path / "box", clock)
        yield opened
        opened.close()


@pytest.fixture
def say(box: Box, llm: LlmServer) -> Callable[[Answer], LlmServer]:
    """Has a language model answer so."""
    set_value(box.home, "llm.openai_base_url", f"{llm.url}/v1")
    set_value(box.home, "llm.openai_model", "small")

    def will(answer: Answer) -> LlmServer:
        llm.will(answer)
        return llm

    return will


def write(box: Box, clock: Clock, days_ago: int, path: str, text: str) -> None:
    clock.now = NOW - timedelta(days=days_ago)
    before = next((each.version for each in box.notebook.documents() if each.path == path), 0)
    box.notebook.save(path, text, before, "me")
    clock.now = NOW


def alerts(box: Box) -> list[str]:
    return [file.read_text() for file in (box.home / "alerts").glob("*")]


def test_of_a_week_without_anything_nothing_is_sent(box: Box, clock: Clock) -> None:
    write(box, clock, 8, MEMORY, "# Memory\n\n- an old line\n")
    write(box, clock, 8, "tasks/todo.md", "- [ ] an old task\n")
    assert box.digest.written() is None
    assert "nothing was sent" in box.digest.send()
    assert alerts(box) == []


def test_it_tells_changes_of_seven_days_open_tasks_and_notes(box: Box, clock: Clock) -> None:
    write(box, clock, 8, MEMORY, "# Memory\n\n- coffee is preferred\n- stays as it is\n")
    write(box, clock, 6, MEMORY, "# Memory\n\n- **tea** is preferred\n- stays as it is\n")
    write(box, clock, 30, "tasks/todo.md", "# Tasks\n\n- [x] bought milk\n- [ ] mend the boiler\n")
    box.notebook.capture(Note(text="The boiler man comes on Tuesday"), "phone")
    box.digest.send()
    (text,) = alerts(box)
    assert text.startswith("Your memory, 14 November to 20 November 2026\n")
    assert "New in the memory:\ntea is preferred\n" in text
    assert "No longer in it:\ncoffee is preferred\n" in text
    assert "Still open:\nmend the boiler\n" in text
    assert "The boiler man comes on Tuesday" in text
    assert "stays as it is" not in text
    assert "bought milk" not in text


def test_the_seven_days_are_those_of_the_boxs_zone(box: Box, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)  # Saturday half past midnight in Berlin
    week = box.digest.week()
    assert (str(week.first), str(week.last)) == ("2026-11-15", "2026-11-21")


def test_a_model_writes_it_when_it_keeps_to_what_was_asked(
    box: Box, clock: Clock, say: Callable[[Answer], LlmServer]
) -> None:
    write(box, clock, 1, MEMORY, "# Memory\n\n- tea is preferred\n")
    llm = say(good(WORDS))
    written = box.digest.written()
    assert written is not None
    assert (written.text, written.by) == (WORDS.strip(), "small")
    assert "│ tea is preferred" in llm.asked[-1].everything


@pytest.mark.parametrize(
    "answer",
    [
        good("Too short."),
        good(WORDS * 2),
        good(f"# Your week\n\n{WORDS}"),
        good(f"{WORDS}\n- a point"),
        good(f"**Bold** {WORDS}"),
        Answer(WORDS, stop="max_tokens"),
        failed(400),
    ],
    ids=["short", "long", "heading", "list", "bold", "truncated", "failed"],
)
def test_it_is_composed_when_the_model_does_not(
    box: Box, clock: Clock, say: Callable[[Answer], LlmServer], answer: Answer
) -> None:
    write(box, clock, 1, MEMORY, "# Memory\n\n- tea is preferred\n")
    say(answer)
    written = box.digest.written()
    assert written is not None
    assert written.by == ""
    assert "tea is preferred" in written.text


def test_a_composed_one_keeps_to_its_length(box: Box) -> None:
    many = [f"line {number} says something of seven words" for number in range(100)]
    week = Week(NOW.date(), NOW.date(), many, many, [" ".join(["word"] * 300)], many)
    assert FEWEST <= len(composed(week).split()) <= MOST
    assert "more." in composed(week)


def test_no_secret_is_mailed(box: Box, clock: Clock) -> None:
    box.secrets.set("door", "correct horse battery")
    write(box, clock, 1, MEMORY, "# Memory\n\n- the door opens by correct horse battery\n")
    written = box.digest.written()
    assert written is not None
    assert "correct horse" not in written.text


def test_one_that_cannot_be_sent_is_a_failed_job(box: Box) -> None:
    box.notebook.capture(Note(text="Something"), "phone")
    set_value(box.home, "daemon.drift_notify", "nobody")
    with pytest.raises(UnavailableError, match="nobody"):
        box.digest.send()
