"""`membox status | health`: how the box is."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from appliance import lease
from appliance.cli.connect import Caller, pass_caller
from appliance.cli.doctor import STATES, print_findings
from appliance.cli.output import counted, emit, examples, fields, json_option, size, when
from appliance.client.box_client import BoxClient
from appliance.client.transport import Transport, UnixTransport, transport_to
from appliance.errors import NotFoundError, UnavailableError
from appliance.home import socket_path

_ENTRY = re.compile(r"^### \d\d:\d\d:\d\d", re.MULTILINE)


@click.command(epilog=examples("membox status", "membox status --json"))
@json_option
@pass_caller
def status(caller: Caller, as_json: bool) -> None:
    """Show how the box is."""
    with caller.box() as box:
        answer = box.get("/v1/status")
        answer["notes_today"] = _notes_today(box, answer)
    emit(answer, as_json, lambda: _print_status(caller, answer))


def _notes_today(box: BoxClient, seen: dict[str, Any]) -> int:
    """How many entries the day's file has, the day being the box's."""
    day = datetime.fromisoformat(seen["now"]).astimezone(ZoneInfo(seen["timezone"])).date()
    try:
        text = box.get("/v1/notebook/document", path=f"sessions/{day}.md")["text"]
    except NotFoundError:
        return 0
    return len(_ENTRY.findall(text))


def _print_status(caller: Caller, seen: dict[str, Any]) -> None:
    click.echo(f"membox {seen['version']}: {STATES[seen['state']]}\n")
    due = min((job for job in seen["jobs"] if job["next_run"]), key=lambda job: str(job["next_run"]), default=None)
    fields(
        [
            ("home", seen["home"]),
            ("daemon", _daemon(caller)),
            ("notebook", f"{counted(seen['documents'], 'file')}, {counted(seen['notes_today'], 'note')} today"),
            ("database", f"{size(seen['database_bytes'])}; {size(seen['disk_free_bytes'])} free on its disk"),
            ("mirror", seen["mirror_path"] or "none"),
            ("next job", f"{due['name']}, {when(due['next_run'])}" if due else None),
        ]
    )
    if seen["findings"]:
        click.echo()
    print_findings(seen["findings"])


def _daemon(caller: Caller) -> str:
    if caller.url:
        return f"serving {caller.url}"
    holder = lease.holder(caller.home)
    if holder is None or holder.what != lease.DAEMON:
        return "not running: nothing is served, scheduled or mirrored (membox daemon start)"
    return f"serving {holder.url}" if holder.ready else "starting or stopping"


@click.command(epilog=examples("membox health", "membox health --url https://box.example.ts.net"))
@click.option("--url", help="The box's address; it wants no key. [default: MEMBOX_URL, else the daemon of the home]")
@json_option
@pass_caller
def health(caller: Caller, url: str | None, as_json: bool) -> None:
    """Ask a box whether it is alive.

    Exit code 1 when it does not answer.
    """
    with BoxClient(_serving(caller, url)) as box:
        answer = box.get("/healthz")
        emit(answer, as_json, lambda: click.echo(f"{answer['status']}: membox {answer['version']} at {box.place}."))


def _serving(caller: Caller, url: str | None) -> Transport:
    """The way to a box that runs: a home opened for the question would always be well."""
    if url or caller.url:
        return transport_to(url or caller.url, "", patience=0.0)
    caller.require_home()
    if not caller.is_served():
        raise UnavailableError("no_daemon", f"No daemon runs on {caller.home}; start it with `membox daemon start`.")
    return UnixTransport(socket_path(caller.home), lambda: "")
