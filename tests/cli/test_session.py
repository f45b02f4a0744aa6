"""`membox session`: the buffer, what is recovered, the hooks; and how well is found what must be kept."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Membox


def test_what_is_written_into_the_buffer_is_recovered(box: Membox) -> None:
    box(
        "session",
        "buffer",
        "--project",
        "shop",
        "--task",
        "Move the registry",
        "--decision",
        "One table, as it is small",
    )
    assert "Task: Move the registry" in box("session", "buffer", "--project", "/home/me/shop").stdout
    told = box("session", "recover", "--project", "shop", "--fresh").stdout
    assert "│ Task: Move the registry" in told
    box("session", "buffer", "--project", "shop", "--done", "move it", "--end")
    assert "- One table, as it is small" in next((box.home / "notebook/sessions").glob("*.md")).read_text()


def test_the_project_is_the_repository_one_is_in(box: Membox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "harbour" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "harbour" / ".git").mkdir()
    monkeypatch.chdir(inner)
    assert "## harbour · " in box("session", "buffer", "--task", "Count the boats").stdout


def test_a_hook_told_by_the_command_is_taken_in(box: Membox) -> None:
    event = json.dumps({"session_id": "s", "cwd": "/home/me/shop", "prompt": "We decided to keep both formats."})
    assert box("session", "hook", "UserPromptSubmit", stdin=event).stdout == ""
    assert "decision: We decided" in box("session", "buffer", "--project", "shop").stdout
    start = box("session", "hook", "SessionStart", stdin=event).stdout
    assert "│ Task: We decided" in json.loads(start)["hookSpecificOutput"]["additionalContext"]


@pytest.mark.parametrize("event", ["", "{", "[]", '{"session_id": 1}'])
def test_a_hook_never_fails(box: Membox, event: str) -> None:
    done = box("session", "hook", "Stop", stdin=event)
    assert (done.returncode, done.stdout) == (0, "")
    assert "The box was not told" in done.stderr


def test_a_hook_without_a_box_never_fails(box: Membox, tmp_path: Path) -> None:
    done = box("--home", str(tmp_path / "none"), "session", "hook", "Stop", stdin='{"session_id": "s"}')
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """A user's own directories."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "CLAUDE_CONFIG_DIR": str(tmp_path / "claude")}


def test_hooks_are_put_in_with_a_key_of_their_own_and_taken_out_with_it(
    box: Membox, user: dict[str, str], tmp_path: Path
) -> None:
    def keys() -> list[dict[str, str]]:
        return [
            row for row in json.loads(box("key", "list", "--json").stdout)["keys"] if row["name"].startswith("hooks")
        ]

    box("session", "hooks", "install", environ=user)
    [key] = keys()
    assert (key["agent_id"], key["role"]) == ("claude", "writer")
    again = box("session", "hooks", "install", environ=user)
    assert "already" in again.stdout
    assert keys() == [key]
    assert f'unix-socket = "{box.home / "run/membox.sock"}"' in (tmp_path / "config/membox/hooks/curl").read_text()
    gone = json.loads(box("session", "hooks", "remove", "--json", environ=user).stdout)
    assert (gone["removed"], gone["key_revoked"], keys()) == (True, True, [])
    assert not (tmp_path / "claude/settings.json").exists()


def test_measuring_tells_of_every_part_and_class(box: Membox, tmp_path: Path) -> None:
    told = box("session", "measure").stdout
    assert {"all", "tuning", "held-out"} == {line.split()[0] for line in told.splitlines()[1:]}
    corpus = tmp_path / "corpus.json"
    corpus.write_text(json.dumps([{"text": "hello there", "classes": ["value"]}]))
    assert (
        "nothing in place of value: hello there"
        in box("session", "measure", "--dataset", str(corpus), "--wrong").stdout
    )
    [every, _] = json.loads(box("session", "measure", "--dataset", str(corpus), "--json").stdout)["parts"]
    assert (every["overall"]["precision"], every["overall"]["recall"]) == (1.0, 0.0)
