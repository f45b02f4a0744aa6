"""`membox targets`: on the box itself, and on a machine whose commands speak to a box elsewhere."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OURS = "Use tabs."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "repository" / "CLAUDE.md"
    path.parent.mkdir()
    path.write_bytes(OURS.encode())
    return path


@pytest.fixture
def laptop(served: Any, tmp_path: Path) -> Iterator[Any]:
    """The command on another machine, with a reader's key to the box that is served."""
    key = served.json("key", "create", "laptop", "--role", "reader")["key"]
    url = f"unix://{served.home}/run/membox.sock"
    environ = {
        "MEMBOX_URL": url,
        "MEMBOX_API_KEY": key,
        "XDG_CONFIG_HOME": str(tmp_path / "laptop"),
        "XDG_STATE_HOME": str(tmp_path / "laptop-state"),
    }
    yield type(served)(tmp_path / "no-home", environ)
    shutil.rmtree(tmp_path / "laptop", ignore_errors=True)


def states(answer: Any) -> list[tuple[str, str]]:
    return [(row["path"], row["state"]) for row in answer["targets"]]


def test_a_target_of_the_box_carries_the_memory_until_it_is_removed(box: Any, file: Path) -> None:
    assert box.json("targets", "add", str(file))["state"] == "current"
    assert "## Hard constraints" in file.read_text()
    assert states(box.json("targets", "list")) == [(str(file), "current")]
    box("targets", "remove", str(file))
    assert file.read_bytes() == OURS.encode()
    assert box.json("targets", "list")["targets"] == []


def test_drift_is_seen_and_repaired(box: Any, file: Path) -> None:
    box("targets", "add", str(file))
    file.write_text(file.read_text().replace("Hard constraints", "Soft constraints"))
    assert states(box.json("targets", "check", code=1)) == [(str(file), "edited")]
    assert states(box.json("targets", "sync")) == [(str(file), "current")]
    assert "Hard constraints" in file.read_text()
    assert "Soft constraints" in next((box.home / "replaced-blocks").iterdir()).read_text()


def test_damaged_markers_are_told_with_their_line(box: Any, file: Path) -> None:
    file.write_text("<!-- membox:end -->\n")
    done = box("targets", "add", str(file), code=1)
    assert "membox:end in line 1" in done.stdout
    assert file.read_text() == "<!-- membox:end -->\n"


def test_a_target_is_one_once_and_never_the_notebook_itself(box: Any, file: Path) -> None:
    box("targets", "add", str(file))
    assert "already" in box("targets", "add", str(file), code=1).stderr
    assert "notebook itself" in box("targets", "add", str(box.home / "notebook" / "x.md"), code=1).stderr
    assert "no target" in box("targets", "remove", "/nowhere/CLAUDE.md", code=1).stderr


def test_a_change_of_the_memory_reaches_the_boxs_targets_by_itself(served: Any, file: Path) -> None:
    served("targets", "add", str(file))
    text = served("memory", "show").stdout.replace("## Hard constraints", "## Hard constraints\n\n- Never on Friday.")
    served("memory", "edit", environ={"EDITOR": editor_of(file.parent, text)})
    deadline = time.monotonic() + 30
    while "Never on Friday." not in file.read_text():
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.05)
    assert file.read_bytes().startswith(OURS.encode() + b"\n")


def editor_of(directory: Path, text: str) -> str:
    """An $EDITOR that writes `text`."""
    (directory / "text").write_text(text)
    program = directory / "editor.sh"
    program.write_text(f'#!/bin/sh\ncat "{directory}/text" >"$1"\n')
    program.chmod(0o755)
    return str(program)


def test_a_machine_checks_in_by_its_key_and_is_forgotten(laptop: Any, served: Any, file: Path) -> None:
    assert laptop.json("targets", "add", str(file))["state"] == "current"
    (row,) = served.json("targets", "list")["targets"]
    assert (row["path"], row["state"], row["agent_id"]) == (str(file), "current", "laptop")
    file.write_text(file.read_text().replace("Hard constraints", "Soft"))
    assert states(laptop.json("targets", "check", code=1)) == [(str(file), "edited")]
    finding = next(each for each in served.json("status")["findings"] if each["check"] == "targets")
    assert str(file) in finding["sentence"]
    assert "targets sync" in finding["remedy"]
    laptop("targets", "sync")
    assert "targets" not in [each["check"] for each in served.json("status")["findings"]]
    laptop("targets", "remove", str(file))
    assert file.read_bytes() == OURS.encode()
    assert served.json("targets", "list")["targets"] == []
    laptop("targets", "add", str(file))
    machine = served.json("targets", "list")["targets"][0]["machine"]
    assert served.json("targets", "remove", "--machine", machine) == {"machine": machine, "targets": 1}
    assert "has checked in" in served("targets", "remove", "--machine", machine, code=1).stderr
