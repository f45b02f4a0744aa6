"""The queue: claimed once, given back when a worker dies, tried again with pauses, and up at last."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from appliance.errors import InvalidError
from appliance.jobs import Finish, Job, Kind, Queue, Running, Worker
from appliance.jobs.queue import LeaseLostError, job_of
from appliance.storage import Database
from appliance.storage.schema import audit_log, jobs

KNOWN = {"count": 1}


@pytest.fixture
def queue(database: Database, clock: Any) -> Queue:
    return Queue(database, clock)


@pytest.fixture
def look(database: Database) -> Callable[[str], Job]:
    """A job as it stands in the table."""

    def find(job_id: str) -> Job:
        with database.read() as conn:
            return job_of(conn.execute(select(jobs).where(jobs.c.job_id == job_id)).one())

    return find


def add(queue: Queue, kind: str = "count", **payload: Any) -> str:
    return queue.submit("home", "ada", kind, payload)


def take(queue: Queue, worker: str = "w") -> Job:
    """Claim the next job, which there must be."""
    job = queue.claim(worker, KNOWN)
    assert job is not None
    return job


def note(conn: Connection, subject: str) -> None:
    """Something a job does, that can be counted."""
    conn.execute(insert(audit_log), {"at": 0, "tenant_id": "home", "actor": "job", "action": "did", "subject": subject})


def done(database: Database) -> list[str]:
    with database.read() as conn:
        return list(conn.execute(select(audit_log.c.subject).where(audit_log.c.action == "did")).scalars())


def test_a_job_is_found_by_its_id_once_it_is_added(queue: Queue, look: Callable[[str], Job]) -> None:
    job = look(add(queue, size=3))
    assert (job.status, job.attempts, job.payload) == ("queued", 0, {"size": 3})


def test_the_job_that_waited_longest_comes_first(queue: Queue, clock: Any) -> None:
    first, second = add(queue), add(queue)
    claimed = [queue.claim("worker", KNOWN) for _ in range(3)]
    assert [job and job.job_id for job in claimed] == [first, second, None]


def test_a_kind_or_a_payload_that_a_worker_does_not_know_is_left_for_another(queue: Queue) -> None:
    add(queue, kind="dream")
    newer = queue.submit("home", "ada", "count", {}, version=2)
    assert queue.claim("old", KNOWN) is None
    assert [job.job_id for job in [queue.claim("new", {"count": 2})] if job] == [newer]


def test_eight_workers_at_once_claim_each_job_once(queue: Queue) -> None:
    wanted = {add(queue) for _ in range(40)}
    got: list[str] = []

    def work(name: str) -> None:
        while job := queue.claim(name, KNOWN):
            got.append(job.job_id)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(wanted)


def test_a_worker_that_gives_no_sign_loses_its_job_and_can_do_nothing_to_it(queue: Queue, clock: Any) -> None:
    add(queue)
    first = take(queue, "one")
    assert queue.claim("two", KNOWN) is None
    clock.move(seconds=61)
    second = take(queue, "two")
    assert (second.job_id, second.attempts) == (first.job_id, 2)
    for late in (
        lambda: queue.renew(first),
        lambda: queue.step(first, lambda _conn: {}),
        lambda: queue.complete(first, lambda _conn: {}),
        lambda: queue.fail(first, "x"),
        lambda: queue.give_back(first),
    ):
        with pytest.raises(LeaseLostError):
            late()


def test_a_worker_that_gives_signs_keeps_its_job(queue: Queue, clock: Any) -> None:
    add(queue)
    job = take(queue, "one")
    for _ in range(5):
        clock.move(seconds=50)
        queue.renew(job)
        assert queue.claim("two", KNOWN) is None


def test_what_a_lost_job_wrote_does_not_count(queue: Queue, clock: Any, database: Database) -> None:
    add(queue)
    lost = take(queue, "one")
    clock.move(seconds=61)
    again = take(queue, "two")

    def finish(conn: Connection) -> dict[str, Any]:
        note(conn, "the work")
        return {}

    with pytest.raises(LeaseLostError):
        queue.complete(lost, finish)
    queue.complete(again, finish)
    assert done(database) == ["the work"]


def test_failed_attempts_pause_longer_and_end_as_a_dead_letter(
    queue: Queue, clock: Any, look: Callable[[str], Job]
) -> None:
    job_id = add(queue)
    for pause in (10, 60):
        job = take(queue, "w")
        queue.fail(job, "no luck")
        assert look(job_id).status == "queued"
        clock.move(seconds=pause - 1)
        assert queue.claim("w", KNOWN) is None
        clock.move(seconds=1)
    last = take(queue, "w")
    queue.fail(last, "no luck")
    job = look(job_id)
    assert (job.status, job.attempts, job.error, job.finished_at) == ("failed", 3, "no luck", last.started_at)
    clock.move(days=1)
    assert queue.claim("w", KNOWN) is None


def test_a_job_that_kills_every_worker_ends_as_a_dead_letter(
    queue: Queue, clock: Any, look: Callable[[str], Job]
) -> None:
    job_id = add(queue)
    for _ in range(3):
        assert queue.claim("doomed", KNOWN) is not None
        clock.move(seconds=61)
    assert queue.claim("doomed", KNOWN) is None
    assert look(job_id).status == "failed"
    assert (look(job_id).error or "").startswith("worker_lost")


@pytest.mark.parametrize("days", [-4000, 4000])
def test_a_clock_that_jumps_holds_no_job_up_for_longer_than_a_lease(queue: Queue, clock: Any, days: int) -> None:
    held, waiting, paused = add(queue), add(queue), add(queue)
    taken = take(queue, "dies")
    assert taken.job_id == held
    clock.move(days=days)
    got = {job.job_id for _ in range(2) if (job := queue.claim("w", KNOWN))}
    clock.move(seconds=61)
    got |= {job.job_id for _ in range(3) if (job := queue.claim("w", KNOWN))}
    assert got == {held, waiting, paused}


def test_a_living_worker_survives_a_clock_that_goes_back(queue: Queue, clock: Any) -> None:
    add(queue)
    job = take(queue, "one")
    clock.move(days=-4000)
    assert queue.claim("two", KNOWN) is None
    clock.move(seconds=20)
    queue.renew(job)
    clock.move(seconds=50)
    assert queue.claim("two", KNOWN) is None


def test_where_nothing_else_can_run_what_was_left_running_is_taken_back_at_once(queue: Queue) -> None:
    job_id = add(queue)
    queue.claim("killed", KNOWN)
    queue.take_back_all()
    job = take(queue, "next")
    assert (job.job_id, job.attempts) == (job_id, 2)


def test_finished_jobs_go_after_a_season(queue: Queue, clock: Any, database: Database) -> None:
    add(queue)
    job = take(queue, "w")
    queue.complete(job, lambda _conn: {})
    waiting = add(queue)
    clock.move(days=91)
    queue.purge()
    with database.read() as conn:
        assert list(conn.execute(select(jobs.c.job_id)).scalars()) == [waiting]


def worker(queue: Queue, work: Callable[[Running], Finish], stopping: threading.Event | None = None) -> Worker:
    return Worker(queue, {"count": Kind("count", work)}, stopping)


def test_a_workers_result_becomes_the_jobs(queue: Queue, look: Callable[[str], Job]) -> None:
    job_id = add(queue, size=4)

    def work(running: Running) -> Finish:
        return lambda _conn: {"size": running.job.payload["size"]}

    assert worker(queue, work).run_one()
    job = look(job_id)
    assert (job.status, job.result, job.error) == ("completed", {"size": 4}, None)
    assert not worker(queue, work).run_one()


def test_an_attempt_after_a_crash_goes_on_where_the_last_step_ended(
    queue: Queue, clock: Any, database: Database, look: Callable[[str], Job]
) -> None:
    job_id = add(queue)
    crash = iter([True, False])

    def work(running: Running) -> Finish:
        for n in range(running.progress.get("done", 0), 4):

            def step(conn: Connection, n: int = n) -> dict[str, Any]:
                note(conn, f"part {n}")
                return {"done": n + 1}

            running.step(step)
            if n == 1 and next(crash):
                raise RuntimeError("the words of an item")
        return lambda _conn: running.progress

    assert worker(queue, work).run_one()
    assert look(job_id).error == "internal_error: RuntimeError; the log of the worker says where."
    clock.move(seconds=10)
    assert worker(queue, work).run_one()
    assert look(job_id).result == {"done": 4}
    assert done(database) == ["part 0", "part 1", "part 2", "part 3"]


def test_a_job_that_no_attempt_can_do_is_not_tried_again(queue: Queue, look: Callable[[str], Job]) -> None:
    job_id = add(queue)

    def work(_running: Running) -> Finish:
        raise InvalidError("bad_payload", "It says nothing.")

    worker(queue, work).run_one()
    assert (look(job_id).status, look(job_id).error) == ("failed", "bad_payload: It says nothing.")


def test_a_worker_that_is_stopped_puts_its_job_back_and_the_attempt_does_not_count(
    queue: Queue, look: Callable[[str], Job]
) -> None:
    job_id = add(queue)
    stopping = threading.Event()

    def work(running: Running) -> Finish:
        stopping.set()
        running.proceed()
        raise AssertionError("it went on")

    worker(queue, work, stopping).run()
    assert (look(job_id).status, look(job_id).attempts) == ("queued", 0)


def test_long_work_keeps_its_lease_by_itself(database: Database, clock: Any, look: Callable[[str], Job]) -> None:
    queue = Queue(database, clock, lease_seconds=0.03)
    job_id = add(queue)
    renewed = threading.Event()
    renew = queue.renew

    def counted(job: Job) -> None:
        renew(job)
        renewed.set()

    queue.renew = counted  # type: ignore[method-assign] # to wait for it, not for time to pass

    def work(_running: Running) -> Finish:
        assert renewed.wait(30)
        return lambda _conn: {}

    worker(queue, work).run_one()
    assert look(job_id).status == "completed"


def test_work_whose_lease_was_lost_meanwhile_is_told_and_changes_nothing(
    database: Database, clock: Any, look: Callable[[str], Job]
) -> None:
    queue = Queue(database, clock, lease_seconds=0.03)
    job_id = add(queue)

    def work(running: Running) -> Finish:
        stolen = update(jobs).where(jobs.c.job_id == job_id).values(worker="other")
        database.write(lambda conn: conn.execute(stolen))
        while not running.is_lost:
            threading.Event().wait(0.001)
        with pytest.raises(LeaseLostError):
            running.proceed()
        return lambda _conn: {"mine": True}

    assert worker(queue, work).run_one()
    assert (look(job_id).status, look(job_id).result) == ("running", None)


def test_a_worker_goes_on_when_the_queue_fails_for_a_moment(
    queue: Queue, look: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add(queue)
    stopping = threading.Event()
    claim = queue.claim
    faults = iter([RuntimeError("away")])

    def flaky(name: str, versions: Any) -> Job | None:
        if fault := next(faults, None):
            raise fault
        return claim(name, versions)

    def work(_running: Running) -> Finish:
        def finish(_conn: Connection) -> dict[str, Any]:
            stopping.set()
            return {}

        return finish

    monkeypatch.setattr(queue, "claim", flaky)
    monkeypatch.setattr("appliance.jobs.worker._TROUBLE_SECONDS", 0.001)
    worker(queue, work, stopping).run()
    assert look(job_id).status == "completed"
