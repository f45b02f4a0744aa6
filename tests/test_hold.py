"""While a box is held it takes no writes and loses none; everything can be read, and the hold ends by itself."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance import cadence, hold
from appliance.box import Box, open_box
from appliance.cli.main import membox
from appliance.daemon import health
from appliance.daemon.jobs import Job, Upkeep
from appliance.daemon.lifecycle import _is_well
from appliance.daemon.schedule import Schedule
from appliance.errors import UnavailableError
from appliance.home import socket_path
from appliance.lease import COMMAND, Lease
from appliance.memory.models import NewItem, RecallRequest, RememberRequest
from appliance.notebook.models import Note
from appliance.web.server import Server

WHY = "it is being upgraded"
OPENS = 60.0


@pytest.fixture
def open_home(tmp_path: Path) -> Iterator[Callable[[], Box]]:
    """Opens the same home again, as a new process would; closed at the end."""
    opened: list[Box] = []

    def open_again() -> Box:
        for box in opened:
            box.close()
        opened[:] = [open_box(tmp_path / "box")]
        return opened[0]

    (tmp_path / "box" / "run").mkdir(parents=True)
    yield open_again
    for box in opened:
        box.close()


@pytest.fixture
def box(open_home: Callable[[], Box]) -> Box:
    return open_home()


@contextmanager
def served(box: Box) -> Iterator[Server]:
    server = Server(box)
    server.listen_unix(socket_path(box.home))
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(15)


def capture(box: Box, text: str, key: str | None = None) -> None:
    box.notebook.capture(Note(text=text), "owner", key)


def day(box: Box) -> str:
    return (box.home / "notebook" / box.notebook.today()).read_text()


def refusal(work: Callable[[], object]) -> UnavailableError:
    with pytest.raises(UnavailableError) as refused:
        work()
    assert refused.value.word == hold.HELD
    return refused.value


def files(box: Box) -> dict[str, tuple[int, bytes]]:
    notebook = box.home / "notebook"
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in notebook.rglob("*") if path.is_file()}


def test_a_held_box_refuses_every_kind_of_write_and_says_when_to_come_back(box: Box) -> None:
    box.hold(WHY, 60)
    writes: list[Callable[[], object]] = [
        lambda: capture(box, "no"),
        lambda: box.notebook.save("projects/a.md", "# A\n", 0, "owner"),
        lambda: box.memory.remember(box.access.owner, fact("no")),
        lambda: box.access.create_ticket(),
        lambda: box.notebook.notice(),
    ]
    for write in writes:
        told = refusal(write)
        assert 1 <= told.retry_after <= 10
        assert WHY in told.sentence
    assert not (box.home / "notebook" / "projects" / "a.md").exists()


def fact(text: str) -> RememberRequest:
    return RememberRequest(tenant_id="home", agent_id="owner", items=[NewItem(type="fact", text=text)])


def test_a_held_box_can_be_read(box: Box) -> None:
    capture(box, "The spare key is in the blue tin")
    box.hold(WHY, 60)
    assert "blue tin" in box.notebook.read(box.notebook.today()).text
    asked = RecallRequest(tenant_id="home", agent_id="owner", scope="team", query="spare key")
    assert "blue tin" in box.memory.recall(box.access.owner, asked).items[0].text
    assert health.status(box)["documents"] > 0


def test_writes_come_in_again_once_released(box: Box) -> None:
    box.hold(WHY, 60)
    assert hold.release(box.home)
    assert not hold.release(box.home)
    capture(box, "in again")
    assert "in again" in day(box)


def test_a_hold_ends_by_itself_and_its_file_goes_before_the_first_write(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = box.hold(WHY, 60)
    monkeypatch.setattr(time, "time", lambda: made.until - 0.001)
    refusal(lambda: capture(box, "too early"))
    monkeypatch.setattr(time, "time", lambda: made.until)
    assert hold.held(box.home) is None
    assert hold.written(box.home) is not None, "nothing has been written yet"
    capture(box, "late")
    assert hold.written(box.home) is None
    assert "late" in day(box)


def test_a_hold_outlives_a_restart(box: Box, open_home: Callable[[], Box]) -> None:
    box.hold(WHY, 60)
    again = open_home()
    refusal(lambda: capture(again, "no"))
    hold.release(again.home)
    capture(again, "yes")


@pytest.mark.parametrize("moved", [-3600.0, 3600.0])
def test_a_clock_set_far_off_ends_the_hold_rather_than_prolonging_it(
    box: Box, monkeypatch: pytest.MonkeyPatch, moved: float
) -> None:
    made = box.hold(WHY, 60)
    monkeypatch.setattr(time, "time", lambda: made.until - 30 + moved)
    capture(box, "goes on")


def test_a_file_that_is_no_hold_holds_nothing(box: Box) -> None:
    hold.hold_path(box.home).write_text("{")
    capture(box, "goes on")
    assert not hold.hold_path(box.home).exists()


def test_what_was_accepted_is_done_when_the_hold_stands(box: Box) -> None:
    """Writers all the time: whatever `hold` had let in is in database and file once it returns, and nothing follows."""
    accepted: list[str] = []
    stop = threading.Event()

    def write(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            word = f"w{number}x{count}"
            try:
                capture(box, word)
            except UnavailableError:
                continue
            accepted.append(word)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        while_open = len(accepted)
        while len(accepted) < while_open + 10:
            time.sleep(0.005)
        box.hold(WHY, 60)
        before = files(box)
        with box.database.read() as conn:
            changes = conn.exec_driver_sql("PRAGMA data_version").scalar_one()
            time.sleep(0.1)
            assert conn.exec_driver_sql("PRAGMA data_version").scalar_one() == changes
        assert files(box) == before
        words = day(box).split()
        assert all(words.count(word) == 1 for word in list(accepted))
        hold.release(box.home)
    stop.set()
    for writer in writers:
        writer.join(30)


def test_a_write_under_way_is_waited_for(box: Box) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(_conn: object) -> bool:
        started.set()
        return go_on.wait(OPENS)

    writer = threading.Thread(target=box.database.write, args=(slow,))
    holder = threading.Thread(target=box.hold, args=(WHY, 60))
    writer.start()
    assert started.wait(OPENS)
    holder.start()
    holder.join(0.3)
    assert holder.is_alive()
    go_on.set()
    holder.join(OPENS)
    assert not holder.is_alive()
    writer.join(OPENS)


def test_a_start_under_hold_leaves_files_alone_and_settles_them_afterwards(
    box: Box, open_home: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture(box, "kept")
    with monkeypatch.context() as crash:  # between the commit and its file
        crash.setattr(box.notebook._copy, "publish", lambda *_args, **_more: None)
        capture(box, "in the database alone")
    memory = box.home / "notebook" / "GLOBAL_MEMORY.md"
    memory.write_text("# Edited by hand\n")
    os.utime(memory, (1_000_000_000, 1_000_000_000))
    box.hold(WHY, 60)
    before = files(box)
    again = open_home()
    refusal(again.notebook.notice)
    refusal(lambda: capture(again, "no"))
    assert "by hand" not in again.notebook.read("GLOBAL_MEMORY.md").text
    assert files(again) == before

    hold.release(again.home)
    again.notebook.notice()
    assert day(again).count("in the database alone") == 1
    assert again.notebook.read("GLOBAL_MEMORY.md").text == "# Edited by hand\n"


def test_an_older_schema_is_not_migrated_under_hold(tmp_path: Path) -> None:
    home = tmp_path / "new"
    (home / "run").mkdir(parents=True)
    hold.hold(home, WHY, 60)
    refusal(lambda: open_box(home))
    assert not (home / "membox.db").exists()


def test_a_job_that_falls_due_under_hold_is_run_afterwards(box: Box) -> None:
    ran = threading.Event()
    schedule = Schedule(box, [every_minute(ran)], [])
    schedule.prepare()
    box.hold(WHY, 60)
    schedule.beat()
    schedule.settle()
    assert not ran.is_set()
    hold.release(box.home)
    schedule.beat()
    schedule.settle()
    assert ran.is_set()
    schedule.stop()


def every_minute(ran: threading.Event) -> Job:
    def run() -> str:
        ran.set()
        return "done"

    return Job("job", "* * * * *", cadence.parse("* * * * *", "UTC"), run)


def test_a_schedule_that_starts_under_hold_waits_with_everything(box: Box) -> None:
    ran, kept = threading.Event(), threading.Event()
    box.hold(WHY, 60)
    schedule = Schedule(box, [every_minute(ran)], [Upkeep("quiet", 1, kept.set)], lambda _stopping: None)
    schedule.start()
    try:
        assert not ran.wait(1.5)
        assert not kept.is_set()
        hold.release(box.home)
        assert ran.wait(OPENS)
        assert kept.wait(OPENS)
    finally:
        schedule.stop()


def test_the_watchdog_finds_a_held_box_well(box: Box) -> None:
    class Alive:
        def is_alive(self) -> bool:
            return True

    alive: Any = Alive()
    box.hold(WHY, 60)
    assert _is_well(box, alive, alive)
    box.database.close()
    assert not _is_well(box, alive, alive)


def test_the_command_line_says_one_sentence(box: Box) -> None:
    (box.home / "config.toml").touch()

    def run(*words: str) -> Result:
        return CliRunner().invoke(membox, ["--home", str(box.home), *words])

    box.access.accept_owner_key("owner-key")
    (box.home / "run" / "owner.key").write_text("owner-key")
    with served(box):
        box.hold(WHY, 60)
        for words in (["note", "no"], ["remember", "no"], ["key", "create", "phone"], ["login-link"]):
            result = run(*words)
            assert result.exit_code == 1, words
            assert "takes no changes for a moment" in result.stderr
            assert len(result.stderr.splitlines()) == 1
        assert run("recall", "anything").exit_code == 0
        assert run("status").exit_code == 0


def test_the_command_line_keeps_to_a_hold_without_a_daemon(tmp_path: Path) -> None:
    home = tmp_path / "box"
    runner = CliRunner()
    assert runner.invoke(membox, ["--home", str(home), "init"]).exit_code == 0
    with Lease.acquire(home, COMMAND):
        hold.hold(home, WHY, 60)
    result = runner.invoke(membox, ["--home", str(home), "note", "no"])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "takes no changes for a moment" in result.stderr
