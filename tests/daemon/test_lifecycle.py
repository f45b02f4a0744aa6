"""The daemon as a real process: ready, well, stopped, killed, and every reason not to start in one sentence."""

import json
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import lease
from appliance.client.transport import UnixTransport
from appliance.config import load_config
from appliance.daemon import lifecycle
from appliance.daemon.detached import LOG_LIMIT_BYTES
from appliance.errors import NotConfiguredError, UnavailableError
from appliance.home import log_path, owner_key_path, run_directory, serve_path, socket_path

pytestmark = pytest.mark.slow

PATIENCE = 30.0
Start = Callable[..., "Daemon"]


def command(home: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "appliance.cli.main", "--home", str(home), "daemon", "start", "--port", "0", *more]


class Daemon:
    """A daemon in the foreground of a process of its own."""

    def __init__(self, home: Path, *more: str, **environ: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            command(home, *more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environ,
        )

    def wait_until_it_serves(self) -> str:
        """Its address; fails with what it said when it ends instead."""
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        found = re.search(r"http://\S+?(?=;)", self.greeting)
        if found is None:
            raise AssertionError(self.process.communicate(timeout=PATIENCE))
        return found.group()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    started: list[Daemon] = []

    def starting(*more: str, **environ: str) -> Daemon:
        started.append(Daemon(home, *more, **environ))
        return started[-1]

    yield starting
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.communicate()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE)
        yield sock


def refused(home: Path, *more: str, **environ: str) -> tuple[int, str]:
    """Exit code and words of a daemon that does not start; the words are one sentence, without a traceback."""
    done = subprocess.run(
        command(home, *more), capture_output=True, text=True, timeout=60, check=False, env=os.environ | environ
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return done.returncode, lines[0]


def healthy(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE) as answer:
        return bool(json.load(answer)["status"] == "ok")


def test_it_says_ready_when_it_serves_and_stops_cleanly(start: Start, home: Path, manager: socket.socket) -> None:
    daemon = start(NOTIFY_SOCKET=manager.getsockname())
    assert manager.recv(1024).startswith(b"READY=1\n")
    # Said only now: whoever waits for READY finds everything there.
    url = daemon.wait_until_it_serves()
    assert healthy(url)
    assert stat_of(owner_key_path(home)) == 0o600
    found = lifecycle.status(home)
    assert found is not None
    assert (found.pid, found.url, found.ready) == (daemon.process.pid, url, True)
    assert daemon.end() == 0
    assert manager.recv(1024) == b"STOPPING=1"
    assert lifecycle.status(home) is None
    assert sorted(path.name for path in run_directory(home).iterdir()) == ["lock"]


def stat_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_gives_signs_of_life(start: Start, manager: socket.socket) -> None:
    start(NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="200000")
    assert manager.recv(1024).startswith(b"READY=1\n")
    assert [manager.recv(64), manager.recv(64)] == [b"WATCHDOG=1"] * 2


def test_its_owners_key_opens_the_socket(start: Start, home: Path) -> None:
    start().wait_until_it_serves()
    transport = UnixTransport(socket_path(home), owner_key_path(home).read_text)
    me = json.loads(transport.send("GET", "/v1/whoami", None, {}, PATIENCE).body)
    assert (me["role"], me["owner"]) == ("admin", True)


def test_each_start_has_a_fresh_key(start: Start, home: Path) -> None:
    first = start()
    first.wait_until_it_serves()
    key = owner_key_path(home).read_text()
    first.end()
    start().wait_until_it_serves()
    assert owner_key_path(home).read_text() != key
    reply = UnixTransport(socket_path(home), lambda: key).send("GET", "/v1/whoami", None, {}, PATIENCE)
    assert reply.status == 401


def test_a_log_gets_no_ticket_but_a_terminal_does(start: Start, home: Path) -> None:
    daemon = start()
    daemon.wait_until_it_serves()
    assert "login-link" in daemon.greeting
    daemon.end()
    assert "ticket" not in daemon.greeting + "".join(daemon.said)

    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(home), stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        said = b""
        while b"#ticket=" not in said or not said.endswith(b"\n"):
            said += os.read(ours, 1024)
        assert re.search(rb"http://127\.0\.0\.1:\d+/sign-in#ticket=\S+", said)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_served_on_a_tailnet_it_has_a_socket_for_that_and_says_its_address_there(start: Start, home: Path) -> None:
    home.mkdir(exist_ok=True)
    settings = '[tailnet]\nserve = true\nhostname = "box.example.ts.net"\nowners = ["mine@example.com"]\n'
    (home / "config.toml").write_text(settings, encoding="utf-8")
    daemon = start()
    assert daemon.process.stdout is not None
    assert daemon.process.stdout.readline().startswith("membox serves https://box.example.ts.net;")
    assert stat_of(serve_path(home)) == 0o600
    assert stat_of(socket_path(home)) == 0o660
    link = UnixTransport(socket_path(home), owner_key_path(home).read_text).send(
        "POST", "/v1/login-link", b"{}", {}, PATIENCE
    )
    assert json.loads(link.body)["url"].startswith("https://box.example.ts.net/sign-in#ticket=")
    assert daemon.end() == 0
    assert sorted(path.name for path in run_directory(home).iterdir()) == ["lock"]


def test_interrupting_it_ends_it_as_cleanly(start: Start, home: Path) -> None:
    daemon = start()
    daemon.wait_until_it_serves()
    assert daemon.end(signal.SIGINT) == 0
    assert lease.holder(home) is None


def test_after_a_kill_it_starts_again(start: Start, home: Path) -> None:
    first = start()
    first.wait_until_it_serves()
    first.end(signal.SIGKILL)
    assert socket_path(home).exists()  # nobody was there to remove it
    assert lifecycle.status(home) is None
    assert healthy(start().wait_until_it_serves())


def test_a_second_daemon_on_the_home_is_refused(start: Start, home: Path) -> None:
    daemon = start()
    url = daemon.wait_until_it_serves()
    code, sentence = refused(home)
    assert code == 1
    for words in (str(home), url, str(daemon.process.pid), "membox daemon stop"):
        assert words in sentence
    assert healthy(url)


def test_a_port_that_is_taken_is_named_with_its_key(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, sentence = refused(home, "--port", str(port))
    assert code != 0
    assert str(port) in sentence
    assert "daemon.web_ui_port" in sentence
    assert lease.holder(home) is None


def test_without_authentication_it_serves_this_machine_only(start: Start, home: Path) -> None:
    code, sentence = refused(home, "--host", "0.0.0.0", MEMBOX_AUTH_MODE="disabled")
    assert code == 2
    assert "0.0.0.0" in sentence
    assert "auth.mode" in sentence
    assert healthy(start(MEMBOX_AUTH_MODE="disabled").wait_until_it_serves())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("box.example.ts.net", False),
        ("localhost.example.com", False),
    ],
)
def test_only_loopback_is_loopback(host: str, loopback: bool, tmp_path: Path) -> None:
    assert lifecycle.is_loopback(host) is loopback
    config = load_config(tmp_path, {"MEMBOX_AUTH_MODE": "disabled"})
    if loopback:
        lifecycle.refuse_open_door(config, host)
    else:
        with pytest.raises(NotConfiguredError, match=re.escape(host)):
            lifecycle.refuse_open_door(config, host)


def test_a_typo_in_the_settings_is_one_sentence(home: Path) -> None:
    (home / "config.toml").write_text("[daemon]\nweb_ui_prot = 9000\n")
    code, sentence = refused(home)
    assert code == 2
    assert "did you mean web_ui_port?" in sentence


def test_a_daemon_that_is_switched_off_does_not_start(home: Path) -> None:
    (home / "config.toml").write_text("[daemon]\nenabled = false\n")
    code, sentence = refused(home)
    assert (code, "membox config set daemon.enabled true" in sentence) == (2, True)


def test_a_database_from_the_future_is_one_sentence_and_left_alone(start: Start, home: Path) -> None:
    start().wait_until_it_serves()
    lifecycle.stop(home)
    with sqlite3.connect(home / "membox.db") as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    conn.close()
    before = (home / "membox.db").read_bytes()
    code, sentence = refused(home)
    assert code == 1
    assert "newer membox" in sentence
    assert (home / "membox.db").read_bytes() == before


def test_a_damaged_database_is_one_sentence(start: Start, home: Path) -> None:
    start().wait_until_it_serves()
    lifecycle.stop(home)
    (home / "membox.db").write_bytes(b"this is no database, this is a poem about one" * 200)
    code, sentence = refused(home)
    assert code == 1
    assert "membox backup restore" in sentence


def test_a_home_that_cannot_be_written_is_one_sentence() -> None:
    code, sentence = refused(Path("/proc/box"))
    assert code == 1
    assert "/proc/box" in sentence


def test_a_home_that_is_not_there_is_made(tmp_path: Path) -> None:
    new = tmp_path / "new" / "box"
    holder = lifecycle.start_detached(new, port=0)
    try:
        assert healthy(holder.url)
        assert stat_of(new) == 0o700
    finally:
        lifecycle.stop(new)


def test_detached_it_serves_until_it_is_stopped(home: Path) -> None:
    holder = lifecycle.start_detached(home, port=0)
    try:
        assert healthy(holder.url)
        assert lifecycle.status(home) == holder
        assert any("membox serves" in line for line in lifecycle.logs(home))
        with pytest.raises(UnavailableError, match="already runs"):
            lifecycle.start_detached(home, port=0)
    finally:
        assert lifecycle.stop(home)
    assert lifecycle.status(home) is None
    assert lifecycle.stop(home) is False


def test_a_detached_start_that_fails_says_the_daemons_own_sentence(home: Path) -> None:
    (home / "config.toml").write_text("[daemon]\nweb_ui_port = 0\n")
    with pytest.raises(NotConfiguredError, match="web_ui_port = 0"):
        lifecycle.start_detached(home)


def test_a_log_that_has_grown_large_is_set_aside(home: Path) -> None:
    with log_path(home).open("w") as file:
        file.truncate(LOG_LIMIT_BYTES + 1)
    lifecycle.start_detached(home, port=0)
    lifecycle.stop(home)
    assert log_path(home).stat().st_size < 10_000
    assert log_path(home).with_name("daemon.log.1").stat().st_size == LOG_LIMIT_BYTES + 1


def test_a_signal_is_heard_in_whatever_moment_of_waiting_it_comes() -> None:
    program = (
        "import signal, sys\n"
        "from appliance.daemon import lifecycle\n"
        "def interrupt(frame, event, _):\n"
        "    global left\n"
        "    frame.f_trace_opcodes = True\n"
        "    left -= event == 'opcode'\n"
        "    if left == 0:\n"
        "        sys.settrace(None)\n"
        "        frame.f_trace = None\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return interrupt\n"
        "for moment in range(1, 200):\n"
        "    left, stopping = moment, lifecycle.stop_on_signals()\n"
        "    sys.settrace(interrupt)\n"
        "    while not lifecycle.was_told_to_stop(stopping, within=0.0001):\n"
        "        pass\n"
        "    assert left <= 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE)
