"""`membox support-bundle` on a home in which secrets are planted wherever somebody could have left one."""

import gzip
import json
import os
import re
import secrets
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PLACES = (
    "keyring",
    "mirror",
    "login",
    "environment",
    "note",
    "memory",
    "file",
    "log",
    "url",
    "key",
    "cookie",
    "target",
)
FORMED = {"log": "s3cret-{}", "url": "https://ada:{}@nas.example/box", "cookie": "Cookie: session={}"}


@pytest.fixture
def planted() -> dict[str, str]:
    """A secret for each place; none has a form by which it could be known."""
    return {place: f"{place}{secrets.token_hex(5)}" for place in PLACES}


@pytest.fixture
def box_of_secrets(box: Any, planted: dict[str, str], tmp_path: Path) -> Any:
    given = {planted["environment"]: {"tenant_id": "home", "agent_id": planted["key"], "role": "admin"}}
    environ = {"MEMBOX_API_KEYS": json.dumps(given)}
    box.environ["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    box("secrets", "set", "restic-password", stdin=planted["keyring"])
    box("config", "set", "daemon.backup_mirror_path", str(tmp_path / planted["mirror"] / "gone"))
    box("config", "set", "daemon.digest_email_to", planted["login"])
    box("config", "set", "paths.targets", planted["target"])
    box("note", f"the code is {planted['note']}")
    box("remember", f"the code is {planted['memory']}")
    (box.home / "notebook" / f"{planted['file']}.md").write_bytes(b"\xff\xfe no text")
    box.process("daemon", "start", "--detach", "--port", "0", environ=environ)
    box("backup", "now", code=1)  # its fault names the mirror
    with (box.home / "run" / "daemon.log").open("a") as log:
        for place, form in FORMED.items():
            log.write(f"{form.format(planted[place])}\nINFO appliance.web.app: {form.format(planted[place])}\n")
            log.write(f"Traceback (most recent call last):\nValueError: {form.format(planted[place])}\n")
    yield box
    box("daemon", "stop")


def test_no_planted_secret_is_in_the_bundle(
    box_of_secrets: Any, planted: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = box_of_secrets("support-bundle").stdout
    (path,) = tmp_path.glob("membox-support-*.tar.gz")
    assert str(path) in told
    raw = path.read_bytes()
    whole = gzip.decompress(raw)  # names of members and their texts
    for place, secret in planted.items():
        for form in (secret, quote(secret), secret[4:], secret.upper()):
            assert form.encode() not in whole + raw, place
    key = (box_of_secrets.home / "run" / "owner.key").read_text()
    assert key.encode() not in whole
    with tarfile.open(path) as archive:
        names = {member.name.removeprefix("membox-support/") for member in archive}
    assert {"doctor.json", "versions.json", "settings.json", "log.txt", "schedule.json", "migrations.json"} <= names
    assert all(name in told for name in names)
    assert b'"outcome": "failed"' in whole
    assert b"ValueError" in whole


def test_it_is_made_without_a_daemon_and_where_it_was_told(box: Any, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    answer = box.json("support-bundle", "--output", str(path))
    assert answer["path"] == str(path)
    assert answer["files"]["doctor.json"] > 100
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert "another with --output" in box("support-bundle", "--output", str(path), code=1).stderr
    assert path.read_bytes() == before


def test_it_is_made_on_the_machine_itself(box: Any) -> None:
    refused = box("support-bundle", code=2, environ={"MEMBOX_URL": "https://box.example", "MEMBOX_API_KEY": "k"})
    assert re.search("make the bundle there", refused.stderr)
    assert not [name for name in os.listdir() if name.startswith("membox-support")]
