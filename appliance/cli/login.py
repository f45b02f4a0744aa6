"""`membox login-link`: sign a browser in."""

import sys

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, json_option, qr, when


@click.command("login-link", epilog=examples("membox login-link", "membox login-link --no-qr"))
@click.option("--qr/--no-qr", "with_qr", default=None, help="A QR code for a phone. [default: on a terminal]")
@json_option
@pass_caller
def login_link(caller: Caller, with_qr: bool | None, as_json: bool) -> None:
    """Print a one-time link that signs a browser in.

    The link works once, for ten minutes. Whoever opens it is signed in as the box's owner: keep it to yourself.
    """
    with caller.box() as box:
        answer = box.post("/v1/login-link")
        served = box.is_served

    def plain() -> None:
        click.echo(answer["url"])
        if sys.stdout.isatty() if with_qr is None else with_qr:
            qr(answer["url"])
        click.echo(f"Good once, until {when(answer['expires_at'])}.", err=True)
        if not served:
            click.echo("No daemon runs yet; start it with `membox daemon start`, then open the link.", err=True)

    emit(answer, as_json, plain)
