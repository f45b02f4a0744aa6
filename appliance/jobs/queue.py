"""The queue itself: a table in the box's database, claimed under leases.

A job is added in the transaction that causes it, and what it does counts in transactions that first look whether its
lease still holds; so it is neither lost nor done twice, whatever dies, hangs, or sets its clock.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    false,
    insert,
    or_,
    select,
    true,
    update,
)

from appliance.clock import Clock, to_ms
from appliance.errors import MemboxError
from appliance.storage import Database
from appliance.storage.direct import Direct
from appliance.storage.schema import jobs

QUEUED, RUNNING, COMPLETED, FAILED = "queued", "running", "completed", "failed"
MAX_ATTEMPTS = 3
LEASE_SECONDS = 60.0
KEPT_MS = 90 * 24 * 3600 * 1000  # how long a finished job can be asked for
_BACK_OFF_MS = (10_000, 60_000, 600_000)  # after the first, the second, any further attempt
_OPEN = (QUEUED, RUNNING)
_c = jobs.c


class LeaseLostError(MemboxError):
    """The job is no longer this worker's: its lease ended, and it was given back."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job; times are epoch milliseconds. `progress` is what its steps have saved so far."""

    row_id: int
    job_id: str
    tenant_id: str
    agent_id: str
    kind: str
    payload: dict[str, Any]
    status: str
    attempts: int
    max_attempts: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    worker: str | None


class Queue:
    """The jobs of a box, for whoever adds them and whoever works on them.

    Args:
        database: where they are.
        clock: the time, where no server gives one that all machines share.
        lease_seconds: how long a worker that gives no sign keeps its job.
    """

    def __init__(self, database: Database, clock: Clock, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database, self._clock = database, clock
        self.lease_seconds = lease_seconds

    def enqueue(
        self, conn: Connection, tenant_id: str, agent_id: str, kind: str, payload: Mapping[str, Any], version: int = 1
    ) -> str:
        """Add a job in the caller's transaction; its id, by which it is found from the commit on.

        `version` is the payload's: only a worker that knows it takes the job.
        """
        now = self._now(conn)
        job_id = f"job_{now:012x}{secrets.token_hex(10)}"
        row = {
            "job_id": job_id,
            "tenant_id": tenant_id,
            "agent_id": agent_id,
            "kind": kind,
            "payload": json.dumps(dict(payload)),
            "payload_version": version,
            "status": QUEUED,
            "attempts": 0,
            "max_attempts": MAX_ATTEMPTS,
            "run_at": now,
            "created_at": now,
        }
        conn.execute(insert(jobs), row)
        return job_id

    def submit(self, tenant_id: str, agent_id: str, kind: str, payload: Mapping[str, Any], version: int = 1) -> str:
        """Add a job in a transaction of its own."""
        return self._database.write(lambda conn: self.enqueue(conn, tenant_id, agent_id, kind, payload, version))

    def is_open(self, conn: Connection, tenant_id: str, kind: str) -> bool:
        """Whether a job of that kind waits or runs."""
        asked = select(_c.id).where(_c.tenant_id == tenant_id, _c.kind == kind, _c.status.in_(_OPEN)).limit(1)
        return conn.execute(asked).first() is not None

    def claim(self, worker: str, versions: Mapping[str, int]) -> Job | None:
        """Take the job that has waited longest, of the kinds that `versions` names with the newest payload known.

        Jobs whose worker gave no sign until its lease ended are first given back, or up after their last attempt.
        """
        with self._database.read() as conn:
            now = self._now(conn)
            furthest = {"run_by": now + _BACK_OFF_MS[-1], "leased_by": now + self._lease_ms}
            if not _calls(tuple(versions.items())).rows(conn, {"now": now, **furthest}):
                return None  # the one who writes is not asked for nothing, twice a second
        return self._database.write(lambda conn: self._claim(conn, worker, _known(versions.items())))

    def _claim(self, conn: Connection, worker: str, known: ColumnElement[bool]) -> Job | None:
        now = self._now(conn)
        self._set_times_right(conn, now)
        self._take_back(conn, _c.leased_until <= now, now)
        waiting = select(_c.id).where(_c.status == QUEUED, _c.run_at <= now, known).order_by(_c.run_at, _c.id).limit(1)
        row_id = conn.execute(waiting.with_for_update(skip_locked=True)).scalar_one_or_none()
        if row_id is None:
            return None
        taken = update(jobs).where(_c.id == row_id)
        lease = {"worker": worker, "leased_until": now + self._lease_ms}
        taken = taken.values(status=RUNNING, attempts=_c.attempts + 1, started_at=now, **lease)
        return job_of(conn.execute(taken.returning(jobs)).one())

    def _set_times_right(self, conn: Connection, now: int) -> None:
        """A clock that went back has left times so far ahead that nobody can have meant them."""
        early = update(jobs).where(_c.status == QUEUED, _c.run_at > now + _BACK_OFF_MS[-1])
        conn.execute(early.values(run_at=now))
        until = now + self._lease_ms
        conn.execute(update(jobs).where(_c.status == RUNNING, _c.leased_until > until).values(leased_until=until))

    def _take_back(self, conn: Connection, which: ColumnElement[bool], now: int) -> None:
        running = update(jobs).where(_c.status == RUNNING, which)
        lost = "worker_lost: the worker ended or hung in the middle of it"
        spent = running.where(_c.attempts >= _c.max_attempts)
        conn.execute(spent.values(status=FAILED, finished_at=now, error=lost, leased_until=None))
        conn.execute(running.values(status=QUEUED, run_at=now, error=lost, leased_until=None))

    def take_back_all(self) -> None:
        """Give back what is marked as running: for a box that is opened by its one process, where nothing can run."""
        if self._has(_c.status == RUNNING):
            self._database.write(lambda conn: self._take_back(conn, true(), self._now(conn)))

    def renew(self, job: Job) -> None:
        """Prolong the lease; LeaseLostError when it is no longer held."""
        self._database.write(lambda conn: self._hold(conn, job))

    def step(self, job: Job, work: Callable[[Connection], dict[str, Any]]) -> dict[str, Any]:
        """Run `work` in a transaction that counts only while the lease is held, and save what it returns as progress.

        Raises LeaseLostError, and what `work` raises; nothing was changed then.
        """

        def held(conn: Connection) -> dict[str, Any]:
            self._hold(conn, job)
            progress = work(conn)
            conn.execute(update(jobs).where(_c.id == job.row_id).values(progress=json.dumps(progress)))
            return progress

        return self._database.write(held)

    def complete(self, job: Job, finish: Callable[[Connection], dict[str, Any]]) -> None:
        """Run `finish`, the job's last step, and complete it with what that returns, in one transaction."""

        def held(conn: Connection) -> None:
            self._hold(conn, job)
            done = {"status": COMPLETED, "finished_at": self._now(conn), "result": json.dumps(finish(conn))}
            self._release(conn, job, error=None, **done)

        self._database.write(held)

    def fail(self, job: Job, error: str, for_good: bool = False) -> None:
        """Record a failed attempt: the job is tried again later, unless that was the last one or it failed for good."""

        def held(conn: Connection) -> None:
            self._hold(conn, job)
            now = self._now(conn)
            if for_good or job.attempts >= job.max_attempts:
                self._release(conn, job, status=FAILED, finished_at=now, error=error)
            else:
                pause = _BACK_OFF_MS[min(job.attempts, len(_BACK_OFF_MS)) - 1]
                self._release(conn, job, status=QUEUED, run_at=now + pause, error=error)

        self._database.write(held)

    def give_back(self, job: Job) -> None:
        """Put a job back that was only interrupted; the attempt does not count."""

        def held(conn: Connection) -> None:
            self._hold(conn, job)
            self._release(conn, job, status=QUEUED, run_at=self._now(conn), attempts=_c.attempts - 1)

        self._database.write(held)

    def retry(self, conn: Connection, job: Job) -> None:
        """Queue a dead letter again, as if it had never been tried."""
        again = update(jobs).where(_c.id == job.row_id, _c.status == FAILED)
        conn.execute(again.values(status=QUEUED, attempts=0, run_at=self._now(conn), finished_at=None))

    def has_waited_since(self, moment: int) -> bool:
        """Whether a job was due at `moment` (epoch ms), or its worker dead, and nobody has taken it since."""
        waits, is_left = and_(_c.status == QUEUED, _c.run_at < moment), _c.leased_until < moment
        return self._has(or_(waits, and_(_c.status == RUNNING, is_left)))

    def has_failed_since(self, moment: int) -> bool:
        """Whether a job has failed for good since `moment` (epoch ms)."""
        return self._has(_c.status == FAILED, _c.finished_at > moment)

    def _has(self, *conditions: ColumnElement[bool]) -> bool:
        with self._database.read() as conn:
            return conn.execute(select(_c.id).where(*conditions).limit(1)).first() is not None

    def purge(self) -> None:
        """Delete what was finished a season ago."""
        self._database.write(
            lambda conn: conn.execute(delete(jobs).where(_c.finished_at < self._now(conn) - KEPT_MS)), repeatable=True
        )

    @property
    def _lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)

    def _hold(self, conn: Connection, job: Job) -> None:
        ours = (_c.id == job.row_id, _c.status == RUNNING, _c.worker == job.worker, _c.attempts == job.attempts)
        held = update(jobs).where(*ours).values(leased_until=self._now(conn) + self._lease_ms)
        if conn.execute(held).rowcount != 1:
            raise LeaseLostError("lease_lost", f"The job {job.job_id} was given back; what it did here does not count.")

    @staticmethod
    def _release(conn: Connection, job: Job, **values: object) -> None:
        conn.execute(update(jobs).where(_c.id == job.row_id).values(leased_until=None, **values))

    def _now(self, conn: Connection) -> int:
        shared = self._database.shared_time(conn)
        return to_ms(self._clock()) if shared is None else shared


def _known(versions: Iterable[tuple[str, int]]) -> ColumnElement[bool]:
    return or_(false(), *(and_(_c.kind == kind, _c.payload_version <= newest) for kind, newest in versions))


@cache  # asked all day long: to put it together takes ten times as long as to ask it
def _calls(versions: tuple[tuple[str, int], ...]) -> Direct:
    """Whether there is anything to do at `now`: a due job, a lease that ended, or a time that no clock can have meant.

    No clock can have meant a job to run after `run_by` or a lease to last beyond `leased_by`.
    """
    now: BindParameter[int] = bindparam("now")
    waits = and_(_c.status == QUEUED, _known(versions), or_(_c.run_at <= now, _c.run_at > bindparam("run_by")))
    lapsed = or_(_c.leased_until <= now, _c.leased_until > bindparam("leased_by"))
    return Direct(select(_c.id).where(or_(waits, and_(_c.status == RUNNING, lapsed))).limit(1))


def job_of(row: Row[Any]) -> Job:
    """The job of a row of the table."""
    return Job(
        row_id=row.id,
        job_id=row.job_id,
        tenant_id=row.tenant_id,
        agent_id=row.agent_id,
        kind=row.kind,
        payload=json.loads(row.payload),
        status=row.status,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        progress=json.loads(row.progress or "{}"),
        result=json.loads(row.result) if row.result else None,
        error=row.error,
        worker=row.worker,
    )
