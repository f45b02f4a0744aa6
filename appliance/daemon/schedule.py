"""What runs when. `schedule` keeps the beat, `cadence` (croniter) says what is due, the database what was done.

Everything is decided from the injected clock at each beat, so a clock that jumps, a machine that slept and a shift of
daylight saving are all the same case: it is now this late; what is due?
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

from schedule import Scheduler

from appliance.clock import Clock, from_ms, iso, to_ms
from appliance.daemon import time_sync
from appliance.daemon.jobs import GRACE, MIRROR, Job, Upkeep, jobs_of, upkeep_of
from appliance.daemon.runs import OK, Run, Runs
from appliance.errors import MemboxError, NotFoundError, UnavailableError
from appliance.lease import COMMAND, Lease

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.backup.service import Mirrored
    from appliance.box import Box

BEAT_SECONDS = 1
_TICK_SECONDS = 0.2
_STALE_SECONDS = 30.0  # a beat this late means that the thread hangs
_POOL_THREADS = 3
_log = logging.getLogger(__name__)


class Due:
    """When one job is due, across restarts and jumps of the clock.

    `handled` is the moment up to which everything due has been run or let go.
    """

    def __init__(self, job: Job, now: datetime, last_started: datetime | None) -> None:
        self.job = job
        never = now - GRACE
        self._handle(last_started if last_started is not None and last_started <= now + GRACE else never)

    def is_due(self, now: datetime) -> bool:
        """Whether the job is to be run at `now`; nothing is marked as handled but what came too late."""
        if self.handled > now + GRACE:
            # The clock was ahead by more than a repeated hour and has been put right.
            self._handle(now)
        if now < self.next:
            return False
        if self.job.grace is None or self.job.cadence.last(now, self.job.grace) is not None:
            return True
        self._handle(now)  # missed, and not made up for
        return False

    def done(self, now: datetime) -> None:
        """Everything due up to `now` has been dealt with, by one run."""
        self._handle(now)

    def _handle(self, moment: datetime) -> None:
        self.handled = moment
        self.next = self.job.cadence.after(moment)


class Schedule:
    """The jobs and the upkeep of a box, on threads of their own. Nothing a job raises ends it.

    While writes are held (`appliance.hold`) nothing is begun; jobs stay due. While another process keeps the beat of a
    database that several share, nothing is begun either; what that has run is not due when this one takes over.
    """

    def __init__(
        self,
        box: "Box",
        jobs: list[Job] | None = None,
        upkeep: list[Upkeep] | None = None,
        wait_for_time: Callable[[threading.Event], None] = time_sync.wait,
    ) -> None:
        self._database = box.database
        self._clock: Clock = box.clock
        self._runs = Runs(box.database, box.clock)
        self._jobs = jobs_of(box) if jobs is None else jobs
        self._upkeep = upkeep_of(box) if upkeep is None else upkeep
        self._wait_for_time = wait_for_time
        self._dues: list[Due] = []
        self._running: dict[str, Future[None]] = {}
        self._faults: dict[str, str] = {}
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_POOL_THREADS, thread_name_prefix="job")
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
        self._last_beat = time.monotonic()
        self._is_closed = False
        self._term = 0

    def start(self) -> None:
        """Close what a kill left open, as soon as writes are let in, then begin."""
        if not self._is_held():
            self._close_interrupted()
        self._thread.start()

    def stop(self) -> None:
        """End the beat and wait for the jobs that run; what waits is dropped and caught up at the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def is_alive(self) -> bool:
        """Whether the beat goes on."""
        return self._thread.is_alive() and time.monotonic() - self._last_beat < _STALE_SECONDS

    def beat(self) -> None:
        """Put every job that is due now into the pool, once and never beside itself."""
        if self._is_held():
            return
        if self._dues and self._term != self._database.term():
            self.prepare()
        now, asked = self._clock(), self._runs.asked()
        for due in self._dues:
            if self._is_running(due.job.name):
                continue  # it stays due, and is run after this one
            is_asked = due.job.name in asked
            if not is_asked and not due.is_due(now):
                continue
            due.done(now)
            if is_asked or due.job.is_enabled():
                self._submit(due.job.name, self._recorded(due.job))

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until nothing runs; for tests and orderly ends."""
        for future in list(self._running.values()):
            future.result(timeout=seconds)

    def prepare(self) -> None:
        """Read from the record when each job was last run."""
        now, self._term = self._clock(), self._database.term()
        lasts = [(job, self._runs.last(job.name)) for job in self._jobs]
        self._dues = [Due(job, now, from_ms(last.started_at) if last else None) for job, last in lasts]

    def _run(self) -> None:
        keeper = threading.Thread(target=self._keep_time, name="time-sync", daemon=True)
        keeper.start()
        scheduler = self._armed()
        while not self._stopping.wait(_TICK_SECONDS):
            self._last_beat = time.monotonic()
            if (scheduler.idle_seconds or 0) > BEAT_SECONDS + 1:
                scheduler = self._armed()  # the wall clock went back, and `schedule` would wait for it to catch up
            scheduler.run_pending()

    def _keep_time(self) -> None:
        """Jobs, unlike upkeep, wait until the clock is right: a Pi starts without one."""
        self._wait_for_time(self._stopping)
        while self._is_held() and not self._stopping.wait(_TICK_SECONDS):
            pass
        if not self._stopping.is_set():
            self._close_interrupted()
            self.prepare()

    def _close_interrupted(self) -> None:
        if not self._is_closed:
            self._runs.close_interrupted()
            self._is_closed = True

    def _is_held(self, everywhere: bool = False) -> bool:
        try:
            self._database.require_open()
            if not everywhere:
                self._database.term()
        except UnavailableError:
            return True
        return False

    def _armed(self) -> Scheduler:
        scheduler = Scheduler()
        scheduler.every(BEAT_SECONDS).seconds.do(self._guarded, self.beat)
        for upkeep in self._upkeep:
            scheduler.every(upkeep.seconds).seconds.do(self._guarded, lambda upkeep=upkeep: self._quietly(upkeep))
        return scheduler

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - the beat goes on whatever happens; the log has it
            _log.exception("a beat failed")

    def _quietly(self, upkeep: Upkeep) -> None:
        def work() -> None:
            try:
                upkeep.run()
                self._faults.pop(upkeep.name, None)
            except Exception as fault:  # noqa: BLE001 - tried again at its next turn; the log has it
                # Every two seconds the same would bury everything else.
                if self._faults.get(upkeep.name) != repr(fault):
                    self._faults[upkeep.name] = repr(fault)
                    _log.exception("upkeep %s fails until this is mended", upkeep.name)

        if not self._is_held(upkeep.everywhere) and not self._is_running(upkeep.name):
            self._submit(upkeep.name, work)

    def _recorded(self, job: Job) -> Callable[[], None]:
        def work() -> None:
            try:
                self._runs.recorded(job.name, job.run, str)
            except Exception:  # noqa: BLE001 - recorded and shown on the status page; the daemon goes on
                _log.exception("job %s failed", job.name)

        return work

    def _submit(self, name: str, work: Callable[[], None]) -> None:
        self._running[name] = self._pool.submit(work)

    def _is_running(self, name: str) -> bool:
        future = self._running.get(name)
        return future is not None and not future.done()


def mirror_now(box: "Box", new_target: bool = False) -> "Mirrored":
    """Bring the mirror up to date at once, recorded as any other run; needs no running schedule.

    Raises what `Backup.mirror` raises; a mirror that is under way or not configured is no run.
    """
    box.backup.require_ready()
    runs = Runs(box.database, box.clock)
    return runs.recorded(MIRROR, lambda: box.backup.mirror(new_target), lambda made: made.sentence)


def copy_for_snapshot(box: "Box") -> "Path":
    """A verified copy as fresh as can be: the mirror's, or one made for it where the mirror fails or is not set.

    Raises StorageError, StorageFullError: the box is damaged, or there is no room for a copy.
    """
    if box.backup.mirror_path is not None:
        try:
            mirror_now(box)
            return box.backup.generations()[0].path
        except MemboxError as fault:  # a mirror on a bad day must not cost the snapshot too; its run is recorded
            _log.warning("the snapshot is of a copy of its own: %s", fault.sentence)
    return box.backup.own_copy()


def ask_for(box: "Box", name: str) -> None:
    """Have the daemon run a job at its next beat, also one that is switched off.

    Raises NotFoundError: `no_such_job`.
    """
    _job(box, name)
    Runs(box.database, box.clock).ask(name)


def run_alone(home: "Path", name: str) -> str:
    """Run a job of `home` here, where no daemon has it; the sentence on what it did.

    Raises:
        NotFoundError: `no_such_job`.
        UnavailableError: `home_in_use`, a daemon or another command has the home.
        MemboxError: what the job raises; it is recorded.
    """
    from appliance.box import open_box

    with ExitStack() as at_end:
        at_end.callback(Lease.acquire(home, COMMAND).release)
        box = open_box(home)
        at_end.callback(box.close)
        return Runs(box.database, box.clock).recorded(name, _job(box, name).run, str)


def _job(box: "Box", name: str) -> Job:
    jobs = {job.name: job for job in jobs_of(box)}
    if name not in jobs:
        raise NotFoundError("no_such_job", f"There is no job {name!r}; the jobs are {', '.join(jobs)}.")
    return jobs[name]


def overview(box: "Box") -> list[dict[str, object]]:
    """Every job with its schedule, its last run, its last success and when it is next due; for people and the API."""
    runs, now = Runs(box.database, box.clock), box.clock()
    asked = runs.asked()
    return [_overview(job, runs, now) | {"asked": job.name in asked} for job in jobs_of(box)]


def _overview(job: Job, runs: Runs, now: datetime) -> dict[str, object]:
    last, success = runs.last(job.name), runs.last(job.name, OK)
    enabled = job.is_enabled()
    return {
        "name": job.name,
        "schedule": job.words,
        "timezone": job.cadence.timezone,
        "enabled": enabled,
        "last_run": iso(last.started_at) if last else None,
        "ended_at": iso(last.ended_at) if last and last.ended_at is not None else None,
        "outcome": _outcome(last),
        "detail": (last.detail or "") if last else "",
        "last_success": iso(success.started_at) if success else None,
        "next_run": iso(to_ms(job.cadence.after(now))) if enabled else None,
    }


def _outcome(last: Run | None) -> str:
    """`ok`, `failed`, `running`, or empty for a job that never ran."""
    return (last.outcome or "running") if last else ""
