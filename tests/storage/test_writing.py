"""The one writer: shared commits, a savepoint each, errors that are told to whoever asked, and an orderly end."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from sqlite3 import connect
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from appliance.errors import MemboxError, StorageError, StorageFullError, UnavailableError
from appliance.storage import Database
from appliance.storage.schema import box_state
from appliance.storage.writer import GROUP_LIMIT, _Request

Work = Callable[[Connection], Any]
Add = Callable[..., Future[Any]]

# SQLite's; PostgreSQL has many writers (test_postgres.py).
of_the_one_writer = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def put(key: str, value: str = "1") -> Work:
    def work(conn: Connection) -> str:
        conn.execute(insert(box_state), {"key": key, "value": value})
        return key

    return work


def transaction_of(conn: Connection) -> object:
    return conn.get_transaction()


def keys(database: Database) -> set[str]:
    with database.read() as conn:
        return set(conn.execute(select(box_state.c.key).where(box_state.c.key != "notebook_term")).scalars())


@contextmanager
def waiting_together(database: Database, size: int = 16) -> Iterator[Add]:
    """Hold the writer until everything added in the block waits for it, in the order it was added."""
    held, go = threading.Event(), threading.Event()
    line = database._writer._line  # type: ignore[attr-defined]

    def hold(_conn: Connection) -> None:
        held.set()
        assert go.wait(30)

    with ThreadPoolExecutor(size + 1) as pool:
        holding = pool.submit(database.write, hold)
        assert held.wait(30)

        def add(work: Work, repeatable: bool = False) -> Future[Any]:
            before = len(line)
            answer = pool.submit(database.write, work, repeatable)
            while len(line) == before:
                assert not answer.done()
            return answer

        try:
            yield add
        finally:
            go.set()
        holding.result(30)


def test_what_a_write_returns_comes_back_and_is_seen_by_the_next_reader(database: Database) -> None:
    assert database.write(put("one")) == "one"
    assert keys(database) == {"one"}


@of_the_one_writer
def test_writes_that_wait_share_one_commit(database: Database) -> None:
    with waiting_together(database) as add:
        answers = [add(transaction_of) for _ in range(10)]
    assert len({id(answer.result(30)) for answer in answers}) == 1


@of_the_one_writer
def test_a_commit_is_shared_by_no_more_than_the_limit(database: Database) -> None:
    with waiting_together(database, GROUP_LIMIT + 1) as add:
        answers = [add(transaction_of) for _ in range(GROUP_LIMIT + 1)]
    transactions = [answer.result(30) for answer in answers]
    assert all(one is transactions[0] for one in transactions[:GROUP_LIMIT])
    assert transactions[GROUP_LIMIT] is not transactions[0]


@of_the_one_writer
def test_work_that_fails_takes_back_its_own_rows_and_no_others(database: Database) -> None:
    def fail_after_storing(conn: Connection) -> None:
        put("bad")(conn)
        raise ValueError("mine alone")

    with waiting_together(database) as add:
        first, bad, last = add(put("first")), add(fail_after_storing), add(put("last"))
    assert (first.result(30), last.result(30)) == ("first", "last")
    with pytest.raises(ValueError, match="mine alone"):
        bad.result(30)
    assert keys(database) == {"first", "last"}


@of_the_one_writer
def test_repeatable_work_beside_one_that_fails_is_stored_once(database: Database) -> None:
    calls: list[str] = []

    def counted(key: str) -> Work:
        def work(conn: Connection) -> None:
            calls.append(key)
            put(key)(conn)

        return work

    with waiting_together(database) as add:
        first, bad, last = add(counted("same"), True), add(put("same"), True), add(counted("other"), True)
    first.result(30)
    last.result(30)
    with pytest.raises(StorageError):
        bad.result(30)
    assert keys(database) == {"same", "other"}
    assert sorted(calls) == ["other", "same", "same"]  # all at once until one failed, then each for itself


@of_the_one_writer
def test_repeatable_work_that_succeeds_is_called_once_and_shares_a_commit(database: Database) -> None:
    calls: list[object] = []
    with waiting_together(database) as add:
        answers = [add(lambda conn: calls.append(transaction_of(conn)), True) for _ in range(5)]
    for answer in answers:
        answer.result(30)
    assert len(calls) == 5
    assert len({id(transaction) for transaction in calls}) == 1


@of_the_one_writer
def test_a_broken_rule_of_the_store_is_told_to_the_one_who_broke_it(database: Database) -> None:
    with waiting_together(database) as add:
        first, again, last = add(put("same")), add(put("same")), add(put("other"))
    assert (first.result(30), last.result(30)) == ("same", "other")
    with pytest.raises(StorageError):
        again.result(30)
    assert keys(database) == {"same", "other"}


def test_the_cause_of_a_fault_is_kept_for_the_log_without_what_was_being_stored(database: Database) -> None:
    database.write(put("only once"))
    with pytest.raises(StorageError) as writing:
        database.write(put("only once", "the gate code"))
    with pytest.raises(StorageError) as reading, database.read() as conn:
        put("key", "the gate code")(conn)
    for told in (writing, reading):
        cause = told.value.__cause__
        assert isinstance(cause, DBAPIError)
        assert "INSERT INTO box_state" in str(cause)
        assert "gate code" not in str(cause)


def test_an_error_of_ours_arrives_as_it_was_raised(database: Database) -> None:
    raised = MemboxError("own_word", "Own sentence.", {"more": 1})

    def fail(_conn: Connection) -> None:
        raise raised

    with pytest.raises(MemboxError) as caught:
        database.write(fail)
    assert caught.value is raised


def test_the_writer_goes_on_after_every_kind_of_failure(database: Database) -> None:
    def wrong_statement(conn: Connection) -> None:
        conn.exec_driver_sql("SELECT no_such_column FROM nowhere")

    def misuse(conn: Connection) -> None:
        conn.begin()  # SQLAlchemy's own complaint, not the driver's

    for work, error in ((wrong_statement, StorageError), (misuse, SQLAlchemyError), (lambda _: 1 / 0, ArithmeticError)):
        with pytest.raises(error):
            database.write(work)
    assert database.is_alive()
    assert database.write(put("after")) == "after"


@of_the_one_writer
@pytest.mark.parametrize("give_up", [lambda conn: conn.exec_driver_sql("ROLLBACK"), lambda conn: conn.rollback()])
def test_work_that_gives_up_the_whole_transaction_is_an_error_for_all_that_shared_it(
    database: Database, give_up: Work
) -> None:
    with waiting_together(database) as add:
        answers = [add(put("before")), add(give_up), add(put("behind"))]
    for answer in answers:
        assert isinstance(answer.exception(30), StorageError | SQLAlchemyError)
    assert keys(database) == set()
    assert database.write(put("after")) == "after"


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError), database.read() as conn:
        put("sneaked")(conn)
    assert keys(database) == set()


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(database: Database) -> None:
    with database.read() as conn:
        before = conn.execute(select(box_state)).all()
        database.write(put("meanwhile"))
        assert conn.execute(select(box_state)).all() == before
    assert keys(database) == {"meanwhile"}


@of_the_one_writer
def test_closing_finishes_what_was_accepted(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        with waiting_together(database, 80) as add:
            answers = [add(put(f"key{number}")) for number in range(70)]
            closing = pool.submit(database.close)
            while database.is_alive():
                pass
        closing.result(30)
    assert [answer.result(30) for answer in answers] == [f"key{number}" for number in range(70)]


@of_the_one_writer
@pytest.mark.parametrize("woken", [False, True], ids=["while it waits", "when it is its turn"])
def test_one_that_is_interrupted_is_not_written_and_holds_nobody_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, woken: bool
) -> None:
    gone, sleep = put("gone"), _Request.sleep

    def interrupted(request: _Request) -> None:
        if request.work is not gone or woken:
            sleep(request)
        if request.work is gone:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Request, "sleep", interrupted)
    with waiting_together(database) as add:
        if woken:
            add(gone)
        else:
            with pytest.raises(KeyboardInterrupt):
                database.write(gone)
        after = add(put("after"))
    assert after.result(30) == "after"
    assert keys(database) == {"after"}


@of_the_one_writer
def test_what_shared_a_commit_with_one_that_was_interrupted_is_not_taken_for_done(database: Database) -> None:
    def interrupt(_conn: Connection) -> None:
        raise KeyboardInterrupt

    with waiting_together(database) as add:
        first, broken, last = add(put("first")), add(interrupt), add(put("last"))
    assert isinstance(first.exception(30), KeyboardInterrupt)  # it wrote for all
    assert all(isinstance(each.exception(30), UnavailableError) for each in (broken, last))
    assert keys(database) == set()
    assert database.write(put("after")) == "after"


def test_nothing_is_accepted_once_closing_has_begun(database: Database) -> None:
    database.close()
    assert not database.is_alive()
    with pytest.raises(UnavailableError):
        database.write(put("late"))


@of_the_one_writer
def test_a_locked_store_is_an_error_and_not_the_end(database: Database) -> None:
    """Something else holds the file's write lock: the asker is told, and once it is free writing goes on."""
    database.write(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout = 20").close())
    other = connect(database.path, isolation_level=None)  # type: ignore[attr-defined]
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(StorageError):
            database.write(put("locked out"))
    other.execute("ROLLBACK")
    other.close()
    assert database.write(put("free")) == "free"
    assert keys(database) == {"free"}


@of_the_one_writer
class TestFullDisk:
    """The driver says the disk is full; SQLite may then have given up the whole transaction."""

    @staticmethod
    def limit(database: Database, spare_pages: int) -> None:
        def work(conn: Connection) -> None:
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
            conn.exec_driver_sql(f"PRAGMA max_page_count = {pages + spare_pages}")

        database.write(work)

    def test_is_its_own_error_and_passes(self, database: Database) -> None:
        self.limit(database, 2)
        with pytest.raises(StorageFullError):
            database.write(put("large", "x" * 100_000))
        self.limit(database, 1000)
        assert database.write(put("large", "x" * 100_000)) == "large"

    def test_nobody_is_told_yes_for_what_was_not_kept_nor_no_for_what_was(self, database: Database) -> None:
        self.limit(database, 2)
        with waiting_together(database) as add:
            answers = {
                "small": add(put("small")),
                "large": add(put("large", "x" * 100_000)),
                "behind": add(put("behind")),
            }
        for answer in answers.values():
            assert isinstance(answer.exception(30), StorageFullError | None)
        assert keys(database) == {key for key, answer in answers.items() if answer.exception() is None}
        assert "large" not in keys(database)
