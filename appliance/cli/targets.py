"""`membox targets …`: files of instructions that carry the curated memory (contract notebook, Instruction targets).

With a box elsewhere the targets are this machine's; else they are the box's own.
"""

from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import counted, emit, examples, json_option, shown, table, when

_LOOK_SECONDS = 120.0
_path = click.argument("path")


@click.group(
    epilog=examples("membox targets add ~/.claude/CLAUDE.md", "membox targets add AGENTS.md", "membox targets sync")
)
def targets() -> None:
    """Keep CLAUDE.md, AGENTS.md and others up to date with the memory.

    The curated memory stands there between two markers; what is yours around them stays as it is, byte for byte. A box
    keeps its own files up to date within seconds; any other machine that is logged in to it does so by `membox targets
    sync`, which also tells the box how they are.
    """


@targets.command("list", epilog=examples("membox targets list", "membox targets list --json"))
@json_option
@pass_caller
def list_targets(caller: Caller, as_json: bool) -> None:
    """List the targets of every machine as they last told."""
    with caller.box() as box:
        answer = box.get("/v1/targets")
    emit(answer, as_json, lambda: _print(answer["targets"]))


@targets.command(epilog=examples("membox targets add ~/.claude/CLAUDE.md", "membox targets add AGENTS.md"))
@_path
@json_option
@pass_caller
def add(caller: Caller, path: str, as_json: bool) -> None:
    """Put the memory into a file, and keep it up to date.

    A file that is not there is made.
    """
    from appliance.client.targets import OwnTargets, absolute

    with caller.box() as box:
        if caller.url:
            seen = OwnTargets().add(absolute(path), box).as_dict()
        else:
            seen = box.post("/v1/targets/add", {"path": absolute(path)}, _LOOK_SECONDS)
    emit(seen, as_json, lambda: _tell([seen]))
    _exit_for([seen])


@targets.command(epilog=examples("membox targets remove AGENTS.md", "membox targets remove --machine old-laptop"))
@click.argument("path", required=False)
@click.option("--machine", help="Forget the check-ins of this machine instead; nothing is changed there.")
@json_option
@pass_caller
def remove(caller: Caller, path: str | None, machine: str | None, as_json: bool) -> None:
    """Take the memory out of a file, and leave it alone.

    What you wrote around it stays; a file that held nothing else goes.
    """
    from appliance.client.targets import OwnTargets, absolute

    if bool(path) == bool(machine):
        raise click.UsageError("Name either a file or, with --machine, a machine.")
    with caller.box() as box:
        if path is None:
            answer = box.post("/v1/targets/forget", {"machine": machine})
            said = f"Forgotten: {machine} with {counted(answer['targets'], 'target')}."
        elif caller.url:
            answer = OwnTargets().remove(absolute(path), box).as_dict()
            said = f"Removed from {path}. {answer['said']}"
        else:
            answer = box.post("/v1/targets/remove", {"path": absolute(path)}, _LOOK_SECONDS)
            said = f"Removed from {path}. {answer['said']}"
    emit(answer, as_json, lambda: click.echo(shown(said).rstrip()))


@targets.command(epilog=examples("membox targets sync", "membox targets sync --json"))
@json_option
@pass_caller
def sync(caller: Caller, as_json: bool) -> None:
    """Bring this machine's targets to the memory of now.

    What was changed by hand inside the markers is put aside first. Exit code 1 when one could not be brought there.
    """
    _all(caller, "sync", as_json)


@targets.command(epilog=examples("membox targets check", "membox targets check --json"))
@json_option
@pass_caller
def check(caller: Caller, as_json: bool) -> None:
    """See whether this machine's targets carry the memory of now.

    Nothing is changed. Exit code 1 when one does not.
    """
    _all(caller, "check", as_json)


def _all(caller: Caller, how: str, as_json: bool) -> None:
    """Sync or check every target of this machine."""
    from appliance.client.targets import OwnTargets

    with caller.box() as box:
        if caller.url:
            seen: list[dict[str, Any]] = [each.as_dict() for each in OwnTargets().do(how, box)]
        else:
            rows = box.post(f"/v1/targets/{how}", {}, _LOOK_SECONDS)["targets"]
            seen = [row for row in rows if not row["machine"]]
    emit({"targets": seen}, as_json, lambda: _tell(seen))
    _exit_for(seen)


def _tell(seen: list[dict[str, Any]]) -> None:
    if not seen:
        click.echo("This machine has no targets; `membox targets add PATH` makes a file one.")
    for each in seen:
        click.echo(shown(f"{each['path']}: {each['state']}. {each['said']}").rstrip())


def _exit_for(seen: list[dict[str, Any]]) -> None:
    if any(each["state"] != "current" for each in seen):
        raise click.exceptions.Exit(1)


def _print(rows: list[dict[str, Any]]) -> None:
    lines = [
        (row["machine"] or "this box", row["path"], _state(row), when(row["checked_at"]), row["said"]) for row in rows
    ]
    table(("MACHINE", "PATH", "STATE", "CHECKED", ""), lines, "There are no targets; `membox targets add PATH`.")


def _state(row: dict[str, Any]) -> str:
    words = [row["state"], "behind" if row["behind"] else "", "silent" if row["silent"] else ""]
    return ", ".join(word for word in words if word)
