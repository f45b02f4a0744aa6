"""Can the clock be right?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from appliance.clock import from_ms
from appliance.daemon.findings import Finding, ok, warn
from appliance.daemon.time_sync import is_synchronised
from appliance.machine import Machine
from appliance.storage.schema import document_versions, job_runs

if TYPE_CHECKING:
    from appliance.box import Box

_BUILT = datetime(2026, 11, 1, tzinfo=UTC)
_TOLERANCE = timedelta(days=1)
_UNSYNCHRONISED = "The machine does not set its clock by the network."
_REMEDY = "Set the clock: `timedatectl set-ntp true`, then look at `timedatectl`."


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Now is later than this program, and not much earlier than what was already recorded."""
    now, latest = box.clock(), _latest(box)
    if now < _BUILT:
        yield warn("clock", f"The clock says {now:%Y-%m-%d}, which is before this membox was made.", _REMEDY)
    elif latest and latest > now + _TOLERANCE:
        sentence = f"The clock says {now:%Y-%m-%d %H:%M} UTC, but something was recorded at {latest:%Y-%m-%d %H:%M}."
        yield warn("clock", sentence, _REMEDY)
    else:
        yield ok("clock", f"The clock says {now:%Y-%m-%d %H:%M} UTC.")


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """The clock is set by the network; a container's is its host's business."""
    if machine.is_box and not machine.is_container:
        right = is_synchronised(machine)
        yield ok("clock", "It is set by the network.") if right else warn("clock", _UNSYNCHRONISED, _REMEDY)


def _latest(box: "Box") -> datetime | None:
    moments = (document_versions.c.created_at, job_runs.c.started_at)
    with box.database.read() as conn:
        found = [conn.execute(select(func.max(moment))).scalar() for moment in moments]
    return max((from_ms(moment) for moment in found if moment is not None), default=None)
