"""`membox secrets`: the same with a daemon and without, and no value where somebody could see it."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.home import socket_path
from appliance.secrets import MAX_VALUE_BYTES

VALUE = "correct horse battery staple"


@pytest.fixture(params=["in process", "through the daemon"])
def anywhere(request: pytest.FixtureRequest) -> Any:
    """The command on a home that is set up, without a daemon and with one."""
    return request.getfixturevalue("box" if request.param == "in process" else "served")


def test_set_get_list_and_rm(anywhere: Any) -> None:
    assert anywhere("secrets", "list").stdout == "No secrets; keep one: membox secrets set NAME.\n"
    told = anywhere("secrets", "set", "restic-password", stdin=VALUE + "\n")
    assert VALUE not in told.stdout + told.stderr
    done = anywhere("secrets", "get", "restic-password")
    assert (done.stdout, done.stderr) == (VALUE + "\n", "")
    assert anywhere("secrets", "list").stdout == "restic-password\n"
    assert anywhere.json("secrets", "list") == {"names": ["restic-password"]}
    anywhere("secrets", "rm", "restic-password")
    assert "There is no secret restic-password" in anywhere("secrets", "get", "restic-password", code=1).stderr


def test_a_value_is_kept_as_it_is_but_for_the_last_line_end(anywhere: Any) -> None:
    for given, kept in (
        ("a\nb\n\n", "a\nb\n"),
        (" x \r\n", " x "),
        ("Grüße 東京 \x1b[0m", "Grüße 東京 \x1b[0m"),
        ("x" * MAX_VALUE_BYTES + "\n", "x" * MAX_VALUE_BYTES),
    ):
        anywhere("secrets", "set", "a", stdin=given)
        assert anywhere("secrets", "get", "a").stdout == kept + "\n"


def test_a_terminal_of_another_encoding_does_not_change_a_secret(box: Any) -> None:
    box("secrets", "set", "a", stdin="Grüße")
    command = box.command("secrets", "get", "a")
    done = subprocess.run(command, capture_output=True, env={**box.environment({}), "LC_ALL": "C"}, check=True)
    assert done.stdout == "Grüße\n".encode()


@pytest.mark.parametrize(
    ("name", "stdin", "said"),
    [
        ("a", "", "is empty"),
        ("a", "\n", "is empty"),
        ("a", b"\xff\xfe", "UTF-8"),
        ("a", "x\0y", "U+0000"),
        ("a", "x" * (MAX_VALUE_BYTES + 1), "bytes"),
        ("a", "x" * (MAX_VALUE_BYTES + 99), "64 KiB"),
        ("A b", VALUE, "cannot be a secret's name"),
        ("../a", VALUE, "cannot be a secret's name"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(box: Any, name: str, stdin: str | bytes, said: str) -> None:
    told = box("secrets", "set", "--", name, stdin=stdin, code=1)
    assert said in told.stderr
    assert VALUE not in told.stderr
    assert box.json("secrets", "list") == {"names": []}


def test_a_value_is_never_an_argument(box: Any) -> None:
    told = box("secrets", "set", "a", VALUE, code=2)
    assert "Usage" in told.stderr
    for command in ("set", "get", "rm"):
        assert "VALUE" not in box("secrets", command, "--help").stdout


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux shows them in /proc")
def test_a_value_is_in_no_command_line_or_environment_and_in_no_log(served: Any) -> None:
    seen: list[str] = []
    waiting = subprocess.Popen(
        served.command("secrets", "set", "a"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=served.environment({}),
    )
    assert waiting.stdin is not None
    waiting.stdin.write(VALUE.encode())
    waiting.stdin.flush()
    for process in (waiting.pid, served.json("daemon", "status")["pid"]):
        seen += [Path(f"/proc/{process}/{name}").read_text(errors="replace") for name in ("cmdline", "environ")]
    waiting.stdin.close()
    assert waiting.wait(30) == 0
    served("secrets", "get", "a")
    seen += [file.read_text(errors="replace") for file in served.home.rglob("*") if file.is_file()]
    assert not any(VALUE in text for text in seen)


def test_on_a_terminal_the_value_is_asked_for_and_not_shown(box: Any) -> None:
    terminal, its_end = pty.openpty()
    # The first terminal that a session opens is its own, from which a hidden prompt reads.
    words = ["sh", "-c", 'exec "$@" < "$0"', os.ttyname(its_end), *box.command("secrets", "set", "a")]
    process = subprocess.Popen(words, stdout=its_end, stderr=its_end, env=box.environment({}), start_new_session=True)
    os.close(its_end)
    shown = b""
    while b"The value of a" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, VALUE.encode() + b"\n")
    with suppress(OSError):  # how Linux tells the end of a terminal
        while more := os.read(terminal, 1000):
            shown += more
    os.close(terminal)
    assert process.wait(30) == 0
    assert b"Kept:" in shown
    assert VALUE.encode() not in shown
    assert box("secrets", "get", "a").stdout == VALUE + "\n"


def test_what_was_set_without_a_daemon_is_read_through_one(box: Any) -> None:
    box("secrets", "set", "a", stdin=VALUE)
    box("daemon", "start", "--detach", "--port", "0")
    try:
        assert box("secrets", "get", "a").stdout == VALUE + "\n"
        box("secrets", "set", "a", stdin="new")
    finally:
        box("daemon", "stop")
    assert box("secrets", "get", "a").stdout == "new\n"


def test_from_elsewhere_there_are_no_secrets(served: Any) -> None:
    key = served.json("key", "create", "laptop", "--role", "admin")["key"]
    away = {"MEMBOX_URL": served.json("daemon", "status")["url"], "MEMBOX_API_KEY": key}
    for words in (("list",), ("get", "a"), ("set", "a")):
        assert "only on its own machine" in served("secrets", *words, stdin="x", code=1, environ=away).stderr


def test_an_agents_login_reaches_no_secret(served: Any, tmp_path: Path) -> None:
    key = served.json("key", "create", "claude", "--role", "admin")["key"]
    user = {"XDG_CONFIG_HOME": str(tmp_path / "user")}
    served("login", f"unix://{socket_path(served.home)}", stdin=key, environ=user)
    assert "from its owner" in served("secrets", "list", code=1, environ=user).stderr
    served("--home", str(served.home), "secrets", "list", environ=user)


def test_a_copied_home_does_not_open(box: Any, tmp_path: Path) -> None:
    box("secrets", "set", "a", stdin=VALUE)
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "elsewhere")}
    told = box("secrets", "get", "a", "--json", code=1, environ=elsewhere)
    assert json.loads(told.stderr)["error"] == "master_key_missing"
    assert box.json("secrets", "list", environ=elsewhere) == {"names": ["a"]}


def test_a_password_given_to_config_set_is_kept_as_a_secret_and_stands_in_no_file(box: Any) -> None:
    box("config", "set", "llm.anthropic_api_key", stdin=VALUE)
    told = box("config", "set", "daemon.digest_smtp_password", VALUE)
    assert "can read a command line" in told.stderr
    assert VALUE not in told.stdout + told.stderr
    for name in ("anthropic-api-key", "digest-smtp-password"):
        assert box("secrets", "get", name).stdout.rstrip("\n") == VALUE
    config = box.home / "config.toml"
    assert not config.exists() or VALUE not in config.read_text()


def test_neither_note_nor_help_loads_the_keyring(served: Any) -> None:
    program = (
        "import sys\nfrom appliance.cli.main import membox\n"
        "try:\n    membox.main(['note', 'hello'])\nexcept SystemExit as done:\n    assert not done.code\n"
        "assert not {'keyring', 'cryptography', 'tomllib', 'appliance.secrets'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], env=served.environment({}), check=True)


def test_secrets_come_to_another_box_by_a_file_that_their_passphrase_opens(anywhere: Any, tmp_path: Path) -> None:
    file, passphrase = tmp_path / "secrets.sealed", "twelve or more\n"
    anywhere("secrets", "set", "mail", stdin=VALUE)
    anywhere("secrets", "set", "tailscale", stdin="tskey")
    written = anywhere("secrets", "export", str(file), stdin=passphrase)
    assert "2 secrets" in written.stdout
    assert VALUE not in written.stdout + written.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert "is there already" in anywhere("secrets", "export", str(file), stdin=passphrase, code=1).stderr

    anywhere("secrets", "set", "mail", stdin="another")
    anywhere("secrets", "rm", "tailscale")
    assert "does not open" in anywhere("secrets", "import", str(file), stdin="twelve or less", code=1).stderr
    assert anywhere.json("secrets", "list") == {"names": ["mail"]}
    took = json.loads(anywhere("secrets", "import", str(file), "--json", stdin=passphrase).stdout)
    assert took == {"taken": ["tailscale"], "kept": ["mail"]}
    assert anywhere("secrets", "get", "mail").stdout == "another\n"
    anywhere("secrets", "import", str(file), "--replace", stdin=passphrase)
    assert anywhere("secrets", "get", "mail").stdout == VALUE + "\n"


def test_a_file_that_cannot_be_written_or_read_is_told_in_a_sentence(box: Any, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "where")
    assert "cannot be written (No such file" in box("secrets", "export", nowhere, stdin="twelve or more", code=1).stderr
    assert "cannot be read (No such file" in box("secrets", "import", nowhere, stdin="twelve or more", code=1).stderr
