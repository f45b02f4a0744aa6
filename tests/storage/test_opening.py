"""Opening a database file: ours, sound and of a known schema, or one sentence and the file left as it was."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine

from appliance.errors import NotConfiguredError, StorageError, StorageFullError
from appliance.storage import open_database, opening, schema, schema_version

NEWEST = opening.known_versions()[-1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "membox.db"


@pytest.fixture
def existing(empty_database: Path, path: Path) -> Path:
    shutil.copy(empty_database, path)
    return path


def alter(path: Path, *statements: str) -> None:
    conn = sqlite3.connect(path)
    for statement in statements:
        conn.execute(statement)
    conn.commit()
    conn.close()


def state_of(directory: Path) -> dict[str, str]:
    """The files' contents; an empty log beside the file says nothing."""
    kept = (file for file in directory.iterdir() if not file.name.endswith(("-wal", "-shm")))
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in kept}


def test_a_new_file_gets_the_newest_schema(path: Path) -> None:
    open_database(path).close()
    assert schema_version(path) == NEWEST


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(existing: Path) -> None:
    engine = create_engine(URL.create("sqlite", database=str(existing)))
    with engine.connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"include_object": lambda _object, name, *_: not str(name).startswith("memory_fts")}
        )
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_a_file_kept_open_by_its_box_survives_full_durability_settings(existing: Path) -> None:
    database = open_database(existing)

    def settings(conn: object) -> list[object]:
        return [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()  # type: ignore[attr-defined]
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        ]

    assert database.write(settings) == ["wal", 2, 1, 1]
    database.close()


def test_an_empty_file_is_taken_as_new(path: Path) -> None:
    path.touch()
    open_database(path).close()
    assert schema_version(path) == NEWEST


def test_any_name_will_do(tmp_path: Path) -> None:
    name = "a 50% #1? größe'\"&=.db"
    open_database(tmp_path / name).close()
    database = open_database(tmp_path / name)
    database.copy_to(tmp_path / f"copy of {name}")
    database.close()
    assert {file.name for file in tmp_path.iterdir()} == {name, f"copy of {name}"}


def test_opening_an_existing_file_starts_no_migration(existing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "migrate", lambda path: pytest.fail("migrated a file of the newest schema"))
    open_database(existing).close()


def test_a_newer_schema_is_refused_and_left_alone(existing: Path) -> None:
    alter(existing, "UPDATE alembic_version SET version_num = '9999'")
    before = state_of(existing.parent)
    with pytest.raises(StorageError) as refused:
        open_database(existing)
    assert refused.value.word == "database_newer"
    assert "9999" in refused.value.sentence
    assert NEWEST in refused.value.sentence
    assert "membox backup restore" in refused.value.sentence
    assert state_of(existing.parent) == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    alter(path, "CREATE TABLE memories (id TEXT)", "INSERT INTO memories VALUES ('x')")
    before = state_of(path.parent)
    with pytest.raises(NotConfiguredError) as refused:
        open_database(path)
    assert "membox import brainstem" in refused.value.sentence
    assert state_of(path.parent) == before


def damage_header(content: bytearray) -> None:
    content[:16] = b"not a database!!"


def damage_page(content: bytearray) -> None:
    size = len(content) // 2 // 4096 * 4096
    content[size : size + 4096] = os.urandom(4096)


def cut_off(content: bytearray) -> None:
    del content[len(content) // 2 :]


@pytest.mark.parametrize("damage", [damage_header, damage_page, cut_off])
def test_a_damaged_file_is_refused_with_the_way_back_and_left_alone(existing: Path, damage: object) -> None:
    alter(
        existing,
        *(f"INSERT INTO box_state VALUES ('key{number}', '{'x' * 500}')" for number in range(400)),
    )
    alter(existing, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(existing.read_bytes())
    damage(content)  # type: ignore[operator]
    existing.write_bytes(content)
    before = state_of(existing.parent)
    with pytest.raises(StorageError) as refused:
        open_database(existing)
    assert refused.value.word == "database_damaged"
    assert str(existing) in refused.value.sentence
    assert "membox backup restore" in refused.value.sentence
    assert state_of(existing.parent)["membox.db"] == before["membox.db"]


def test_text_in_the_place_of_a_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("# My notes\n" * 100)
    before = state_of(path.parent)
    with pytest.raises(StorageError, match="damaged"):
        open_database(path)
    assert state_of(path.parent) == before


KILLED_WHILE_MIGRATING = """
import os, signal, sys
from pathlib import Path
import sqlalchemy
from sqlalchemy import event
from appliance.storage.migrations.__main__ import upgrade

left = int(sys.argv[2])

@event.listens_for(sqlalchemy.Engine, "after_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

upgrade(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("statements", [4, 20])
def test_a_migration_killed_half_way_leaves_the_old_state_and_is_done_at_the_next_start(
    path: Path, statements: int
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_MIGRATING, path, str(statements)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert schema_version(path) is None
    database = open_database(path)
    assert schema_version(path) == NEWEST
    assert database.check() == []
    database.close()


def test_a_migration_without_room_says_that_the_disk_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(
            [], 1, "", "Traceback …\nsqlite3.OperationalError: database or disk is full\n"
        )

    monkeypatch.setattr(subprocess, "run", full)
    with pytest.raises(StorageFullError):
        open_database(path)


def test_a_migration_that_fails_says_why(path: Path) -> None:
    path.parent.joinpath("membox.db").mkdir()
    with pytest.raises(StorageError) as failed:
        opening.migrate(path)
    assert failed.value.word == "migration_failed"
    assert "unable to open database file" in failed.value.sentence
