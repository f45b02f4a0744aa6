"""A notebook on a real database, with a clock the test owns, that can be closed and opened again."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Connection

from appliance.notebook.refresh.service import Refresh
from appliance.notebook.sections import Section
from appliance.notebook.service import Notebook
from appliance.redaction import Redactor
from appliance.settings import Core
from appliance.storage import Database
from tests.notebook.scribe import MEMORY, Scribe

# A busy machine is no failure.
settings.register_profile("notebook", deadline=None)
settings.load_profile("notebook")


class OwnClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 15, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **units: float) -> None:
        self.now += timedelta(**units)


class RecordingIndex:
    """Remembers sections as they come; the id of one is its path and its place among its file's sections."""

    def __init__(self) -> None:
        self.sections: dict[str, list[Section]] = {}
        self.forgotten: list[str] = []

    def replace(self, conn: Connection, path: str, sections: Sequence[Section]) -> None:
        self.sections[path] = list(sections)

    def append(self, conn: Connection, path: str, sections: Sequence[Section]) -> None:
        self.sections.setdefault(path, []).extend(sections)

    def forget(self, conn: Connection, memory_id: str) -> None:
        self.forgotten.append(memory_id)

    def lines_of(self, conn: Connection, memory_id: str) -> tuple[str, int, int] | None:
        path, _, place = memory_id.partition("#")
        known = self.sections.get(path, [])
        if not place.isdigit() or int(place) >= len(known):
            return None
        return path, known[int(place)].first_line, known[int(place)].last_line

    def texts(self, path: str) -> list[str]:
        return [section.text for section in self.sections.get(path, [])]


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock()


@pytest.fixture
def index() -> RecordingIndex:
    return RecordingIndex()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "notebook"


@pytest.fixture
def open_notebook(root: Path, database: Database, index: RecordingIndex, clock: OwnClock) -> Callable[[], Notebook]:
    """Opens the notebook as a new process would: nothing in memory, `settle` first."""

    def opened() -> Notebook:
        notebook = Notebook(root, database, index, "Europe/Berlin", clock)
        notebook.settle()
        return notebook

    return opened


@pytest.fixture
def notebook(open_notebook: Callable[[], Notebook]) -> Notebook:
    return open_notebook()


@pytest.fixture
def edit(root: Path) -> Callable[[str, str], None]:
    """Writes a file as an editor does, and lets it look as if that was a while ago."""
    ages = iter(range(1_000_000))

    def edited(path: str, text: str) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, newline="")
        moment = 1_000_000_000 + next(ages)
        os.utime(target, (moment, moment))

    return edited


@pytest.fixture
def scribe() -> Scribe:
    return Scribe()


@pytest.fixture
def refresh(notebook: Notebook, database: Database, scribe: Scribe, clock: OwnClock) -> Refresh:
    """A refresh of a notebook whose memory is `scribe.MEMORY`, by a model the test speaks for."""
    notebook.save("GLOBAL_MEMORY.md", MEMORY, notebook.read("GLOBAL_MEMORY.md").version, "ana")
    return Refresh(notebook, database, scribe, lambda: Redactor(["open sesame"]), Core(timezone="Europe/Berlin"), clock)
