"""Snapshots off the box: encrypted and deduplicated by restic, of a verified copy and never of the live database.

They are taken in a process of their own beside the daemon, which only hands out the copy and the key.
"""

import builtins
import shutil
from collections.abc import Callable
from pathlib import Path

from appliance.backup import state
from appliance.backup.restic import Progress, Restic, Snapshot, Stored
from appliance.backup.service import OWN_COPY
from appliance.backup.state import Repository, Taken
from appliance.clock import Clock, system_clock
from appliance.config import Config
from appliance.errors import NotConfiguredError, NotFoundError, UnavailableError
from appliance.home import run_directory
from appliance.settings import Backups


def restic_of(home: Path, config: Config, key: str, server_password: str = "", cached: bool = True) -> Restic:
    """The repository that the settings of `home` name; NotConfiguredError when there is none.

    Args:
        server_password: of a `rest:` repository's user, "" for none.
        cached: whether it may know from before what is in the repository; a drill may not.
    """
    cache = run_directory(home) / "restic-cache" if cached else None
    return Restic(required(config.backups), key, server_password, cache)


class Snapshots:
    """The snapshots of one home in one repository; what was done is kept in the home's state.

    Beside what it says itself, every method raises what `Restic` does.
    """

    def __init__(self, home: Path, keep: Backups, restic: Restic, clock: Clock = system_clock) -> None:
        self._home = home
        self._keep = keep
        self._restic = restic
        self._clock = clock

    def prepare(self, new_repository: bool = False) -> None:
        """Prove that the key opens the repository; the first time, make one.

        `new_repository`: the person says that the repository was emptied or changed on purpose.

        Raises:
            UnavailableError: `repository_missing`; it is not there, or not the one it was.
        """
        location, known = self._restic.repository, state.read(self._home).repository
        expected = known.id if known and known.location == location and not new_repository else None
        try:
            found = self._restic.open()
        except NotFoundError:
            if expected:
                raise UnavailableError("repository_missing", _not_the_one(location)) from None
            found = self._make(location)
        if expected not in (None, found):
            raise UnavailableError("repository_missing", _not_the_one(location))
        now = Repository(location=location, id=found)
        if known != now:
            state.update(self._home, repository=now)

    def take(self, copied: Callable[[], Path], progress: Progress, new_repository: bool = False) -> Taken:
        """Store the generation that `copied` makes or finds, then let old snapshots go.

        Raises:
            ConflictError: `snapshot_running`, or another machine works on the repository.
        """
        with state.alone(self._home), state.remembered(self._home, "attempt", self._clock) as remember:
            self.prepare(new_repository)
            self._restic.unlock()
            stored = self._store(copied, progress)
            taken = Taken(
                at=self._clock(), id=stored.id, repository=self._restic.repository,
                files=stored.files, bytes=stored.bytes, added=stored.added,
            )  # fmt: skip
            state.update(self._home, snapshot=taken)
            state.note_copy(self._home, taken.at)
            self._forget_old()
            remember(f"{stored.files} files, {stored.bytes} bytes to {self._restic.repository}")
            return taken

    def list(self) -> builtins.list[Snapshot]:
        """The snapshots, newest first."""
        return self._restic.snapshots()

    def _store(self, copied: Callable[[], Path], progress: Progress) -> Stored:
        try:
            return self._restic.backup(copied(), progress)
        finally:
            # What was made for this alone; a mirror stays.
            shutil.rmtree(run_directory(self._home) / OWN_COPY, ignore_errors=True)

    def _make(self, location: str) -> str:
        if location.startswith("/") and not Path(location).parent.is_dir():
            raise UnavailableError(
                "repository_missing",
                f"There is no directory {Path(location).parent} for the snapshots; is the disk mounted? Only the last "
                "part of backups.snapshot_repository is made by membox.",
            )
        self._restic.init()
        return self._restic.open()

    def _forget_old(self) -> None:
        keep = (self._keep.snapshot_keep_daily, self._keep.snapshot_keep_weekly, self._keep.snapshot_keep_monthly)
        if any(keep):
            self._restic.forget(*keep)


def required(settings: Backups) -> str:
    """The repository of the settings; NotConfiguredError when none is set."""
    if not settings.snapshot_repository:
        raise NotConfiguredError(
            "no_snapshot_repository",
            "No place for snapshots is set: name a directory on another disk, sftp:USER@HOST:/PATH or "
            "rest:https://HOST/PATH with `membox config set backups.snapshot_repository PLACE`.",
        )
    return settings.snapshot_repository


def _not_the_one(location: str) -> str:
    return (
        f"{location} does not hold the snapshots it did, so nothing was written: is the disk mounted? If you "
        "emptied or changed it on purpose, run `membox backup snapshot --new-repository`."
    )
