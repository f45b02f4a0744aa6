"""`membox notify list | add | rm | test` and `membox digest`: where the box's messages go, and the week's digest."""

from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, emit, examples, json_option, shown, table, waiting
from appliance.cli.secrets import box_with_secrets
from appliance.cli.streams import given_secret
from appliance.client.box_client import LONG_WORK_SECONDS, path_part
from appliance.errors import UnavailableError

_PREFIX = "notify-"
_MAX_ADDRESS = 4096


@click.group(
    epilog=examples(
        "membox notify add phone", "membox config set daemon.drift_notify phone", "membox notify test phone"
    )
)
def notify() -> None:
    """Say where the box's messages go, and try it.

    Targets: log, file (alerts/ in the home, one file each), email (daemon.digest_email_to, daemon.digest_email_from,
    daemon.digest_smtp_…) and those you add by an address of Apprise's (ntfy, Telegram, Matrix and a hundred more:
    https://appriseit.com). daemon.drift_notify names the one that is used.
    """


@notify.command("list", epilog=examples("membox notify list", "membox notify list --json"))
@json_option
@pass_caller
def list_(caller: Caller, as_json: bool) -> None:
    """Show every target, and what is wrong with it."""
    with caller.box() as box:
        answer = box.get("/v1/notify")
    rows = [(each["name"], "yes" if each["is_default"] else "", _state(each)) for each in answer["targets"]]
    emit(answer, as_json, lambda: table(("TARGET", "USED", "STATE"), rows, ""))


@notify.command(epilog=examples("membox notify add phone", "echo ntfys://ntfy.sh/my-topic | membox notify add phone"))
@click.argument("name")
@json_option
@pass_caller
def add(caller: Caller, name: str, as_json: bool) -> None:
    """Keep an address of Apprise's as target NAME.

    The address is asked for, or read from standard input; as it may hold a password, it is kept as a secret.
    """
    from appliance.notify import check_address, check_name

    check_name(name)
    address = given_secret(f"The address of {name}", _MAX_ADDRESS).strip()
    check_address(address)
    with box_with_secrets(caller) as box:
        box.put(f"/v1/secrets/{path_part(_PREFIX + name)}", {"value": address})
    then = f"Try it: membox notify test {name}. Use it: membox config set daemon.drift_notify {name}."
    emit({"name": name}, as_json, lambda: click.echo(f"Kept: {bold(name)}. {then}"))


@notify.command(epilog=examples("membox notify rm phone"))
@click.argument("name")
@json_option
@pass_caller
def rm(caller: Caller, name: str, as_json: bool) -> None:
    """Forget the target NAME."""
    with box_with_secrets(caller) as box:
        box.delete(f"/v1/secrets/{path_part(_PREFIX + name)}")
    emit({"name": name, "removed": True}, as_json, lambda: click.echo(f"Forgotten: {bold(name)}."))


@notify.command(epilog=examples("membox notify test", "membox notify test email"))
@click.argument("name", default="")
@json_option
@pass_caller
def test(caller: Caller, name: str, as_json: bool) -> None:
    """Send a test message to NAME, or to where all go."""
    with caller.box() as box, waiting("Sending"):
        answer = box.post("/v1/notify/test", {"target": name}, LONG_WORK_SECONDS)
    if not answer["sent"]:
        raise UnavailableError("not_sent", f"Nothing reached {shown(answer['target'])}: {shown(answer['why'])}")
    emit(answer, as_json, lambda: click.echo(f"Handed over to {bold(answer['target'])}."))


@click.command(epilog=examples("membox digest", "membox digest --send"))
@click.option("--send", is_flag=True, help="Send it, as the weekly job does.")
@json_option
@pass_caller
def digest(caller: Caller, send: bool, as_json: bool) -> None:
    """Sum up the last seven days: what changed in the memory, and what is open.

    A language model writes it, else it is composed. The weekly job is switched on by daemon.digest_enabled.
    """
    with caller.box() as box, waiting("Writing"):
        answer = box.post("/v1/digest", {"send": send}, LONG_WORK_SECONDS)
    emit(answer, as_json, lambda: click.echo(_told(answer)))


def _told(answer: dict[str, Any]) -> str:
    if answer["done"]:
        return f"The digest: {shown(answer['done'])}."
    if not answer["text"]:
        return "Nothing happened in the last seven days."
    lines = (shown(line) for line in answer["text"].splitlines())
    return "\n".join([bold(shown(answer["title"])), "", *lines])


def _state(target: dict[str, Any]) -> str:
    if target["missing"]:
        return str(target["missing"])
    failure = target["failure"]
    return f"failed {failure['at']}: {shown(failure['why'])}" if failure else "ready"
