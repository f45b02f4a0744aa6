"""The mirror on bad days: a damaged source, a full or missing disk, a kill in the middle."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from appliance.backup import Backup
from appliance.backup.verify import verify
from appliance.box import Box
from appliance.errors import (
    ConflictError,
    MemboxError,
    NotConfiguredError,
    NotFoundError,
    StorageError,
    StorageFullError,
    UnavailableError,
)
from appliance.notebook.models import Note

GLOBAL = "GLOBAL_MEMORY.md"
OWNER = "owner"


class MovableClock(Protocol):
    """A clock that tests move (conftest.py)."""

    now: datetime

    def __call__(self) -> datetime: ...


def names(mirror: Path) -> list[str]:
    return sorted(path.name for path in (mirror / "generations").iterdir())


def test_a_generation_holds_the_whole_box_and_is_verified(box: Box, mirror: Path) -> None:
    made = box.backup.mirror()
    assert made.changed
    generation = mirror / "generations" / made.generation
    for document in box.notebook.documents():
        assert (generation / "notebook" / document.path).read_bytes() == (
            box.home / "notebook" / document.path
        ).read_bytes()
    assert (generation / "config.toml").read_bytes() == (box.home / "config.toml").read_bytes()
    (report,) = verify(mirror)
    assert (report.ok, report.faults) == (True, [])
    assert report.counts["documents"] == len(box.notebook.documents())
    assert stat.S_IMODE(generation.stat().st_mode) == 0o700


def test_without_changes_nothing_is_copied_again(box: Box, mirror: Path, clock: MovableClock) -> None:
    first = box.backup.mirror()
    clock.now += timedelta(hours=1)
    second = box.backup.mirror()
    assert (second.changed, second.generation) == (False, first.generation)
    assert names(mirror) == [first.generation]


def test_a_copy_that_was_damaged_meanwhile_is_made_anew_without_changes(box: Box, mirror: Path) -> None:
    first = box.backup.mirror()
    with (mirror / "generations" / first.generation / "membox.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"rot")
    assert box.backup.mirror().changed
    assert [report.ok for report in verify(mirror)] == [True, False]


def test_a_change_makes_a_generation_that_shares_unchanged_files(box: Box, mirror: Path) -> None:
    first = box.backup.mirror().generation
    box.notebook.capture(Note(text="One more"), OWNER)
    second = box.backup.mirror().generation
    assert names(mirror) == sorted([first, second])
    old, new = (mirror / "generations" / name / "notebook" for name in (first, second))
    assert (old / GLOBAL).stat().st_ino == (new / GLOBAL).stat().st_ino
    assert b"One more" not in (old / box.notebook.today()).read_bytes()
    assert b"One more" in (new / box.notebook.today()).read_bytes()


def test_a_changed_setting_alone_makes_a_generation(box: Box, mirror: Path) -> None:
    box.backup.mirror()
    (box.home / "config.toml").write_text((box.home / "config.toml").read_text() + "# a thought\n")
    assert box.backup.mirror().changed


def test_copies_made_while_notes_come_in_are_whole(box: Box, mirror: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            box.notebook.capture(Note(text="while the mirror runs"), OWNER)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            box.backup.mirror()
    finally:
        stop.set()
        writer.join()
    assert [report.faults for report in verify(mirror)] == [[], [], []]


def test_a_damaged_source_never_replaces_a_good_copy(box: Box, mirror: Path) -> None:
    good = box.backup.mirror().generation
    box.notebook.capture(Note(text="this change cannot be copied"), OWNER)
    box.database.scrub()  # everything into the file itself
    with box.config.database_path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(4096, size, 4096 * 2):
            file.seek(page)
            file.write(os.urandom(64))
    with pytest.raises(StorageError):
        box.backup.mirror()
    assert names(mirror) == [good]
    assert [report.ok for report in verify(mirror)] == [True]


def test_an_index_that_no_longer_fits_its_rows_is_damage_too(box: Box, mirror: Path) -> None:
    good = box.backup.mirror().generation
    with sqlite3.connect(box.config.database_path) as conn:
        conn.execute("INSERT INTO memory_fts(memory_fts) VALUES ('delete-all')")
    conn.close()
    box.notebook.capture(Note(text="a change"), OWNER)
    with pytest.raises(StorageError, match="The box's database is damaged"):
        box.backup.mirror()
    assert names(mirror) == [good]


def test_a_full_target_keeps_what_was_there(box: Box, mirror: Path, clock: MovableClock) -> None:
    good = box.backup.mirror().generation

    def full(_copy: Path, target: Path) -> None:
        (target / "half.md").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    box.notebook.capture(Note(text="one more"), OWNER)
    with pytest.raises(StorageFullError, match=str(mirror)):
        Backup(box.home, box.database, clock, full).mirror()
    assert names(mirror) == [good]


def test_a_disk_that_is_too_small_is_said_to_be_full(box: Box, mirror: Path) -> None:
    mirror.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mirror)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount the small disk that this test fills")
    try:
        with pytest.raises(StorageFullError, match="disk that holds"):
            box.backup.mirror()
        assert names(mirror) == []
    finally:
        subprocess.run(["umount", str(mirror)], check=True)


def test_without_a_path_it_is_said_how_to_set_one(box: Box) -> None:
    (box.home / "config.toml").write_text("")
    with pytest.raises(NotConfiguredError, match="backup_mirror_path"):
        box.backup.mirror()


def test_a_target_whose_parent_is_missing_is_not_made(box: Box, mirror: Path) -> None:
    mirror.parent.rmdir()
    with pytest.raises(UnavailableError, match="mounted"):
        box.backup.mirror()
    assert not mirror.parent.exists()


def test_a_disk_that_is_not_mounted_gets_no_copy_below_its_mount_point(box: Box, mirror: Path) -> None:
    box.backup.mirror()
    mirror.rename(mirror.with_name("unplugged"))
    mirror.mkdir()
    with pytest.raises(UnavailableError, match="mounted"):
        box.backup.mirror()
    assert list(mirror.iterdir()) == []
    mirror.rmdir()
    mirror.with_name("unplugged").rename(mirror)
    assert not box.backup.mirror().changed


def test_a_disk_changed_on_purpose_is_taken_when_that_is_said(box: Box, mirror: Path) -> None:
    box.backup.mirror()
    mirror.rename(mirror.with_name("old"))
    assert box.backup.mirror(new_target=True).changed
    assert box.backup.mirror().changed is False


def test_a_second_run_at_the_same_time_is_refused(box: Box, clock: MovableClock) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(_copy: Path, _target: Path) -> None:
        inside.set()
        go_on.wait(10)

    backup = Backup(box.home, box.database, clock, slow)
    first = threading.Thread(target=backup.mirror)
    first.start()
    try:
        assert inside.wait(10)
        with pytest.raises(ConflictError, match="right now"):
            backup.mirror()
    finally:
        go_on.set()
        first.join()


KILLED = """
import sys, time
from pathlib import Path
from appliance.backup import Backup
from appliance.clock import system_clock
from appliance.storage import open_database
home = Path(sys.argv[1])
def hang(copy, target):
    (target / "half.md").write_text("half")
    print("copying", flush=True)
    time.sleep(60)
Backup(home, open_database(home / "membox.db"), system_clock, hang).mirror()
"""


def test_a_kill_in_the_middle_leaves_no_copy_and_the_next_run_cleans_up(box: Box, mirror: Path) -> None:
    good = box.backup.mirror().generation
    box.notebook.capture(Note(text="one more"), OWNER)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(box.home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "copying\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(names(mirror)) == 2
    assert [report.generation for report in verify(mirror)] == [good]
    made = box.backup.mirror()
    assert names(mirror) == sorted([good, made.generation])
    assert all(report.ok for report in verify(mirror))


def test_old_generations_go_and_deletions_follow(box: Box, mirror: Path, clock: MovableClock) -> None:
    for day in range(5):
        box.notebook.capture(Note(text=f"day {day}"), OWNER)
        box.backup.mirror()
        clock.now += timedelta(days=1)
    (box.home / "config.toml").write_text((box.home / "config.toml").read_text() + "[backups]\nkeep_days = 2\n")
    made = box.backup.mirror()
    assert len(made.removed) == 3
    assert len(names(mirror)) == 3


def test_each_kind_of_damage_is_found_and_named(box: Box, mirror: Path) -> None:
    generation = mirror / "generations" / box.backup.mirror().generation
    note = generation / "notebook" / GLOBAL
    whole = note.read_bytes()
    note.write_bytes(whole[:-1] + b"?")
    assert verify(generation)[0].faults == [f"notebook/{GLOBAL} was changed or damaged"]
    note.write_bytes(whole[:-1])
    assert "another size" in verify(generation)[0].faults[0]
    note.unlink()
    assert verify(generation)[0].faults == [f"notebook/{GLOBAL} is missing"]
    note.write_bytes(whole)
    (generation / "stranger.md").write_text("?")
    assert verify(generation)[0].faults == ["stranger.md does not belong there"]
    (generation / "stranger.md").unlink()
    assert verify(generation)[0].ok
    (generation / "manifest.json").write_text("{")
    assert "manifest" in verify(mirror)[0].faults[0]


def test_verifying_writes_nothing(box: Box, mirror: Path) -> None:
    generation = mirror / "generations" / box.backup.mirror().generation
    before = {path: path.stat().st_mtime_ns for path in [generation, *generation.rglob("*")]}
    assert verify(generation)[0].ok
    assert {path: path.stat().st_mtime_ns for path in [generation, *generation.rglob("*")]} == before


def test_verifying_what_is_no_mirror_says_so(box: Box, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no copy of a box"):
        verify(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../../etc", ".", ".."])
def test_a_name_that_is_no_generation_is_refused(box: Box, name: str) -> None:
    with pytest.raises(MemboxError, match="20261120T090000Z"):
        box.backup.verify(name)


def test_a_copy_is_an_ordinary_database_without_side_files(box: Box, mirror: Path) -> None:
    generation = mirror / "generations" / box.backup.mirror().generation
    assert [path.name for path in generation.glob("membox.db*")] == ["membox.db"]
    with sqlite3.connect(generation / "membox.db") as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("delete",)
