"""The daemon by command, and commands by the daemon: over its socket, over HTTP, and when things are not well."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.daemon import detached

pytestmark = pytest.mark.slow


def remote(served: Any, key: str) -> dict[str, str]:
    """The variables by which a command on another machine reaches the box."""
    return {"MEMBOX_URL": served.json("daemon", "status")["url"], "MEMBOX_API_KEY": key}


def elsewhere(served: Any, tmp_path: Path) -> Any:
    """The command, as on a machine without a home."""
    return type(served)(tmp_path / "nowhere", dict(served.environ))


def test_a_daemon_starts_is_seen_refuses_a_second_and_stops(box: Any) -> None:
    told = box("daemon", "start", "--detach", "--port", "0").stdout
    assert "membox serves http://127.0.0.1:" in told
    seen = box.json("daemon", "status")
    assert (seen["running"], seen["ready"]) == (True, True)
    assert datetime.fromisoformat(seen["since"]).tzinfo is not None
    assert "mirror" in box("daemon", "status").stdout
    assert [job["name"] for job in box.json("daemon", "schedule")["jobs"]] != []
    second = box.process("daemon", "start", "--port", "0", code=1).stderr
    assert "already runs" in second
    assert "already runs" in box("daemon", "start", "--detach", code=1).stderr
    assert "has stopped" in box("daemon", "stop").stdout
    assert box.json("daemon", "status", code=1) == {"running": False}
    assert "No daemon runs" in box("daemon", "stop").stdout
    assert "membox serves" in box("daemon", "logs").stdout


def test_a_job_is_run_by_hand_by_the_daemon_and_without_one(box: Any) -> None:
    assert box("daemon", "run", "cleanup").stdout.strip() == "Nothing expires."
    assert "the jobs are refresh, mirror" in box("daemon", "run", "tidy", code=1).stderr
    assert "No mirror is set" in box("daemon", "run", "mirror", code=2).stderr
    box("daemon", "start", "--detach", "--port", "0")
    assert box.json("daemon", "run", "cleanup")["outcome"] == "ok"
    assert "the jobs are refresh, mirror" in box("daemon", "run", "tidy", code=1).stderr
    failed = box.process("daemon", "run", "mirror", code=1)
    assert "mirror" in failed.stderr
    box("daemon", "run", "cleanup", "--no-wait")
    box("daemon", "stop")


def test_a_fresh_machine_needs_no_init_before_the_daemon(membox: Any) -> None:
    membox("daemon", "start", "--detach", "--port", "0")
    membox("note", "first")
    membox("daemon", "stop")
    assert (membox.home / "config.toml").exists()


def test_a_daemon_in_the_foreground_ends_cleanly_at_ctrl_c(box: Any) -> None:
    daemon = subprocess.Popen(
        box.command("daemon", "start", "--port", "0"),
        env=box.environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    assert "membox serves" in daemon.stdout.readline()
    daemon.send_signal(signal.SIGINT)
    _, told = daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    assert "Traceback" not in told


def test_a_taken_port_is_told_with_the_key_to_change(box: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for more in ([], ["--detach"]):
            told = box.process("daemon", "start", "--port", port, *more, code=None)
            assert told.returncode != 0
            assert port in told.stderr
            assert "web_ui_port" in told.stderr
    box("note", "the home is free again")


def test_a_daemon_that_could_not_even_say_that_the_disk_is_full_has_it_said(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "_command", lambda *_: ["false"])
    assert "said nothing" in box("daemon", "start", "--detach", code=1).stderr
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert "is full" in box("daemon", "start", "--detach", code=1).stderr


def test_over_http_a_key_decides_what_is_allowed(served: Any, tmp_path: Path) -> None:
    keys = {role: served.json("key", "create", role, "--role", role)["key"] for role in ("capture", "writer")}
    away = elsewhere(served, tmp_path)
    away("note", "from the phone", environ=remote(served, keys["capture"]))
    assert "role" in away("recall", "phone", environ=remote(served, keys["capture"]), code=1).stderr
    assert "from the phone" in away("recall", "phone", environ=remote(served, keys["writer"])).stdout
    away("remember", "Writers write", environ=remote(served, keys["writer"]))
    assert "role" in away("key", "list", environ=remote(served, keys["writer"]), code=1).stderr
    assert "role" in away("login-link", environ=remote(served, keys["writer"]), code=1).stderr
    assert not away.home.exists()


def test_a_wrong_or_revoked_key_is_told_with_what_to_do(served: Any, tmp_path: Path) -> None:
    away = elsewhere(served, tmp_path)
    key = served.json("key", "create", "laptop", "--role", "writer")["key"]
    served("key", "revoke", "laptop")
    for words in (["note", "hi"], ["recall", "hi"], ["status"]):
        for wrong in (key, "mbx_nonsense"):
            told = away(*words, environ=remote(served, wrong), code=1).stderr
            assert "membox key create" in told
    told = json.loads(away("recall", "hi", "--json", environ=remote(served, key), code=1).stderr)
    assert told["error"] == "invalid_api_key"


def test_health_asks_what_runs(served: Any, tmp_path: Path) -> None:
    url = served.json("daemon", "status")["url"]
    assert served("health").stdout.startswith("ok: membox")
    away = elsewhere(served, tmp_path)
    assert away.json("health", "--url", url)["status"] == "ok"
    assert away("health", environ={"MEMBOX_URL": url}).stdout.startswith("ok: membox")
    served("daemon", "stop")
    assert "Nothing listens" in away("health", "--url", url, code=1).stderr
    assert "No daemon runs" in served("health", code=1).stderr


def test_notes_through_the_daemon_all_arrive_when_sent_at_once(served: Any) -> None:
    send_at_once(served, 8)


def test_notes_without_a_daemon_wait_for_each_other(box: Any) -> None:
    send_at_once(box, 4)


def send_at_once(membox: Any, count: int) -> None:
    """Run `count` commands together; each note is there once."""
    threads = [threading.Thread(target=membox.process, args=("note", f"number {number}.")) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = [row["path"] for row in membox.json("memory", "list")["documents"] if "sessions/" in row["path"]]
    text = membox("memory", "show", path).stdout
    assert [text.count(f"number {number}.") for number in range(count)] == [1] * count


def test_a_daemon_that_was_killed_leaves_no_trace_that_matters(box: Any) -> None:
    box("daemon", "start", "--detach", "--port", "0")
    box("note", "before")
    os.kill(box.json("daemon", "status")["pid"], signal.SIGKILL)
    box("note", "after")
    told = box("recall", "before").stdout + box("recall", "after").stdout
    assert "before" in told
    assert "after" in told


def test_following_the_log_ends_at_ctrl_c_with_130(served: Any) -> None:
    following = subprocess.Popen(
        served.command("daemon", "logs", "-f"),
        env=served.environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    assert "membox serves" in following.stdout.readline()
    with (served.home / "run" / "daemon.log").open("a") as log:
        log.write("something new\n")
    assert following.stdout.readline() == "something new\n"
    following.send_signal(signal.SIGINT)
    _, told = following.communicate(timeout=30)
    assert following.returncode == 130
    assert told.strip() == ""


def test_a_reader_that_goes_away_is_no_reason_for_words(served: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        served.command("memory", "show"),
        env=served.environment({}),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.stderr == b""


@pytest.mark.parametrize("words", [["init"], ["daemon", "start"], ["daemon", "start", "--detach"]], ids=" ".join)
def test_a_home_that_cannot_be_made_is_told(membox: Any, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    told = membox.process("--home", str(tmp_path / "file" / "home"), *words, code=1).stderr
    assert str(tmp_path / "file" / "home") in told


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a directory that nobody may write to")
def test_an_unwritable_home_is_told_even_to_root(membox: Any) -> None:
    assert "cannot be written" in membox("--home", "/proc/membox", "init", code=1).stderr


def test_colours_go_to_terminals_only(served: Any) -> None:
    assert "\x1b[" not in served("status").stdout
    assert "\x1b[" not in served("recall", "anything").stdout


def test_a_note_through_the_daemon_loads_nothing_but_the_standard_library_and_click(served: Any) -> None:
    program = (
        "import sys\nfrom appliance.cli.main import membox\n"
        "try:\n    membox.main(['note', 'quick'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('LOADED', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=served.environment({}), capture_output=True, text=True, check=True
    )
    assert "Noted at" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stdout.rpartition("LOADED")[2].split()}
    foreign = loaded - set(sys.stdlib_module_names) - {"__main__"}
    assert {name for name in foreign if not name.startswith(("_", "sitecustomize"))} == {"appliance", "click"}
    assert "http" not in loaded  # as long to load as all of ours
