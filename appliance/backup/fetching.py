"""A snapshot back from its repository: on an empty machine, the recovery key is all it takes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.backup.files import disk_fault
from appliance.backup.generations import MANIFEST
from appliance.backup.restic import Progress, Restic, Snapshot
from appliance.backup.restore import Restored, restore
from appliance.errors import NotFoundError

LATEST = "latest"


def restore_snapshot(restic: Restic, snapshot: str, home: Path, progress: Progress, replace: bool = False) -> Restored:
    """Make `home` the box that a snapshot holds: one by its id, or LATEST.

    Raises:
        NotFoundError: `no_snapshot`.
        The errors of `Restic` and of `restore`; the home is as it was.
    """
    home = home.resolve()
    try:
        with emptied(home.with_name(home.name + ".fetching")) as place:
            chosen = newest_of(restic).id if snapshot == LATEST else snapshot
            fetch(restic, chosen, place, progress)
            return restore(place, home, replace)
    except OSError as fault:
        raise disk_fault(fault, home.parent) from fault


def newest_of(restic: Restic) -> Snapshot:
    """The newest snapshot; NotFoundError when there is none."""
    found = restic.snapshots()
    if not found:
        raise NotFoundError("no_snapshot", f"There is no snapshot in {restic.repository}.")
    return found[0]


def fetch(restic: Restic, snapshot: str, target: Path, progress: Progress) -> None:
    """Bring the generation in `snapshot` into `target`; NotFoundError when it holds none."""
    restic.restore(snapshot, target, progress)
    if not (target / MANIFEST).exists():
        raise NotFoundError("no_snapshot", f"The snapshot {snapshot} in {restic.repository} holds no copy of a box.")


@contextmanager
def emptied(place: Path) -> Iterator[Path]:
    """`place` as an empty directory, gone afterwards; what a kill left there is removed first."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
