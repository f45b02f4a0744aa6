"""Who is let in, as the rules are written; molecule/ tries them on a machine."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Render = Callable[..., str]
FROM_HOME = '0 0 203.0.113.5:2222 198.51.100.7:50000 users:(("sshd-session",pid=7,fd=4))'
OVER_TAILNET = '0 0 100.100.3.4:22 100.64.0.9:50000 users:(("sshd",pid=7,fd=4))'
OVER_TAILNET_6 = '0 0 [fd7a:115c:a1e0::5]:22 [fd7a:115c:a1e0::9]:50000 users:(("sshd",pid=7,fd=4))'
MAPPED = '0 0 [::ffff:203.0.113.5]:22 [::ffff:198.51.100.7]:50000 users:(("sshd",pid=7,fd=4))'
A_BROWSER = '0 0 203.0.113.5:50000 198.51.100.7:443 users:(("curl",pid=7,fd=4))'
FORWARDED = '0 0 203.0.113.5:50000 198.51.100.7:443 users:(("sshd-session",pid=7,fd=4))'


@pytest.fixture
def rules(render: Render) -> Callable[..., str]:
    """`rules(*connections, ssh="keep", before="")`: what is written when these are connected."""

    def written(*connections: str, before: str = "", **given: Any) -> str:
        lines = [*connections, *before.splitlines()]
        probe = {"stdout_lines": lines, "stdout": "\n".join(lines)}
        variables = {name if name == "membox_config" else f"membox_firewall_{name}": given[name] for name in given}
        return render("membox_firewall", "firewall.nft.j2", membox_firewall_probe=probe, **variables)

    return written


@pytest.mark.parametrize(
    ("connection", "opened"),
    [
        (FROM_HOME, "tcp dport { 22, 2222 } accept"),
        (MAPPED, "tcp dport { 22 } accept"),
        (FORWARDED, "tcp dport { 22 } accept"),
    ],
)
def test_whoever_is_connected_by_ssh_is_not_locked_out(rules: Callable[..., str], connection: str, opened: str) -> None:
    assert opened in rules(connection)


@pytest.mark.parametrize("connection", [OVER_TAILNET, OVER_TAILNET_6, A_BROWSER])
def test_nobody_else_opens_ssh_to_the_world(rules: Callable[..., str], connection: str) -> None:
    assert "tcp dport" not in rules(connection)


def test_what_was_let_in_stays_so_until_it_is_closed(rules: Callable[..., str]) -> None:
    before = rules(FROM_HOME)
    assert "tcp dport { 22 } accept" in rules(before=before)
    assert "tcp dport" not in rules(FROM_HOME, before=before, ssh="closed")


def test_ssh_is_opened_where_it_is_asked_for(rules: Callable[..., str]) -> None:
    assert "tcp dport { 2022 } accept" in rules(ssh="open", ssh_port=2022)


@pytest.mark.parametrize(
    ("settings", "opened"),
    [
        ({"daemon.web_ui_host": "0.0.0.0"}, "{ 8080 } accept"),
        (
            {"daemon.web_ui_host": "::", "daemon.web_ui_port": 9000, "daemon.capture_port": 8088},
            "{ 8088, 9000 } accept",
        ),
    ],
)
def test_a_box_that_is_set_to_listen_beyond_itself_lets_its_ports_in(
    rules: Callable[..., str], settings: dict[str, Any], opened: str
) -> None:
    assert opened in rules(membox_config=settings)


def test_settings_that_keep_it_on_the_machine_open_nothing(rules: Callable[..., str]) -> None:
    assert "tcp dport" not in rules(membox_config={"daemon.capture_port": 8088, "daemon.web_ui_host": "127.0.0.1"})


def test_a_table_of_our_own_is_all_that_is_touched(rules: Callable[..., str]) -> None:
    written = [line for line in rules().splitlines() if line.startswith(("table", "delete", "flush", "add"))]
    assert written == ["table inet membox", "delete table inet membox", "table inet membox {"]


@pytest.mark.skipif(not shutil.which("nft"), reason="needs nft")
def test_the_kernel_s_tool_understands_the_rules(rules: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "firewall.nft"
    file.write_text(rules(FROM_HOME, extra_rules=["tcp dport 443 accept"]))
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "nft", "list", "tables"], capture_output=True, check=False).returncode:
        pytest.skip("may not have network rules of its own here")
    loaded = subprocess.run([*alone, "nft", "--file", str(file)], capture_output=True, text=True, check=False)
    assert (loaded.returncode, loaded.stderr) == (0, "")
