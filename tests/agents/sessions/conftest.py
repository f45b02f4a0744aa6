"""A box whose clock a test owns, and a session of an agent in it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.agents.sessions.models import Beside, Event
from appliance.box import Box, open_box


@dataclass
class Hand:
    """A clock that stands until it is moved."""

    now: datetime = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Agent:
    """Claude Code in one session, as its hooks tell of it: `agent("Stop", last_assistant_message="…")`."""

    box: Box
    session_id: str = "4f9d2c1a-0001"
    project: str = "/home/me/shop"
    name: str = "claude"
    told: list[str] = field(default_factory=list)

    def __call__(self, event: str, context_tokens: int | None = None, failures: int = 0, **fields: Any) -> str:
        """What goes into the agent's context."""
        beside = Beside(project=self.project, machine="anvil", context_tokens=context_tokens, failures=failures)
        given = Event(hook_event_name=event, session_id=self.session_id, **fields)
        answer = self.box.sessions.hook(self.name, given, beside)
        return answer.output.context if answer.output else ""

    def says(self, prompt: str) -> None:
        """The person writes a message."""
        self("UserPromptSubmit", prompt=prompt)

    def answers(self, text: str, **beside: Any) -> None:
        """The agent has answered."""
        self("Stop", last_assistant_message=text, **beside)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def box(tmp_path: Path, clock: Hand, empty_database: Path) -> Iterator[Box]:
    shutil.copy(empty_database, tmp_path / "membox.db")
    (tmp_path / "config.toml").write_text('[core]\ntimezone = "UTC"\n[memory]\nembedding = "off"\n')
    opened = open_box(tmp_path, clock)
    yield opened
    opened.close()


@pytest.fixture
def agent(box: Box) -> Agent:
    return Agent(box)


@pytest.fixture
def another(box: Box) -> Callable[..., Agent]:
    """Another session, of the same agent unless said otherwise."""
    return lambda **fields: Agent(box, **({"session_id": "another-0002"} | fields))


@pytest.fixture
def read(box: Box) -> Callable[[str], str]:
    """A file's text as it lies on the disk."""
    return lambda path: (box.home / "notebook" / path).read_text("utf-8")
