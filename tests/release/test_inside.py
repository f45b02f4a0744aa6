"""What is done in a home is done as its owner, with nothing of ours."""

import os
import subprocess
from pathlib import Path

import pytest

from appliance.errors import NotFoundError, UnavailableError
from appliance.release import Inside

NOBODY = 65534
TELL = """printf '{"user": %s, "groups": "%s", "umask": "%s", "where": "%s", "secret": "%s"}' \
"$(id -u)" "$(id -G)" "$(umask)" "$PWD" "$MEMBOX_API_KEY" """


def inside(home: Path, script: str) -> Inside:
    return Inside(["/bin/sh", "-c", script], home)


def test_a_step_gets_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBOX_API_KEY", "secret")
    told = inside(tmp_path, TELL).run("step")
    assert (told["umask"], told["where"], told["secret"]) == ("0077", "/", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_homes_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    told = inside(tmp_path, TELL).run("step")
    assert (told["user"], told["groups"]) == (NOBODY, str(NOBODY))


def test_a_step_that_breaks_off_is_told_by_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"The step look broke off \(no such luck\)"):
        inside(tmp_path, "echo Traceback >&2; echo no such luck >&2; exit 1").run("look")


def test_a_steps_own_error_keeps_its_word(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="Out of luck") as told:
        inside(tmp_path, """echo '{"error": "luck", "sentence": "Out of luck."}'""").run("look")
    assert told.value.word == "luck"


def test_without_a_home_nothing_is_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no home"):
        inside(tmp_path / "none", "exit 0").run("look")


def test_a_step_without_end_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    endless = Inside(["/bin/sh", "-c", f"flock {lock} sleep 600 & wait"], tmp_path, longest=1.0)
    with pytest.raises(UnavailableError, match="The step prepare broke off"):
        endless.run("prepare")
    subprocess.run(["flock", "--timeout", "60", lock, "true"], check=True)
