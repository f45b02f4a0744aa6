"""Where the mirror goes, and how we know that it is the right disk.

A path below a mount point looks the same when nothing is mounted there. So the first copy leaves a file with an
identity on the target, which the box remembers; from then on a target without it is refused.
"""

import json
import secrets
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from appliance.backup.files import disk_fault
from appliance.backup.generations import GENERATIONS
from appliance.durable import sync
from appliance.errors import NotConfiguredError, UnavailableError
from appliance.storage.database import Database
from appliance.storage.schema import box_state

MARKER = "membox-mirror.json"
_STATE = "mirror"


def prepare(database: Database, home: Path, target: Path, new_target: bool = False) -> None:
    """Make sure that `target` is a place for this box's mirror; the first time, make it one.

    Only the last directory of a path is made. `new_target`: the person says that the disk was changed or emptied.

    Raises:
        NotConfiguredError: it lies inside the home.
        UnavailableError: it is not there, or not the disk it was.
        StorageError, StorageFullError: it cannot be written.
    """
    refuse_inside(home, target)
    known = _known(database)
    is_known = known is not None and known["path"] == str(target) and not new_target
    marked = marker_of(target)
    if is_known and known is not None and marked != known["id"]:
        raise UnavailableError("mirror_missing", _not_the_disk(target))
    try:
        if not target.is_dir():
            _make_last(target)
        if marked is None:
            marked = _mark(target)
        (target / GENERATIONS).mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise disk_fault(fault, target) from fault
    if not is_known:
        database.write(lambda conn: _remember(conn, {"path": str(target), "id": marked}))


def refuse_inside(home: Path, target: Path) -> None:
    """NotConfiguredError when `target` lies in `home` or around it: both would be lost together."""
    inner, outer = target.resolve(), home.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise NotConfiguredError(
            "mirror_in_home",
            f"The mirror {target} and the home {home} lie inside one another and would be lost together; set "
            "daemon.backup_mirror_path to another disk or machine.",
        )


def marker_of(target: Path) -> str | None:
    """The identity of the mirror at `target`; None when it has none."""
    try:
        return str(json.loads((target / MARKER).read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make_last(target: Path) -> None:
    if not target.parent.is_dir():
        raise UnavailableError(
            "mirror_missing",
            f"There is no directory {target.parent} for the mirror; is the disk mounted? Only the last part of "
            "daemon.backup_mirror_path is made by membox.",
        )
    target.mkdir(mode=0o700)


def _mark(target: Path) -> str:
    identity = secrets.token_hex(16)
    marker = target / MARKER
    partial = marker.with_suffix(".partial")
    partial.write_text(json.dumps({"id": identity, "what": "a membox mirror: keep this file"}) + "\n", encoding="utf-8")
    sync(partial)
    partial.replace(marker)
    sync(target)
    return identity


def _known(database: Database) -> dict[str, str] | None:
    with database.read() as conn:
        value = conn.execute(select(box_state.c.value).where(box_state.c.key == _STATE)).scalar()
    return None if value is None else dict(json.loads(value))


def _remember(conn: Connection, known: dict[str, str | None]) -> None:
    conn.execute(delete(box_state).where(box_state.c.key == _STATE))
    conn.execute(insert(box_state).values(key=_STATE, value=json.dumps(known)))


def _not_the_disk(target: Path) -> str:
    return (
        f"{target} is not the mirror it was (no matching {MARKER}), so nothing was written: is the disk mounted? If "
        "you changed or emptied it on purpose, run `membox backup now --new-target`."
    )
