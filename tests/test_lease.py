"""One holder a home: the lock is the kernel's, so it ends with the process that held it."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import lease
from appliance.errors import StorageError, UnavailableError
from appliance.home import lock_path
from appliance.lease import COMMAND, DAEMON, Lease

HOLD = """
import sys
from pathlib import Path
from appliance.lease import Lease
held = Lease.acquire(Path(sys.argv[1]), sys.argv[2])
held.announce("http://127.0.0.1:1")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "box"


@pytest.fixture
def other(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the home as a daemon."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), DAEMON], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_home_is_made_for_its_owner_only(home: Path) -> None:
    with Lease.acquire(home, COMMAND):
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "run").stat().st_mode) == 0o700
        assert stat.S_IMODE(lock_path(home).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["run", "run/lock"])
def test_a_link_in_a_home_leads_nobody_elsewhere(home: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if name == "run":
        home.mkdir(mode=0o710)
        elsewhere.mkdir(mode=0o700)
    else:
        (home / "run").mkdir(parents=True)
        elsewhere.write_text("somebody's")
    (home / name).symlink_to(elsewhere)
    with pytest.raises(StorageError, match="cannot be written"):
        Lease.acquire(home, COMMAND)
    if name == "run":
        assert (list(elsewhere.iterdir()), stat.S_IMODE(elsewhere.stat().st_mode)) == ([], 0o700)
    else:
        assert elsewhere.read_text() == "somebody's"
        assert lease.holder(home) is None


def test_where_its_group_may_pass_through_the_home_it_may_to_the_socket(home: Path) -> None:
    lease.make_home(home)
    home.chmod(0o710)  # afterwards, as when a home is restored
    with Lease.acquire(home, COMMAND):
        assert stat.S_IMODE(home.stat().st_mode) == 0o710
        assert stat.S_IMODE((home / "run").stat().st_mode) == 0o710
        assert stat.S_IMODE(lock_path(home).stat().st_mode) == 0o600


def test_a_second_holder_is_told_who_is_first(home: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(UnavailableError) as refused:
        Lease.acquire(home, DAEMON)
    for word in (str(home), str(other.pid), "http://127.0.0.1:1", "membox daemon stop"):
        assert word in refused.value.sentence


def test_whoever_looks_sees_the_holder(home: Path, other: subprocess.Popen[str]) -> None:
    found = lease.holder(home)
    assert found is not None
    assert (found.what, found.pid, found.url, found.ready) == (DAEMON, other.pid, "http://127.0.0.1:1", True)


def test_a_killed_holder_holds_nothing(home: Path, other: subprocess.Popen[str]) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert lease.holder(home) is None
    Lease.acquire(home, DAEMON).release()


def test_looking_at_no_home_makes_none(home: Path) -> None:
    assert lease.holder(home) is None
    assert not home.exists()


def test_a_command_in_the_way_is_waited_for(home: Path) -> None:
    first = Lease.acquire(home, COMMAND)
    threading.Timer(0.1, first.release).start()
    Lease.acquire(home, COMMAND, wait=10).release()


def test_a_command_that_stays_is_named(home: Path) -> None:
    with Lease.acquire(home, COMMAND), pytest.raises(UnavailableError, match="Another command"):
        Lease.acquire(home, COMMAND, wait=0)


def test_looking_does_not_hinder_a_start(home: Path) -> None:
    Lease.acquire(home, COMMAND).release()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            lease.holder(home)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(50):
            Lease.acquire(home, DAEMON).release()
    finally:
        done.set()
        watcher.join()


@pytest.mark.parametrize("path", ["/proc/nowhere/box", "/dev/null/box"])
def test_a_home_that_cannot_be_made_is_one_sentence(path: str) -> None:
    with pytest.raises(StorageError) as refused:
        Lease.acquire(Path(path), COMMAND)
    assert path in refused.value.sentence
    assert "MEMBOX_HOME" in refused.value.sentence
