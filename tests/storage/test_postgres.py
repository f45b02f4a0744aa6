"""PostgreSQL: opening with one sentence for whatever stands in the way, many writers, lost connections, one keeper."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text

from appliance.errors import NotConfiguredError, StorageError, UnavailableError
from appliance.storage import Database, open_postgres, opening, postgres, postgres_keeping, schema
from appliance.storage.schema import box_state
from tests.postgres import PASSWORD_USER, PostgresServer

NEWEST = opening.known_versions()[-1]
OF_THE_DIALECT = {"search_words", "memory_items_search_words", "item_embeddings"}

Open = Callable[..., Database]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens databases, and closes them at the end."""
    with ExitStack() as at_end:

        def open_one(dsn: str, **more: Any) -> Database:
            database = open_postgres(dsn, **more)
            at_end.callback(database.close)
            return database

        yield open_one


def put(key: str, value: str = "1") -> Callable[[Connection], None]:
    return lambda conn: conn.execute(insert(box_state), {"key": key, "value": value}).close()


def value_of(database: Database, key: str) -> str | None:
    with database.read() as conn:
        found: str | None = conn.execute(select(box_state.c.value).where(box_state.c.key == key)).scalar_one_or_none()
        return found


def name_of(dsn: str) -> str:
    return dsn.rpartition("@/")[2].partition("?")[0]


def cut_all(server: PostgresServer, dsn: str) -> None:
    """End every connection to the database, as a server that restarts does."""
    server.sql(f"SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = '{name_of(dsn)}'")


class TestOpening:
    def test_an_empty_database_gets_the_newest_schema(self, blank_dsn: str) -> None:
        assert opening.postgres_schema(blank_dsn)[1] is None
        open_postgres(blank_dsn).close()
        assert opening.postgres_schema(blank_dsn)[1] == NEWEST

    def test_the_migrations_make_exactly_the_tables_that_the_code_uses(self, postgres_dsn: str, opened: Open) -> None:
        def ours(_object: object, name: str | None, *_: object) -> bool:
            return name not in OF_THE_DIALECT

        def differences(conn: Connection) -> list[Any]:
            context = MigrationContext.configure(conn, opts={"include_object": ours})
            return list(compare_metadata(context, schema.metadata))

        assert opened(postgres_dsn).write(differences) == []

    def test_of_several_that_start_at_once_one_migrates(self, blank_dsn: str) -> None:
        with ThreadPoolExecutor(3) as pool:
            for database in pool.map(lambda _: open_postgres(blank_dsn, keeps=False), range(3)):
                assert database.check() == []
                database.close()

    def test_a_newer_schema_is_refused_and_left_alone(self, postgres_dsn: str, opened: Open) -> None:
        newer = text("UPDATE alembic_version SET version_num = '9999'")
        opened(postgres_dsn).write(lambda conn: conn.execute(newer).close())
        with pytest.raises(StorageError) as refused:
            open_postgres(postgres_dsn)
        assert refused.value.word == "database_newer"
        assert "9999" in refused.value.sentence

    def test_another_programs_tables_are_refused_and_left_alone(
        self, blank_dsn: str, postgres_server: PostgresServer
    ) -> None:
        name = name_of(blank_dsn)
        postgres_server.sql("CREATE TABLE memories (id text)", name)
        with pytest.raises(NotConfiguredError, match="another program"):
            open_postgres(blank_dsn)
        assert postgres_server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name) == [
            ("memories",)
        ]

    def test_a_server_that_is_not_there_may_come_back(self, tmp_path: Any) -> None:
        with pytest.raises(UnavailableError) as missing:
            open_postgres(f"postgresql://membox@/membox?host={tmp_path}")
        assert missing.value.word == "database_unreachable"

    def test_a_wrong_password_and_none_are_told_apart_from_a_server_that_is_down(
        self, postgres_server: PostgresServer
    ) -> None:
        for password in ("", "wrong one"):
            with pytest.raises(NotConfiguredError) as refused:
                open_postgres(postgres_server.dsn("postgres", PASSWORD_USER), password)
            assert "membox secrets set postgres-password" in refused.value.sentence
            assert "wrong one" not in refused.value.sentence

    def test_the_right_password_opens(self, blank_dsn: str, postgres_server: PostgresServer) -> None:
        name = name_of(blank_dsn)
        postgres_server.sql(f"ALTER DATABASE {name} OWNER TO {PASSWORD_USER}")
        database = open_postgres(postgres_server.dsn(name, PASSWORD_USER), "a good one")
        assert database.check() == []
        database.close()

    def test_a_database_that_is_not_there_is_the_settings_fault(self, postgres_server: PostgresServer) -> None:
        with pytest.raises(NotConfiguredError, match='database "nowhere" does not exist'):
            open_postgres(postgres_server.dsn("nowhere"))

    def test_a_password_is_in_no_argument_of_the_process_that_migrates(
        self, blank_dsn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commands: list[Any] = []
        run = subprocess.run

        def noted(command: Any, **more: Any) -> Any:
            commands.append((command, more.get("env")))
            return run(command, **more)

        monkeypatch.setattr(subprocess, "run", noted)
        open_postgres(blank_dsn, "hunter22").close()
        assert commands == [([sys.executable, "-m", "appliance.storage.migrations", "-"], None)]

    @pytest.mark.parametrize("place", ["blank_dsn", "postgres_dsn"])
    def test_it_opens_while_writes_are_held_as_a_new_release_does(
        self, place: str, opened: Open, request: pytest.FixtureRequest
    ) -> None:
        def held() -> None:
            raise UnavailableError("held")

        database = opened(request.getfixturevalue(place), admit=held)
        assert value_of(database, "anything") is None
        with pytest.raises(UnavailableError):
            database.write(put("anything"))

    def test_without_pgvector_words_alone_are_searched_and_it_is_said(
        self, blank_dsn: str, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres, "add_pgvector", lambda _conn: False)
        database = opened(blank_dsn)
        index = database.vector_index("light", 256)
        with database.read() as conn:
            assert index.behind(conn) == 0
        ((sentence, remedy),) = database.lacks()
        assert "pgvector" in sentence
        assert "CREATE EXTENSION vector" in remedy


class TestWriting:
    def test_an_acknowledged_write_is_durable_whatever_the_server_does_for_others(
        self, postgres_dsn: str, opened: Open, postgres_server: PostgresServer
    ) -> None:
        name = name_of(postgres_dsn)
        postgres_server.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        shown = text("SHOW synchronous_commit")
        assert opened(postgres_dsn).write(lambda conn: conn.execute(shown).scalar_one()) == "on"

    def test_repeatable_work_that_met_another_is_done_again(self, postgres_dsn: str, opened: Open) -> None:
        """Both look, find nothing, and put in the same: the second looks again, and finds the first's."""
        database = opened(postgres_dsn)
        both_have_looked = threading.Barrier(2)

        def put_once(name: str) -> Callable[[Connection], str]:
            looks = iter([True])

            def work(conn: Connection) -> str:
                found = conn.execute(select(box_state.c.value).where(box_state.c.key == "one")).scalar_one_or_none()
                if next(looks, False):
                    both_have_looked.wait(30)
                if found is None:
                    put("one", name)(conn)
                return found or name

            return work

        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(database.write, put_once(name), repeatable=True) for name in "ab"]
            said = {answer.result(30) for answer in answers}
        assert said == {value_of(database, "one")}

    def test_two_that_wait_for_each_other_both_get_through(self, postgres_dsn: str, opened: Open) -> None:
        database = opened(postgres_dsn)
        for key in ("left", "right"):
            database.write(put(key, "0"))
        both_hold_one = threading.Barrier(2)

        def add(first: str, second: str) -> Callable[[Connection], None]:
            meets = iter([True])

            def work(conn: Connection) -> None:
                for key in (first, second):
                    more = text("UPDATE box_state SET value = (value::int + 1)::text WHERE key = :key")
                    conn.execute(more, {"key": key})
                    if key == first and next(meets, False):
                        both_hold_one.wait(30)

            return work

        with ThreadPoolExecutor(2) as pool:
            for done in [
                pool.submit(database.write, add("left", "right"), repeatable=True),
                pool.submit(database.write, add("right", "left"), repeatable=True),
            ]:
                done.result(30)
        assert (value_of(database, "left"), value_of(database, "right")) == ("2", "2")

    def test_a_connection_lost_in_mid_write_is_told_and_the_next_write_connects_anew(
        self, postgres_dsn: str, opened: Open, postgres_server: PostgresServer
    ) -> None:
        database = opened(postgres_dsn)

        def cut_off(conn: Connection) -> None:
            put("half")(conn)
            cut_all(postgres_server, postgres_dsn)
            put("other half")(conn)

        with pytest.raises(UnavailableError) as lost:
            database.write(cut_off)
        assert lost.value.word == "database_unreachable"
        database.write(put("after"))
        assert (value_of(database, "half"), value_of(database, "after")) == (None, "1")

    def test_connections_that_died_while_nobody_used_them_are_not_noticed(
        self, postgres_dsn: str, opened: Open, postgres_server: PostgresServer
    ) -> None:
        database = opened(postgres_dsn)
        database.write(put("before"))
        cut_all(postgres_server, postgres_dsn)
        assert value_of(database, "before") == "1"
        cut_all(postgres_server, postgres_dsn)
        database.write(put("after"))

    def test_nothing_of_what_is_stored_is_in_an_error(self, postgres_dsn: str, opened: Open) -> None:
        database = opened(postgres_dsn)
        database.write(put("the gate code"))
        without_value = text("INSERT INTO box_state (key) VALUES ('the gate code is 4711')")
        for work in (put("the gate code"), lambda conn: conn.execute(without_value).close()):
            with pytest.raises(StorageError) as told:
                database.write(work)
            shown: BaseException | None = told.value
            while shown is not None:
                assert "gate" not in str(shown).replace(without_value.text, "")
                shown = shown.__cause__

    def test_closing_finishes_what_was_accepted_and_takes_no_more(self, postgres_dsn: str, opened: Open) -> None:
        database, started, go = opened(postgres_dsn), threading.Event(), threading.Event()

        def slowly(conn: Connection) -> None:
            started.set()
            assert go.wait(30)
            put("kept")(conn)

        with ThreadPoolExecutor(2) as pool:
            writing = pool.submit(database.write, slowly)
            assert started.wait(30)
            closing = pool.submit(database.close)
            while database.is_alive():
                pass
            with pytest.raises(UnavailableError):
                database.write(put("late"))
            go.set()
            writing.result(30)
            closing.result(30)
        assert value_of(opened(postgres_dsn), "kept") == "1"


class TestKeeping:
    def test_one_keeps_and_the_others_say_who(self, postgres_dsn: str, opened: Open) -> None:
        first, second = opened(postgres_dsn), opened(postgres_dsn)
        assert first.term() == 1
        with pytest.raises(UnavailableError) as elsewhere:
            second.term()
        assert elsewhere.value.word == "kept_elsewhere"
        assert "process" in elsewhere.value.sentence

    def test_the_next_begins_a_term_of_its_own(self, postgres_dsn: str, opened: Open) -> None:
        first, second = opened(postgres_dsn), opened(postgres_dsn)
        first.close()
        assert wait_for_term(second) == 2

    def test_one_that_does_not_compete_never_keeps(self, postgres_dsn: str, opened: Open) -> None:
        with pytest.raises(UnavailableError):
            opened(postgres_dsn, keeps=False).term()
        assert opened(postgres_dsn).term() == 1

    def test_a_lost_connection_is_a_lost_term_and_a_late_write_of_it_fails(
        self, postgres_dsn: str, opened: Open, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_keeping, "LOOK_SECONDS", 600.0)  # it does not notice by itself
        first = opened(postgres_dsn)
        stays = first.term()
        cut_all(postgres_server, postgres_dsn)
        second = opened(postgres_dsn)
        assert second.term() == stays + 1
        assert first.term() == stays

        def late(conn: Connection) -> None:
            first.fence(conn)
            put("late")(conn)

        with pytest.raises(UnavailableError) as refused:
            first.write(late)
        assert refused.value.word == "kept_elsewhere"
        assert value_of(second, "late") is None

    def test_the_next_term_waits_for_what_the_last_keeper_is_writing(
        self, postgres_dsn: str, opened: Open, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_keeping, "LOOK_SECONDS", 600.0)
        first, fenced, go = opened(postgres_dsn), threading.Event(), threading.Event()

        def slowly(conn: Connection) -> None:
            first.fence(conn)
            fenced.set()
            assert go.wait(30)
            put("kept")(conn)

        with ThreadPoolExecutor(2) as pool:
            writing = pool.submit(first.write, slowly)
            assert fenced.wait(30)
            first._keeping._let_go()  # type: ignore[attr-defined] # as when its connection breaks
            taking_over = pool.submit(opened, postgres_dsn)
            ours = f"datname = '{name_of(postgres_dsn)}'"
            waiting = f"SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND {ours}"
            while not postgres_server.sql(waiting)[0][0]:
                assert not taking_over.done()
            go.set()
            writing.result(30)
            second = taking_over.result(30)
        assert value_of(second, "kept") == "1"


def wait_for_term(database: Database) -> int:
    """The term in which it keeps, once it does."""
    while True:
        try:
            return database.term()
        except UnavailableError:
            threading.Event().wait(0.05)
