"""The schedule on a simulated clock: ordinary days, shifts, jumps, days off, kills and failing jobs."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schedule as keeper
from sqlalchemy import insert, select

from appliance import cadence
from appliance.box import Box, open_box
from appliance.daemon.jobs import Job, Upkeep, jobs_of
from appliance.daemon.runs import Runs
from appliance.daemon.schedule import Schedule
from appliance.errors import UnavailableError
from appliance.storage import Database, open_database
from appliance.storage.schema import job_runs

BERLIN = "Europe/Berlin"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(tmp_path_factory.mktemp("schedule") / "membox.db")
    yield database
    database.close()


@pytest.fixture
def database(shared_database: Database) -> Database:
    shared_database.write(lambda conn: conn.execute(job_runs.delete()))
    return shared_database


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Driver:
    """A schedule whose beats the test makes, and what its job did."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.box: Any = SimpleNamespace(database=database, clock=clock)
        self.clock = clock
        self.ran: list[datetime] = []
        self.open: list[Schedule] = []

    def start(self, words: str, run: Callable[[], str] | None = None, **more: Any) -> Schedule:
        job = Job("job", words, cadence.parse(words, BERLIN), run or self.note, **more)
        schedule = Schedule(self.box, jobs=[job], upkeep=[])
        self.open.append(schedule)
        schedule.prepare()
        return schedule

    def note(self) -> str:
        self.ran.append(self.clock.now)
        return "done"

    def pass_time(self, schedule: Schedule, span: timedelta, step: timedelta = timedelta(minutes=5)) -> None:
        end = self.clock.now + span
        while self.clock.now < end:
            self.clock.now += step
            self.beat(schedule)

    def beat(self, schedule: Schedule) -> None:
        schedule.beat()
        schedule.settle()

    def rows(self) -> list[Any]:
        with self.box.database.read() as conn:
            return list(conn.execute(select(job_runs).order_by(job_runs.c.id)).all())


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def driver(database: Database, clock: Clock) -> Iterator[Driver]:
    driver = Driver(database, clock)
    yield driver
    for schedule in driver.open:
        schedule.stop()


def test_a_job_runs_at_its_time_and_the_run_is_recorded(driver: Driver) -> None:
    schedule = driver.start("23:55")
    driver.pass_time(schedule, timedelta(days=1))
    assert driver.ran == [datetime(2026, 11, 20, 22, 55, 30, tzinfo=UTC)]
    (row,) = driver.rows()
    assert (row.job, row.outcome, row.detail) == ("job", "ok", "done")
    assert row.started_at <= row.ended_at


@pytest.mark.parametrize("start", ["2026-03-28 12:00", "2026-10-24 12:00"])
@pytest.mark.parametrize("words", ["02:30", "23:55"])
def test_a_night_with_a_shift_neither_skips_nor_doubles_a_daily_job(driver: Driver, start: str, words: str) -> None:
    driver.clock.now = datetime.fromisoformat(f"{start}+00:00")
    driver.pass_time(driver.start(words), timedelta(days=3))
    assert len(driver.ran) == 3


@pytest.mark.parametrize("start", ["2026-03-28 22:30", "2026-10-24 22:30"])
def test_an_hourly_job_runs_every_hour_through_a_shift(driver: Driver, start: str) -> None:
    driver.clock.now = datetime.fromisoformat(f"{start}+00:00")
    schedule = driver.start("hourly")
    driver.beat(schedule)
    driver.ran.clear()
    driver.pass_time(schedule, timedelta(hours=6))
    assert len(driver.ran) == 6


def test_a_run_missed_for_less_than_the_grace_is_caught_up_once(driver: Driver) -> None:
    driver.start("23:55")
    driver.clock.now = datetime(2026, 11, 20, 23, 40, tzinfo=UTC)  # 45 minutes late, after a restart
    schedule = driver.start("23:55")
    driver.beat(schedule)
    driver.beat(schedule)
    assert driver.ran == [driver.clock.now]


def test_a_run_missed_for_longer_waits_for_its_next_time(driver: Driver) -> None:
    schedule = driver.start("23:55")
    driver.clock.now += timedelta(days=2)
    driver.beat(schedule)
    assert driver.ran == []
    driver.pass_time(schedule, timedelta(days=1))
    assert len(driver.ran) == 1


def test_a_job_without_limit_is_caught_up_once_after_two_days_off(driver: Driver) -> None:
    schedule = driver.start("23:55", grace=None)
    driver.pass_time(schedule, timedelta(days=1))
    driver.clock.now += timedelta(days=2)
    again = driver.start("23:55", grace=None)
    driver.beat(again)
    driver.beat(again)
    assert len(driver.ran) == 2


def test_a_restart_does_not_run_again_what_was_run(driver: Driver) -> None:
    driver.clock.now = datetime(2026, 11, 20, 22, 55, 1, tzinfo=UTC)
    driver.beat(driver.start("23:55"))
    driver.clock.now += timedelta(minutes=1)
    driver.beat(driver.start("23:55"))
    assert len(driver.ran) == 1


def test_a_clock_put_back_half_an_hour_repeats_nothing(driver: Driver) -> None:
    driver.clock.now = datetime(2026, 11, 20, 22, 55, 1, tzinfo=UTC)
    schedule = driver.start("23:55")
    driver.beat(schedule)
    driver.clock.now -= timedelta(minutes=30)
    driver.pass_time(schedule, timedelta(hours=2))
    assert len(driver.ran) == 1


def test_a_clock_put_back_by_years_goes_on_at_the_next_time(driver: Driver) -> None:
    now = driver.clock.now
    driver.clock.now = now + timedelta(days=1500)
    schedule = driver.start("hourly")
    driver.beat(schedule)
    driver.ran.clear()
    driver.clock.now = now
    driver.pass_time(schedule, timedelta(hours=3))
    assert len(driver.ran) == 3


def test_a_record_from_the_future_does_not_stop_a_job(driver: Driver) -> None:
    future = int((driver.clock.now + timedelta(days=1500)).timestamp() * 1000)
    values = {"job": "job", "started_at": future, "ended_at": future, "outcome": "ok"}
    driver.box.database.write(lambda conn: conn.execute(insert(job_runs).values(values)))
    driver.pass_time(driver.start("hourly"), timedelta(hours=2))
    assert len(driver.ran) >= 2


def test_a_clock_put_forward_runs_what_is_due_once(driver: Driver) -> None:
    schedule = driver.start("hourly")
    driver.beat(schedule)
    driver.ran.clear()
    driver.clock.now += timedelta(days=40)
    driver.beat(schedule)
    driver.beat(schedule)
    assert len(driver.ran) == 1


def test_what_a_job_raises_is_recorded_and_the_next_run_comes(driver: Driver) -> None:
    def fail() -> str:
        driver.note()
        raise UnavailableError("mirror_missing", "The disk is not there.")

    schedule = driver.start("hourly", fail)
    driver.pass_time(schedule, timedelta(hours=2))
    assert len(driver.ran) >= 2
    assert {(row.outcome, row.detail) for row in driver.rows()} == {("failed", "The disk is not there.")}


def test_an_unexpected_error_is_recorded_by_its_name(driver: Driver) -> None:
    driver.beat(driver.start("hourly", lambda: str(1 / 0)))
    assert driver.rows()[0].detail == "ZeroDivisionError: division by zero"


def test_a_job_never_runs_beside_itself_and_is_made_up_for_after(driver: Driver) -> None:
    release, running = threading.Event(), threading.Event()

    def slow() -> str:
        driver.note()
        running.set()
        release.wait(10)
        return "done"

    schedule = driver.start("every 15 minutes", slow)
    schedule.beat()
    assert running.wait(10)
    driver.clock.now += timedelta(minutes=20)
    schedule.beat()
    assert len(driver.ran) == 1
    release.set()
    schedule.settle()
    driver.beat(schedule)
    assert len(driver.ran) == 2


def test_a_job_that_is_switched_off_is_let_go(driver: Driver) -> None:
    switched_on = False
    schedule = driver.start("hourly", is_enabled=lambda: switched_on)
    driver.pass_time(schedule, timedelta(hours=2))
    switched_on = True
    driver.beat(schedule)
    assert driver.ran == []
    driver.pass_time(schedule, timedelta(hours=1))
    assert len(driver.ran) == 1


def test_a_job_that_was_asked_for_runs_once_at_the_next_beat_also_when_switched_off(driver: Driver) -> None:
    schedule = driver.start("23:55", is_enabled=lambda: False)
    runs = Runs(driver.box.database, driver.clock)
    runs.ask("job")
    runs.ask("job")
    assert runs.asked() == {"job"}
    for _ in range(3):
        driver.beat(schedule)
    assert (len(driver.ran), runs.asked()) == (1, set())


def test_a_job_asked_for_while_it_runs_is_run_again_after(driver: Driver) -> None:
    go_on = threading.Event()

    def run() -> str:
        driver.note()
        go_on.wait(10)
        return "done"

    schedule = driver.start("23:55", run)
    runs = Runs(driver.box.database, driver.clock)
    runs.ask("job")
    schedule.beat()
    wait_for(lambda: len(driver.ran) == 1)
    runs.ask("job")
    schedule.beat()
    assert len(driver.ran) == 1
    go_on.set()
    schedule.settle()
    driver.beat(schedule)
    assert len(driver.ran) == 2


def test_what_was_asked_for_before_a_kill_runs_after_it(driver: Driver) -> None:
    Runs(driver.box.database, driver.clock).ask("job")
    driver.beat(driver.start("23:55"))
    assert len(driver.ran) == 1


def test_what_a_kill_left_running_is_marked_as_failed_at_the_start(driver: Driver) -> None:
    values = {"job": "job", "started_at": 1_000}
    driver.box.database.write(lambda conn: conn.execute(insert(job_runs).values(values)))
    schedule = Schedule(driver.box, jobs=[], upkeep=[])
    schedule.start()
    schedule.stop()
    (row,) = driver.rows()
    assert (row.outcome, row.detail) == ("failed", "the daemon ended before the job did")
    assert row.ended_at == int(driver.clock.now.timestamp() * 1000)


def test_the_beat_runs_jobs_and_upkeep_by_itself_and_outlives_their_errors(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    kept, ran = threading.Event(), threading.Event()

    def fail_quietly() -> None:
        kept.set()
        raise OSError("no such disk")

    def run() -> str:
        ran.set()
        raise RuntimeError("broken")

    job = Job("job", "hourly", cadence.parse("hourly", "UTC"), run)
    schedule = Schedule(driver.box, jobs=[job], upkeep=[Upkeep("quiet", 1, fail_quietly)])
    schedule.start()
    try:
        assert kept.wait(10)
        assert ran.wait(10)
        kept.clear()
        assert kept.wait(10)
        assert schedule.is_alive()
    finally:
        schedule.stop()
    assert not schedule.is_alive()
    # The same fault every second is one entry in the log.
    assert [record.message for record in caplog.records].count("upkeep quiet fails until this is mended") == 1


def test_jobs_wait_for_the_time_but_upkeep_does_not(driver: Driver) -> None:
    synchronised, kept, ran = threading.Event(), threading.Event(), threading.Event()

    def run() -> str:
        ran.set()
        return "done"

    job = Job("job", "hourly", cadence.parse("hourly", "UTC"), run)

    def wait(stopping: threading.Event) -> None:
        synchronised.wait(10)

    schedule = Schedule(driver.box, [job], [Upkeep("quiet", 1, kept.set)], wait)
    schedule.start()
    try:
        assert kept.wait(10)
        kept.clear()
        assert kept.wait(10)
        assert not ran.is_set()
        synchronised.set()
        assert ran.wait(10)
    finally:
        schedule.stop()


def test_the_beat_goes_on_when_the_wall_clock_is_put_back(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, behind = threading.Event(), timedelta()

    class Wall(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wall":
            return cls.fromtimestamp((datetime.now(UTC) - behind).timestamp(), tz)

    monkeypatch.setattr(keeper, "datetime", SimpleNamespace(datetime=Wall, timedelta=timedelta))
    schedule = Schedule(driver.box, [], [Upkeep("quiet", 1, kept.set)])
    schedule.start()
    try:
        assert kept.wait(10)
        behind = timedelta(hours=1)
        kept.clear()
        assert kept.wait(10)
        kept.clear()
        assert kept.wait(10)
    finally:
        schedule.stop()


def test_two_runs_at_one_moment_are_both_recorded(driver: Driver) -> None:
    runs = Runs(driver.box.database, driver.clock)
    for _ in range(2):
        runs.recorded("job", driver.note, str)
    assert [row.outcome for row in driver.rows()] == ["ok", "ok"]


def test_old_runs_are_forgotten_but_for_the_last_of_each_outcome(driver: Driver) -> None:
    runs = Runs(driver.box.database, driver.clock)
    for _ in range(3):
        runs.recorded("job", driver.note, str)
    driver.clock.now += timedelta(days=100)
    runs.forget_old()
    assert [row.outcome for row in driver.rows()] == ["ok"]


def test_what_another_daemon_has_run_meanwhile_is_not_due_when_this_one_keeps_the_beat_again(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, term = driver.box.database, [1]

    def own_term() -> int:
        if not term:
            raise UnavailableError("kept_elsewhere")
        return term[0]

    monkeypatch.setattr(database, "term", own_term)
    schedule = driver.start("23:55", grace=None)
    term.clear()
    driver.pass_time(schedule, timedelta(days=1))
    assert driver.ran == []
    Runs(database, driver.clock).recorded("job", lambda: "the other's", str)
    term.append(3)
    driver.pass_time(schedule, timedelta(hours=1))
    assert driver.ran == []
    driver.pass_time(schedule, timedelta(days=1))
    assert len(driver.ran) == 1


@pytest.mark.parametrize(("everywhere", "runs"), [(True, True), (False, False)])
def test_without_the_beat_only_upkeep_of_the_process_itself_is_done(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, everywhere: bool, runs: bool
) -> None:
    def kept_elsewhere() -> int:
        raise UnavailableError("kept_elsewhere")

    monkeypatch.setattr(driver.box.database, "term", kept_elsewhere)
    done: list[bool] = []
    upkeep = Upkeep("upkeep", 1, lambda: done.append(True), everywhere=everywhere)
    schedule = Schedule(driver.box, jobs=[], upkeep=[upkeep])
    driver.open.append(schedule)
    schedule._quietly(upkeep)
    schedule.settle()
    assert bool(done) is runs


@pytest.fixture
def day(tmp_path: Path, made_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setenv("HOME", str(tmp_path))  # where the harvest looks for transcripts
    shutil.copytree(made_home, tmp_path / "home")
    with closing(open_box(tmp_path / "home")) as opened:
        yield opened


def test_the_day_has_every_job_of_the_contract_at_its_default_time(day: Box) -> None:
    told = {job.name: (job.words, job.is_enabled(), job.grace is None) for job in jobs_of(day)}
    assert told == {
        "refresh": ("23:55", True, True),
        "mirror": ("hourly", False, False),
        "drill": ("Sunday 04:00", False, False),
        "drift-check": ("every 6 hours", True, False),
        "buffer-check": ("hourly", True, False),
        "harvest": ("02:00", False, False),
        "digest": ("Monday 09:00", False, False),
        "cleanup": ("03:30", True, False),
    }


def test_every_job_of_the_day_runs_on_a_new_box_and_says_what_it_did(day: Box) -> None:
    said = {job.name: job.run() for job in jobs_of(day) if job.name not in ("mirror", "drill")}
    assert all(said.values()), said
