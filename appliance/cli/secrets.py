"""`membox secrets set | get | list | rm`: what the box needs to know and nobody else; a value is never an argument."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, emit, examples, json_option
from appliance.cli.streams import given_secret
from appliance.client.box_client import BoxClient, path_part
from appliance.errors import ForbiddenError, NotFoundError
from appliance.secrets import MAX_VALUE_BYTES, check_name


@click.group(epilog=examples("membox secrets set restic-password", "membox secrets list"))
def secrets() -> None:
    """Keep what the box needs to know and nobody else.

    Secrets lie sealed in the home; the master key that opens them stays with the machine. Only the box's owner can
    reach them, and only on the machine itself.
    """


@secrets.command(
    "set", epilog=examples("membox secrets set smtp-password", "membox secrets set tailscale-auth-key < key.txt")
)
@click.argument("name")
@json_option
@pass_caller
def set_(caller: Caller, name: str, as_json: bool) -> None:
    """Keep a secret called NAME, in place of the one before.

    The value is asked for, or read from standard input, where one line end at its end is left out. When the command
    returns, it is on disk.
    """
    check_name(name)
    value = given_secret(f"The value of {name}", MAX_VALUE_BYTES)
    with _box_of(caller) as box:
        answer = box.put(f"/v1/secrets/{path_part(name)}", {"value": value})
    emit(answer, as_json, lambda: click.echo(f"Kept: {bold(name)}."))


@secrets.command(epilog=examples("membox secrets get restic-password | wc -c"))
@click.argument("name")
@json_option
@pass_caller
def get(caller: Caller, name: str, as_json: bool) -> None:
    """Print the secret called NAME, in clear."""
    check_name(name)
    with _box_of(caller) as box:
        answer = box.get(f"/v1/secrets/{path_part(name)}")
    # As bytes: a terminal's encoding must not change a secret.
    emit(answer, as_json, lambda: click.echo(answer["value"].encode()))


@secrets.command("list", epilog=examples("membox secrets list", "membox secrets list --json"))
@json_option
@pass_caller
def list_names(caller: Caller, as_json: bool) -> None:
    """List the names of the secrets."""
    with _box_of(caller) as box:
        answer = box.get("/v1/secrets")
    emit(
        answer,
        as_json,
        lambda: click.echo("\n".join(answer["names"]) or "No secrets; keep one: membox secrets set NAME."),
    )


@secrets.command(epilog=examples("membox secrets rm smtp-password"))
@click.argument("name")
@json_option
@pass_caller
def rm(caller: Caller, name: str, as_json: bool) -> None:
    """Forget the secret called NAME."""
    check_name(name)
    with _box_of(caller) as box:
        answer = box.delete(f"/v1/secrets/{path_part(name)}")
    emit(answer, as_json, lambda: click.echo(f"Forgotten: {bold(name)}."))


@contextmanager
def _box_of(caller: Caller) -> Iterator[BoxClient]:
    """The box; from elsewhere it knows of no secrets, and a key of another's may not ask for them."""
    with caller.box() as box:
        try:
            yield box
        except (NotFoundError, ForbiddenError) as error:
            if error.word not in ("not_found", "insufficient_role"):
                raise
            raise ForbiddenError(
                "owner_only",
                f"A box shows and takes secrets only on its own machine, from its owner, not through {box.place}: run "
                "this there, without MEMBOX_URL and `membox login`, or with --home.",
            ) from error
