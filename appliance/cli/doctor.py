"""`membox doctor`: every check of the box and of the machine, and what to do."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, dim, emit, examples, json_option, shown
from appliance.client.box_client import LONG_WORK_SECONDS, BoxClient
from appliance.client.transport import UnixTransport
from appliance.errors import MemboxError
from appliance.home import owner_key_path, socket_path
from appliance.machine import Machine

STATES = {
    "ok": click.style("all is well", fg="green"),
    "warn": click.style("something should be seen to", fg="yellow"),
    "error": click.style("something does not work", fg="red"),
}
_MARKS = {"ok": ("✓", "ok", "green"), "warn": ("!", "!", "yellow"), "error": ("✗", "x", "red")}
# What a person looks for together; a check that is not named here is one of the memory box.
_GROUPS = {
    "Copies": ("mirror", "snapshots", "drill", "recovery_key"),
    "Machine": ("units", "disk", "memory", "clock", "temperature", "updates", "releases", "managed_files"),
    "Tailnet": ("tailnet", "certificates"),
}
_DOWN = {
    "check": "daemon",
    "severity": "error",
    "sentence": "The daemon does not answer, so the memory box itself could not be checked.",
    "remedy": "`sudo systemctl status membox`; `sudo journalctl -u membox -n 50` says why.",
}

type Findings = Sequence[dict[str, Any]]


@click.command(epilog=examples("membox doctor", "sudo membox doctor", "membox doctor --json"))
@json_option
@pass_caller
def doctor(caller: Caller, as_json: bool) -> None:
    """Check everything and say what to do.

    Exit code 1 when something does not work. This reads the whole database, which takes a while on a large one. On a
    box, root sees more of the machine than the daemon does, and gets an answer when the daemon is down.
    """
    checks = all_findings(caller)
    state = checks[0]["severity"] if checks else "ok"
    emit({"state": state, "checks": checks}, as_json, lambda: _print_groups(checks, state))
    if state == "error":
        click.get_current_context().exit(1)


def all_findings(caller: Caller) -> list[dict[str, Any]]:
    """What every check says, worst first: the daemon's word or, to root on a box, that and root's own sight."""
    machine = Machine(home=caller.home)
    if caller.url or os.geteuid() or not machine.is_box:
        with caller.box() as box:
            return list(box.get("/v1/status", LONG_WORK_SECONDS, deep="true")["checks"])
    from appliance.daemon import health

    mine = [finding.as_dict() for finding in health.machine_findings(machine, deep=True)]
    ranks = list(reversed(_MARKS))
    return sorted([*_of_the_daemon(caller), *mine], key=lambda finding: ranks.index(finding["severity"]))


def _of_the_daemon(caller: Caller) -> list[dict[str, Any]]:
    """What the daemon finds in its box. Root never opens a home itself: its files would be root's."""
    try:
        with running_daemon(caller) as box:
            return list(box.get("/v1/status", LONG_WORK_SECONDS, deep="true", machine="false")["checks"])
    except (MemboxError, OSError):
        return [_DOWN]


def running_daemon(caller: Caller) -> BoxClient:
    """The daemon of the home, and no other way to it."""
    return BoxClient(UnixTransport(socket_path(caller.home), lambda: _owner_key(caller.home)))


def _owner_key(home: Path) -> str:
    """The key to send to who listens there: that home may be another's, and a link in it lead to a secret of root's."""
    with os.fdopen(os.open(owner_key_path(home), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        return file.read()


def print_findings(findings: Findings) -> None:
    """Each finding behind its mark, with its remedy."""
    for finding in findings:
        click.echo(f"{_mark(finding['severity'])} {shown(finding['sentence'])}")
        if finding["remedy"]:
            click.echo(f"  {dim('→')} {shown(finding['remedy'])}")


def _mark(severity: str) -> str:
    sign, plain, colour = _MARKS[severity]
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        sign = plain
    return click.style(sign, fg=colour)


def _print_groups(checks: Findings, state: str) -> None:
    groups: dict[str, list[dict[str, Any]]] = {"Memory box": [], **{group: [] for group in _GROUPS}}
    for finding in checks:
        group = next((group for group, names in _GROUPS.items() if finding["check"] in names), "Memory box")
        groups[group].append(finding)
    for group, found in groups.items():
        if found:
            click.echo(bold(group))
            print_findings(found)
            click.echo()
    click.echo(f"membox: {STATES[state]}.")
