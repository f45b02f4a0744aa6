"""A clock that stands still until it is moved."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from appliance.storage import Database


@dataclass
class MovableClock:
    """The time, as a test wants it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(autouse=True)
def tests_own_the_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a server would tell it."""
    monkeypatch.setattr(database, "shared_time", lambda _conn: None)
