"""Finding the box: the order of the ways to it, and whose key opens the socket."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from appliance import lease
from appliance.cli import connect
from appliance.cli.connect import Caller
from appliance.errors import NotConfiguredError, UnavailableError
from appliance.home import owner_key_path, socket_path


def listen(home: Path) -> socket.socket:
    """Somebody listens on the home's socket, and says nothing."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path(home)))
    listener.listen()
    return listener


def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's key is another user's."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)


def test_on_somebody_elses_daemon_a_key_of_ones_own_is_used(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable(monkeypatch)
    monkeypatch.setenv("MEMBOX_API_KEY", " mbx_mine ")
    assert connect._owner_key(box.home) == "mbx_mine"
    monkeypatch.delenv("MEMBOX_API_KEY")
    with pytest.raises(NotConfiguredError, match="is not yours, and MEMBOX_API_KEY is not set"):
        connect._owner_key(box.home)


def test_a_home_that_stays_held_is_given_up_with_who_holds_it(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PATIENCE_SECONDS", 0.3)
    with lease.Lease.acquire(box.home, lease.COMMAND):
        told = box("note", "hi", code=1).stderr
    assert "Another command is using the home" in told
    assert "Noted" in box("note", "hi").stdout


def test_a_daemon_that_is_just_stopping_is_waited_for_until_the_home_is_free(box: Any) -> None:
    with listen(box.home) as listener:
        assert not owner_key_path(box.home).exists()  # it took its key away and will close its socket next
        held = lease.Lease.acquire(box.home, lease.DAEMON)
        listener.settimeout(10)

        def stop() -> None:
            listener.accept()[0].close()
            socket_path(box.home).unlink()
            held.release()

        stopping = threading.Thread(target=stop)
        stopping.start()
        assert "Noted" in box("note", "hi").stdout
        stopping.join()


def test_a_stale_socket_is_passed_over(box: Any) -> None:
    listen(box.home).close()
    assert socket_path(box.home).exists()
    assert "Noted" in box("note", "hi").stdout


def test_a_daemon_that_hangs_is_told_not_waited_for_for_ever(box: Any) -> None:
    owner_key_path(box.home).write_text("k")
    with listen(box.home), pytest.raises(UnavailableError, match="no answer within"), Caller(box.home).box() as client:
        client.get("/v1/whoami", 0.2)


def test_the_home_is_closed_and_free_after_a_command(box: Any) -> None:
    box("note", "hi")
    assert lease.holder(box.home) is None
    (box.home / "membox.db").write_bytes(b"not a database, but something else altogether" * 100)
    assert "damaged" in box("note", "hi", code=1).stderr
    assert lease.holder(box.home) is None
