"""`membox login-link`: sign a browser in. `membox login | logout`: let this user's commands speak to a box."""

import sys

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, emit, examples, json_option, qr, shown, when
from appliance.cli.streams import given_secret
from appliance.client.box_client import BoxClient, Json
from appliance.client.login import log_in, log_out, login_key, login_url
from appliance.client.transport import transport_to
from appliance.errors import ForbiddenError, InvalidError, NotConfiguredError

_LONGEST_KEY = 1024


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


@click.command(
    epilog=examples(
        "membox login https://box.example.ts.net",
        "membox login unix:///var/lib/membox/run/membox.sock < key.txt",
        "membox login --check",
    )
)
@click.argument("url", required=False)
@click.option("--check", is_flag=True, help="Only ask the box whether the login there is still counts.")
@json_option
def login(url: str | None, check: bool, as_json: bool) -> None:
    """Let your commands speak to the box at URL.

    The key, made on the box by `membox key create`, is asked for or read from standard input. Once the box has
    accepted it, the address is kept in your configuration directory and the key in your own keyring. From then on your
    commands go there, also where MEMBOX_HOME is set; MEMBOX_URL with MEMBOX_API_KEY, and --home, come before.
    """
    if check == bool(url):
        raise click.UsageError("Name the box by its URL, or ask with --check about the login there is.")
    where = (url or login_url()).strip()
    if not where:
        raise NotConfiguredError("no_login", "There is no login; make one with `membox login URL`.")
    key = login_key(where) if check else given_secret(f"The key for {where}", _LONGEST_KEY).strip()
    if not key:
        raise InvalidError("no_key", "There is no key; make one on the box with `membox key create`.")
    with BoxClient(transport_to(where, key)) as box:
        me = _identity(box)
    if not check:
        log_in(where, key)
    who = f"{me['agent_id']}, {me['role']}" if me else "a key that only captures"
    emit({"url": where, "caller": me}, as_json, lambda: click.echo(f"Logged in: {bold(where)} ({shown(who)})."))


@click.command(epilog=examples("membox logout"))
@json_option
def logout(as_json: bool) -> None:
    """Forget the box and the key of `membox login`.

    The key itself stays good until it is revoked on the box.
    """
    url = log_out()
    said = f"Logged out: {url}. Its key is good until it is revoked there (membox key revoke)."
    emit({"url": url or None}, as_json, lambda: click.echo(said if url else "There was no login."))


def _identity(box: BoxClient) -> Json | None:
    """Whom the box takes us for; None when it knows the key and tells it nothing, which may only capture."""
    try:
        return box.whoami()
    except ForbiddenError as error:
        if error.word != "insufficient_role":
            raise
        return None
