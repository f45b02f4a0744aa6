"""What a box outlives: its daemon's death, its own restart, and people who look for secrets."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

SOCKET = "/run/membox-agent/tmux.sock"


def pane(box: Any) -> str:
    """The process in the agent's terminal, with the moment it began."""
    pid = box.run(f"tmux -S {SOCKET} list-panes -a -F '#{{pane_pid}}'", user="agent").strip()
    return str(box.run(f"ps -o pid=,lstart= -p {pid}")).strip()


def daemon_pid(box: Any) -> str:
    return str(box.run("systemctl show --value --property MainPID membox")).strip()


def test_the_agents_terminal_outlives_a_restart_of_the_daemon(box: Any) -> None:
    before, old = pane(box), daemon_pid(box)
    box.run("systemctl restart membox")
    assert daemon_pid(box) != old
    assert pane(box) == before


def test_a_killed_daemon_comes_back_with_every_note_it_said_yes_to(box: Any, until: Callable[..., Any]) -> None:
    word = f"killed{secrets.token_hex(4)}"
    before, noted = pane(box), []
    with box.client(box.new_key(word, "capture")) as phone:
        for number in range(20):
            assert phone.post("/note", json={"text": f"{word} {number}"}).status_code == 200
            noted.append(f"{word} {number}")
        box.run("systemctl kill --signal=KILL membox")
    until(box.is_healthy, "the daemon is back", 30)
    notes = box.run("cat /var/lib/membox/notebook/sessions/*.md").splitlines()
    assert [line for line in notes if line.startswith(word)] == noted
    assert pane(box) == before


def test_after_a_restart_of_the_machine_everything_is_as_it_was(box: Any) -> None:
    word = f"restart{secrets.token_hex(4)}"
    box.run(f"membox note 'Written before the {word}'")
    box.reboot()
    assert box.is_healthy()
    assert word in box.recalls(word)[0]["text"]
    assert box.run(f"tmux -S {SOCKET} list-sessions", user="agent")
    for unit in ("membox", "membox-agent", "membox-firewall"):
        assert box.infra.service(unit).is_running, unit
        assert box.infra.service(unit).is_enabled, unit
    assert "dport 22 accept" in box.run("nft list table inet membox")


def test_the_units_sandboxes_are_tight_where_they_run(box: Any) -> None:
    exposure = box.run("systemd-analyze security --no-pager membox.service").splitlines()[-1]
    assert float(exposure.split(":")[1].split()[0]) <= 2.0, exposure


@pytest.fixture
def planted(box: Any) -> list[str]:
    """Secrets given as an owner gives them, and those the box has made for itself."""
    value = f"planted-{secrets.token_hex(16)}"
    box.run("membox secrets set smtp-password", stdin=value)
    made = box.run("cat /var/lib/membox/run/owner.key").strip()
    return [value, made]


def test_secrets_are_nowhere_but_in_the_keyring(box: Any, planted: list[str]) -> None:
    box.run("systemctl restart membox && membox doctor >/dev/null || true")
    box.run("cat > /root/secrets", stdin="\n".join(planted))
    try:
        found = box.run(
            """cd /; {
            ps -eo args= | grep --fixed-strings --file=/root/secrets && echo ps
            grep --files-with-matches --null-data --fixed-strings --file=/root/secrets /proc/[0-9]*/environ
            journalctl --no-pager | grep --fixed-strings --file=/root/secrets && echo journal
            grep --recursive --files-with-matches --fixed-strings --file=/root/secrets --devices=skip \
                /etc /run /tmp /var/tmp /var/log /var/lib /home /root/.ansible /usr/local /opt/membox/wheels
            } 2>/dev/null | sort --unique"""
        )
    finally:
        box.run("rm /root/secrets")
    assert set(found.split()) <= {"/var/lib/membox/run/owner.key"}, found


def test_the_metadata_service_answers_root_alone(
    box: Any, machine: Callable[[str], Any], until: Callable[..., Any]
) -> None:
    """A provider's service repeats what the machine was made with; here another machine has its address."""
    blank, ask = machine("blank"), "timeout 5 bash -c '</dev/tcp/169.254.169.254/80'"
    blank.run("ip address replace 169.254.169.254/32 dev eth0")
    box.run("ip route replace 169.254.169.254 dev eth0")
    with blank.running("python3 -m http.server 80 --bind 169.254.169.254"):
        until(lambda: box.tries(ask).returncode == 0, "root is answered", 20)
        for user in ("agent", "membox", "nobody"):
            assert box.tries(ask, user=user).returncode != 0, user
