"""Each check of the machine finds what it is for, in files and tools that say what the real ones say."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance import hold
from appliance.config import read_toml
from appliance.daemon import disk_trend, health
from appliance.daemon.findings import Severity
from appliance.errors import NotConfiguredError
from appliance.home import run_directory
from appliance.machine import Machine, Said, WatchedMachine
from appliance.provision import managed

OK, WARN, ERROR = Severity.OK, Severity.WARN, Severity.ERROR
Tools = Any  # of conftest.py


def test_a_machine_that_is_no_box_hears_of_its_home_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    machine = Machine(home=tmp_path, root=tmp_path / "root")
    assert {finding.check for finding in health.machine_findings(machine, deep=True)} == {"disk", "permissions"}


def test_a_box_without_any_tool_is_looked_at_without_a_fault(box: Tools) -> None:
    assert {finding.severity for finding in health.machine_findings(box.machine, deep=True)} == {OK}


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(box: Tools) -> None:
    home = box.machine.home
    files = [home / "config.toml", run_directory(home) / "disk.json", hold.hold_path(home)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        os.mkfifo(file)
    assert "disk" in {finding.check for finding in health.machine_findings(box.machine, deep=True)}
    with pytest.raises(NotConfiguredError, match="is no regular file"):
        read_toml(files[0])


def test_a_tool_that_hangs_is_given_up(box: Tools) -> None:
    (box.programs / "slow").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (box.programs / "slow").chmod(0o755)
    began = time.monotonic()
    assert box.machine.ask("slow", seconds=0.2) is None
    assert time.monotonic() - began < 30


def test_a_program_is_started_once_for_all_who_ask_at_a_time(box: Tools) -> None:
    log, program = box.programs / "log", box.programs / "count"
    machine = WatchedMachine(home=box.machine.home, root=box.machine.root)
    assert machine.ask("count") is None
    program.write_text(f"#!/bin/sh\necho >> {log}\nexec /bin/sleep $1\n")
    program.chmod(0o755)
    assert machine.ask("count") is None  # that there was no answer counts for a while, too
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: machine.ask("count", "0.1"), range(8)))
    assert said == [Said(0, "", "")] * 8
    assert log.read_text() == "\n"
    passing = WatchedMachine(home=box.machine.home, root=box.machine.root, lasting=0)
    assert [passing.ask("count", "0"), passing.ask("count", "0")] == said[:2]
    assert log.read_text() == "\n\n\n"


def unit(name: str, **changes: object) -> str:
    """A unit as `systemctl show` prints it: one that runs, but for `changes`."""
    properties = {
        "Result": "success",
        "NRestarts": 0,
        "Id": name,
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "UnitFileState": "enabled",
        "ActiveEnterTimestampMonotonic": 12173268501,
    }
    return "".join(f"{key}={value}\n" for key, value in {**properties, **changes}.items())


def absent(name: str) -> str:
    return unit(name, LoadState="not-found", ActiveState="inactive", SubState="dead", UnitFileState="")


RUNS = unit("membox.service")


@pytest.mark.parametrize(
    ("units", "says", "remedy"),
    [
        ([absent("membox.service")], "is not installed", "provision"),
        ([unit("membox.service", ActiveState="failed", Result="exit-code")], "has failed (exit-code)", "journalctl"),
        (
            [unit("membox.service", ActiveState="activating", SubState="auto-restart", NRestarts=9)],
            "again and again (9",
            "journalctl",
        ),
        ([RUNS, unit("membox-agent.service", ActiveState="inactive")], "membox-agent.service does not run", "start"),
        (
            [RUNS, unit("membox-drill.timer", ActiveState="inactive", UnitFileState="disabled")],
            "membox-drill.timer does not run",
            "enable --now membox-drill.timer",
        ),
        ([RUNS, unit("membox-portal.service", UnitFileState="disabled")], "not enabled", "enable membox-portal"),
        ([RUNS, unit("membox-portal.service", LoadState="masked", ActiveState="inactive")], "is masked", "unmask"),
        ([RUNS, unit("tailscaled.service", ActiveState="inactive")], "tailscaled.service does not", "start tailscaled"),
        ([RUNS, unit("membox-recover.service", ActiveState="failed")], "membox-recover.service has failed", "journal"),
    ],
)
def test_a_unit_that_is_not_as_it_should_be_is_named(box: Tools, units: list[str], says: str, remedy: str) -> None:
    box.prints("systemctl", "\n".join(units))
    finding = box.fault("units")
    assert says in finding.sentence
    assert remedy in finding.remedy


def test_a_unit_that_restarted_often_and_just_now_is_named_and_one_long_ago_is_not(box: Tools) -> None:
    now = round(time.monotonic() * 1e6)
    box.prints("systemctl", unit("membox.service", NRestarts=5, ActiveEnterTimestampMonotonic=now - 5_000_000))
    assert "5 times" in box.fault("units").sentence
    (box.programs / "systemctl").unlink()
    box.prints("systemctl", unit("membox.service", NRestarts=5, ActiveEnterTimestampMonotonic=now - 3_600_000_000))
    assert box.is_well("units")


def test_units_that_run_or_are_not_for_this_box_are_well(box: Tools) -> None:
    tailscale = unit("tailscaled.service", ActiveState="inactive", UnitFileState="disabled")
    at_times = unit("membox-drill.service", ActiveState="inactive", SubState="dead", UnitFileState="static")
    box.prints("systemctl", "\n".join([RUNS, absent("membox-agent.service"), tailscale, at_times]))
    assert box.is_well("units")


MEMORY = "MemTotal:        4052544 kB\nMemFree:          108072 kB\nMemAvailable:    {} kB\nBuffers:  1 kB\n"
PRESSURE = (
    "some avg10=0.00 avg60=0.00 avg300=31.03 total=19\nfull avg10=0.00 avg60=0.00 avg300={} total=12\n"  # as the kernel
)


def test_short_memory_long_waits_and_ended_programs_are_found(box: Tools) -> None:
    assert box.found("memory") == []
    box.write("/proc/meminfo", MEMORY.format(2052544))
    box.write("/proc/pressure/memory", PRESSURE.format("0.00"))
    box.write("/proc/vmstat", "pgfault 1\noom_kill 0\n")
    assert box.is_well("memory")
    box.write("/proc/pressure/memory", PRESSURE.format("21.72"))
    assert "22 %" in box.fault("memory").sentence
    box.write("/proc/pressure/memory", PRESSURE.format("0.00"))
    box.write("/proc/meminfo", MEMORY.format(100_000))
    assert "Only 100 MB" in box.fault("memory").sentence
    box.write("/proc/meminfo", MEMORY.format(2052544))
    box.write("/proc/vmstat", "pgfault 1\noom_kill 2\n")
    assert "ended 2 programs" in box.fault("memory").sentence
    box.write("/run/systemd/container", "podman")
    assert box.found("memory") == []


def test_compressed_swap_that_was_set_up_and_is_not_used_is_found(box: Tools) -> None:
    box.write("/proc/meminfo", MEMORY.format(2052544))
    box.write("/etc/systemd/zram-generator.conf", "[zram0]\n")
    box.write("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
    assert "zram" in box.fault("memory").sentence
    box.write("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0  partition\t2026268\t0\t100\n")
    assert box.is_well("memory")


@pytest.mark.parametrize(
    ("free", "flags", "severity"), [(5e9, 0, OK), (5e8, 0, WARN), (5e7, 0, ERROR), (5e9, 1, ERROR)]
)
def test_a_full_or_read_only_disk_is_found(
    box: Tools, monkeypatch: pytest.MonkeyPatch, free: float, flags: int, severity: Severity
) -> None:
    real = os.statvfs(box.machine.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(total=8e9, used=8e9 - free, free=free))
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=real.f_flag & ~os.ST_RDONLY | flags))
    (finding,) = box.found("disk")
    assert (finding.severity, bool(finding.remedy)) == (severity, severity is not OK)
    assert ("read-only" in finding.sentence) is bool(flags)


def noted(box: Tools, *free: int) -> None:
    """Note free space on consecutive days."""
    days = {f"2026-11-{day:02}": count for day, count in enumerate(free, 1)}
    (box.machine.home / "run" / "disk.json").write_text(json.dumps(days))


def test_a_disk_that_fills_is_told_in_time(box: Tools) -> None:
    assert box.is_well("disk")
    noted(box, 900, 800, 700, 600, 500, 400, 300)
    assert box.is_well("disk")  # less than a week
    noted(box, 900, 800, 700, 600, 500, 400, 300, 200)
    (now, soon) = box.found("disk")
    assert (now.severity, soon.severity) == (OK, WARN)
    assert "full in 2 days" in soon.sentence
    noted(box, 900, 910, 900, 910, 900, 910, 900, 890)
    assert box.is_well("disk")
    (box.machine.home / "run" / "disk.json").write_text("[1]")
    assert box.is_well("disk")


def test_free_space_is_noted_once_a_day_for_a_fortnight(box: Tools) -> None:
    noted(box, *[1] * 20)
    disk_trend.note(box.machine.home, datetime(2026, 11, 20, tzinfo=UTC))
    file = box.machine.home / "run" / "disk.json"
    assert len(json.loads(file.read_text())) == 20  # today's was there
    disk_trend.note(box.machine.home, datetime(2026, 11, 21, tzinfo=UTC))
    kept = json.loads(file.read_text())
    assert (len(kept), min(kept), kept["2026-11-21"] > 1) == (15, "2026-11-07", True)


def test_a_clock_that_nobody_sets_is_found(box: Tools) -> None:
    box.prints("timedatectl", "no\n")
    assert "timedatectl set-ntp" in box.fault("clock").remedy
    box.write("/run/systemd/container", "podman")
    assert box.found("clock") == []


def test_an_update_that_waits_for_a_reboot_is_found(box: Tools) -> None:
    assert box.is_well("updates")
    box.write("/run/reboot-required", "*** System restart required ***\n")
    box.write("/run/reboot-required.pkgs", "linux-image-6.12.48-amd64\nlibc6\nlibc6\n")
    finding = box.fault("updates")
    assert "(libc6, linux-image-6.12.48-amd64)" in finding.sentence
    assert "sudo reboot" in finding.remedy


def test_a_pi_that_is_hot_or_short_of_power_is_found(box: Tools) -> None:
    box.write("/sys/class/thermal/thermal_zone0/temp", "85200\n")
    assert box.found("temperature") == []
    box.write("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    assert "85 °C" in box.fault("temperature").sentence
    box.write("/sys/class/thermal/thermal_zone0/temp", "48200\n")
    assert box.is_well("temperature")
    box.prints("vcgencmd", "throttled=0x50000\n")
    assert (box.fault("temperature").severity, "some time" in box.fault("temperature").sentence) == (WARN, True)
    box.write("/sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    box.write("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert box.fault("temperature").severity is ERROR


def test_releases_are_whole_and_the_installed_one_runs(box: Tools) -> None:
    box.release("0.0.1")
    assert "to go back to: 0.0.1" in box.found("releases")[0].sentence
    box.write("/opt/membox/switch.json", "{}")
    assert "release recover" in box.fault("releases").remedy
    box.machine.path("/opt/membox/switch.json").unlink()
    box.release("0.0.2", complete=False)
    assert "rm -r /opt/membox/releases/0.0.2" in box.fault("releases").remedy
    box.machine.path("/opt/membox/current").unlink()
    box.machine.path("/opt/membox/current").symlink_to("releases/0.0.1")
    assert "restart membox" in box.fault("releases").remedy
    box.machine.path("/opt/membox/current").unlink()
    box.machine.path("/opt/membox/current").symlink_to("releases/0.0.2")
    assert box.fault("releases").severity is ERROR


def test_an_upgrade_accepts_no_change_by_hand_to_the_files_of_others(box: Tools) -> None:
    box.write("/etc/nftables.conf", "table inet membox {}\n")
    box.write("/etc/systemd/system/membox.service", "[Service]\n")
    box.machine.path("/etc/membox").mkdir()
    managed.record(box.machine, ["/etc/nftables.conf", "/etc/systemd/system/membox.service"])
    box.write("/etc/nftables.conf", "flush ruleset\n")
    box.write("/etc/systemd/system/membox.service", "[Service]\nType=notify\n")
    assert managed.record(box.machine, ["/etc/systemd/system/membox.service"], also=True) is True
    assert managed.changed_by_hand(box.machine) == {"/etc/nftables.conf": "changed"}


def test_files_changed_by_hand_are_named(box: Tools) -> None:
    assert box.found("managed_files") == []
    box.write("/etc/nftables.conf", "table inet membox {}\n")
    box.write("/etc/systemd/system/membox.service", "[Service]\n")
    box.machine.path("/etc/membox").mkdir()
    paths = ["/etc/nftables.conf", "/etc/systemd/system/membox.service", "/etc/not-there"]
    assert managed.record(box.machine, paths) is True
    assert managed.record(box.machine, paths) is False
    assert box.machine.path(managed.MANIFEST).stat().st_mode & 0o777 == 0o644
    assert box.is_well("managed_files")
    box.write("/etc/nftables.conf", "flush ruleset\n")
    finding = box.fault("managed_files")
    assert "Changed by hand since provisioning: /etc/nftables.conf." in finding.sentence
    assert "provision --local" in finding.remedy
    box.machine.path("/etc/systemd/system/membox.service").unlink()
    assert [found.sentence.split()[0] for found in box.found("managed_files")] == ["Changed", "Removed"]
    box.machine.path("/etc/systemd/system/membox.service").symlink_to("membox.service")  # leads to itself: unreadable
    assert "nftables.conf" in box.fault("managed_files").sentence
    box.write("/etc/membox/managed.json", "[]")
    assert "cannot be read" in box.fault("managed_files").sentence


def test_a_hold_that_lasts_is_told_with_its_reason(box: Tools) -> None:
    assert box.found("held") == []
    hold.hold(box.machine.home, "an upgrade to 9.9.9", 60)
    assert "an upgrade to 9.9.9" in box.fault("held").sentence
