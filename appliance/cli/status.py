"""`membox status | doctor | health`: how the box is."""

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, fields, json_option
from appliance.client.box_client import BoxClient
from appliance.client.transport import HttpTransport, Transport, UnixTransport
from appliance.errors import UnavailableError
from appliance.home import socket_path


@click.command(epilog=examples("membox status", "membox status --json"))
@json_option
@pass_caller
def status(caller: Caller, as_json: bool) -> None:
    """Show how the box is."""
    with caller.box() as box:
        answer = box.get("/v1/status")
    emit(answer, as_json, lambda: fields(list(answer.items())))


@click.command(epilog=examples("membox doctor", "membox doctor --json"))
@json_option
@pass_caller
def doctor(caller: Caller, as_json: bool) -> None:
    """Check everything and say what to do. Exit code 1 when something is wrong."""
    with caller.box() as box:
        answer = box.get("/v1/status")
    emit(answer, as_json, lambda: fields(list(answer.items())))


@click.command(epilog=examples("membox health", "membox health --url https://box.example.ts.net"))
@click.option("--url", help="The box's address; it wants no key. [default: MEMBOX_URL, else the daemon of the home]")
@json_option
@pass_caller
def health(caller: Caller, url: str | None, as_json: bool) -> None:
    """Ask a box whether it is alive. Exit code 1 when it does not answer."""
    with BoxClient(_serving(caller, url)) as box:
        answer = box.get("/healthz")
        emit(answer, as_json, lambda: click.echo(f"{answer['status']}: membox {answer['version']} at {box.place}."))


def _serving(caller: Caller, url: str | None) -> Transport:
    """The way to a box that runs: a home opened for the question would always be well."""
    if url or caller.url:
        return HttpTransport(url or caller.url, "")
    caller.require_home()
    if not caller.is_served():
        raise UnavailableError("no_daemon", f"No daemon runs on {caller.home}; start it with `membox daemon start`.")
    return UnixTransport(socket_path(caller.home), "")
