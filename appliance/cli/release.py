"""`membox release list | switch | recover`: the releases on a box, side by side."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, json_option, table, when
from appliance.release import Inside, Releases, Switcher, Unit

_ROOT = Path("/opt/membox")
_UNIT = "membox.service"
_STEPS = "appliance.cli.release_steps"

root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=_ROOT,
    show_default=True,
    help="Where releases/, current and previous are.",
)
unit_option = click.option("--unit", default=_UNIT, show_default=True, help="The daemon's service.")


@click.group(epilog=examples("membox release list", "sudo membox release switch 1.2.0"))
def release() -> None:
    """List the releases on this box, and switch between them.

    A release is a directory releases/VERSION below --root with its own bin/python, and with a file .complete once it
    is wholly installed; `current` leads to the one in use. The service runs current/bin/membox.
    """


@release.command("list", epilog=examples("membox release list", "membox release list --json"))
@root_option
@json_option
def list_releases(root: Path, as_json: bool) -> None:
    """List the releases that are installed, the newest first."""
    found = Releases(root).all()
    answer = {"releases": [asdict(each) | {"path": str(each.path)} for each in found]}
    rows = [(each.version, _use(each.is_current, each.is_previous), when(each.installed_at)) for each in found]
    emit(answer, as_json, lambda: table(("RELEASE", "USE", "INSTALLED"), rows, f"No release is installed in {root}."))


def _use(is_current: bool, is_previous: bool) -> str:
    return "current" if is_current else "previous" if is_previous else ""


@release.command(epilog=examples("sudo membox release switch 1.2.0", "sudo membox release switch 1.2.0 --wait 120"))
@click.argument("version")
@root_option
@unit_option
@click.option("--wait", type=click.FloatRange(1, 600), default=60.0, show_default=True, help="Seconds to become well.")
@pass_caller
def switch(caller: Caller, version: str, root: Path, unit: str, wait: float) -> None:
    """Take the release VERSION into use, without losing a note.

    Writes are held (503, and clients come again) while a copy of the database is brought to VERSION's schema and
    checked; the service is stopped, database and release are swapped, the service is started, and once it is well and
    of that version, writes are let in. Else all is put back as it was, and the exit code is 1. The newest three
    releases are kept.

    Run as root, on the box's home (--home or MEMBOX_HOME), which its owner must have made; what is done there is done
    as its owner. The first release is taken into use in the same way. Nothing is done when VERSION is in use.
    """
    path = Releases(root).path(version)
    if Path(sys.prefix).resolve() != path.resolve():
        _run_by(path, caller.home, "switch", version, root, unit, "--wait", str(wait))
    if _switcher(caller, root, unit, wait).switch(version):
        click.echo(f"Release {version} is in use.")
    else:
        click.echo(f"Release {version} is in use already.")


@release.command(epilog=examples("sudo membox release recover"))
@root_option
@unit_option
@pass_caller
def recover(caller: Caller, root: Path, unit: str) -> None:
    """Settle a switch that was cut off, by a power cut say.

    All goes back to the release and the database of before; only when writes had been let in already, the new release
    stays. Does nothing where no switch was cut off. At boot this runs before the service (root/switch.json is there
    while a switch is under way).
    """
    if not _switcher(caller, root, unit).recover():
        click.echo("No switch was cut off.")


def _switcher(caller: Caller, root: Path, unit: str, wait: float = 60.0) -> Switcher:
    inside = Inside([sys.executable, "-I", "-m", _STEPS], caller.home)
    return Switcher(Releases(root), Unit(unit), inside, _say, wait)


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _run_by(path: Path, home: Path, command: str, version: str, root: Path, unit: str, *more: str) -> None:
    """Go on in the release at `path`: only its own code knows its schema."""
    python = str(path / "bin" / "python")
    words = ["--home", str(home), "release", command, version, "--root", str(root), "--unit", unit, *more]
    os.execv(python, [python, "-I", "-m", "appliance.cli.main", *words])  # noqa: S606 - no shell is wanted
