"""`membox factory-reset`: the box as it was when it was new."""

import json
import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from appliance import hold, lease
from appliance.as_owner import run_as
from appliance.cli.as_owner import membox_as_owner
from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, json_option, shown
from appliance.errors import ForbiddenError, InvalidError, NotConfiguredError, UnavailableError
from appliance.home import CONFIG_FILE
from appliance.machine import RELEASE, UNITS, UNITS_AT_TIMES, Machine
from appliance.release import record

_USING_THE_HOME = tuple(unit for unit in (*UNITS, *UNITS_AT_TIMES) if unit != "membox-firewall.service")
_LONGEST_SECONDS = 180.0  # beyond the services' own limits for stopping
_AGENT = "agent"
# Its login to this box, the person's to Claude, and what was said there; its tools and its work stay.
_OF_THE_AGENT = (
    ".config/membox",
    ".claude.json",
    ".claude/.credentials.json",
    ".claude/projects",
    ".claude/history.jsonl",
)
# What makes a box reachable, which provisioning wrote.
_KEPT = (("tailnet", "serve"), ("tailnet", "hostname"), ("tailnet", "owners"), ("daemon", "web_hosts"))


@click.command(
    "factory-reset", epilog=examples("sudo membox factory-reset", "sudo membox factory-reset --yes-erase memory-box")
)
@click.option("--yes-erase", "confirmed", metavar="HOSTNAME", help="Ask nothing; this machine's name, for scripts.")
@click.option("--leave-tailnet", is_flag=True, help="Leave the tailnet as well; a connection over it ends.")
@json_option
@pass_caller
def factory_reset(caller: Caller, confirmed: str | None, leave_tailnet: bool, as_json: bool) -> None:
    """Erase everything the box knows, and begin anew.

    Notes, memories, keys, secrets, settings and the agent's logins are erased for good; an empty box takes their place.
    It asks twice. What stays: the installed releases, the tailnet, the files the agent works on, copies in the mirror,
    and snapshots off the box, which then only the recovery key opens. On a box this takes root.
    """
    machine = Machine(home=caller.home)
    _refuse(caller, machine)
    _confirm(caller.home, confirmed)
    kept = {} if leave_tailnet else _settings_kept(caller.home)
    with _stopped(machine):
        _erase(caller.home)
        _forget_agent(machine)
        membox_as_owner(caller.home, "init")
        for key, value in kept.items():
            membox_as_owner(caller.home, "config", "set", key, value)
        if leave_tailnet:
            machine.ask("tailscale", "serve", "reset")
            machine.ask("tailscale", "logout", seconds=60)
    emit({"home": str(caller.home), "kept": list(kept)}, as_json, lambda: _tell(caller.home, machine))


def _refuse(caller: Caller, machine: Machine) -> None:
    if caller.url:
        raise NotConfiguredError("elsewhere", f"{caller.url} is another machine: reset it there.")
    caller.require_home()
    if machine.is_box and os.geteuid():
        raise ForbiddenError("not_root", "On a box this takes root: `sudo membox factory-reset`.")
    if hold.held(caller.home):
        raise UnavailableError("upgrade_running", "An upgrade is under way; nothing was changed, try again after it.")
    _refuse_database_elsewhere(caller.home)


def _refuse_database_elsewhere(home: Path) -> None:
    from appliance.config import load_config

    try:
        database = load_config(home).database_path
    except NotConfiguredError:
        return  # a box with wrong settings is one to be reset
    if database.exists() and not database.resolve().is_relative_to(home.resolve()):
        raise NotConfiguredError(
            "database_elsewhere",
            f"The database {database} lies outside the home and would stay; delete it first, or unset its path.",
        )


def _confirm(home: Path, confirmed: str | None) -> None:
    """Ask twice, or take the machine's name as given; InvalidError when it is another's."""
    name = socket.gethostname()
    if confirmed is None:
        click.confirm(f"Erase every note, memory, key and secret of the box at {shown(home)}?", abort=True, err=True)
        confirmed = click.prompt(f"This cannot be undone. Type this machine's name ({shown(name)})", err=True)
    if confirmed.strip() != name:
        raise InvalidError("other_machine", f"This machine is called {name}; nothing was changed.")


def _settings_kept(home: Path) -> dict[str, str]:
    """The settings to be set again, by their keys and as `membox config set` takes them."""
    from appliance.config import read_toml

    try:
        tables = read_toml(home / CONFIG_FILE)
    except NotConfiguredError:
        return {}
    found = {f"{table}.{key}": (tables.get(table) or {}).get(key) for table, key in _KEPT}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items() if value}


@contextmanager
def _stopped(machine: Machine) -> Iterator[None]:
    """With the box's services stopped and no upgrade beside us; afterwards those that are enabled are started."""
    if not machine.is_box:
        yield
        return
    with ExitStack() as after, _no_upgrade(machine):
        after.callback(_start, machine)
        if running := _units(machine, "list-units", "--state=active,activating,deactivating"):
            _systemctl(machine, "stop", *running)
        yield


def _start(machine: Machine) -> None:
    if enabled := _units(machine, "list-unit-files", "--state=enabled"):
        _systemctl(machine, "start", *enabled)


def _units(machine: Machine, listing: str, state: str) -> list[str]:
    """Those of the units that use the home which are in that state."""
    listed = machine.ask("systemctl", listing, state, "--no-legend", "--plain", *_USING_THE_HOME)
    if listed is None:
        raise UnavailableError("unit_failed", "systemctl does not answer, so nobody knows what runs; try again.")
    return [line.split()[0] for line in listed.out.splitlines() if line.strip()]


@contextmanager
def _no_upgrade(machine: Machine) -> Iterator[None]:
    root = machine.path(RELEASE).parent
    with record.alone(root):
        if record.load(root):
            raise UnavailableError(
                "upgrade_running", "An upgrade was cut off; settle it first with `sudo membox release recover`."
            )
        yield


def _systemctl(machine: Machine, *words: str) -> None:
    said = machine.ask("systemctl", *words, seconds=_LONGEST_SECONDS)
    if said is None or said.code:
        why = said.err.strip().splitlines()[-1:] if said else ["no answer"]
        raise UnavailableError("unit_failed", f"`systemctl {' '.join(words)}` failed: {''.join(why)}")


def _erase(home: Path) -> None:
    from appliance.provision.erase import erase

    with ExitStack() as at_end:
        if home.stat().st_uid == os.geteuid():
            at_end.enter_context(lease.Lease.acquire(home, lease.COMMAND))
        elif holder := lease.holder(home):  # root takes no lease in another's home, where a link might wait for it
            raise UnavailableError("home_in_use", lease.in_use(home, holder))
        erase(home)


def _forget_agent(machine: Machine) -> None:
    if not machine.is_box:
        return
    try:
        agent = pwd.getpwnam(_AGENT)
    except KeyError:
        return
    paths = [f"{agent.pw_dir}/{name}" for name in _OF_THE_AGENT]
    run_as(agent.pw_uid, agent.pw_gid, ["rm", "-rf", "--", *paths], {"HOME": agent.pw_dir})


def _tell(home: Path, machine: Machine) -> None:
    click.echo(f"Erased; an empty box is at {shown(home)}.")
    if machine.is_box:
        click.echo("Next: `sudo membox provision --local` sets up again what was erased, and the agent's login.")
