"""Each check finds what it is for, and the API says it to whoever may know."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from appliance.box import Box, open_box
from appliance.client.in_process import WsgiTransport
from appliance.config_file import set_value
from appliance.daemon import health, jobs
from appliance.daemon.checks import cloud_sync
from appliance.daemon.findings import Finding, Severity
from appliance.daemon.runs import Runs
from appliance.daemon.time_sync import is_synchronised
from appliance.lease import COMMAND, Lease
from appliance.memory.embedding.light import LightEmbedder
from appliance.notebook.models import Note
from appliance.providers import Request
from appliance.providers.usage import Limits, Most
from appliance.storage.schema import idempotency, sign_in_tickets, web_sessions
from appliance.web.app import make_app


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


# Who keeps a notebook is no question where nobody shares the database.
EXPECTED = {*health.all_checks(), "disk", "permissions"} - {"keeping"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(home: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setenv("BRAINSTEM_JOB_BACKEND", "1")
    (tmp_path / "usb").mkdir()
    with Lease.acquire(home, COMMAND):
        opened = open_box(home, clock)
        yield opened
        opened.close()


def found(box: Box, check: str, deep: bool = False) -> Finding:
    """The finding of one check, of which there must be one."""
    (finding,) = [finding for finding in health.findings(box, deep) if finding.check == check]
    return finding


def test_every_check_says_something_and_every_fault_has_a_remedy(box: Box) -> None:
    seen = health.findings(box, deep=True)
    assert {finding.check for finding in seen} == EXPECTED
    assert [finding for finding in seen if finding.severity is not Severity.OK and not finding.remedy] == []


def test_without_a_mirror_it_is_said_how_to_set_one(box: Box) -> None:
    finding = found(box, "mirror")
    assert finding.severity is Severity.WARN
    assert "membox config set daemon.backup_mirror_path" in finding.remedy


def test_a_mirror_is_well_while_fresh_and_named_when_old_or_gone(
    box: Box, home: Path, clock: Clock, tmp_path: Path
) -> None:
    set_value(home, "daemon.backup_mirror_path", str(tmp_path / "usb" / "mirror"))
    assert "Nothing has been copied" in found(box, "mirror").sentence
    call(box, "POST", "/v1/backups")
    assert found(box, "mirror").severity is Severity.OK
    clock.now += timedelta(hours=2, minutes=30)
    assert found(box, "mirror").severity is Severity.OK
    clock.now += timedelta(hours=1)
    assert "older than it should be" in found(box, "mirror").sentence
    (tmp_path / "usb" / "mirror").rename(tmp_path / "usb" / "unplugged")
    assert found(box, "mirror", deep=True).severity is Severity.ERROR


def test_a_failed_job_is_shown_in_its_own_words_until_it_succeeds(box: Box, home: Path, tmp_path: Path) -> None:
    set_value(home, "daemon.backup_mirror_path", str(tmp_path / "gone" / "mirror"))
    status, answer = call(box, "POST", "/v1/backups")
    assert (status, answer["detail"]) == (503, "mirror_missing")
    assert "is the disk mounted?" in found(box, "jobs").sentence
    (tmp_path / "gone").mkdir()
    assert call(box, "POST", "/v1/backups")[0] == 200
    assert found(box, "jobs").severity is Severity.OK


def test_unused_variables_are_named(box: Box) -> None:
    assert "BRAINSTEM_JOB_BACKEND" in found(box, "environment").sentence


def test_a_broken_or_changed_config_is_found_while_the_daemon_runs(box: Box, home: Path) -> None:
    assert found(box, "config").severity is Severity.OK
    set_value(home, "backups.keep_days", "7")  # in force at once
    assert found(box, "config").severity is Severity.OK
    set_value(home, "daemon.web_ui_port", "9000")
    assert "daemon.web_ui_port" in found(box, "config").sentence
    (home / "config.toml").write_text("[daemon]\nweb_ui_prot = 1\n")
    finding = found(box, "config")
    assert finding.severity is Severity.ERROR
    assert "did you mean web_ui_port?" in finding.sentence
    assert call(box, "GET", "/v1/status")[0] == 200


def test_a_clock_far_behind_what_was_recorded_is_found(box: Box, clock: Clock) -> None:
    box.notebook.capture(Note(text="now"), "owner")
    assert found(box, "clock").severity is Severity.OK
    clock.now -= timedelta(days=10)
    assert found(box, "clock").severity is Severity.WARN
    clock.now = datetime(1970, 1, 2, tzinfo=UTC)
    assert "1970" in found(box, "clock").sentence


def test_a_home_that_all_can_read_is_found(box: Box, home: Path) -> None:
    assert found(box, "permissions").severity is Severity.OK
    home.chmod(0o755)
    assert "chmod" in found(box, "permissions").remedy


def test_what_the_home_s_group_can_get_at_is_found(box: Box, home: Path) -> None:
    for path in home.iterdir():
        path.chmod(0o700)
    home.chmod(0o750)
    assert "g-rw" in found(box, "permissions").remedy
    home.chmod(0o710)
    (home / "run").chmod(0o710)
    assert found(box, "permissions").severity is Severity.OK
    for mode, name in ((0o640, "membox.db"), (0o701, "membox.db"), (0o750, "run"), (0o711, "run")):
        path = home / name
        before = path.stat().st_mode
        path.chmod(mode)
        assert str(path) in found(box, "permissions").remedy
        path.chmod(before)


def test_a_damaged_database_is_found_by_a_deep_look(box: Box) -> None:
    box.notebook.capture(Note(text="words " * 2000), "owner")
    box.database.scrub()
    with box.config.database_path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(8192, size, 4096):
            file.seek(page)
            file.write(os.urandom(200))
    finding = found(box, "database", deep=True)
    assert finding.severity is Severity.ERROR
    assert "membox backup restore" in finding.remedy


def test_a_file_edited_into_something_unreadable_is_found(box: Box, home: Path, clock: Clock) -> None:
    (home / "notebook" / "GLOBAL_MEMORY.md").write_bytes(b"\xff\xfe not text \x00")
    os.utime(home / "notebook" / "GLOBAL_MEMORY.md", (1, 1))
    clock.now += timedelta(minutes=1)
    box.notebook.notice()
    assert "GLOBAL_MEMORY.md" in found(box, "notebook").sentence


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/home/ana/Dropbox/membox", "Dropbox"),
        ("/Users/ana/Library/Mobile Documents/com~apple~CloudDocs/box", "iCloud Drive"),
        ("/Users/ana/Library/CloudStorage/OneDrive-Firm/box", "OneDrive"),
        ("/Users/ana/Library/CloudStorage/GoogleDrive-ana@example.com/My Drive/box", "Google Drive"),
        ("/home/ana/dropboxes/membox", None),
        ("/var/lib/membox", None),
    ],
)
def test_folders_of_cloud_services_are_known(path: str, service: str | None) -> None:
    assert cloud_sync.service_of(Path(path)) == service


def test_it_is_said_whether_everything_can_be_found_by_its_meaning(box: Box) -> None:
    assert found(box, "vectors").sentence == "Everything can be found by its meaning."
    note = {"tenant_id": "home", "agent_id": "owner", "items": [{"type": "fact", "text": "the roof is new"}]}
    assert call(box, "POST", "/v0/memory/remember", note)[0] == 200
    assert "that is under way" in found(box, "vectors").sentence
    (upkeep,) = [each for each in jobs.upkeep_of(box) if each.name == "vectors"]
    upkeep.run()
    assert found(box, "vectors", deep=True).sentence == "Everything can be found by its meaning."


def test_an_embedding_model_that_does_not_work_is_one_finding(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ImportError("numpy has no build for this machine")

    monkeypatch.setattr(LightEmbedder, "embed", fail)
    assert found(box, "vectors").severity is Severity.OK
    broken = found(box, "vectors", deep=True)
    assert broken.severity is Severity.WARN
    assert "numpy has no build for this machine" in broken.remedy
    assert "membox config set memory.embedding" in broken.remedy


def test_a_box_without_a_language_model_is_well_and_says_so(box: Box) -> None:
    finding = found(box, "language_models")
    assert finding.severity is Severity.OK
    assert "No language model is set up" in finding.sentence


def test_language_models_that_all_failed_for_a_day_are_told(box: Box, clock: Clock) -> None:
    box.secrets.set("anthropic-api-key", "sk-ant-1234567890")
    usage, most = box.providers.usage, Most("claude-sonnet-5-5", 1, 1, 1)
    number = usage.begin(Request("", "?"), "anthropic", most, Limits(0, 0), "UTC")
    usage.end(number, "failed", "", 1, 0, 0)
    assert found(box, "language_models").severity is Severity.WARN
    clock.now += timedelta(days=1, hours=1)
    assert found(box, "language_models").severity is Severity.OK


def test_a_message_that_did_not_arrive_is_told_until_one_does(box: Box) -> None:
    assert found(box, "notifications").severity is Severity.OK
    assert not box.notifier.send("Drift", "CLAUDE.md differs.", target="phone")
    box.secrets.set("notify-phone", "ntfy://127.0.0.1:9/topic")
    finding = found(box, "notifications")
    assert finding.severity is Severity.WARN
    assert "did not reach phone" in finding.sentence
    assert "membox notify test phone" in finding.remedy


def test_messages_that_go_nowhere_are_told(box: Box) -> None:
    set_value(box.home, "daemon.drift_notify", "phone")
    assert "membox notify add phone" in found(box, "notifications").remedy


def test_a_check_that_breaks_hides_no_other(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_box: Box, _deep: bool) -> list[Finding]:
        raise OSError("no such device")

    whole = health.all_checks()["mirror"]
    monkeypatch.setattr(health, "all_checks", lambda: {"jobs": broken, "mirror": whole})
    seen = {finding.check: finding for finding in health.findings(box)}
    assert "no such device" in seen["jobs"].sentence
    assert {"mirror", "disk"} <= set(seen)


def call(box: Box, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """One request at the local door, as the owner."""
    transport = WsgiTransport(make_app(box, "local"), box.home, lambda: None)
    sent = json.dumps(body or {}).encode() if method == "POST" else None
    reply = transport.send(method, path, sent, {"Content-Type": "application/json"}, 30)
    return reply.status, json.loads(reply.body)


def test_the_status_has_the_worst_first_and_tells_nothing_of_items(box: Box) -> None:
    status, answer = call(box, "GET", "/v1/status?deep=true")
    assert status == 200
    assert answer["state"] == "warn"
    assert [finding["check"] for finding in answer["findings"]] == ["environment", "mirror"]
    assert {check["check"] for check in answer["checks"]} == EXPECTED
    assert answer["unused_environment"] == ["BRAINSTEM_JOB_BACKEND"]
    assert "items" not in json.dumps(answer)


def test_pages_that_ask_again_start_no_program_again_but_the_doctor_does(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tool").write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\n")
    (tmp_path / "tool").chmod(0o755)
    tool = str(tmp_path / "tool")
    monkeypatch.setattr(health, "machine_checks", lambda: {"tool": lambda machine, _deep: machine.ask(tool) and []})
    assert [call(box, "GET", "/v1/status")[0] for _ in range(3)] == [200] * 3
    assert (tmp_path / "asked").read_text() == "\n"
    call(box, "GET", "/v1/status?deep=true")
    assert (tmp_path / "asked").read_text() == "\n\n"


def test_the_schedule_shows_last_and_next_run(box: Box, home: Path, tmp_path: Path) -> None:
    def jobs() -> tuple[Any, Any]:
        told = {job["name"]: job for job in call(box, "GET", "/v1/schedule")[1]["jobs"]}
        return told["mirror"], told["drill"]

    before, drill = jobs()
    assert (before["name"], before["enabled"], before["last_run"], before["next_run"]) == ("mirror", False, None, None)
    set_value(home, "daemon.backup_mirror_path", str(tmp_path / "usb" / "mirror"))
    call(box, "POST", "/v1/backups")
    assert (drill["name"], drill["enabled"]) == ("drill", False)
    after, drill = jobs()
    assert (after["outcome"], after["last_run"]) == ("ok", "2026-11-20T09:00:00.000Z")
    assert after["last_success"] == after["last_run"]
    assert after["next_run"] == "2026-11-20T10:00:00.000Z"
    assert (drill["enabled"], drill["next_run"]) == (True, "2026-11-22T04:00:00.000Z")


def test_backups_are_made_listed_and_verified(box: Box, home: Path, tmp_path: Path) -> None:
    assert call(box, "GET", "/v1/backups")[1] == {
        "mirror": None,
        "generations": [],
        "snapshot_repository": None,
        "last_snapshot_at": None,
    }
    refused = call(box, "POST", "/v1/backups")
    assert (refused[0], refused[1]["detail"]) == (409, "no_mirror")
    mirror = tmp_path / "usb" / "mirror"
    set_value(home, "daemon.backup_mirror_path", str(mirror))
    made = call(box, "POST", "/v1/backups")[1]
    listed = call(box, "GET", "/v1/backups")[1]
    assert (listed["mirror"], [row["generation"] for row in listed["generations"]]) == (
        str(mirror),
        [made["generation"]],
    )
    verified = call(box, "POST", "/v1/backups/verify")[1]
    assert (verified["ok"], verified["generations"][0]["faults"]) == (True, [])
    (mirror / "generations" / made["generation"] / "membox.db").write_bytes(b"rot")
    verified = call(box, "POST", "/v1/backups/verify", {"generation": made["generation"]})[1]
    assert (verified["ok"], len(verified["generations"][0]["faults"])) == (False, 1)
    assert call(box, "POST", "/v1/backups/verify", {"generation": "20000101T000000Z"})[0] == 404
    assert call(box, "POST", "/v1/backups/verify", {"generation": "../.."})[0] == 422


def test_a_run_that_never_began_is_not_recorded(box: Box) -> None:
    call(box, "POST", "/v1/backups")
    assert Runs(box.database, box.clock).last("mirror") is None


def test_what_has_expired_is_purged_and_the_rest_stays(box: Box, clock: Clock) -> None:
    ticket = box.access.create_ticket()
    box.access.sign_in(ticket.ticket, "laptop")
    box.notebook.capture(Note(text="once"), "owner", "key-1")
    tables = (sign_in_tickets, web_sessions, idempotency)

    def counts() -> list[int]:
        with box.database.read() as conn:
            return [int(conn.execute(select(func.count()).select_from(table)).scalar_one()) for table in tables]

    jobs.purge(box)
    assert counts() == [1, 1, 1]
    clock.now += timedelta(hours=23)
    jobs.purge(box)
    assert counts() == [0, 1, 1]
    clock.now += timedelta(hours=2)
    jobs.purge(box)
    assert counts() == [0, 1, 0]
    clock.now += timedelta(days=400)
    jobs.purge(box)
    assert counts() == [0, 0, 0]


@pytest.mark.parametrize(("said", "right"), [("yes", True), ("no", False), ("", True)])
def test_systemd_is_asked_for_the_time_and_hears_nothing_of_it(
    said: str, right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f'#!/bin/sh\n[ -z "$NOTIFY_SOCKET" ] && echo {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    assert is_synchronised() is right


def test_where_systemd_cannot_be_asked_the_clock_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert is_synchronised()
