"""`membox import memsync`: once, whole, without its secrets, and the folder stays as it is."""

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from appliance.box import open_box
from appliance.principal import Role

KEY = "sk-ant-" + "api03-abcdefghijklmnop"
TOKEN = "ghp_" + "abcdefghijklmnop0123"
MEMORY = "<!-- memsync v0.2 -->\n# Global Memory\n\n## Hard constraints\n- Never deploy on a Friday.\n"
DAY = "# 2026-03-21\n\n---\n### 09:15:00\n\nThe heating man comes.\n\n---\n### 10:00:00 (captured)\n\nBuy a drill.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    theirs = tmp_path / "OneDrive" / ".claude-memory"
    for name, text in {
        "GLOBAL_MEMORY.md": MEMORY.replace("\n", "\r\n"),
        "sessions/2026-03-21.md": DAY,
        "sessions/2026-03-22.md": f"# 2026-03-22\n\n---\n### 08:00:00\n\nThe key is {KEY}, the token {TOKEN}.\n",
        "backups/GLOBAL_MEMORY_20260320_120000.md": "# Old\n",
        "notes/bad\\name.md": "x\n",
        "usage.jsonl": "{}\n",
    }.items():
        path = theirs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    (theirs / "binary.md").write_bytes(b"\xff\xfe\x00")
    return theirs


@pytest.fixture
def config(folder: Path, tmp_path: Path) -> Path:
    own, linked = tmp_path / "AGENTS.md", tmp_path / "CLAUDE.md"
    own.write_text("Mine.\n")
    linked.symlink_to(folder / "GLOBAL_MEMORY.md")
    file = tmp_path / "memsync.toml"
    file.write_text(
        f"""
[core]
provider = "onedrive"
model = "claude-sonnet-4-20250514"
max_memory_lines = 300
api_key = "{KEY}"
[paths]
claude_md_target = "{linked}"
codex_agents_target = "{own}"
[backups]
keep_days = 60
[llm]
backend = "ollama"
ollama_base_url = "http://localhost:11434/v1"
ollama_model = "llama3.2:3b"
[daemon]
web_ui_host = "0.0.0.0"
refresh_schedule = "0 22 * * *"
capture_token = "token of the phone"
harvest_projects_dir = "/home/me/claude"
digest_smtp_port = 99999
"""
    )
    return file


def imported(box: Any, folder: Path, config: Path) -> Any:
    return box.json("import", "memsync", str(folder), "--config", str(config))


def looks(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_files_settings_and_secrets_are_taken_over_once(box: Any, folder: Path, config: Path, tmp_path: Path) -> None:
    before = looks(tmp_path / "OneDrive"), config.read_bytes()
    answer = imported(box, folder, config)
    assert (answer["stored"], answer["known"], answer["aside"]) == (3, 0, 0)
    assert box("memory", "show").stdout == MEMORY
    assert box("memory", "show", "sessions/2026-03-21.md").stdout == DAY
    item = box.json("recall", "who comes for the heating")["items"][0]
    assert item["source_ref"] == "notebook:sessions/2026-03-21.md#L4-L6"

    settings = box.json("config", "show")
    assert (settings["core"]["max_memory_lines"], settings["core"]["model"]) == (300, "")
    assert (settings["backups"]["keep_days"], settings["daemon"]["refresh_schedule"]) == (60, "0 22 * * *")
    assert settings["daemon"]["web_ui_host"] == "127.0.0.1"
    assert (settings["llm"]["providers"], settings["llm"]["openai_model"]) == (["openai"], "llama3.2:3b")
    assert settings["paths"]["targets"] == [str(tmp_path / "AGENTS.md")]
    told = " ".join(answer["left"])
    for word in ("CLAUDE.md leads into the folder", "digest_smtp_port", "harvest_projects_dir", "bad", "binary.md"):
        assert word in told

    again = imported(box, folder, config)
    assert (again["stored"], again["known"], again["settings"], again["secrets"]) == (0, 3, [], [])
    assert (looks(tmp_path / "OneDrive"), config.read_bytes()) == before


def test_secrets_lie_in_the_keyring_and_nowhere_else(box: Any, folder: Path, config: Path) -> None:
    answer = imported(box, folder, config)
    name = f"memsync-{sha256(TOKEN.encode()).hexdigest()[:8]}"
    assert answer["secrets"] == ["anthropic-api-key", "capture-token", name]
    assert box("secrets", "get", "anthropic-api-key").stdout.strip() == KEY
    assert box("secrets", "get", name).stdout.strip() == TOKEN
    text = box("memory", "show", "sessions/2026-03-22.md").stdout
    assert f"The key is [secret anthropic-api-key], the token [secret {name}]." in text
    for secret in (KEY, TOKEN, "token of the phone"):
        found = subprocess.run(["grep", "-rlF", secret, str(box.home)], capture_output=True, text=True, check=False)
        assert found.stdout == ""
        assert secret not in str(answer)


def test_the_phone_goes_on_capturing_with_its_token_and_can_do_nothing_else(
    box: Any, folder: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(box, folder, config)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(box.home.parent / "config"))
    opened = open_box(box.home)
    try:
        phone = opened.access.principal_of_key("token of the phone")
        assert phone is not None
        assert (phone.tenant_id, phone.role) == ("home", Role.CAPTURE)
        assert opened.access.principal_of_key("token of another") is None
        assert opened.access.principal_of_key("") is None
        opened.secrets.remove("capture-token")
        assert opened.access.principal_of_key("token of the phone") is None
    finally:
        opened.close()


def test_what_was_changed_or_forgotten_here_stays_so(box: Any, folder: Path, config: Path, editor: Any) -> None:
    imported(box, folder, config)
    box("memory", "edit", environ=editor("sed -i 's/Friday/Monday/' \"$1\""))
    box("memory", "forget", "sessions/2026-03-21.md:9-11", "--yes")
    box("config", "set", "core.max_memory_lines", "500")
    here = box("memory", "show").stdout, box("memory", "show", "sessions/2026-03-21.md").stdout
    assert "drill" not in here[1]
    assert imported(box, folder, config)["known"] == 3
    assert (box("memory", "show").stdout, box("memory", "show", "sessions/2026-03-21.md").stdout) == here
    assert box.json("config", "show")["core"]["max_memory_lines"] == 500


def test_a_memory_of_the_boxs_own_is_kept_and_days_come_together(
    box: Any, folder: Path, config: Path, editor: Any
) -> None:
    box("memory", "edit", environ=editor("echo '- Mine.' >>\"$1\""))
    day = "sessions/2026-03-21.md"
    box("memory", "edit", day, environ=editor("printf '# 2026-03-21\\n\\n---\\n\\n### 11:00:00\\n\\nOwn.\\n' >\"$1\""))
    answer = imported(box, folder, config)
    assert answer["files"]["GLOBAL_MEMORY.md"] == "aside"
    assert "- Mine." in box("memory", "show").stdout
    assert box("memory", "show", "archive/memsync/GLOBAL_MEMORY.md").stdout == MEMORY
    text = box("memory", "show", day).stdout
    assert all(word in text for word in ("Own.", "The heating man comes.", "Buy a drill."))
    again = imported(box, folder, config)
    assert (again["stored"], again["aside"]) == (0, 0)
    assert box("memory", "show", day).stdout == text


def test_what_is_no_memsync_folder_is_told(box: Any, tmp_path: Path, folder: Path) -> None:
    assert "no memsync folder" in box("import", "memsync", str(tmp_path), code=1).stderr
    bad = tmp_path / "bad.toml"
    bad.write_text("[core")
    assert "bad.toml" in box("import", "memsync", str(folder), "--config", str(bad), code=2).stderr
