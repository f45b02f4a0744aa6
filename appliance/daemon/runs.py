"""What ran when, and how it went: one row a run, kept for a season."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from appliance.clock import Clock, to_ms
from appliance.errors import MemboxError
from appliance.storage.database import Database
from appliance.storage.schema import box_state, job_runs

OK, FAILED = "ok", "failed"
KEPT = timedelta(days=90)
_ASKED = "asked:"
_INTERRUPTED = "the daemon ended before the job did"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job; times are epoch milliseconds, `outcome` is empty while it runs."""

    job: str
    started_at: int
    ended_at: int | None
    outcome: str | None
    detail: str | None


class Runs:
    """The record of runs in a box's database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def recorded[T](self, job: str, work: Callable[[], T], sentence: Callable[[T], str]) -> T:
        """Run `work` and record it; `sentence` tells its result. What it raises is recorded and raised again."""
        run_id = self._database.write(lambda conn: self._begin(conn, job))
        try:
            result = work()
        except BaseException as error:
            told = error.sentence if isinstance(error, MemboxError) else f"{type(error).__name__}: {error}"
            self._end(run_id, FAILED, told)
            raise
        self._end(run_id, OK, sentence(result))
        return result

    def last(self, job: str, outcome: str | None = None) -> Run | None:
        """The latest run of `job`, or its latest with that outcome; in the order they were made, not by the clock."""
        query = select(job_runs).where(job_runs.c.job == job)
        if outcome is not None:
            query = query.where(job_runs.c.outcome == outcome)
        with self._database.read() as conn:
            row = conn.execute(query.order_by(job_runs.c.id.desc()).limit(1)).first()
        return _run(row) if row else None

    def ask(self, job: str) -> None:
        """Have `job` run at the next beat, whoever keeps it; asked twice before that, it runs once."""
        key = {"key": _ASKED + job}
        self._database.write(lambda conn: _ask(conn, key, str(to_ms(self._clock()))))

    def asked(self) -> set[str]:
        """The jobs that somebody asked for and that were not begun yet."""
        wanted = select(box_state.c.key).where(box_state.c.key.startswith(_ASKED))
        with self._database.read() as conn:
            return {key.removeprefix(_ASKED) for key in conn.execute(wanted).scalars()}

    def close_interrupted(self) -> None:
        """Mark as failed what a kill left running; to be called before anything runs."""
        now = to_ms(self._clock())
        left = update(job_runs).where(job_runs.c.outcome.is_(None))
        self._database.write(lambda conn: conn.execute(left.values(ended_at=now, outcome=FAILED, detail=_INTERRUPTED)))

    def forget_old(self) -> None:
        """Delete runs older than a season, but for the last of each job and outcome."""
        kept = select(func.max(job_runs.c.id)).group_by(job_runs.c.job, job_runs.c.outcome)
        old = job_runs.c.started_at < to_ms(self._clock() - KEPT)
        self._database.write(lambda conn: conn.execute(delete(job_runs).where(old, job_runs.c.id.not_in(kept))))

    def _begin(self, conn: Connection, job: str) -> int:
        moment = to_ms(self._clock())
        while _is_taken(conn, job, moment):  # by a clock that stands or went back
            moment += 1
        conn.execute(delete(box_state).where(box_state.c.key == _ASKED + job))
        added = insert(job_runs).values(job=job, started_at=moment).returning(job_runs.c.id)
        return int(conn.execute(added).scalar_one())

    def _end(self, run_id: int, outcome: str, detail: str) -> None:
        done = update(job_runs).where(job_runs.c.id == run_id)
        values = {"ended_at": to_ms(self._clock()), "outcome": outcome, "detail": detail[:2000]}
        self._database.write(lambda conn: conn.execute(done.values(values)))


def _ask(conn: Connection, key: dict[str, str], moment: str) -> None:
    conn.execute(delete(box_state).filter_by(**key))
    conn.execute(insert(box_state).values(**key, value=moment))


def _is_taken(conn: Connection, job: str, moment: int) -> bool:
    query = select(job_runs.c.id).where(job_runs.c.job == job, job_runs.c.started_at == moment)
    return conn.execute(query).first() is not None


def _run(row: Row[tuple[object, ...]]) -> Run:
    return Run(row.job, row.started_at, row.ended_at, row.outcome, row.detail)
