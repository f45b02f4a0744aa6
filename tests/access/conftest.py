from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.access import Access
from appliance.storage import Database, open_database, open_postgres
from tests.postgres import PostgresServer


class MovableClock:
    """A clock that tests own."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = open_database(Path(tmp_path_factory.mktemp("store")) / "membox.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        opened = open_postgres(server.dsn(server.create()), keeps=False)
    yield opened
    opened.close()


@pytest.fixture
def reopened(database: Database, clock: MovableClock) -> Callable[[], Access]:
    """A door-keeper as a restarted box has it: knows what the database knows."""
    return lambda: Access(database, clock)


@pytest.fixture
def access(reopened: Callable[[], Access]) -> Access:
    return reopened()
