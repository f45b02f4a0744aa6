"""Making one generation: a copy that is whole, verified and on the disk before it gets its name."""

import filecmp
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from appliance import __version__
from appliance.backup.files import copy_file, disk_fault, files_under, sha256_of, sync_tree
from appliance.backup.generations import (
    GENERATIONS,
    MANIFEST,
    PARTIAL,
    FileEntry,
    Generation,
    Manifest,
    free_name,
    generations,
    read_manifest,
)
from appliance.backup.verify import faults_of
from appliance.durable import sync
from appliance.errors import StorageError, StorageFullError
from appliance.home import CONFIG_FILE, DATABASE_FILE, NOTEBOOK_DIRECTORY
from appliance.storage import copies, schema_version
from appliance.storage.database import Database
from appliance.storage.sqlite import check_file

# Writes the current text of every document in a copy of the database into a directory; box.py puts it in.
WriteNotebook = Callable[[Path, Path], None]


def make_generation(
    database: Database, config_file: Path, write_notebook: WriteNotebook, mirror: Path, now: datetime
) -> Generation | None:
    """A new generation in `mirror`; None when the newest one already says the same and is still sound.

    Raises:
        StorageError: the source is damaged, or the mirror cannot be written; what was there before is untouched.
        StorageFullError: the mirror's disk is full.
    """
    clear_leftovers(mirror)
    before = next(iter(generations(mirror)), None)
    name = free_name(mirror, now)
    partial = mirror / GENERATIONS / (name + PARTIAL)
    try:
        partial.mkdir(mode=0o700)
        _copy(database, config_file, write_notebook, partial)
        content = copies.content_digest(partial / DATABASE_FILE)
        if before and _says_the_same(before, partial, content) and not faults_of(before.path, before.manifest):
            return None
        _link_unchanged(before, partial)
        manifest = _manifest(partial, content, 1 + (before.manifest.sequence if before else 0), now)
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return _finish(partial, mirror / GENERATIONS / name)
    except OSError as fault:
        raise disk_fault(fault, mirror) from fault
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # gone already when it got its name; else the next run tries again


def clear_leftovers(mirror: Path) -> None:
    """Remove what an interrupted run left; only one runs at a time."""
    for partial in (mirror / GENERATIONS).glob("*" + PARTIAL):
        shutil.rmtree(partial, ignore_errors=True)


def _copy(database: Database, config_file: Path, write_notebook: WriteNotebook, partial: Path) -> None:
    copy = partial / DATABASE_FILE
    copy.touch(mode=0o600)
    try:
        database.copy_to(copy)
    except StorageFullError as fault:
        raise StorageFullError(
            "backup_disk_full", f"The disk that holds {partial.parent} is full; free some space there."
        ) from fault
    if faults := check_file(copy):
        raise StorageError(
            "source_damaged",
            f"The box's database is damaged ({faults[0]}), so it was not mirrored and the earlier copies stay; run "
            "`membox doctor`, and `membox backup restore` from the mirror if it says so.",
        )
    copies.forget_running(copy)
    (partial / NOTEBOOK_DIRECTORY).mkdir(mode=0o700)
    write_notebook(copy, partial / NOTEBOOK_DIRECTORY)
    if config_file.exists():
        copy_file(config_file, partial / CONFIG_FILE)


def _says_the_same(before: Generation, partial: Path, content: str) -> bool:
    entry = before.manifest.files.get(CONFIG_FILE)
    config = partial / CONFIG_FILE
    same_config = entry is None if not config.exists() else entry is not None and entry.sha256 == sha256_of(config)
    return before.manifest.content == content and before.manifest.membox == __version__ and same_config


def _link_unchanged(before: Generation | None, partial: Path) -> None:
    """Share the bytes of unchanged notebook files with the generation before, where the file system can."""
    if before is None:
        return
    for name in files_under(partial / NOTEBOOK_DIRECTORY):
        new, old = partial / NOTEBOOK_DIRECTORY / name, before.path / NOTEBOOK_DIRECTORY / name
        link = new.with_name(new.name + PARTIAL)
        try:
            if filecmp.cmp(old, new, shallow=False):
                os.link(old, link)
                link.replace(new)
        except OSError:
            link.unlink(missing_ok=True)  # no such file before, or a file system without hard links: the copy stays


def _manifest(partial: Path, content: str, sequence: int, now: datetime) -> Manifest:
    files = {
        name: FileEntry(sha256=sha256_of(partial / name), size=(partial / name).stat().st_size)
        for name in files_under(partial)
    }
    copy = partial / DATABASE_FILE
    return Manifest(
        sequence=sequence,
        created_at=now,
        membox=__version__,
        schema_version=schema_version(copy) or "",
        content=content,
        counts=copies.counts(copy),
        files=files,
    )


def _finish(partial: Path, final: Path) -> Generation:
    sync_tree(partial)
    manifest = read_manifest(partial)
    if faults := faults_of(partial, manifest):
        raise StorageError(
            "copy_damaged", f"The new copy does not read back as written ({faults[0]}); check that disk."
        )
    partial.rename(final)
    sync(final.parent)
    return Generation(final, manifest)
