"""`membox secrets …`: what the box needs to know and nobody else; a value is never an argument."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, counted, emit, examples, json_option
from appliance.cli.streams import given_secret
from appliance.client.box_client import BoxClient, path_part
from appliance.durable import write_atomically
from appliance.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from appliance.home import content
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
    with box_with_secrets(caller) as box:
        answer = box.put(f"/v1/secrets/{path_part(name)}", {"value": value})
    emit(answer, as_json, lambda: click.echo(f"Kept: {bold(name)}."))


@secrets.command(epilog=examples("membox secrets get restic-password | wc -c"))
@click.argument("name")
@json_option
@pass_caller
def get(caller: Caller, name: str, as_json: bool) -> None:
    """Print the secret called NAME, in clear."""
    check_name(name)
    with box_with_secrets(caller) as box:
        answer = box.get(f"/v1/secrets/{path_part(name)}")
    # As bytes: a terminal's encoding must not change a secret.
    emit(answer, as_json, lambda: click.echo(answer["value"].encode()))


@secrets.command("list", epilog=examples("membox secrets list", "membox secrets list --json"))
@json_option
@pass_caller
def list_names(caller: Caller, as_json: bool) -> None:
    """List the names of the secrets."""
    with box_with_secrets(caller) as box:
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
    with box_with_secrets(caller) as box:
        answer = box.delete(f"/v1/secrets/{path_part(name)}")
    emit(answer, as_json, lambda: click.echo(f"Forgotten: {bold(name)}."))


@secrets.command(epilog=examples("membox secrets export secrets.sealed"))
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@pass_caller
def export(caller: Caller, file: Path, as_json: bool) -> None:
    """Write all secrets to FILE, for another box.

    A copied home does not open them. FILE is sealed with a passphrase that is asked for, or read from standard input.
    It must not exist yet.
    """
    from appliance.secrets_file import seal

    with box_with_secrets(caller) as box:
        found = {name: box.get(f"/v1/secrets/{path_part(name)}")["value"] for name in box.get("/v1/secrets")["names"]}
    if file.exists():
        raise ConflictError("file_exists", f"{file} is there already; name a file that is not.")
    content = seal(found, given_secret(f"A passphrase for {file}", MAX_VALUE_BYTES, twice=True))
    try:
        write_atomically(file, content)
    except OSError as fault:
        raise InvalidError(
            "not_written", f"{file} cannot be written ({fault.strerror}); name another place."
        ) from fault
    emit(
        {"file": str(file), "names": sorted(found)},
        as_json,
        lambda: click.echo(f"Written: {bold(str(file))}, with {counted(len(found), 'secret')}."),
    )


@secrets.command("import", epilog=examples("membox secrets import secrets.sealed"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Also those that this box has; else its own stay.")
@json_option
@pass_caller
def import_(caller: Caller, file: Path, replace: bool, as_json: bool) -> None:
    """Take in the secrets of another box.

    FILE is what `membox secrets export` wrote there.
    """
    from appliance.secrets_file import unseal

    try:
        sealed = content(file)
    except OSError as fault:
        raise InvalidError("not_read", f"{file} cannot be read ({fault.strerror}).") from fault
    opened = unseal(sealed, given_secret(f"The passphrase of {file}", MAX_VALUE_BYTES))
    with box_with_secrets(caller) as box:
        own = set() if replace else set(box.get("/v1/secrets")["names"])
        taken = sorted(opened.keys() - own)
        for name in taken:
            box.put(f"/v1/secrets/{path_part(name)}", {"value": opened[name]})
    kept = sorted(opened.keys() & own)
    stay = f" Left as they are here: {', '.join(kept)} (--replace takes them, too)." if kept else ""
    emit(
        {"taken": taken, "kept": kept},
        as_json,
        lambda: click.echo(f"Taken in: {bold(', '.join(taken) or 'none')}.{stay}"),
    )


@contextmanager
def box_with_secrets(caller: Caller) -> Iterator[BoxClient]:
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
