"""The jobs of a box: what runs on the schedule (contract notebook, The day), and what is only upkeep.

A job is added here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from appliance import cadence
from appliance.backup.drill import Drill
from appliance.cadence import Cadence
from appliance.daemon import disk_trend
from appliance.daemon.proving import prove
from appliance.daemon.runs import OK, Runs

if TYPE_CHECKING:
    from appliance.box import Box

MIRROR, DRILL, CLEANUP, REFRESH = "mirror", "drill", "cleanup", "refresh"
GRACE = timedelta(hours=1)
_VECTORS_SECONDS = 2.0  # so long the daemon's end may have to wait for a turn of that


@dataclass(frozen=True)
class Job:
    """Work at certain times. `run` returns a sentence on what it did; `words` is its schedule as configured.

    A run that was missed is made up for once, within `grace`; without limit when that is None.
    """

    name: str
    words: str
    cadence: Cadence
    run: Callable[[], str]
    is_enabled: Callable[[], bool] = lambda: True
    grace: timedelta | None = GRACE


@dataclass(frozen=True)
class Upkeep:
    """Quiet work every so many seconds, not recorded as a run.

    `everywhere`: also in a process that leaves notebook and beat to another (`Database.term`).
    """

    name: str
    seconds: int
    run: Callable[[], object]
    everywhere: bool = False


def jobs_of(box: "Box") -> list[Job]:
    """The jobs of `box`."""
    day, timezone = box.config.daemon, box.config.core.timezone

    def job(name: str, words: str, run: Callable[[], str], is_enabled: Callable[[], bool], **more: Any) -> Job:
        return Job(name, words, cadence.parse(words, timezone), run, is_enabled, **more)

    return [
        job(REFRESH, day.refresh_schedule, box.refresh.nightly, lambda: day.refresh_enabled, grace=None),
        job(
            MIRROR,
            day.backup_mirror_schedule,
            lambda: box.backup.mirror().sentence,
            lambda: box.backup.mirror_path is not None,
        ),
        job(
            DRILL,
            day.drill_schedule,
            lambda: Drill(box.home, prove, box.clock).of_mirror(box.backup.required_mirror()).sentence,
            lambda: _can_drill(box),
        ),
        Job(
            "drift-check",
            f"every {day.drift_check_interval_hours} hours",
            cadence.every_hours(day.drift_check_interval_hours, timezone),
            box.targets.check_drift,
            lambda: day.drift_check_enabled,
        ),
        job("buffer-check", day.buffer_check_schedule, box.sessions.check_buffer, lambda: day.buffer_check_enabled),
        job("harvest", day.harvest_schedule, box.harvest.run, lambda: day.harvest_enabled),
        job("digest", day.digest_schedule, box.digest.send, lambda: day.digest_enabled),
        job(CLEANUP, day.cleanup_schedule, box.work.nightly_cleanup, lambda: day.cleanup_enabled),
    ]


def _can_drill(box: "Box") -> bool:
    """There is a copy, and none off the box: that one is drilled beside the daemon (cli/snapshots.py)."""
    backup = box.backup
    is_ours = backup.mirror_path is not None and not backup.settings.snapshot_repository
    return box.config.daemon.drill_enabled and is_ours and Runs(box.database, box.clock).last(MIRROR, OK) is not None


def upkeep_of(box: "Box") -> list[Upkeep]:
    """The upkeep of `box`: hand edits, vectors and traces within seconds, what has expired, how its disk fills."""
    return [
        Upkeep("notice", 2, box.notebook.notice),
        Upkeep("targets", 2, box.targets.keep_up),
        _vectors(box),
        Upkeep("traces", 5, box.memory.traces.store, everywhere=True),
        Upkeep("purge", 3600, lambda: purge(box)),
        Upkeep("disk", 3600, lambda: disk_trend.note(box.home, box.clock()), everywhere=True),
    ]


def _vectors(box: "Box") -> Upkeep:
    """Vectors: made here or, where several processes share the store, by whichever worker takes the job."""
    if box.database.is_shared:
        return Upkeep("vectors", 10, box.work.embed)
    return Upkeep("vectors", 1, lambda: box.memory.vectors.catch_up(_VECTORS_SECONDS))


def purge(box: "Box") -> None:
    """Delete used-up tickets, ended sessions, idempotency keys past their day, old signals, usage, jobs and runs."""
    box.access.purge()
    box.memory.purge()
    box.registry.purge()
    box.providers.usage.forget_old()
    box.jobs.purge()
    Runs(box.database, box.clock).forget_old()
