"""`membox login`: the box a user's commands speak to, and what comes before and after it."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.home import owner_key_path, socket_path


@pytest.fixture
def user(served: Any, tmp_path: Path) -> Callable[..., Any]:
    """Another user of the machine: the same command, with a configuration of their own."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "user")}
    return lambda *words, **options: served(*words, environ={**environ, **options.pop("environ", {})}, **options)


@pytest.fixture
def key(served: Any) -> str:
    return str(served.json("key", "create", "claude", "--role", "writer")["key"])


def url_of(served: Any) -> str:
    return str(served.json("daemon", "status")["url"])


def socket_url(served: Any) -> str:
    return f"unix://{socket_path(served.home)}"


def agent_of(user: Callable[..., Any], **options: Any) -> str:
    """Whom a command's memory item is from."""
    return str(json.loads(user("remember", "A fact.", "--json", **options).stdout)["items"][0]["agent_id"])


@pytest.mark.parametrize("way", [url_of, socket_url])
def test_after_a_login_commands_speak_with_its_key(
    served: Any, user: Callable[..., Any], key: str, way: Callable[[Any], str], tmp_path: Path
) -> None:
    told = user("login", way(served), stdin=key + "\n")
    assert "claude, writer" in told.stdout
    assert key not in told.stdout + told.stderr
    listed = user("key", "list", code=1).stderr
    assert "role" in listed  # the owner could
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "user").rglob("*") if path.is_dir()} == {0o700}
    kept = [path for path in (tmp_path / "user").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert not any(key.encode() in path.read_bytes() for path in kept)
    assert way(served) in (tmp_path / "user" / "membox" / "client.toml").read_text()


def test_a_user_without_a_right_to_the_home_is_served_by_the_login(
    served: Any, user: Callable[..., Any], key: str, tmp_path: Path
) -> None:
    user("login", socket_url(served), stdin=key)
    away = {"MEMBOX_HOME": str(tmp_path / "nothing" / "here")}
    assert "Noted" in user("note", "from the agent", environ=away).stdout
    owner_key_path(served.home).rename(tmp_path / "owner.key")
    try:
        assert "Noted" in user("note", "again").stdout  # never asked for what is the owner's alone
    finally:
        (tmp_path / "owner.key").rename(owner_key_path(served.home))


def test_what_is_named_for_one_command_comes_before_the_login(
    served: Any, user: Callable[..., Any], key: str, tmp_path: Path
) -> None:
    user("login", socket_url(served), stdin=key)
    user("key", "list", code=1)
    assert "claude" in user("--home", str(served.home), "key", "list").stdout
    admin = served.json("key", "create", "laptop", "--role", "admin")["key"]
    given = {"MEMBOX_URL": socket_url(served), "MEMBOX_API_KEY": admin}
    assert "laptop" in user("key", "list", environ=given).stdout
    assert "Noted" in user("note", "hi", environ={"MEMBOX_URL": socket_url(served)}).stdout  # the login's own box
    other = {"MEMBOX_URL": "http://127.0.0.1:1"}
    assert "MEMBOX_API_KEY is not set" in user("note", "hi", environ=other, code=2).stderr


def test_a_key_the_box_does_not_know_is_not_kept(served: Any, user: Callable[..., Any], tmp_path: Path) -> None:
    for url, stdin, said in (
        (socket_url(served), "mbx_12345678_wrong", "does not know this key"),
        (socket_url(served), "\n", "There is no key"),
        (socket_url(served), "two words", "not a key"),
        ("http://127.0.0.1:1", "k", "Nothing listens"),
        ("unix:relative.sock", "k", "no address of a box"),
        ("box.example", "k", "no address of a box"),
    ):
        told = user("login", url, stdin=stdin, code=None)
        assert told.returncode
        assert said in told.stderr
    assert not (tmp_path / "user").exists()


def test_a_key_that_may_only_capture_is_kept_too(served: Any, user: Callable[..., Any]) -> None:
    phone = served.json("key", "create", "phone")["key"]
    assert "only captures" in user("login", url_of(served), stdin=phone).stdout
    assert "Noted" in user("note", "hi").stdout


def test_a_second_login_replaces_the_first_and_logout_ends_it(
    served: Any, user: Callable[..., Any], key: str, tmp_path: Path
) -> None:
    user("login", url_of(served), stdin=key)
    user("login", socket_url(served), stdin=key)
    entries = list((tmp_path / "user" / "membox" / "keyring").iterdir())
    assert len(entries) == 1
    assert socket_url(served) in user("logout").stdout
    assert not list((tmp_path / "user" / "membox" / "keyring").iterdir())
    assert "There was no login" in user("logout").stdout
    assert "claude" in user("key", "list").stdout  # through the home again, as its owner


def test_a_revoked_key_is_told_and_the_key_goes_to_no_other_box(
    served: Any, user: Callable[..., Any], key: str, tmp_path: Path
) -> None:
    user("login", socket_url(served), stdin=key)
    file = tmp_path / "user" / "membox" / "client.toml"
    file.write_text('url = "http://127.0.0.1:1"\n')
    assert "has no key for http://127.0.0.1:1" in user("note", "hi", code=2).stderr
    file.write_text("url = \n")
    assert "names no box" in user("note", "hi", code=2).stderr
    user("login", socket_url(served), stdin=key)
    served("key", "revoke", "claude")
    assert "does not know this key" in user("note", "hi", code=1).stderr


def test_a_check_says_whether_the_login_counts(served: Any, user: Callable[..., Any], key: str) -> None:
    assert "There is no login" in user("login", "--check", code=2).stderr
    user("login", socket_url(served), stdin=key)
    assert "claude, writer" in user("login", "--check").stdout
    served("key", "revoke", "claude")
    assert "does not know this key" in user("login", "--check", code=1).stderr
    for words in (("login",), ("login", "--check", "http://box")):
        assert "Name the box" in user(*words, code=2).stderr


def test_health_and_status_are_of_the_login(served: Any, user: Callable[..., Any], key: str) -> None:
    user("login", socket_url(served), stdin=key)
    assert str(socket_path(served.home)) in user("health").stdout
    assert socket_url(served) in user("status").stdout
    assert user("health", environ={"MEMBOX_URL": socket_url(served)}).returncode == 0


def test_another_users_configuration_is_no_login(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as closed:
        closed.setattr(Path, "read_bytes", refuse)
        assert "Noted" in served("note", "hi").stdout
