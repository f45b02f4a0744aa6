"""The units as systemd sees them: what they are kept from, and what they promise."""

import configparser
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance import errand
from appliance.settings import Mcp

Render = Callable[..., str]
OFFLINE_SINCE = 250  # the first systemd that judges a unit that is not installed


def systemd_version() -> int:
    if not shutil.which("systemd-analyze"):
        return 0
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", said)
    return int(found.group()) if found else 0


def exposure(unit: str, name: str, place: Path) -> float:
    """What `systemd-analyze security` gives it: 0 is kept from everything, 10 from nothing."""
    path = place / name
    path.write_text(unit)
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found, judged.stderr
    return float(found.group(1))


def settings(unit: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read_string(unit)
    return parser


@pytest.fixture(scope="module")
def daemon(render: Render) -> str:
    return render("membox", "membox.service.j2")


@pytest.mark.skipif(systemd_version() < OFFLINE_SINCE, reason="needs systemd-analyze of systemd 250 or later")
def test_the_daemon_is_kept_from_what_it_does_not_need(daemon: str, tmp_path: Path) -> None:
    assert exposure(daemon, "membox.service", tmp_path) <= 1.5


def test_the_daemon_is_watched_and_started_again_but_never_in_a_rush(daemon: str) -> None:
    unit, service = settings(daemon)["Unit"], settings(daemon)["Service"]
    assert service["Type"] == "notify"
    assert service["WatchdogSec"] == "60"
    assert service["Restart"] == "on-failure"
    assert (unit["StartLimitIntervalSec"], unit["StartLimitBurst"]) == ("5min", "10")
    steps, longest = int(service["RestartSteps"]), 120
    # By its delays alone the daemon never reaches the limit, after which systemd would give up.
    assert steps + (300 - longest) / longest < int(unit["StartLimitBurst"])


def test_the_daemon_gets_its_master_key_sealed_and_no_other_secret(daemon: str) -> None:
    service = settings(daemon)["Service"]
    assert service["LoadCredentialEncrypted"] == "membox.master-key"
    assert {"SetCredential", "EnvironmentFile"}.isdisjoint(service)
    assert service["Environment"] == "MEMBOX_HOME=/var/lib/membox"
    assert service["LimitCORE"] == "0"


def test_root_runs_nothing_of_ours_but_what_must(render: Render) -> None:
    as_root = {
        template.name
        for template in (Path(__file__).parents[2] / "roles").glob("*/templates/*.service.j2")
        if not {"User", "DynamicUser"} & set(settings(template.read_text("utf-8"))["Service"])
    }
    assert as_root <= {
        "membox-recover.service.j2",  # moves root's link to the release back
        "membox-firewall.service.j2",  # loads rules into the kernel
        "tailscaled.service.j2",  # makes a network device
        "membox-tailscale-sign-in.service.j2",  # asks tailscaled
    }


def test_an_upgrade_that_was_cut_off_is_settled_before_the_daemon_starts(render: Render, daemon: str) -> None:
    from appliance.release import record

    recover = settings(render("membox", "membox-recover.service.j2"))
    assert recover["Unit"]["Before"] == "membox.service"
    assert recover["Unit"]["ConditionPathExists"] == f"/opt/membox/{record.FILE}"
    assert "membox-recover.service" in settings(daemon)["Unit"]["After"].split()


@pytest.mark.skipif(systemd_version() < OFFLINE_SINCE, reason="needs systemd-analyze of systemd 250 or later")
def test_the_mcp_server_is_kept_from_nearly_everything(render: Render, tmp_path: Path) -> None:
    assert exposure(render("membox", "membox-mcp.service.j2"), "membox-mcp.service", tmp_path) <= 1.0


def test_the_mcp_server_is_started_by_calls_from_this_machine_only_and_goes_with_the_release(render: Render) -> None:
    socket = settings(render("membox", "membox-mcp.socket.j2"))
    server = settings(render("membox", "membox-mcp.service.j2"))
    assert socket["Socket"]["ListenStream"] == f"127.0.0.1:{Mcp().port}"
    assert "Install" not in server
    assert server["Unit"]["PartOf"] == "membox.service"
    assert "Restart" not in server["Service"]


@pytest.mark.skipif(systemd_version() < OFFLINE_SINCE, reason="needs systemd-analyze of systemd 250 or later")
def test_an_errand_is_kept_from_all_but_the_agents_home_and_the_network(render: Render, tmp_path: Path) -> None:
    unit = render("membox_claude", "membox-errand@.service.j2")
    assert exposure(unit, "membox-errand@.service", tmp_path) <= 3.0
    assert settings(unit)["Service"]["User"] == "agent"


def test_only_the_daemon_may_ask_for_errands_where_it_asks(render: Render) -> None:
    listening = settings(render("membox_claude", "membox-errand.socket.j2"))["Socket"]
    assert (listening["SocketUser"], listening["SocketMode"]) == ("membox", "0600")
    assert "SocketGroup" not in listening
    assert listening["ListenStream"] == str(errand.SOCKET)
    assert listening["Accept"] == "yes"
