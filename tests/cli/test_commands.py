"""Every command for real, on a home without a daemon and on one with: the same answers either way."""

import json
import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(params=["in process", "through the daemon"])
def anywhere(request: pytest.FixtureRequest) -> Any:
    """The command on a home that is set up, without a daemon and with one."""
    return request.getfixturevalue("box" if request.param == "in process" else "served")


def today(membox: Any) -> str:
    """The path of the day's file."""
    return str(max(row["path"] for row in membox.json("memory", "list")["documents"] if "sessions/" in row["path"]))


def test_a_note_is_recalled_quoted_with_file_and_line(anywhere: Any) -> None:
    assert re.fullmatch(r"Noted at \d\d:\d\d:\d\d\.\n", anywhere("note", "The spare key is in the blue tin").stdout)
    told = anywhere("recall", "spare key").stdout
    assert re.search(r"^1\. sessions/\d{4}-\d\d-\d\d\.md:\d+(-\d+)?  event", told, re.MULTILINE)
    assert re.search(r"^  │ .*The spare key is in the blue tin", told, re.MULTILINE)


def test_a_note_is_read_from_standard_input_with_title_tags_and_url(anywhere: Any) -> None:
    words = ["note", "-", "--title", "Trip", "--tag", "travel", "--tag", "2027", "--url", "https://example.com/a"]
    assert anywhere.json(*words, stdin="Grüße\naus 東京\n")["ok"] is True
    text = anywhere("memory", "show", today(anywhere)).stdout
    for part in ("Grüße\naus 東京", "Trip", "travel", "2027", "https://example.com/a"):
        assert part in text


def test_words_need_no_quotes_and_a_pipe_no_dash(box: Any) -> None:
    box("note", "buy", "oat", "milk")
    box("note", stdin="from a pipe")
    text = box("memory", "show", today(box)).stdout
    assert "buy oat milk" in text
    assert "from a pipe" in text


@pytest.mark.parametrize(
    ("stdin", "said"), [(b"", "empty"), (b" \n", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * 70_000, "64 KiB")]
)
def test_a_note_that_cannot_be_taken_is_refused_in_a_sentence(box: Any, stdin: bytes, said: str) -> None:
    assert said in box("note", "-", stdin=stdin, code=1).stderr


def test_what_recall_printed_is_not_remembered_again(box: Any) -> None:
    box("remember", "The gate code is 4711")
    recalled = box("recall", "gate code").stdout.partition("\n\n")[0]
    assert "already knows" in box("remember", "-", stdin=recalled, code=1).stderr
    told = box("remember", "-", stdin=f"{recalled}\n\nThe gate was painted green.\n").stdout
    assert "left out" in told
    assert "text is blank" in box("remember", "  ", code=1).stderr


def test_a_text_on_the_command_line_that_is_no_utf8_is_refused(box: Any) -> None:
    assert "UTF-8" in box("note", "bad \udcff byte", code=1).stderr


@pytest.mark.parametrize("memory_id", ["", "mem_x/../y", "dead_letters?x", "a b"])
def test_what_is_no_id_asks_the_box_nothing(box: Any, memory_id: str) -> None:
    assert "no id" in box("inspect", memory_id, code=1).stderr
    assert "no id" in box("forget", memory_id, code=1).stderr


def test_an_item_is_remembered_inspected_and_forgotten(anywhere: Any) -> None:
    words = ["Deploys happen on Tuesdays", "--type", "policy", "--source-ref", "wiki:ops", "--trust", "trusted_tool"]
    (memory_id,) = anywhere.json("remember", *words, "--expires-at", "2999-01-01T00:00:00Z")["memory_ids"]
    item = anywhere.json("inspect", memory_id)
    assert (item["type"], item["source_ref"], item["scope"]) == ("policy", "wiki:ops", "private")
    assert item["trust_level"] == "trusted_tool"
    assert "Deploys happen on Tuesdays" in anywhere("inspect", memory_id).stdout
    assert "wiki:ops" in anywhere("recall", "deploys", "--explain").stdout
    assert "Forgotten" in anywhere("forget", memory_id).stdout
    assert "no memory item" in anywhere("inspect", memory_id, code=1).stderr
    assert "Nothing the box knows" in anywhere("recall", "deploys").stdout


def test_an_idempotency_key_stores_once(box: Any) -> None:
    words = ["remember", "Only once", "--idempotency-key", "k1"]
    first, second = box.json(*words), box.json(*words)
    assert first["memory_ids"] == second["memory_ids"]
    assert "stored before" in box(*words).stdout
    assert "already used" in box("remember", "Something else", "--idempotency-key", "k1", code=1).stderr


def test_recall_filters_by_type_scope_and_agent(box: Any) -> None:
    box("remember", "The gate code is 4711", "--type", "fact", "--agent", "claude")
    assert "4711" not in box("recall", "gate code").stdout
    assert "4711" in box("recall", "gate code", "--agent", "claude").stdout
    assert "4711" not in box("recall", "gate code", "--agent", "claude", "--type", "policy").stdout


def test_neighbours_of_what_is_recalled_are_quoted_with_their_place(anywhere: Any) -> None:
    for number, text in enumerate(("Is the shed locked?", "The padlock hangs open", "Thanks"), 1):
        anywhere("remember", text, "--source-ref", f"talk#{number}", "--agent", "ada")
    said = anywhere("recall", "padlock", "--context", "1", "--agent", "ada").stdout
    assert [line.split(" · ")[:2] for line in said.splitlines() if " · talk#" in line] == [
        ["  just before", "talk#1"],
        ["  just after", "talk#3"],
    ]
    assert "│ Thanks" in said
    assert "Thanks" not in anywhere("recall", "padlock", "--agent", "ada").stdout


def test_recall_with_json_has_exactly_the_contracts_fields_and_more_only_with_explain(box: Any) -> None:
    box("note", "The spare key is in the blue tin")
    (plain,) = box.json("recall", "spare key")["items"]
    assert set(plain) == {"memory_id", "type", "text", "confidence", "salience", "source_ref", "created_at"}
    (explained,) = box.json("recall", "spare key", "--explain")["items"]
    assert set(explained) - set(plain) == {"why", "file", "line", "occurred_at"}


def test_contradicting_items_are_pointed_out(box: Any) -> None:
    box("remember", "The team meeting is on Monday")
    box("remember", "The team meeting is on Friday")
    assert "may contradict" in box("recall", "team meeting").stdout


def test_of_many_contradictions_a_few_are_named_and_the_rest_counted(box: Any) -> None:
    for hour in range(10, 15):
        box("remember", f"The team meeting is at {hour}:00", "--scope", "team")
    told = box("recall", "team meeting").stdout
    assert told.count("may contradict") == 5
    assert "So may 5 other pairs" in told


def test_an_escape_sequence_in_a_note_does_not_reach_the_terminal(box: Any) -> None:
    box("remember", "harmless \x1b[2J looking")
    assert "\x1b" not in box("recall", "harmless looking").stdout


def test_a_file_goes_through_versions_and_back(anywhere: Any, editor: Any) -> None:
    def write(text: str) -> None:
        anywhere("memory", "edit", "projects/roof.md", environ=editor(f"printf '{text}' > \"$1\""))

    write("# Roof\\n\\nblue\\n")
    write("# Roof\\n\\ngreen\\nand red\\n")
    path = "projects/roof.md"
    assert "-blue\n+green\n+and red" in anywhere("memory", "diff", path).stdout
    assert [row["number"] for row in anywhere.json("memory", "history", path)["versions"]] == [2, 1]
    assert [row["version"] for row in anywhere.json("memory", "lines", path)["lines"]][:4] == [1, 1, 2, 2]
    assert "version 3" in anywhere("memory", "undo", path).stdout
    assert anywhere("memory", "show", path).stdout == "# Roof\n\nblue\n"
    assert "version 4" in anywhere("memory", "restore", path, "2").stdout
    assert anywhere.json("memory", "show", path, "--version", "1")["text"] == "# Roof\n\nblue\n"
    anywhere("memory", "forget", f"{path}:3", "--yes")
    assert anywhere("memory", "show", path).stdout == "# Roof\n\nand red\n"
    assert "green" not in anywhere("memory", "diff", path, "0", "2").stdout
    assert "forgotten" in anywhere("memory", "history", path).stdout


def test_forgetting_lines_asks_first_and_shows_them(box: Any, editor: Any) -> None:
    box("memory", "edit", "a.md", environ=editor("printf 'one\\ntwo\\n' > \"$1\""))
    done = box("memory", "forget", "a.md:2", stdin="n\n", code=1)
    assert "│ two" in done.stderr
    assert box("memory", "show", "a.md").stdout == "one\ntwo\n"
    assert "no line 9" in box("memory", "forget", "a.md:9", stdin="y\n", code=1).stderr
    box("memory", "forget", "a.md:2", stdin="y\n")
    assert box("memory", "show", "a.md").stdout == "one\n"


def test_a_file_that_is_not_there_has_its_own_exit_code(box: Any) -> None:
    assert "no/such.md" in box("memory", "show", "no/such.md", code=3).stderr
    told = json.loads(box("memory", "show", "no/such.md", "--json", code=3).stderr)
    assert told["error"] == "document_not_found"


def test_keys_are_made_shown_once_listed_and_revoked(anywhere: Any) -> None:
    made = anywhere.json("key", "create", "phone")
    assert made["role"] == "capture"
    listed = anywhere("key", "list").stdout
    assert made["key_id"] in listed
    assert made["key"] not in listed
    assert "phone" in anywhere("key", "revoke", "phone").stdout
    assert "no key" in anywhere("key", "revoke", "phone", code=1).stderr
    assert anywhere.json("key", "list")["keys"] == []


def test_a_key_in_a_pipe_is_the_key_alone_and_its_code_can_be_shown(box: Any) -> None:
    assert re.fullmatch(r"mbx_\S+\n", box("key", "create", "laptop", "--role", "writer").stdout)
    assert "█" in box("key", "create", "phone", "--qr").stdout


def test_two_keys_of_one_name_are_revoked_by_id(box: Any) -> None:
    ids = [box.json("key", "create", "phone")["key_id"] for _ in range(2)]
    assert ids[0] in box("key", "revoke", "phone", code=1).stderr
    box("key", "revoke", ids[0])
    box("key", "revoke", "phone")


def test_a_login_link_has_its_ticket_in_the_fragment(anywhere: Any) -> None:
    link = anywhere("login-link").stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/sign-in#ticket=\S+", link)
    assert "█" in anywhere("login-link", "--qr").stdout


def test_settings_are_shown_and_set_and_a_wrong_one_is_refused(box: Any) -> None:
    box("config", "set", "daemon.web_ui_port", "9000")
    assert box("config", "show", "daemon.web_ui_port").stdout == "9000\n"
    assert box.json("config", "show")["daemon"]["web_ui_port"] == 9000
    refused = box("config", "set", "daemon.web_ui_port", "90000", code=2).stderr
    assert "daemon.web_ui_port" in refused
    assert "90000" in refused
    assert "no setting" in box("config", "show", "daemon.web_port", code=2).stderr
    assert "# The settings of this memory box" in (box.home / "config.toml").read_text()


def test_shown_settings_can_be_put_into_a_file(box: Any) -> None:
    import tomllib

    assert tomllib.loads(box("config", "show").stdout) == box.json("config", "show")


def test_a_typo_in_the_settings_is_told_with_its_place(box: Any) -> None:
    (box.home / "config.toml").write_text("[daemon]\nweb_ui_prt = 9000\n")
    assert "web_ui_port" in box("note", "hi", code=2).stderr


def test_copies_are_made_listed_verified_and_restored(anywhere: Any, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    assert "backup_mirror_path" in anywhere("backup", "now", code=2).stderr
    assert "No mirror is set" in anywhere("backup", "list").stdout
    anywhere("config", "set", "daemon.backup_mirror_path", str(mirror))
    assert f"no copy in {mirror}" in anywhere("backup", "list").stdout
    anywhere("note", "Worth keeping")
    generation = anywhere.json("backup", "now")["generation"]
    assert generation in anywhere("backup", "list").stdout
    report = tmp_path / "report.json"
    assert "good" in anywhere("backup", "verify", "--output-json", str(report)).stdout
    assert json.loads(report.read_text())["ok"] is True
    assert anywhere.json("backup", "verify", str(mirror))["ok"] is True
    other = tmp_path / "other"
    assert "Restored to" in anywhere("backup", "restore", str(mirror), "--home", str(other)).stdout
    assert "Worth keeping" in anywhere("--home", str(other), "recall", "worth keeping").stdout
    assert "--replace" in anywhere("backup", "restore", str(mirror), "--home", str(other), code=1).stderr


def test_after_forgetting_the_copies_that_may_hold_it_are_named(box: Any, tmp_path: Path) -> None:
    box("config", "set", "daemon.backup_mirror_path", str(tmp_path / "mirror"))
    (memory_id,) = box.json("remember", "A secret")["memory_ids"]
    assert "mirror" not in box("forget", memory_id).stdout
    (memory_id,) = box.json("remember", "Another secret")["memory_ids"]
    box("backup", "now")
    assert f"{tmp_path / 'mirror'}" in box("forget", memory_id).stdout
    box("note", "third secret")
    assert "may still hold it" in box("memory", "forget", f"{today(box)}:5", "--yes").stdout


def test_a_damaged_copy_is_found(box: Any, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    box("config", "set", "daemon.backup_mirror_path", str(mirror))
    generation = box.json("backup", "now")["generation"]
    database = mirror / "generations" / generation / "membox.db"
    database.chmod(0o600)
    database.write_bytes(b"x" + database.read_bytes()[1:])
    assert "damaged" in box("backup", "verify", code=1).stdout
    assert "no good copy" in box("backup", "restore", str(mirror), "--home", str(tmp_path / "other"), code=1).stderr


def test_the_schema_is_shown_and_upgraded(box: Any) -> None:
    assert box.json("db", "status")["is_current"] is True
    assert "has schema" in box("db", "upgrade").stdout
    assert "has schema" in box("init-sqlite").stdout


def test_status_and_doctor_say_how_it_is_and_what_to_do(anywhere: Any) -> None:
    anywhere("note", "one")
    anywhere("note", "two")
    told = anywhere("status").stdout
    assert "2 notes today" in told
    assert "no second copy" in told
    assert "→ Name a directory" in told
    assert "integrity check passes" in anywhere("doctor").stdout
    checks = anywhere.json("doctor")["checks"]
    assert all(check["remedy"] for check in checks if check["severity"] != "ok")


def test_setting_up_twice_is_fine_and_keeps_everything(membox: Any) -> None:
    first = membox("init").stdout
    assert str(membox.home) in first
    assert "membox daemon start" in first
    assert membox.home.stat().st_mode & 0o777 == 0o700
    membox("note", "kept")
    (membox.home / "config.toml").write_text("[core]\ntimezone = 'Europe/Berlin'\n")
    assert "already" in membox("init").stdout
    assert membox.json("init") == {"home": str(membox.home), "created": False}
    assert "kept" in membox("recall", "kept").stdout
    assert "Berlin" in (membox.home / "config.toml").read_text()
    assert {"config.toml", "membox.db", "notebook"} <= {path.name for path in membox.home.iterdir()}


def test_a_box_from_the_future_is_refused_and_left_alone(box: Any) -> None:
    import sqlite3

    with sqlite3.connect(box.home / "membox.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (box.home / "membox.db").read_bytes()
    assert "newer membox" in box("note", "hi", code=1).stderr
    assert box.json("db", "status")["is_current"] is False
    assert (box.home / "membox.db").read_bytes() == before
