"""Who works on the jobs: the daemon's threads, or a worker apart; a killed one leaves nothing undone or done twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from appliance import hold
from appliance.box import Box, open_box
from appliance.daemon import health
from appliance.daemon.working import Workers
from appliance.jobs import Finish, Kind, Running
from appliance.lease import COMMAND, Lease
from appliance.principal import Principal, Role
from appliance.storage.schema import audit_log

OWNER = Principal("home", "owner", Role.ADMIN)

# Works on the one job of the home named by the first argument; halfway through it says so and waits to be killed.
KILLED = """
import sys, time
from pathlib import Path
from sqlalchemy import insert
from appliance.box import open_box
from appliance.jobs import Kind, Worker
from appliance.storage.schema import audit_log

def note(conn):
    conn.execute(insert(audit_log), {"at": 0, "tenant_id": "home", "actor": "x", "action": "half", "subject": "one"})
    return {"half": True}

def work(running):
    running.step(note)
    print("halfway", flush=True)
    time.sleep(600)

box = open_box(Path(sys.argv[1]))
Worker(box.jobs.queue, {"halves": Kind("halves", work)}).run_one()
"""


@pytest.fixture
def box(home: Path) -> Iterator[Box]:
    with Lease.acquire(home, COMMAND):
        opened = open_box(home)
        yield opened
        opened.close()


def status_of(box: Box, job_id: str) -> str:
    return box.jobs.job(OWNER, job_id, "home", "owner").status


def wait_for(condition: Any) -> None:
    """Wait until it holds; pytest's own limit ends a test in which it never does."""
    for _ in range(6000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to be")


def halves(running: Running) -> Finish:
    """What `KILLED` does, to the end: each half is noted once, whatever happens between them."""

    def one(conn: Any, half: str) -> dict[str, Any]:
        conn.execute(insert(audit_log), {"at": 0, "tenant_id": "home", "actor": "x", "action": "half", "subject": half})
        return {"half": True}

    if not running.progress:
        running.step(lambda conn: one(conn, "one"))
    return lambda conn: one(conn, "two")


def test_a_worker_killed_in_the_middle_of_a_job_leaves_it_to_the_next_one(home: Path) -> None:
    with Lease.acquire(home, COMMAND):
        box = open_box(home)
        job_id = box.jobs.queue.submit("home", "owner", "halves", {})
        box.close()
        killed = subprocess.Popen([sys.executable, "-c", KILLED, str(home)], stdout=subprocess.PIPE, text=True)
        assert killed.stdout is not None
        assert killed.stdout.readline() == "halfway\n"
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
        box = open_box(home)
        box.jobs.register(Kind("halves", halves))
        assert status_of(box, job_id) == "running"
        workers = Workers(box)
        workers.start()
        wait_for(lambda: status_of(box, job_id) == "completed")
        workers.stop()
        with box.database.read() as conn:
            noted = conn.execute(
                select(audit_log.c.subject, func.count()).where(audit_log.c.action == "half").group_by("subject")
            )
            assert {row.subject: row[1] for row in noted} == {"one": 1, "two": 1}
        box.close()


def test_two_jobs_are_worked_on_at_a_time(box: Box) -> None:
    meeting = threading.Barrier(2)

    def meet(_running: Running) -> Finish:
        meeting.wait(60)
        return lambda _conn: {}

    box.jobs.register(Kind("meet", meet))
    ids = [box.jobs.queue.submit("home", "owner", "meet", {}) for _ in range(2)]
    workers = Workers(box)
    workers.start()
    wait_for(lambda: all(status_of(box, job_id) == "completed" for job_id in ids))
    workers.stop()


def test_stopping_puts_a_job_at_work_back(box: Box) -> None:
    begun = threading.Event()

    def endless(running: Running) -> Finish:
        begun.set()
        while True:
            running.proceed()
            threading.Event().wait(0.001)

    box.jobs.register(Kind("endless", endless))
    job_id = box.jobs.queue.submit("home", "owner", "endless", {})
    workers = Workers(box, threads=1)
    workers.start()
    assert begun.wait(60)
    workers.stop()
    assert status_of(box, job_id) == "queued"


def test_while_writes_are_held_jobs_wait_and_go_on_afterwards(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.jobs.worker._TROUBLE_SECONDS", 0.01)
    monkeypatch.setattr("appliance.daemon.working._PAUSE_SECONDS", 0.01)
    job_id = box.jobs.queue.submit("home", "owner", "cleanup", {})
    box.hold("a test", 60)
    workers = Workers(box)
    workers.start()
    assert status_of(box, job_id) == "queued"
    hold.release(box.home)
    wait_for(lambda: status_of(box, job_id) == "completed")
    workers.stop()


def test_the_doctor_tells_of_jobs_that_nobody_works_on_and_of_dead_letters(home: Path) -> None:
    now = [datetime(2026, 11, 20, 9, tzinfo=UTC)]
    with Lease.acquire(home, COMMAND):
        box = open_box(home, clock=lambda: now[0])
        assert [found.severity.value for found in health.all_checks()["queue"](box, False)] == ["ok"]
        box.jobs.queue.submit("home", "owner", "cleanup", {})
        dead = box.jobs.queue.submit("home", "owner", "dream", {})
        job = box.jobs.queue.claim("w", {"dream": 1})
        assert job is not None
        assert job.job_id == dead
        box.jobs.queue.fail(job, "no luck", for_good=True)
        now[0] += timedelta(minutes=11)
        told = [found.sentence for found in health.all_checks()["queue"](box, False)]
        assert len(told) == 2
        assert "nobody works on them" in told[0]
        assert "failed for good" in told[1]
        box.close()
