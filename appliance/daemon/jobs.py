"""The jobs of a box: what runs on the schedule (contract notebook, The day), and what is only upkeep.

A job is added here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance import cadence
from appliance.cadence import Cadence
from appliance.daemon.runs import Runs

if TYPE_CHECKING:
    from appliance.box import Box

MIRROR = "mirror"
GRACE = timedelta(hours=1)


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
    """Quiet work every so many seconds, not recorded as a run."""

    name: str
    seconds: int
    run: Callable[[], object]


def jobs_of(box: "Box") -> list[Job]:
    """The jobs of `box`."""
    words = box.config.daemon.backup_mirror_schedule
    return [
        Job(
            name=MIRROR,
            words=words,
            cadence=cadence.parse(words, box.config.core.timezone),
            run=lambda: box.backup.mirror().sentence,
            is_enabled=lambda: box.backup.mirror_path is not None,
        )
    ]


def upkeep_of(box: "Box") -> list[Upkeep]:
    """The upkeep of `box`: hand edits within seconds, and what has expired."""
    return [Upkeep("notice", 2, box.notebook.notice), Upkeep("purge", 3600, lambda: purge(box))]


def purge(box: "Box") -> None:
    """Delete used-up tickets, ended sessions, idempotency keys past their day, and old runs."""
    box.access.purge()
    box.memory.purge()
    Runs(box.database, box.clock).forget_old()
