"""`membox session`: what agents' sessions write down and read again, and the hooks by which Claude Code does."""

import json
import platform
import sys
from pathlib import Path

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, json_option, shown, table
from appliance.errors import ForbiddenError, MemboxError

_HOOK_SECONDS = 2.0
_CORPUS = Path(__file__).parents[1] / "bench" / "datasets" / "session-messages.json"
_KEY_NAME = "hooks on {machine}"
_project_option = click.option(
    "--project", default="", help="The project's name or directory. [default: the directory you are in]"
)


@click.group(epilog=examples("membox session recover", "membox session hooks install"))
def session() -> None:
    """What agents write down before they go on, and how they recover it."""


@session.command(
    epilog=examples("membox session recover", "membox session recover --project shop --fresh --tokens 8000")
)
@_project_option
@click.option("--fresh", is_flag=True, help="For a fresh start: curated memory first, without the log.")
@click.option(
    "--tokens", type=click.IntRange(200, 32_000), default=4000, show_default=True, help="At most about so many."
)
@json_option
@pass_caller
def recover(caller: Caller, project: str, fresh: bool, tokens: int, as_json: bool) -> None:
    """Print what an agent needs to go on.

    Buffer, curated memory, today's and yesterday's log, todos and lessons, in this order, quoted.
    """
    with caller.box() as box:
        after = "start" if fresh else "resume"
        answer = box.get("/v1/session/recover", project=project or _here(), max_tokens=tokens, after=after)
    emit(answer, as_json, lambda: click.echo(shown(answer["text"])))


@session.command(
    epilog=examples(
        "membox session buffer",
        'membox session buffer --task "Move the registry" --next "write the migration"',
        'membox session buffer --decision "One table, because it is small"',
        'membox session buffer --done "write the migration" --end',
    )
)
@_project_option
@click.option("--task", help="What is being done.")
@click.option("--next", "next_", help="The next step.")
@click.option("--blocked", help='What stands in the way; "" when nothing does any more.')
@click.option("--decision", "decisions", multiple=True, help="A decision with its reason; give it again for more.")
@click.option("--lesson", "lessons", multiple=True, help="What went wrong and how to prevent it; again for more.")
@click.option("--done", multiple=True, help="A finished todo: its open box is ticked; give it again for more.")
@click.option("--said", default="", help="A message of the person's: what must be kept of it is found.")
@click.option("--end", is_flag=True, help="The session ends: write its journal entry.")
@json_option
@pass_caller
def buffer(
    caller: Caller,
    project: str,
    task: str | None,
    next_: str | None,
    blocked: str | None,
    decisions: tuple[str, ...],
    lessons: tuple[str, ...],
    done: tuple[str, ...],
    said: str,
    end: bool,
    as_json: bool,
) -> None:
    """Show the working buffer of a project, or write into it."""
    heads = {"task": task, "next": next_, "blocked": blocked}
    given = {"decisions": decisions, "lessons": lessons, "done": done, "said": said, "end": end}
    entry: dict[str, object] = {name: value for name, value in heads.items() if value is not None}
    entry |= {name: value for name, value in given.items() if value}
    named = project or _here()
    with caller.box() as box:
        if entry:
            answer = box.post("/v1/session/buffer", {**entry, "project": named})
        else:
            answer = box.get("/v1/session/buffer", project=named)
    emit(answer, as_json, lambda: click.echo(shown(answer["text"]) or "Nothing stands there yet."))


@session.command(epilog=examples("membox session hook Stop < event.json"))
@click.argument("event")
@pass_caller
def hook(caller: Caller, event: str) -> None:
    """Tell the box of an EVENT of an agent's session.

    Standard input is JSON as Claude Code's hooks get it; what goes into the agent's context is printed as JSON. It
    always succeeds: an agent must not stop because its memory is away.
    """
    try:
        given = json.loads(sys.stdin.read() or "{}")
        told = {**given, "hook_event_name": event, "cwd": given.get("cwd") or str(Path.cwd())}
        with caller.box() as box:
            answer = box.post("/v1/session/hook", told, _HOOK_SECONDS)
    except (MemboxError, ValueError, AttributeError, TypeError) as fault:
        click.echo(f"The box was not told: {shown(fault)}", err=True)
        return
    if answer:
        click.echo(json.dumps(answer, ensure_ascii=False))


@session.command(epilog=examples("membox session measure", "membox session measure --dataset messages.json --json"))
@click.option(
    "--dataset", type=click.Path(path_type=Path, dir_okay=False), default=_CORPUS, help="A corpus. [default: ours]"
)
@click.option("--wrong", is_flag=True, help="List the messages that were judged wrongly.")
@json_option
def measure(dataset: Path, wrong: bool, as_json: bool) -> None:
    """Measure how well is found what must be kept."""
    from appliance.agents.sessions.measuring import load_messages, scores

    found = scores(load_messages(dataset))
    answer = {"parts": [each.model_dump() for each in found]}

    def plain() -> None:
        rows = [
            (each.part, score.name, score.right + score.missed, f"{score.precision:.3f}", f"{score.recall:.3f}")
            for each in found
            for score in (each.overall, *each.classes)
        ]
        table(("PART", "CLASS", "MESSAGES", "PRECISION", "RECALL"), rows, "No messages.")
        for line in found[0].wrongly if wrong else ():
            click.echo(shown(line))

    emit(answer, as_json, plain)


@session.group(epilog=examples("membox session hooks install", "membox session hooks remove"))
def hooks() -> None:
    """Let Claude Code tell the box what happens."""


@hooks.command(epilog=examples("membox session hooks install"))
@json_option
@pass_caller
def install(caller: Caller, as_json: bool) -> None:
    """Put the hooks into your Claude Code settings.

    Whatever else stands there stays as it is. The hooks get a key of their own where you may make keys, else yours.
    """
    from appliance.agents.hooks.installing import Place as Hooks
    from appliance.agents.hooks.installing import install as put

    place, machine = Hooks.of_user(), platform.node()
    url, key = _address(caller), _own_key(caller, place.curl, machine)
    is_new = put(place, url, key, machine)
    answer = {"settings": str(place.settings), "box": url, "changed": is_new}
    done = "The hooks are in" if is_new else "The hooks were in already:"
    emit(answer, as_json, lambda: click.echo(f"{done} {shown(place.settings)}. They count from the next session."))


@hooks.command(epilog=examples("membox session hooks remove"))
@json_option
@pass_caller
def remove(caller: Caller, as_json: bool) -> None:
    """Take the hooks out of your Claude Code settings again, and revoke their key."""
    from appliance.agents.hooks.installing import Place as Hooks
    from appliance.agents.hooks.installing import remove as take_out

    place = Hooks.of_user()
    was_there = take_out(place)
    try:
        revoked = _revoke(caller, platform.node())
    except MemboxError:  # a box that is away, or where this user makes no keys
        revoked = False
    answer = {"settings": str(place.settings), "removed": was_there, "key_revoked": revoked}
    emit(answer, as_json, lambda: click.echo("The hooks are out." if was_there else "There were no hooks."))


def _here() -> str:
    """The directory of the project: the repository's, where we are in one."""
    here = Path.cwd()
    return str(next((each for each in (here, *here.parents) if (each / ".git").exists()), here))


def _address(caller: Caller) -> str:
    from appliance.home import socket_path

    if caller.url:
        return caller.url
    caller.require_home()
    return f"unix:{socket_path(caller.home)}"


def _own_key(caller: Caller, kept: Path, machine: str) -> str:
    """A key that can write and no more, made for the hooks; the caller's own where it may make none."""
    from appliance.agents.hooks.installing import key_in

    if (key := key_in(kept)) and _counts(caller, key):
        return key
    try:
        _revoke(caller, machine)
        with caller.box() as box:
            wanted = {"name": _KEY_NAME.format(machine=machine), "agent_id": "claude", "role": "writer"}
            return str(box.post("/v1/keys", wanted)["key"])
    except ForbiddenError:
        return caller.own_key()


def _counts(caller: Caller, key: str) -> bool:
    try:
        with caller.box(key) as box:
            return bool(box.whoami())
    except MemboxError:
        return False


def _revoke(caller: Caller, machine: str) -> bool:
    name = _KEY_NAME.format(machine=machine)
    with caller.box() as box:
        found = [row["key_id"] for row in box.get("/v1/keys")["keys"] if row["name"] == name]
        for key_id in found:
            box.delete(f"/v1/keys/{key_id}")
    return bool(found)
