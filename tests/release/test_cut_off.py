"""The power goes in the middle of a switch: afterwards the box runs, one release or the other, and nothing is lost."""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import hold
from appliance.release import database

Boxed = Any

# Ends the process in front of a step, as a power cut would.
CUT = """
import os, signal
from appliance.release import Inside
real = Inside.run
def run(self, step, **options):
    if step == {step!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, step, **options)
Inside.run = run
"""


def after_a_cut(boxed: Boxed) -> None:
    """The power comes back: first `recover`, then the service."""
    boxed.power_cut()
    if (boxed.root / "switch.json").exists():
        done = boxed.recover()
        assert done.returncode == 0, done.stderr
    boxed.start()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("fault", "cuts"),
    [("", {"swap": "1.0.0", "health": "1.0.0", "open": "2.0.0"}), ("impostor", {"go_back": "1.0.0"})],
    ids=["going on", "going back"],
)
def test_whatever_was_acknowledged_outlives_a_power_cut(
    running: Boxed, load: Callable[..., Any], fault: str, cuts: dict[str, str]
) -> None:
    """At any step it does so in test_any_step.py; here with real daemons."""
    running.add("2.0.0", migrates=True, fault=fault)
    with load(running, clients=2) as sending:
        for step, version in cuts.items():
            assert running.switch("2.0.0", code=CUT.format(step=step)).returncode == -9
            after_a_cut(running)
            assert (running.version(), running.current()) == (version, version)
            assert running.leftovers() == []
            sending.go_on(3)
    assert sending.wrong() == {}


# The hold's time is over, and others may write before the switch goes on.
OVER = """
import json, pathlib, time
from appliance.release import Inside
real = Inside.run
def run(self, step, **options):
    answer = real(self, step, **options)
    if step == "prepare":
        hold = pathlib.Path({hold!r})
        hold.write_text(json.dumps(json.loads(hold.read_text()) | {{"until": time.time()}}))
        deadline = time.monotonic() + 60
        while hold.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    return answer
Inside.run = run
"""


def test_a_new_release_that_has_taken_writes_stays_when_the_hold_ran_out(running: Boxed) -> None:
    """The switcher dies while writes are held; they are let in by time; nobody may go back behind them."""
    running.add("2.0.0", migrates=True)
    assert running.switch("2.0.0", code=CUT.format(step="health")).returncode == -9
    assert running.version() == "2.0.0"
    assert running.note("too early") == 503
    held = running.home / "run" / "hold"
    held.write_text(json.dumps(json.loads(held.read_text()) | {"until": time.time()}))
    assert running.note("by time") == 200
    after_a_cut(running)
    assert (running.version(), running.current()) == ("2.0.0", "2.0.0")
    assert running.journal().count("by time") == 1
    assert running.leftovers() == []


def test_a_hold_that_ran_out_before_the_swap_ends_the_switch(running: Boxed, load: Callable[..., Any]) -> None:
    """A copy that took longer than the hold lacks what was written since: it is not used."""
    running.add("2.0.0", migrates=True)
    with load(running, clients=1) as sending:
        done = running.switch("2.0.0", code=OVER.format(hold=str(running.home / "run" / "hold")))
    assert "take writes again" in done.stderr
    assert "The box is back on 1.0.0" in done.stderr
    assert sending.wrong() == {}
    assert running.leftovers() == []


class PowerCutError(Exception):
    pass


@pytest.fixture
def home(tmp_path: Path, empty_database: Path) -> Path:
    """A held home whose database, and the copy that is to follow it, can be told apart by their content."""
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    shutil.copy(empty_database, home / "membox.db")
    mark(home / "membox.db", "before")
    return home


def mark(path: Path, word: str) -> None:
    conn = sqlite3.connect(path)
    conn.execute("INSERT OR REPLACE INTO box_state(key, value) VALUES ('mark', ?)", (word,))
    conn.commit()
    conn.close()


def marked(path: Path) -> str:
    conn = sqlite3.connect(path)
    try:
        return str(conn.execute("SELECT value FROM box_state WHERE key = 'mark'").fetchone()[0])
    finally:
        conn.close()


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the file operation of a number, counted from now, the first that is not done."""

    def at(number: int) -> None:
        left = iter(range(number))

        def counted(real: Any) -> Any:
            def work(*args: Any, **more: Any) -> Any:
                if next(left, None) is None:
                    raise PowerCutError
                return real(*args, **more)

            return work

        monkeypatch.undo()
        for name in ("replace", "unlink", "hardlink_to"):
            monkeypatch.setattr(Path, name, counted(getattr(Path, name)))

    return at


def test_the_database_of_before_comes_back_from_any_file_operation(
    home: Path, empty_database: Path, cut: Callable[[int], None]
) -> None:
    """Both the swap and the way back are cut off everywhere; then the way back is gone to its end."""
    path, following = home / "membox.db", home / "membox.db.next"
    swaps = 0
    for number in range(160):
        cut(10**9)
        held = hold.hold(home, "test", 60)
        shutil.copy(empty_database, following)
        mark(following, "after")
        try:
            cut(number % 8)
            database.swap(home, path, held.until)
            swaps += 1
            cut(number // 8)
            database.go_back(home, path, was_made=False)
        except PowerCutError:
            pass
        cut(10**9)
        assert marked(path) in ("before", "after")
        assert database.go_back(home, path, was_made=False)
        assert marked(path) == "before"
        assert [each.name for each in home.glob("membox.db?*")] == []
    assert swaps > 10


def test_a_log_of_the_new_database_never_meets_the_old_one(home: Path) -> None:
    path = home / "membox.db"
    held = hold.hold(home, "test", 60)
    database.prepare(path)
    database.swap(home, path, held.until)
    killed = sqlite3.connect(path)
    killed.execute("PRAGMA wal_autocheckpoint = 0")
    killed.execute("INSERT INTO box_state(key, value) VALUES ('of the new', '1')")
    killed.commit()
    log = path.with_name("membox.db-wal").read_bytes()
    killed.close()
    path.with_name("membox.db-wal").write_bytes(log)
    assert database.go_back(home, path, was_made=False)
    assert not path.with_name("membox.db-wal").exists()
    assert marked(path) == "before"
