"""The notebook through days and nights of a simulated clock, with its real schedule: nothing lost, nothing twice."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.box import Box, open_box
from appliance.config_file import set_value
from appliance.daemon.schedule import Schedule
from appliance.lease import make_home
from appliance.notebook.models import Note
from tests.llm_server import Answer, LlmServer, good

FILE = "GLOBAL_MEMORY.md"
MEMORY = "# Memory\n\n## Known\n\n- the tin is blue\n"
BEAT = timedelta(minutes=5)
_NOTED = re.compile(r"note \w+")


class Clock:
    """A clock that tests move."""

    now = datetime(2026, 10, 22, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def to(self, wall: str) -> None:
        """Put it to a time in UTC."""
        self.now = datetime.fromisoformat(wall).replace(tzinfo=UTC)


class Life:
    """A box that is switched on and off, and a model that takes every note into the memory, in the order it comes."""

    def __init__(self, home: Path, llm: LlmServer) -> None:
        self.home, self.llm, self.clock = home, llm, Clock()
        make_home(home)
        set_value(home, "core.timezone", "Europe/Berlin")
        set_value(home, "llm.providers", json.dumps(["anthropic"]))
        set_value(home, "llm.anthropic_base_url", llm.url)
        self.box: Box | None = None
        self.schedule: Schedule | None = None
        vars(llm)["next"] = self.answer  # as it depends on what was asked

    def on(self) -> Box:
        self.box = open_box(self.home, self.clock)
        self.box.secrets.set("anthropic-api-key", "sk-ant-of-the-test-1234567890")
        self.schedule = Schedule(self.box, upkeep=[])
        self.schedule.prepare()
        return self.box

    def off(self) -> None:
        if self.schedule and self.box:
            self.schedule.stop()
            self.box.close()
        self.box = self.schedule = None

    def note(self, name: str) -> None:
        assert self.box
        self.box.notebook.capture(Note(text=f"note {name}"), "me")

    def pass_time(self, until: str) -> None:
        """A beat every five minutes until then."""
        assert self.schedule
        end = datetime.fromisoformat(until).replace(tzinfo=UTC)
        while self.clock.now < end:
            self.clock.now += BEAT
            self.schedule.beat()
            self.schedule.settle()

    def memory(self) -> str:
        assert self.box
        return self.box.notebook.read(FILE).text

    def notes(self) -> list[str]:
        """The names of the notes in the memory, in its order."""
        return [line.removeprefix("- note ") for line in self.memory().splitlines() if line.startswith("- note ")]

    def answer(self) -> Answer:
        """The memory as it was shown, with a line for each note among the entries."""
        message = self.llm.asked[-1].body["messages"][-1]["content"]
        prompt = message if isinstance(message, str) else message[0]["text"]
        tag = next(line for line in prompt.splitlines() if line.startswith("<file-"))
        document, _, entries = prompt.partition(f"{tag}\n")[2].partition(tag.replace("<", "</"))
        return good({"document": document + "".join(f"- {name}\n" for name in _NOTED.findall(entries))})


@pytest.fixture
def life(tmp_path: Path, llm: LlmServer) -> Iterator[Life]:
    life = Life(tmp_path / "home", llm)
    box = life.on()
    box.notebook.save(FILE, MEMORY, box.notebook.read(FILE).version, "me")
    yield life
    life.off()


def test_days_switched_off_and_a_note_at_two_minutes_to_midnight(life: Life) -> None:
    life.note("a")
    life.pass_time("2026-10-22 21:57")  # 23:57 in Berlin; the refresh was at 23:55
    assert life.notes() == ["a"]
    life.note("b")
    life.clock.to("2026-10-22 22:03")  # the next day there
    life.note("c")
    life.off()
    life.clock.to("2026-10-24 21:00")  # two nights later
    life.on()
    life.note("d")
    life.pass_time("2026-10-24 21:10")
    assert life.notes() == ["a", "b", "c", "d"]  # caught up at once, in order
    life.pass_time("2026-10-24 22:30")
    assert life.notes() == ["a", "b", "c", "d"]  # and not again at 23:55
    assert len(life.llm.asked) == 2


def test_the_night_of_a_shift_merges_once(life: Life) -> None:
    life.clock.to("2026-10-24 21:50")  # 23:50 in Berlin, an hour after midnight the clock goes back at 03:00
    life.note("a")
    life.pass_time("2026-10-25 00:20")
    assert life.notes() == ["a"]
    life.note("first 02:20")
    life.clock.to("2026-10-25 01:20")
    life.note("second 02:20")
    life.pass_time("2026-10-25 23:30")  # 00:30 of the 26th in Berlin
    assert life.notes() == ["a", "first", "second"]
    assert len(life.llm.asked) == 2


def test_a_web_edit_and_a_hand_edit_while_the_model_works_are_kept(life: Life) -> None:
    box = life.box
    assert box

    def meanwhile() -> Answer:
        answer = life.answer()
        document = box.notebook.read(FILE)
        text = document.text.replace("# Memory\n", "# Memory\n\nBy the web.\n")
        box.notebook.save(FILE, text, document.version, "me")
        curated = box.home / "notebook" / FILE
        curated.write_text(curated.read_text().replace("the tin is blue", "the tin is green"))
        return answer

    vars(life.llm)["next"] = meanwhile
    life.note("a")
    life.pass_time("2026-10-22 22:00")
    assert "By the web." in life.memory()
    assert "the tin is green" in life.memory()
    assert life.notes() == ["a"]
