"""`membox db move`: a box goes on where it was, with its database on a server; a wrong word changes nothing."""

import tomllib

import pytest

from tests.cli.conftest import Membox
from tests.postgres import PASSWORD_USER, PostgresServer

MOVE = ("db", "move", "--to")


def backend(box: Membox) -> str:
    settings = tomllib.loads((box.home / "config.toml").read_text())
    return str(settings.get("store", {}).get("backend", "sqlite"))


def test_the_box_goes_on_with_what_it_knew(box: Membox, postgres_dsn: str) -> None:
    kept = box.json("remember", "The kettle descales on Sundays")["memory_ids"]
    box("note", "The spare key is in the blue tin")
    moved = box.json(*MOVE, postgres_dsn)
    assert moved["tables"]["memory_items"] >= 2
    assert backend(box) == "postgres"
    assert box.json("db", "status")["is_current"]
    assert [item["memory_id"] for item in box.json("recall", "kettle")["items"]] == kept
    (note,) = box.json("recall", "spare key", "--explain")["items"]
    assert note["file"].startswith("sessions/")
    box("note", "The ladder is with the neighbours")
    assert box.json("recall", "ladder")["items"]
    assert box.json("memory", "history")["versions"]


def test_the_file_stays_as_it_was(box: Membox, postgres_dsn: str) -> None:
    box("remember", "The kettle descales on Sundays")
    box(*MOVE, postgres_dsn)
    box("remember", "The toaster is new")
    back = box.environment({"MEMBOX_STORE_BACKEND": "sqlite"})
    assert box.json("recall", "kettle", environ=back)["items"]
    assert box.json("recall", "toaster", environ=back)["items"] == []


@pytest.mark.parametrize(
    ("dsn", "word"),
    [
        ("mysql://somewhere", "--to"),
        ("postgresql://me:hush@localhost/membox", "--to"),
        ("postgresql://me@127.0.0.1:1/membox", "cannot be reached"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(box: Membox, dsn: str, word: str) -> None:
    box("remember", "The kettle descales on Sundays")
    told = box(*MOVE, dsn, code=None)
    assert told.returncode != 0
    assert word in told.stderr
    assert "hush" not in told.stderr
    assert backend(box) == "sqlite"
    assert box.json("recall", "kettle")["items"]


def test_a_database_that_is_in_use_is_left_alone(box: Membox, postgres_dsn: str) -> None:
    box("remember", "The kettle descales on Sundays")
    box(*MOVE, postgres_dsn)
    again = {"MEMBOX_STORE_BACKEND": "sqlite"}
    assert "holds a box's data already" in box(*MOVE, postgres_dsn, environ=again, code=1).stderr


def test_it_waits_for_no_daemon_but_says_that_one_runs(served: Membox, postgres_dsn: str) -> None:
    assert "daemon" in served(*MOVE, postgres_dsn, code=1).stderr
    assert backend(served) == "sqlite"


def test_the_password_is_a_secret_of_the_box(box: Membox, postgres_server: PostgresServer, blank_dsn: str) -> None:
    database = blank_dsn.partition("?")[0].rpartition("/")[2]
    postgres_server.sql(f"ALTER DATABASE {database} OWNER TO {PASSWORD_USER}")
    dsn = postgres_server.dsn(database, PASSWORD_USER)
    assert "postgres-password" in box(*MOVE, dsn, code=None).stderr
    assert backend(box) == "sqlite"
    box("secrets", "set", "postgres-password", stdin="a good one")
    box("remember", "The kettle descales on Sundays")
    box(*MOVE, dsn)
    assert box.json("recall", "kettle")["items"]
    assert "a good one" not in (box.home / "config.toml").read_text()
