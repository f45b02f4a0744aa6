"""The box in a tailnet of real nodes, whose control server is a headscale.

A headscale has no certificates, so here Serve speaks HTTP; what it says of who asks, and to which socket, is the same.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = Path(os.environ["MEMBOX_RUN"])
PROGRAMS = RUN / "tailnet-programs"
ROLE, CUT = (f"../molecule/tailnet/{name}.yml" for name in ("role", "cut"))
SOCKET = "unix:/var/lib/membox/run/serve.sock"
ASK = """
import sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_): return None
request = urllib.request.Request("http://%s/" % sys.argv[1], headers={"Host": sys.argv[2]})
try:
    answer = urllib.request.build_opener(Stay).open(request, timeout=20)
except urllib.error.HTTPError as refused:
    answer = refused
print(answer.status, answer.headers.get("Location", ""), answer.read().decode())
"""

pytestmark = pytest.mark.skipif(not (PROGRAMS / "headscale").exists(), reason="Tailscale could not be built here")


def state(box: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("tailscale status --json --peers=false"))
    return found


def new_key(machine: Callable[[str], Any]) -> str:
    made = machine("control").run("headscale preauthkeys create --user 1 --output json")
    return str(json.loads(made)["key"])


def ask(node: Any, box: Any) -> str:
    """What a node of the tailnet gets for the box's page."""
    address = box.run("tailscale ip -4").strip()
    node.run(f"tailscale ping -c 20 {address}")
    name = state(box)["Self"]["DNSName"].rstrip(".")
    return str(node.run(f"python3 - {address} {name}", stdin=ASK))


def test_the_key_brought_the_box_in_under_its_name_and_was_left_nowhere(
    box: Any, play: Callable[..., Any], machine: Callable[[str], Any]
) -> None:
    key = new_key(machine)
    box.tries("tailscale logout")
    (RUN / "tailnet" / "key.json").write_text(json.dumps({"membox_tailscale_auth_key": key}))
    joined = play(ROLE, f"--extra-vars=@{RUN / 'tailnet' / 'key.json'}", "-vvv")
    assert joined.status == 0, joined.output
    assert state(box)["Self"]["DNSName"] == "memory-box.tail.test."
    assert key not in joined.output
    assert key not in box.run("journalctl --no-pager")
    assert not box.tries(f"grep -rlF {key} /etc /run /var/lib /var/log /opt/membox/tailscale /root").stdout
    assert box.tries("systemctl is-active membox-tailscale-undo.timer").returncode


def test_a_second_run_changes_nothing(play: Callable[..., Any]) -> None:
    second = play(ROLE)
    assert second.status == 0, second.output
    assert second.changed("box") == 0, second.output
    assert play(ROLE, "--check", "--diff").changed("box") == 0


def test_a_tailnet_without_certificates_is_told_of_in_one_sentence(play: Callable[..., Any]) -> None:
    assert "switch on MagicDNS and HTTPS Certificates" in play(ROLE).sentence


def test_serve_signs_its_owner_in_and_nobody_else(box: Any, machine: Callable[[str], Any]) -> None:
    box.run(f"timeout 30 tailscale serve --yes --bg --http=80 {SOCKET}")
    assert ask(machine("phone"), box).startswith("200 ")
    assert ask(machine("sensor"), box).startswith("303 /sign-in")
    box.run("tailscale serve --yes --http=80 off")


def test_a_new_name_is_taken_and_the_daemon_told_of_it(box: Any, play: Callable[..., Any], until: Any) -> None:
    renamed = play(ROLE, membox_tailscale_hostname="attic")
    assert renamed.status == 0, renamed.output
    until(lambda: state(box)["Self"]["DNSName"] == "attic.tail.test.", "the tailnet knows the name")
    assert play(ROLE, membox_tailscale_hostname="attic").status == 0
    assert box.json("membox config show")["tailnet"]["hostname"] == "attic.tail.test"
    assert play(ROLE).status == 0
    assert box.tries("systemctl is-active membox-tailscale-undo.timer").returncode


def test_what_cuts_the_way_of_the_play_is_undone_by_the_box(box: Any, play: Callable[..., Any]) -> None:
    cut = play(CUT, membox_tailscale_patience=3, membox_tailscale_sign_in_seconds=1)
    assert cut.status != 0
    assert "so the change was undone" in cut.sentence
    assert "blackhole" not in box.run("ip route")


def test_a_wrong_key_is_refused_in_one_sentence(box: Any, play: Callable[..., Any]) -> None:
    box.run("tailscale logout")
    refused = play(ROLE, membox_tailscale_auth_key="hskey-auth-" + "x" * 80, membox_tailscale_sign_in_seconds=20)
    assert refused.status != 0
    assert "This box could not sign in to the tailnet" in refused.sentence
    assert not box.infra.file("/run/membox-tailscale.key").exists


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"membox_tailscale_auth_key": "tskey-api-x", "membox_tailscale_login_server": ""}, "is no auth key"),
        ({"membox_tailscale_auth_key": "tskey-client-x", "membox_tailscale_tags": []}, "name a tag that it owns"),
        ({"membox_tailscale_archive_sha256": "0" * 64}, "its SHA-256 is not the one"),
    ],
)
def test_what_cannot_work_is_refused_early(play: Callable[..., Any], variables: dict[str, Any], sentence: str) -> None:
    refused = play(ROLE, **variables)
    assert refused.status != 0
    assert sentence in refused.sentence


def test_without_a_key_a_link_stands_on_the_console_until_it_is_used(
    box: Any, play: Callable[..., Any], machine: Callable[[str], Any], until: Any
) -> None:
    asked = play(ROLE)
    assert asked.status == 0, asked.output
    link = re.search(r"http://[\d.]+:8080/register/\S+", asked.sentence)
    assert link, asked.output
    issue = box.run("cat /run/issue.d/membox-tailscale.issue")
    assert link[0] in issue
    assert "█▄▄▄▄▄▄▄█" in issue, "a QR code"
    assert link[0] in box.run("journalctl --no-pager --unit membox-tailscale-sign-in")
    assert play(ROLE).changed("box") == 0
    machine("control").run(f"headscale nodes register --user alice --key {link[0].rpartition('/')[2]}")
    until(lambda: state(box)["BackendState"] == "Running", "the link was used")
    until(lambda: not box.infra.file("/run/issue.d/membox-tailscale.issue").exists, "the console is clear")


def test_undone_it_leaves_nothing_behind(box: Any, play: Callable[..., Any]) -> None:
    gone = play(ROLE, membox_tailscale_state="absent")
    assert gone.status == 0, gone.output
    left = box.run("find / -xdev -iname '*tailscale*' -not -path '/opt/membox/releases/*' -not -path '/proc/*'")
    assert not left
    assert not box.infra.interface("tailscale0").exists
    assert box.json("membox config show")["tailnet"]["serve"] is False
    again = play(ROLE, membox_tailscale_state="absent")
    assert again.status == 0, again.output
    assert again.changed("box") == 0, again.output
