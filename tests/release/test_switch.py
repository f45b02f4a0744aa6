"""From one release to another: done, or all as before; and whatever was acknowledged is there, once."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Boxed = Any


def sentence(done: "subprocess.CompletedProcess[str]") -> str:
    """The one that standard error says."""
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return str(line)


def schema(boxed: Boxed) -> set[str]:
    """The names of what the database has."""
    with closing(sqlite3.connect(boxed.database)) as conn:
        return {name for (name,) in conn.execute("SELECT name FROM sqlite_master")}


def test_the_first_release_is_taken_into_use_like_any_other(boxed: Boxed) -> None:
    boxed.add("1.0.0")
    done = boxed.switch("1.0.0")
    assert done.returncode == 0, done.stderr
    assert (boxed.version(), boxed.current()) == ("1.0.0", "1.0.0")
    assert boxed.note("first") == 200
    assert boxed.leftovers() == []
    again = boxed.switch("1.0.0")
    assert (again.returncode, again.stdout) == (0, "Release 1.0.0 is in use already.\n")
    recovered = boxed.recover()
    assert (recovered.returncode, recovered.stdout) == (0, "No switch was cut off.\n")


def test_a_switch_under_load_loses_and_doubles_nothing(running: Boxed, load: Callable[..., Any]) -> None:
    """Asked of the release that runs, it is done by the new one, which alone knows its schema."""
    running.add("2.0.0", migrates=True)
    with load(running) as sending:
        done = running.switch("2.0.0", by="1.0.0")
        assert done.returncode == 0, done.stderr
        sending.go_on(10)
    assert sending.refused[503] > 0
    assert running.version() == "2.0.0"
    assert sending.wrong() == {}
    assert running.leftovers() == []
    assert "of_release_two" in schema(running)


def test_a_bad_release_gives_way_to_the_one_before_under_load(running: Boxed, load: Callable[..., Any]) -> None:
    """One that is no release of its version; for what else makes one bad see test_steps.py."""
    running.add("2.0.0", migrates=True, fault="impostor")
    with load(running) as sending:
        done = running.switch("2.0.0")
        sending.go_on(10)
    assert "9.9.9. The box is back on 1.0.0, and nothing is lost." in sentence(done)
    assert (running.version(), running.current()) == ("1.0.0", "1.0.0")
    assert sending.wrong() == {}
    assert running.leftovers() == []
    assert "of_release_two" not in schema(running)


def test_the_release_of_before_is_not_hurried_by_a_limit_for_the_new_one(running: Boxed) -> None:
    running.add("2.0.0", fault="ill")
    slow = (
        "import time\n"
        "from appliance.release import Inside\n"
        "real, asked = Inside.run, []\n"
        "def run(self, step, **options):\n"
        "    if step == 'health' and options['version'] == '1.0.0':\n"
        "        asked.append(time.monotonic())\n"
        "        if asked[-1] < asked[0] + 2:\n"
        "            return {'is_well': False, 'is_final': bool(time.sleep(0.1)), 'why': 'slow'}\n"
        "    return real(self, step, **options)\n"
        "Inside.run = run"
    )
    done = running.switch("2.0.0", "--wait", "1", code=slow)
    assert "The box is back on 1.0.0, and nothing is lost." in sentence(done)
    assert running.note("let in again") == 200


def test_a_bad_first_release_leaves_nothing_in_use(boxed: Boxed) -> None:
    boxed.add("1.0.0", fault="silent")
    assert "No release is in use, as before" in sentence(boxed.switch("1.0.0", "--wait", "5"))
    assert boxed.current() is None
    assert not boxed.database.exists()
    assert boxed.leftovers() == []


def test_a_hung_up_terminal_leaves_no_half_of_a_switch(running: Boxed) -> None:
    running.add("2.0.0", migrates=True)
    hang_up = (
        "import os, signal\n"
        "from appliance.release import Switcher\n"
        "Switcher._wait_until_well, real = lambda self, version, **more: version == '1.0.0' and "
        "real(self, version, **more) or os.kill(os.getpid(), signal.SIGHUP), Switcher._wait_until_well"
    )
    done = running.switch("2.0.0", code=hang_up)
    assert "was interrupted" in done.stderr
    assert running.version() == "1.0.0"
    assert running.leftovers() == []


def test_hand_edits_wait_for_the_end_of_the_hold(running: Boxed) -> None:
    """Files are as they were until writes are let in; then the new release takes the edit in."""
    running.add("2.0.0", migrates=True)
    assert running.note("before") == 200
    memory = running.home / "notebook" / "GLOBAL_MEMORY.md"
    look = (
        "import pathlib\n"
        "from appliance.release import Inside\n"
        "real = Inside.run\n"
        "def run(self, step, **options):\n"
        f"    memory = pathlib.Path({str(memory)!r})\n"
        "    if step == 'swap': memory.write_text('# By hand\\n')\n"
        "    answer = real(self, step, **options)\n"
        "    if step == 'health': assert memory.read_text() == '# By hand\\n'\n"
        "    return answer\n"
        "Inside.run = run"
    )
    done = running.switch("2.0.0", code=look)
    assert done.returncode == 0, done.stderr
    history: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while not history or history[0]["author"] != "by hand":
        assert time.monotonic() < deadline
        time.sleep(0.05)
        history = running.ask("GET", "/v1/notebook/history?path=GLOBAL_MEMORY.md")[1]["versions"]
    assert memory.read_text() == "# By hand\n"


def test_a_release_that_is_not_wholly_installed_is_refused(running: Boxed) -> None:
    (running.add("2.0.0") / ".complete").unlink()
    assert "no finished release 2.0.0" in sentence(running.switch("2.0.0"))
    assert running.note("still here") == 200


def test_a_disk_without_room_for_the_copy_is_told_before_anything_is_done(running: Boxed) -> None:
    path = running.add("2.0.0", migrates=True)
    database = next(path.glob("lib/*/site-packages/appliance/release/database.py"))
    text = database.read_text().replace("32 * 1024 * 1024", "10 ** 18")
    database.unlink()
    database.write_text(text)
    assert "free some space" in sentence(running.switch("2.0.0"))
    assert running.note("still here") == 200
    assert running.leftovers() == []


def test_an_older_release_that_does_not_know_the_schema_is_refused(running: Boxed) -> None:
    running.add("0.9.0")
    with closing(sqlite3.connect(running.database)) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "this release knows only up to" in sentence(running.switch("0.9.0"))
    assert (running.version(), running.current()) == ("1.0.0", "1.0.0")
    assert running.leftovers() == []


def test_a_daemon_that_knows_no_hold_is_stopped_instead(boxed: Boxed, empty_database: Path) -> None:
    module = next(boxed.add("1.0.0").glob("lib/*/site-packages/appliance")) / "web" / "app.py"
    text = module.read_text()
    module.unlink()
    module.write_text(text.replace('    "hold_api",\n', ""))
    boxed.run("1.0.0", empty_database)
    boxed.add("2.0.0", migrates=True)
    done = boxed.switch("2.0.0")
    assert done.returncode == 0, done.stderr
    assert "cannot hold writes" in done.stdout
    assert boxed.version() == "2.0.0"


def test_three_releases_are_kept_and_never_the_one_to_go_back_to_removed(
    running: Boxed, load: Callable[..., Any]
) -> None:
    """The one to go back to is the oldest here; and where the schema stays, the database does."""
    for version in ("0.8.0", "0.9.0", "2.0.0"):
        running.add(version)
    with load(running, clients=1) as sending:
        assert running.switch("2.0.0").returncode == 0
        sending.go_on(3)
    assert sending.wrong() == {}
    done = running.membox("current", "release", "list", "--root", str(running.root), "--json")
    listed = {each["version"]: each for each in json.loads(done.stdout)["releases"]}
    assert list(listed) == ["2.0.0", "0.9.0", "1.0.0"]
    assert listed["2.0.0"]["is_current"]
    assert listed["1.0.0"]["is_previous"]
    assert not (running.root / "releases" / "0.8.0").exists()


def test_two_switches_do_not_meet(running: Boxed) -> None:
    running.add("2.0.0")
    second = f"import fcntl\nheld = open({str(running.root / '.switch.lock')!r}, 'w')\nfcntl.flock(held, fcntl.LOCK_EX)"
    assert "Another switch" in sentence(running.switch("2.0.0", code=second))
