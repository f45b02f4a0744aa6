"""A disk that fills: 507 until there is room again, and nothing acknowledged is lost."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import StorageFullError
from appliance.secrets import Secrets
from appliance.storage import open_database

FILLER = 4_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes, half of it taken by a file that can be removed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    (disk / "filler").write_bytes(bytes(FILLER))
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def take_the_rest(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "rest").open("wb", buffering=0) as rest:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    rest.write(b"x" * size)
            except OSError:
                continue


def remember(daemon: Any, word: str, size: int = 1) -> int:
    text = f"{word} " + "padding words fill pages " * 120
    items = [{"type": "fact", "text": f"{number} {text}"} for number in range(size)]
    status, _ = daemon.ask("POST", "/v0/memory/remember", {"tenant_id": "home", "agent_id": "tester", "items": items})
    return int(status)


def note(daemon: Any, word: str) -> int:
    status, _ = daemon.ask("POST", "/note", {"text": f"Noted {word}."}, {"Idempotency-Key": word})
    return int(status)


def recalled(daemon: Any, word: str) -> int:
    asked = {"tenant_id": "home", "agent_id": "tester", "scope": "team", "query": word}
    status, answer = daemon.ask(
        "POST", "/v0/memory/recall", {**asked, "budget": {"max_items": 100, "max_tokens": 32000}}
    )
    assert status == 200
    return len(answer["items"])


def save(daemon: Any, text: str, version: int) -> tuple[int, Any]:
    body = {"path": "projects/kept.md", "text": text, "base_version": version}
    answered: tuple[int, Any] = daemon.ask("PUT", "/v1/notebook/document", body)
    return answered


def fill(daemon: Any) -> tuple[dict[str, int], list[str]]:
    """Write until the disk is full: how many items and which notes were acknowledged."""
    items, notes, refused = {}, [], 0
    for number in range(2000):
        word = f"word{number:04}"
        size = (20, 5, 1)[min(refused, 2)]
        status = remember(daemon, word, size)
        assert status in (200, 507), status
        if status == 200:
            items[word] = size
        noted = note(daemon, f"note{number:04}")
        assert noted in (200, 507), noted
        if noted == 200:
            notes.append(f"note{number:04}")
        refused += 200 not in (status, noted)
        if refused >= 6:
            return items, notes
    raise AssertionError("the disk never filled")


@pytest.mark.timeout(300)
def test_a_full_disk_refuses_with_507_and_all_goes_on_when_there_is_room(
    make_daemon: Callable[..., Any], small_disk: Path
) -> None:
    daemon = make_daemon(small_disk / "home").start()
    status, saved = save(daemon, "# Kept\n\nbefore\n", 0)
    assert status == 200
    items, notes = fill(daemon)
    take_the_rest(small_disk)

    assert remember(daemon, "refused") == 507
    assert note(daemon, "later0001") == 507
    status, answer = save(daemon, "# Kept\n\nafter\n", saved["version"])
    assert (status, answer["detail"]) == (507, "disk_full")
    assert daemon.ask("GET", "/healthz")[0] == 200
    first = next(iter(items))
    assert recalled(daemon, first) > 0

    (small_disk / "filler").unlink()
    (small_disk / "rest").unlink()
    assert remember(daemon, "roomy") == 200
    assert note(daemon, "later0001") == 200
    assert save(daemon, "# Kept\n\nafter\n", saved["version"])[0] == 200
    assert recalled(daemon, "refused") == 0
    assert daemon.stop() == 0
    check_nothing_was_lost(small_disk / "home", items, [*notes, "later0001"])


@pytest.mark.timeout(300)
def test_killed_and_started_on_a_full_disk_it_serves_or_says_so_and_loses_nothing(
    make_daemon: Callable[..., Any], small_disk: Path
) -> None:
    daemon = make_daemon(small_disk / "home").start()
    items, notes = fill(daemon)
    take_the_rest(small_disk)
    daemon.kill()
    before = len(daemon.log.read_text())

    process = daemon.spawn()
    line = process.stdout.readline() if process.stdout else ""
    if line:
        assert "serves http" in line
        daemon.kill()
    else:
        assert process.wait(30) == 1
        told = daemon.log.read_text()[before:]
        assert "full" in told.strip().splitlines()[-1]
        assert "Traceback" not in told

    (small_disk / "filler").unlink()
    (small_disk / "rest").unlink()
    daemon.start()
    assert note(daemon, "later0001") == 200
    assert daemon.stop() == 0
    check_nothing_was_lost(small_disk / "home", items, [*notes, "later0001"])


def test_a_new_box_on_a_full_disk_is_one_sentence(make_daemon: Callable[..., Any], small_disk: Path) -> None:
    take_the_rest(small_disk)
    daemon = make_daemon(small_disk / "home")
    process = subprocess.run(
        daemon.command(), env=daemon.whole_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert process.returncode == 1
    assert "full" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_secret_that_finds_no_room_leaves_the_one_before(small_disk: Path) -> None:
    secrets = Secrets(small_disk / "home")
    secrets.set("kept", "before")
    take_the_rest(small_disk)
    with pytest.raises(StorageFullError, match="is full"):
        secrets.set("kept", "after" * 5000)
    assert secrets.get("kept") == "before"
    (small_disk / "filler").unlink()
    secrets.set("kept", "after")
    assert secrets.get("kept") == "after"


def check_nothing_was_lost(home: Path, items: dict[str, int], notes: list[str]) -> None:
    database = open_database(home / "membox.db")
    try:
        assert database.check() == []
        with database.read() as conn:
            texts = list(conn.exec_driver_sql("SELECT text FROM memory_items").scalars())
    finally:
        database.close()
    words = [word for text in texts for word in text.replace(".", " ").split()]
    assert {word: count for word, count in items.items() if words.count(word) != count} == {}
    journal = "".join(path.read_text() for path in (home / "notebook" / "sessions").glob("*.md"))
    assert {word for word in notes if journal.count(f"{word}.") != 1} == set()
    assert {word for word in notes if words.count(word) != 1} == set()
    assert not [path.name for path in home.rglob("*") if "tmp" in path.suffix or path.name.endswith("~")]
