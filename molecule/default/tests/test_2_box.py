"""What a new box is good for, asked from outside: by phones, programs, browsers and agents."""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest


def test_a_note_from_a_phone_is_recalled_a_moment_later_with_file_and_line(box: Any) -> None:
    word = f"phone{secrets.token_hex(4)}"
    with box.client(box.new_key(word, "capture")) as phone:
        answer = phone.post("/note", json={"text": f"The {word} key hangs behind the door"})
    assert (answer.status_code, answer.json()["ok"]) == (200, True), answer.text
    where = re.fullmatch(r"notebook:(\S+)#L(\d+)-L(\d+)", box.recalls(word)[0]["source_ref"])
    assert where
    file, first, last = where.groups()
    assert word in box.run(f"sed -n {first},{last}p /var/lib/membox/notebook/{file}")


def test_what_one_agent_remembers_another_recalls(box: Any) -> None:
    word = f"deploy{secrets.token_hex(4)}"
    with box.client(box.new_key(f"{word}-one", "writer")) as one:
        asked = {"tenant_id": "home", "agent_id": f"{word}-one", "scope": "team"}
        items = [{"type": "policy", "text": f"Never {word} on Fridays"}]
        stored = one.post("/v0/memory/remember", json={**asked, "items": items})
    assert stored.status_code == 200, stored.text
    with box.client(box.new_key(f"{word}-other", "reader")) as other:
        asked = {
            "tenant_id": "home",
            "agent_id": f"{word}-other",
            "scope": "team",
            "query": f"{word} on Fridays",
        }
        found = other.post("/v0/memory/recall", json=asked).json()["items"]
    assert stored.json()["memory_ids"][0] in [each["memory_id"] for each in found]


def test_a_key_may_do_what_it_is_for_and_nothing_more_and_none_does_nothing(box: Any) -> None:
    with box.client(box.new_key("only-notes", "capture")) as phone:
        assert phone.get("/v1/notebook/documents").status_code == 403
    with box.client() as stranger:
        assert stranger.post("/note", json={"text": "let me in"}).status_code == 401
        assert stranger.get("/v1/keys").status_code == 401


def test_a_link_signs_a_browser_in_as_the_owner_once(box: Any, chromium: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    link = box.json("membox login-link")["url_path"]
    with playwright.sync_playwright() as driver, box.tunnel() as port:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(base_url=f"http://127.0.0.1:{port}")
        page.goto(link)
        page.wait_for_url("**/")
        whoami = page.request.get("/v1/whoami").json()
        again = browser.new_page(base_url=f"http://127.0.0.1:{port}")
        again.goto(link)
        again.get_by_text("This link no longer works").wait_for()
        browser.close()
    assert whoami["owner"] is True


def test_a_file_is_edited_from_elsewhere_and_an_edit_by_hand_is_taken_in(box: Any, until: Callable[..., Any]) -> None:
    word = f"hazel{secrets.token_hex(4)}"
    path = f"projects/{word}.md"
    with box.client(box.new_key(f"{word}-editor", "admin")) as editor:
        text = f"# Garden\n\nThe {word} is cut in February.\n"
        saved = editor.put("/v1/notebook/document", json={"path": path, "text": text, "base_version": 0})
        assert saved.status_code == 200, saved.text
        assert box.run(f"cat /var/lib/membox/notebook/{path}") == text
        box.run(f"sed -i s/February/March/ /var/lib/membox/notebook/{path}", user="membox")
        until(lambda: "March" in editor.get("/v1/notebook/document", params={"path": path}).text, "it is seen")
        history = editor.get("/v1/notebook/history", params={"path": path}).json()["versions"]
    assert len(history) == 2
    assert "March" in box.recalls(f"when is the {word} cut")[0]["text"]


def test_what_the_agent_user_may_reach(box: Any) -> None:
    """The socket with its own key; not the home, not the owner's key, and nothing through sudo."""
    box.run("membox note 'The agent was here'", user="agent")
    assert "The agent was here" in box.run("membox recall 'agent was here'", user="agent")
    for command in ("cat /var/lib/membox/run/owner.key", "ls /var/lib/membox", "membox key list", "sudo -n true"):
        refused = box.tries(command, user="agent")
        assert refused.returncode != 0, (command, refused.stdout)


def test_the_daemon_has_the_agent_look_after_its_files(box: Any, until: Callable[..., Any]) -> None:
    """By a unit of the agent's that only the daemon may ask: instruction files, and what transcripts hold."""
    file, word = "/home/agent/.claude/AGENTS.md", f"osprey{secrets.token_hex(4)}"
    box.run(f"mkdir -p /home/agent/.claude && echo Mine. >{file}", user="agent")
    box.run(f"membox targets add {file}")
    assert "## Hard constraints" in box.run(f"cat {file}", user="agent")
    box.run(
        f"sed -i 's/^## Hard constraints/&\\n\\n- Feed the {word}/' /var/lib/membox/notebook/GLOBAL_MEMORY.md",
        user="membox",
    )
    until(lambda: word in box.run(f"cat {file}", user="agent"), "the new memory is in the file")
    box.run(f"membox targets remove {file}")
    assert box.run(f"stat --format %U {file}; cat {file}") == "agent\nMine.\n"
    transcript = {
        "type": "user",
        "message": {"role": "user", "content": f"Never sell the {word}."},
        "cwd": "/home/agent",
    }
    where = "/home/agent/.claude/projects/-home-agent"
    box.run(f"mkdir -p {where} && cat >{where}/{word}.jsonl", stdin=json.dumps(transcript) + "\n", user="agent")
    assert box.json("membox memory harvest")["notes"] >= 1
    assert f"Never sell the {word}." in box.run("membox recall 'what must never be sold'")
    ask = "import socket; socket.socket(socket.AF_UNIX).connect('/run/membox-errand.sock')"
    assert "PermissionError" in box.tries(f'python3 -c "{ask}"', user="agent").stderr
    assert "membox-errand@" not in box.run("systemctl --failed --no-legend")


def test_the_agents_claude_code_tells_the_box_what_must_be_kept(box: Any) -> None:
    settings = json.loads(box.run("cat /home/agent/.claude/settings.json", user="agent"))
    [group] = settings["hooks"]["UserPromptSubmit"]
    word = f"plover{secrets.token_hex(4)}"
    event = {"hook_event_name": "UserPromptSubmit", "session_id": word, "prompt": f"We decided to keep the {word}."}
    box.run(group["hooks"][0]["command"], stdin=json.dumps(event), user="agent")
    assert f"decision: We decided to keep the {word}." in box.run("cat /var/lib/membox/notebook/working-buffer.md")
    assert f"We decided to keep the {word}." in box.run(f"membox session recover --project {word}")


def test_agents_have_the_boxs_tools_here_and_from_elsewhere(box: Any) -> None:
    """Claude Code by a server of its own, others over HTTP by one that their call starts, of the daemon's release."""
    assert "Connected" in box.run("claude mcp get membox", user="agent")
    word = f"heron{secrets.token_hex(4)}"
    call = {"name": "notebook_note", "arguments": {"text": f"A {word} stood by the pond"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"Accept": "application/json, text/event-stream"}
    with box.client(box.new_key(word, "writer"), to="127.0.0.1:8090") as elsewhere:
        answer = elsewhere.post("/mcp", json=body, headers=headers)
    with box.client(to="127.0.0.1:8090") as stranger:
        refused = stranger.post("/mcp", json=body, headers=headers)
    assert (answer.status_code, refused.status_code) == (200, 401), answer.text
    assert word in box.recalls(word)[0]["text"]
    process = box.run("systemctl show --property MainPID --value membox-mcp.service")
    box.run("systemctl restart membox.service")  # as an upgrade does
    assert box.run("systemctl show --property MainPID --value membox-mcp.service") != process != "0\n"


def test_the_mirror_is_made_and_verified(box: Any) -> None:
    box.run("membox backup now")
    assert box.json("membox backup list")
    box.run("membox backup verify")


def test_nothing_but_ssh_listens_on_the_network(box: Any) -> None:
    listening = {line.split()[4] for line in box.run("ss --no-header --listening --numeric --tcp --udp").splitlines()}
    public = {each for each in listening if not each.startswith(("127.", "[::1]"))}
    assert {each.rpartition(":")[2] for each in public} == {"22"}, listening


def test_the_firewall_lets_nothing_in_but_ssh(box: Any, machine: Callable[[str], Any]) -> None:
    knock = "timeout 3 bash -c '</dev/tcp/box/{}'"
    blank = machine("blank")
    with box.running("python3 -m http.server 8099 --bind 0.0.0.0"):
        box.run("timeout 20 bash -c 'until (</dev/tcp/127.0.0.1/8099) 2>/dev/null; do sleep 0.2; done'")
        assert blank.tries(knock.format(8099)).returncode != 0
    assert blank.tries(knock.format(22)).returncode == 0


def test_a_box_that_was_played_from_elsewhere_says_where_to_play_it_again(box: Any) -> None:
    refused = box.tries("membox provision --local")
    assert (refused.returncode, refused.stderr.count("playbooks/site.yml")) == (2, 1)
