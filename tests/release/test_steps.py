"""The steps of a switch in the home, each for itself: what they find wrong, and what they take for their own."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from appliance.cli import release_steps
from appliance.errors import StorageError
from appliance.release import database
from appliance.storage import opening
from appliance.storage.opening import migrate as real_migrate

ILL = {"check": "database", "severity": "error", "sentence": "The database takes no writes."}
OF_OLD = {"check": "mirror", "severity": "error", "sentence": "No disk."}


@pytest.fixture
def home(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "membox.db")
    (tmp_path / "config.toml").touch()
    return tmp_path


class Daemon:
    """What a daemon answers to who asks for its health."""

    def __init__(self, status: str = "ok", version: str = "2.0.0", findings: tuple[dict[str, str], ...] = ()) -> None:
        self.answers: dict[str, Any] = {
            "/healthz": {"status": status, "version": version},
            "/v1/status": {"findings": findings},
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, path: str) -> Any:
        return self.answers[path]


@pytest.mark.parametrize(
    ("daemon", "is_known", "why"),
    [
        (Daemon(), False, ""),
        (Daemon(findings=(OF_OLD,)), False, ""),
        (Daemon(status="ill"), False, "Its health is ill"),
        (Daemon(status="ill"), True, "Its health is ill"),
        (Daemon(version="9.9.9"), False, "what answers is version 9.9.9"),
        (Daemon(findings=(ILL,)), False, "The database takes no writes"),
        (Daemon(findings=(ILL,)), True, ""),
    ],
    ids=["well", "fault of old", "ill", "ill on the way back", "impostor", "bad database", "database bad before"],
)
def test_the_health_of_a_release(
    monkeypatch: pytest.MonkeyPatch, home: Path, daemon: Daemon, is_known: bool, why: str
) -> None:
    monkeypatch.setattr(release_steps, "_daemon", lambda _home: daemon)
    seen = release_steps.health(home, "2.0.0", 0.0, is_known)
    assert (seen["is_well"], seen["why"]) == (not why, why)


def test_a_release_that_does_not_answer_is_not_well(home: Path) -> None:
    seen = release_steps.health(home, "2.0.0", 0.0, is_known=False)
    assert (seen["is_well"], seen["is_final"]) == (False, False)


def test_a_migration_that_breaks_off_is_told(home: Path) -> None:
    with closing(sqlite3.connect(home / "membox.db")) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = 'none of ours'")
    with pytest.raises(StorageError) as told:
        database.prepare(home / "membox.db")
    assert told.value.word == "migration_failed"


def test_a_migration_that_damages_is_found(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    def damaging(path: Path) -> None:
        real_migrate(path)
        with closing(sqlite3.connect(path)) as conn, conn:
            conn.execute("INSERT INTO document_versions VALUES (99999, 1, 0, 'x', 'x', 1, x'', 'x', 0, 0)")

    monkeypatch.setattr(opening, "migrate", damaging)
    with pytest.raises(StorageError, match="not sound"):
        database.prepare(home / "membox.db")


def test_what_lies_beside_the_database_from_another_day_is_not_taken_for_the_switchs_own(home: Path) -> None:
    for name in ("membox.db.next", "membox.db.next-wal", "membox.db.previous"):
        (home / name).write_bytes(b"of another day")
    release_steps.look(home)
    assert [*home.glob("membox.db.*")] == []


def test_a_database_on_a_server_is_left_to_the_daemon(home: Path) -> None:
    """There is no file to copy, and none is made."""
    address = 'backend = "postgres"\npostgres_dsn = "postgresql://membox@/membox?host=/nowhere"\n'
    (home / "config.toml").write_text(f"[store]\n{address}")
    (home / "membox.db").unlink()
    assert release_steps.look(home) == {"schema": "on a server", "must_migrate": False}
    held = release_steps.hold_writes(home, "an upgrade", 60.0)
    release_steps.swap(home, held["until"])
    assert release_steps.go_back(home, was_made=False) == {"is_back": True}
    release_steps.tidy(home)
    assert not (home / "membox.db").exists()
