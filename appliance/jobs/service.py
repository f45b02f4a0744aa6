"""The queue as the doors see it: whose jobs a caller may see, and what of them (contract memory-api, Jobs)."""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, func, select

from appliance.clock import Clock, iso
from appliance.errors import ConflictError, ForbiddenError, NotFoundError
from appliance.jobs.kinds import Kind
from appliance.jobs.models import DeadLetters, JobAnswer, JobList
from appliance.jobs.queue import COMPLETED, FAILED, QUEUED, RUNNING, Job, Queue, job_of
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.schema import jobs

_c = jobs.c


class Jobs:
    """The jobs of a box: its queue, the kinds there are, and who may look at which."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.queue = Queue(database, clock)
        self.kinds: dict[str, Kind] = {}
        self._database = database

    def register(self, *kinds: Kind) -> None:
        """Make kinds of jobs known, before anybody works."""
        self.kinds |= {kind.name: kind for kind in kinds}

    def job(self, who: Principal, job_id: str, tenant_id: str, agent_id: str, explain: bool = False) -> JobAnswer:
        """One job: an agent's own, to an admin any of the tenant.

        Raises:
            ForbiddenError: another tenant, or another agent, also another agent's job.
            NotFoundError: `job_not_found`.
        """
        caller = who.acting_as(tenant_id, agent_id, Role.READER)
        with self._database.read() as conn:
            return self._answer(conn, self._seen_by(conn, caller, job_id), explain)

    def dead_letters(self, who: Principal, tenant_id: str, agent_id: str, limit: int) -> DeadLetters:
        """The tenant's jobs that failed for good, newest first; for admins."""
        who.acting_as(tenant_id, agent_id, Role.ADMIN)
        asked = select(jobs).where(_c.tenant_id == tenant_id, _c.status == FAILED)
        found = self._answers(asked.order_by(_c.finished_at.desc(), _c.id.desc()).limit(limit))
        return DeadLetters(count=len(found), items=found)

    def list(self, who: Principal, tenant_id: str, agent_id: str, status: str | None, limit: int) -> JobList:
        """The newest jobs the caller may see: its own, an admin all of the tenant's."""
        caller = who.acting_as(tenant_id, agent_id, Role.READER)
        asked = select(jobs).where(_c.tenant_id == tenant_id)
        if caller.role is not Role.ADMIN:
            asked = asked.where(_c.agent_id == agent_id)
        if status is not None:
            asked = asked.where(_c.status == status)
        return JobList(items=self._answers(asked.order_by(_c.id.desc()).limit(limit)))

    def counts(self, who: Principal) -> dict[str, int]:
        """How many jobs the caller's tenant has of each status; for admins."""
        who.require(Role.ADMIN)
        asked = select(_c.status, func.count()).where(_c.tenant_id == who.tenant_id).group_by(_c.status)
        with self._database.read() as conn:
            found = {str(status): int(count) for status, count in conn.execute(asked)}
        return {status: found.get(status, 0) for status in (QUEUED, RUNNING, COMPLETED, FAILED)}

    def retry(self, who: Principal, job_id: str, tenant_id: str, agent_id: str) -> JobAnswer:
        """Queue a dead letter again; for admins.

        Raises:
            NotFoundError: `job_not_found`.
            ConflictError: `job_not_failed`, it waits, runs or is done.
        """
        caller = who.acting_as(tenant_id, agent_id, Role.ADMIN)

        def work(conn: Connection) -> JobAnswer:
            job = self._seen_by(conn, caller, job_id)
            if job.status != FAILED:
                raise ConflictError(
                    "job_not_failed", f"The job {job_id} is {job.status}; only a failed one is retried."
                )
            self.queue.retry(conn, job)
            return self._answer(conn, self._seen_by(conn, caller, job_id), explain=False)

        return self._database.write(work)

    def purge(self) -> None:
        """Delete what was finished long ago."""
        self.queue.purge()

    @staticmethod
    def _seen_by(conn: Connection, caller: Principal, job_id: str) -> Job:
        row = conn.execute(select(jobs).where(_c.job_id == job_id, _c.tenant_id == caller.tenant_id)).first()
        if row is None:
            raise NotFoundError("job_not_found", "There is no such job, or none of your tenant.")
        if row.agent_id != caller.agent_id and caller.role is not Role.ADMIN:
            raise ForbiddenError("agent_mismatch", "The job is another agent's.")
        return job_of(row)

    def _answers(self, asked: Select[tuple[object, ...]]) -> Sequence[JobAnswer]:
        with self._database.read() as conn:
            return [self._answer(conn, job_of(row), explain=False) for row in conn.execute(asked)]

    def _answer(self, conn: Connection, job: Job, explain: bool) -> JobAnswer:
        return JobAnswer(
            job_id=job.job_id,
            kind=job.kind,
            status=job.status,
            created_at=iso(job.created_at),
            started_at=_moment(job.started_at),
            finished_at=_moment(job.finished_at),
            result=self._result(conn, job, explain),
            error=job.error,
            attempts=job.attempts,
            max_attempts=job.max_attempts,
        )

    def _result(self, conn: Connection, job: Job, explain: bool) -> dict[str, object] | None:
        kind = self.kinds.get(job.kind)
        if job.status != COMPLETED or kind is None:
            return job.result
        return kind.tell(conn, job, explain)


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)
