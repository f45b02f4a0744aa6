"""The box's backup: mirror it, list and verify what there is."""

import logging
import shutil
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC
from pathlib import Path

from appliance.backup import target
from appliance.backup.files import disk_fault
from appliance.backup.generations import GENERATIONS, PARTIAL, Generation, generations, superfluous
from appliance.backup.mirror import WriteNotebook, make_generation
from appliance.backup.state import BackupState, note_copy, read
from appliance.backup.verify import Report, verify
from appliance.clock import Clock
from appliance.config import Config, load_config
from appliance.errors import ConflictError, InvalidError, NotConfiguredError
from appliance.home import CONFIG_FILE, run_directory
from appliance.settings import Backups
from appliance.storage.database import Database

OWN_COPY = "snapshot"  # in the home's run directory
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mirrored:
    """The outcome of one run: `changed` is false when the newest copy already said the same, and was verified again."""

    mirror: str
    generation: str
    changed: bool
    files: int
    bytes: int
    removed: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """For the list of runs."""
        if self.changed:
            return f"{self.files} files, {self.bytes} bytes to {self.mirror}, verified"
        return f"nothing changed since {self.generation}, verified again"

    def as_dict(self) -> dict[str, object]:
        """For the JSON API."""
        return asdict(self)


class Backup:
    """Thread safe; the settings are read at every use, so that a path just set counts.

    Args:
        write_notebook: writes the current text of every document in a copy of the database into a directory.
    """

    def __init__(self, home: Path, database: Database, clock: Clock, write_notebook: WriteNotebook) -> None:
        self._home = home
        self._database = database
        self._clock = clock
        self._write_notebook = write_notebook
        self._running = threading.Lock()
        self._last_config = load_config(home)

    @property
    def mirror_path(self) -> Path | None:
        """Where the mirror goes; None when none is configured."""
        return self._config().mirror_path

    def required_mirror(self) -> Path:
        """Where the mirror goes; NotConfiguredError when none is configured."""
        return _required(self._config())

    @property
    def settings(self) -> Backups:
        """The settings of copies and snapshots."""
        return self._config().backups

    @property
    def state(self) -> BackupState:
        """What is known of snapshots, drills and the recovery key."""
        return read(self._home)

    def mirror(self, new_target: bool = False) -> Mirrored:
        """Bring the mirror up to date and let old generations go.

        `new_target`: the person says that the target's disk was changed or emptied on purpose.

        Raises:
            NotConfiguredError: no mirror is configured, or it lies inside the home.
            ConflictError: a run is under way.
            UnavailableError: the target is not there, or not the disk it was.
            StorageError, StorageFullError: source damaged or target not writable; earlier generations are untouched.
        """
        if not self._running.acquire(blocking=False):
            raise _under_way()
        try:
            config = self._config()
            path = _required(config)
            target.prepare(self._database, self._home, path, new_target)
            made = make_generation(
                self._database, self._home / CONFIG_FILE, self._write_notebook, path, self._clock().astimezone(UTC)
            )
            note_copy(self._home, self._clock())
            removed = self._thin(path, config.backups.keep_days)
            newest = made or generations(path)[0]
            return _mirrored(path, newest, made is not None, removed)
        finally:
            self._running.release()

    def own_copy(self) -> Path:
        """A verified copy for a snapshot, in the home, of a box that has no mirror; the one before is replaced.

        Raises:
            StorageError, StorageFullError: the source is damaged, or there is no room for a copy beside it.
        """
        place = run_directory(self._home) / OWN_COPY
        shutil.rmtree(place, ignore_errors=True)
        try:
            (place / GENERATIONS).mkdir(mode=0o700, parents=True)
        except OSError as fault:
            raise disk_fault(fault, place) from fault
        now = self._clock().astimezone(UTC)
        made = make_generation(self._database, self._home / CONFIG_FILE, self._write_notebook, place, now)
        assert made is not None  # noqa: S101 - nothing was there that could say the same
        return made.path

    def require_ready(self) -> None:
        """Raise what `mirror` would raise before it does anything: NotConfiguredError, ConflictError."""
        _required(self._config())
        if self._running.locked():
            raise _under_way()

    def generations(self) -> list[Generation]:
        """The finished copies in the configured mirror, newest first; none when there is no mirror."""
        path = self.mirror_path
        return generations(path) if path else []

    def verify(self, generation: str | None = None) -> list[Report]:
        """Reports on every copy in the configured mirror, or on the one of that name.

        Raises:
            NotConfiguredError: no mirror is configured.
            InvalidError: that is no name of a generation.
            NotFoundError: there is none.
        """
        path = _required(self._config())
        if generation is None:
            return verify(path)
        if "/" in generation or generation in ("", ".", ".."):
            raise InvalidError(
                "bad_generation", "A generation is named like 20261120T090000Z; see `membox backup list`."
            )
        return verify(path / GENERATIONS / generation)

    def _thin(self, path: Path, keep_days: int) -> list[str]:
        going = superfluous(generations(path), self._clock().astimezone(UTC), keep_days)
        for generation in going:
            leftover = generation.path.with_name(generation.name + PARTIAL)  # half removed, it must not look whole
            try:
                generation.path.rename(leftover)
                shutil.rmtree(leftover)
            except OSError as fault:
                raise disk_fault(fault, generation.path) from fault
        return [generation.name for generation in going]

    def _config(self) -> Config:
        try:
            self._last_config = load_config(self._home)
        except NotConfiguredError as fault:  # `doctor` names it; a backup is not given up for it
            _log.warning("the settings of before stay in force: %s", fault.sentence)
        return self._last_config


def _under_way() -> ConflictError:
    return ConflictError("mirror_running", "The mirror is being made right now; look again in a moment.")


def _required(config: Config) -> Path:
    if config.mirror_path is None:
        raise NotConfiguredError(
            "no_mirror",
            "No mirror is set, so nothing is backed up: name a directory on another disk with `membox config set "
            "daemon.backup_mirror_path PATH`.",
        )
    return config.mirror_path


def _mirrored(path: Path, newest: Generation, changed: bool, removed: list[str]) -> Mirrored:
    return Mirrored(
        mirror=str(path),
        generation=newest.name,
        changed=changed,
        files=len(newest.manifest.files),
        bytes=newest.manifest.bytes,
        removed=removed,
    )
