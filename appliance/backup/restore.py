"""A copy becomes a box again: verified first, built beside the home, then put in its place by one rename."""

import os
import shutil
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.backup import state
from appliance.backup.files import copy_file, disk_fault, files_under, sync_tree
from appliance.backup.generations import GENERATIONS, MANIFEST, Manifest, generations, read_manifest
from appliance.backup.verify import faults_of, verify_generation
from appliance.config import read_toml
from appliance.config_file import set_value
from appliance.durable import sync
from appliance.errors import ConflictError, NotFoundError, StorageError
from appliance.home import CONFIG_FILE, DATABASE_FILE, run_directory
from appliance.lease import COMMAND, Lease
from appliance.secrets import KEYRING_DIRECTORY
from appliance.storage import copies

_OWN_DIRECTORIES = ("run",)  # no state: a home that holds only these is empty
_MACHINES = (KEYRING_DIRECTORY, state.FILE)  # the machine's own, in no copy: they stay with it


@dataclass(frozen=True)
class Restored:
    """What was brought back, from where; `skipped` are newer copies that were damaged, `moved_to` is the old home."""

    home: str
    generation: str
    created_at: str
    files: int
    counts: dict[str, int]
    skipped: list[str]
    moved_to: str | None
    secrets: str = "Secrets are in no copy: this machine's stay as they are. Keys, devices and sign-ins came along."

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def restore(source: Path, home: Path, replace: bool = False) -> Restored:
    """Make `home` the box that `source` is a copy of: a mirror (its newest good generation) or one generation.

    Takes the lease of `home` meanwhile. A box that is there is moved aside, never deleted; with `replace` also one that
    somebody has used.

    Raises:
        NotFoundError: no copy there, or none that is good.
        ConflictError: `home` holds a box and `replace` was not said.
        UnavailableError: a daemon or command is using `home`.
        StorageError, StorageFullError: the copy is damaged, or the home cannot be written; the home is as it was.
    """
    chosen, manifest, skipped = _choose(source.absolute())
    home = home.resolve()  # a link to the home stays one
    with Lease.acquire(home, COMMAND):
        occupied = _holds_something(home)
        if occupied and not replace and not _is_untouched(home):
            raise ConflictError(
                "home_holds_a_box",
                f"{home} already holds a box: name an empty home, or add --replace to move it aside first.",
            )
        try:
            built = _build(chosen, manifest, home)
            aside = _swap(built, home)
        except OSError as fault:
            raise disk_fault(fault, home.parent) from fault
    if not occupied:
        shutil.rmtree(aside, ignore_errors=True)  # only an empty run directory with the lock in it
    return Restored(
        home=str(home),
        generation=chosen.name,
        created_at=manifest.created_at.isoformat().replace("+00:00", "Z"),
        files=len(manifest.files),
        counts=manifest.counts,
        skipped=skipped,
        moved_to=str(aside) if occupied else None,
    )


def _choose(source: Path) -> tuple[Path, Manifest, list[str]]:
    """The newest good generation at `source`, and why newer ones were passed over."""
    if (source / MANIFEST).exists():
        report = verify_generation(source)
        if not report.ok:
            raise StorageError("copy_damaged", f"{source} is damaged ({report.faults[0]}); choose another generation.")
        return source, read_manifest(source), []
    skipped: list[str] = []
    for generation in generations(source):
        faults = faults_of(generation.path, generation.manifest)
        if not faults:
            return generation.path, generation.manifest, skipped
        skipped.append(f"{generation.name}: {faults[0]}")
    said = f" ({'; '.join(skipped)})" if skipped else f"; name a mirror, or one directory in its {GENERATIONS}/"
    raise NotFoundError("no_backup", f"There is no good copy of a box at {source}{said}.")


def _holds_something(home: Path) -> bool:
    return any(entry.name not in _OWN_DIRECTORIES for entry in home.iterdir())


def _is_untouched(home: Path) -> bool:
    """Whether the box there is as it was set up, with nothing of anybody's in it."""
    try:
        return copies.is_untouched(home / DATABASE_FILE)
    except sqlite3.Error:
        return False


def _build(chosen: Path, manifest: Manifest, home: Path) -> Path:
    """The restored box in a directory beside `home`, whole and on the disk."""
    built = home.with_name(home.name + ".restoring")
    if built.exists():
        shutil.rmtree(built)  # left by a restore that was interrupted
    built.mkdir(mode=0o700)
    try:
        for name in manifest.files:
            copy_file(chosen / name, built / name)
        if faults := faults_of(built, manifest):
            raise StorageError("copy_damaged", f"What was restored does not read back as copied ({faults[0]}).")
        run_directory(built).mkdir(mode=0o700)
        _use_the_file(built)
        _keep_machines(home, built)
        _take_owner(built, home)
        sync_tree(built)
    except BaseException:
        shutil.rmtree(built, ignore_errors=True)
        raise
    return built


def _use_the_file(built: Path) -> None:
    """A box that had its database on a server goes on with the file that is its copy."""
    if read_toml(built / CONFIG_FILE).get("store", {}).get("backend") == "postgres":
        set_value(built, "store.backend", "sqlite", {})


def _keep_machines(home: Path, built: Path) -> None:
    owner = home.stat().st_uid
    for name in _MACHINES:
        files = [name] if (home / name).is_file() else [f"{name}/{file}" for file in files_under(home / name)]
        for file in files:
            copy_file(home / file, built / file, of=owner)


def _take_owner(built: Path, home: Path) -> None:
    """Restored by root for a service, the files belong to the service."""
    owner = home.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        # From within: as long as `built` is root's, its new owner cannot put a link into the way of the next step.
        for path in [*sorted(built.rglob("*"), reverse=True), built]:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    built.chmod(owner.st_mode & 0o777)


def _swap(built: Path, home: Path) -> Path:
    """Put `built` in the place of `home`; the old home's new path."""
    aside = _free_path(home)
    home.rename(aside)
    try:
        built.rename(home)
    except OSError:
        aside.rename(home)
        raise
    sync(home.parent)
    return aside


def _free_path(home: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path, count = home.with_name(f"{home.name}.before-{stamp}"), 1
    while path.exists():
        path, count = home.with_name(f"{home.name}.before-{stamp}-{count}"), count + 1
    return path
