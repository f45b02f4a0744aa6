"""Copies of the database: consistent while writes go on, and told apart by what they hold."""

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from appliance.errors import MemboxError
from appliance.storage import Database
from appliance.storage.copies import content_digest, counts, faults_of
from appliance.storage.schema import box_state, job_runs


def put_pair(conn: Connection, number: int) -> None:
    """Two rows of one transaction: a copy has both or none."""
    conn.execute(insert(box_state), [{"key": f"left{number}", "value": ""}, {"key": f"right{number}", "value": ""}])


def sides(path: Path) -> tuple[int, int]:
    conn = sqlite3.connect(path)
    try:
        left, right = (
            conn.execute("SELECT count(*) FROM box_state WHERE key LIKE ?", (side,)).fetchone()[0]
            for side in ("left%", "right%")
        )
        return left, right
    finally:
        conn.close()


def test_a_copy_made_while_writes_go_on_is_one_consistent_moment(database: Database, tmp_path: Path) -> None:
    written, stop = [0], threading.Event()

    def write_on() -> None:
        while not stop.is_set():
            database.write(lambda conn: put_pair(conn, written[0]))
            written[0] += 1

    writing = threading.Thread(target=write_on)
    writing.start()
    try:
        for number in range(5):
            copy = tmp_path / f"copy{number}.db"
            acknowledged = written[0]
            database.copy_to(copy)
            left, right = sides(copy)
            assert left == right >= acknowledged
            assert faults_of(copy) == []
    finally:
        stop.set()
        writing.join()
    assert written[0] > 0


def test_a_copy_is_one_file_that_needs_no_log(database: Database, tmp_path: Path) -> None:
    database.write(lambda conn: put_pair(conn, 1))
    (tmp_path / "elsewhere").mkdir()
    database.copy_to(tmp_path / "elsewhere" / "membox.db")
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["membox.db"]
    assert sides(tmp_path / "elsewhere" / "membox.db") == (1, 1)


def test_a_copy_that_cannot_be_written_is_an_error(database: Database, tmp_path: Path) -> None:
    with pytest.raises((MemboxError, sqlite3.Error)):
        database.copy_to(tmp_path / "missing" / "membox.db")


def test_the_digest_follows_the_content_and_neither_the_pages_nor_the_upkeep(
    database: Database, tmp_path: Path
) -> None:
    def copy(name: str) -> str:
        database.copy_to(tmp_path / name)
        return content_digest(tmp_path / name)

    database.write(lambda conn: put_pair(conn, 1))
    first = copy("first.db")
    database.write(lambda conn: conn.execute(insert(job_runs), {"job": "backup_mirror", "started_at": 1}).close())
    assert copy("same.db") == first
    shutil.copy(tmp_path / "same.db", tmp_path / "packed.db")
    packed = sqlite3.connect(tmp_path / "packed.db")
    packed.execute("VACUUM")
    packed.close()
    assert content_digest(tmp_path / "packed.db") == first
    database.write(lambda conn: put_pair(conn, 2))
    assert copy("more.db") != first


def test_a_damaged_copy_has_faults(database: Database, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    database.copy_to(copy)
    assert faults_of(copy) == []
    assert set(counts(copy).values()) == {0}
    content = bytearray(copy.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    copy.write_bytes(content)
    assert faults_of(copy) != []
    copy.write_bytes(b"not a database" * 1000)
    assert faults_of(copy) != []
