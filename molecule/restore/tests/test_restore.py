"""What was on a lost box is on another one: its files, their history, and what it recalls."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

RUN = Path(os.environ["MEMBOX_RUN"]) / os.environ["MOLECULE_SCENARIO_NAME"]
QUESTIONS = ("heating", "where is the key", "deploy rules", "garden in March", "note 17")
GARDEN = "projects/garden.md"


@dataclass(frozen=True)
class Lost:
    """A box that is no more: what it held, its phone's key, and where the key of its snapshots was kept."""

    held: dict[str, Any]
    phones_key: str
    recovery_key: Path


def held_by(box: Any) -> dict[str, Any]:
    """All that a person or an agent can see of a box."""
    recalled = {query: box.json(f"membox recall '{query}' --max-items 50")["items"] for query in QUESTIONS}
    documents = box.json("membox memory list")
    return {
        "recall": recalled,
        "history": box.json("membox memory history"),
        "first words of the garden": box.run(f"membox memory show {GARDEN} --version 1"),
        "documents": documents,
        "files": box.run("cd /var/lib/membox/notebook && find . -type f -print0 | sort -z | xargs -0 sha256sum"),
    }


def live_with(box: Any) -> str:
    """Fill a box as weeks do; its phone's key."""
    key: str = box.new_key("phone", "capture")
    with box.client(key) as phone:
        for number in range(100):
            assert phone.post("/note", json={"text": f"Note {number}: the heating, the key, the cellar"}).is_success
    with box.client(box.new_key("editor", "admin")) as editor:
        for version in range(5):
            body = {"path": GARDEN, "text": f"# Garden\n\nMarch, version {version}.\n", "base_version": version}
            assert editor.put("/v1/notebook/document", json=body).is_success
    box.run("membox remember 'Never deploy on Fridays' --type policy --scope team")
    forgotten = box.json("membox remember 'The key is under the stone'")["memory_ids"][0]
    box.run(f"membox forget {forgotten}")
    return key


@pytest.fixture(scope="module")
def lost(machine: Callable[[str], Any]) -> Lost:
    first = machine("first")
    phones_key = live_with(first)
    first.run("membox backup now && systemctl start membox-snapshot.service && membox backup drill")
    key = RUN / "recovery-key"
    key.touch(0o600)
    key.write_text(first.json("membox backup recovery-key")["key"])
    held = held_by(first)
    ssh = f"ssh -F {RUN}/ssh_config"
    # Its disk with the copies is carried to the other machine.
    subprocess.run(
        f"{ssh} first tar --create /srv/copies | {ssh} second tar --extract --directory /",
        shell=True,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    first.tries("systemctl poweroff")
    return Lost(held, phones_key, key)


@pytest.fixture
def restore(play: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **source: play("restore.yml", limit="second", **{f"membox_restore_{k}": v for k, v in source.items()})


def test_an_empty_box_becomes_the_lost_one_from_its_mirror(
    lost: Lost, machine: Callable[[str], Any], restore: Callable[..., Any]
) -> None:
    second = machine("second")
    done = restore(mirror="/srv/copies/mirror")
    assert done.status == 0, done.output
    assert held_by(second) == lost.held
    with second.client(lost.phones_key) as phone:
        assert phone.post("/note", json={"text": "Written on the new box"}).is_success


def test_a_box_that_holds_data_is_not_overwritten_unless_that_is_said(
    lost: Lost, machine: Callable[[str], Any], restore: Callable[..., Any]
) -> None:
    refused = restore(mirror="/srv/copies/mirror")
    assert refused.status != 0
    assert "second holds data, so nothing was changed" in refused.sentence
    assert "Written on the new box" in json.dumps(machine("second").recalls("written on the new box"))


def test_a_wrong_recovery_key_is_refused_and_the_box_serves_on(
    lost: Lost, machine: Callable[[str], Any], restore: Callable[..., Any], tmp_path: Path
) -> None:
    wrong = tmp_path / "key"
    wrong.write_text("not-the-key-of-these-snapshots")
    refused = restore(repository="/srv/copies/snapshots", key_file=str(wrong), overwrite=True)
    assert refused.status != 0
    assert "key" in refused.sentence.partition("Say why it was not restored")[2], refused.output
    assert machine("second").is_healthy()
    assert "Written on the new box" in json.dumps(machine("second").recalls("written on the new box"))


def test_a_box_becomes_the_lost_one_from_its_snapshot(
    lost: Lost, machine: Callable[[str], Any], restore: Callable[..., Any]
) -> None:
    second = machine("second")
    done = restore(repository="/srv/copies/snapshots", key_file=str(lost.recovery_key), overwrite=True)
    assert done.status == 0, done.output
    assert held_by(second) == lost.held
    assert lost.recovery_key.read_text() not in done.output
    assert second.is_healthy()
