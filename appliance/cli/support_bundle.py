"""`membox support-bundle`: what a person may send to somebody who helps them."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from appliance.cli.as_owner import membox_as_owner
from appliance.cli.connect import Caller, pass_caller
from appliance.cli.doctor import all_findings, running_daemon
from appliance.cli.output import counted, emit, examples, json_option, shown, size
from appliance.client.box_client import BoxClient
from appliance.errors import ForbiddenError, MemboxError, NotConfiguredError, UnavailableError
from appliance.home import expanded
from appliance.machine import Machine


@click.command("support-bundle", epilog=examples("membox support-bundle", "membox support-bundle --output box.tar.gz"))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to make. [default: membox-support-TIME.tar.gz, here]",
)
@json_option
@pass_caller
def support_bundle(caller: Caller, output: Path | None, as_json: bool) -> None:
    """Collect what helps to find a fault, without secrets.

    The archive has versions, settings without their texts, findings, services, their last log lines without what was
    logged, disk and memory. No note, memory, key, login or file name of yours. Look at it before you send it.
    """
    from appliance.support.bundle import write_bundle
    from appliance.support.contents import contents
    from appliance.support.sweep import Sweep

    machine = Machine(home=caller.home)
    _refuse_elsewhere(caller, machine)
    findings = all_findings(caller)
    jobs, secrets = _asked_of_the_box(caller, machine)
    files = contents(machine, findings, jobs, _schema(caller))
    name = f"membox-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    path = expanded(output).absolute() if output else Path.cwd() / name
    sizes = write_bundle(path, files, Sweep([*secrets, *_environment()]))
    emit({"path": str(path), "files": sizes}, as_json, lambda: _tell(path, sizes))


def _refuse_elsewhere(caller: Caller, machine: Machine) -> None:
    if caller.url:
        raise NotConfiguredError("elsewhere", f"{caller.url} is another machine: make the bundle there.")
    if machine.is_box and os.geteuid():
        raise ForbiddenError("not_root", "On a box this takes root: `sudo membox support-bundle`.")
    caller.require_home()


def _asked_of_the_box(caller: Caller, machine: Machine) -> tuple[list[dict[str, Any]], list[str]]:
    """Its jobs, and its secrets, which are to be found nowhere in the bundle; none of them when it does not answer."""
    try:
        with running_daemon(caller) if machine.is_box else caller.box() as box:
            return box.get("/v1/schedule")["jobs"], list(_secrets(box))
    except (MemboxError, OSError):
        return [], []


def _secrets(box: BoxClient) -> list[str]:
    names = box.get("/v1/secrets")["names"]
    return [str(box.get(f"/v1/secrets/{name}")["value"]) for name in names]


def _environment() -> list[str]:
    """What this process was given to open a box by."""
    given = [os.environ.get(name, "") for name in ("MEMBOX_API_KEY", "BRAINSTEM_API_KEY")]
    for name in ("MEMBOX_API_KEYS", "BRAINSTEM_API_KEYS"):
        with suppress(ValueError):
            given += list(json.loads(os.environ.get(name, "{}")))
    return given


def _schema(caller: Caller) -> dict[str, Any]:
    try:
        return dict(json.loads(membox_as_owner(caller.home, "db", "status", "--json")))
    except UnavailableError:
        return {}


def _tell(path: Path, sizes: dict[str, int]) -> None:
    click.echo(f"{shown(path)} has {counted(len(sizes), 'file')}:")
    for name, count in sizes.items():
        click.echo(f"  {name}  {size(count)}")
    click.echo("It holds no notes, keys or logins. Look at it, then send it to whoever helps you.")
