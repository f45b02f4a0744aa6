"""`membox db status | upgrade | move`: the database's schema, and where it is."""

from dataclasses import asdict

import click

from appliance.cli.connect import Caller, open_in_process, pass_caller
from appliance.cli.init import write_settings
from appliance.cli.output import counted, emit, examples, fields, json_option
from appliance.lease import COMMAND, Lease


@click.group(epilog=examples("membox db status", "membox db upgrade", "membox db move --to postgresql://me@db/membox"))
def db() -> None:
    """Show and upgrade the database's schema, and move it to PostgreSQL."""


@db.command(epilog=examples("membox db status", "membox db status --json"))
@json_option
@pass_caller
def status(caller: Caller, as_json: bool) -> None:
    """Show the database's schema and the newest known."""
    from appliance.box import schema_of

    caller.require_home()
    schema = schema_of(caller.home)
    answer = asdict(schema) | {"is_current": schema.is_current}
    state = (
        "current" if schema.is_current else "to be upgraded: membox db upgrade" if schema.version else "not made yet"
    )
    pairs = [("database", schema.path), ("schema", schema.version), ("newest", schema.newest), ("state", state)]
    emit(answer, as_json, lambda: fields(pairs))


@db.command(epilog=examples("membox db upgrade"))
@json_option
@pass_caller
def upgrade(caller: Caller, as_json: bool) -> None:
    """Bring the database to the newest schema.

    It is made where there is none. A daemon does this itself when it starts. A failed upgrade leaves the database as it
    was.
    """
    from appliance.box import schema_of

    write_settings(caller.home)
    before = schema_of(caller.home).version
    if not caller.is_served():
        open_in_process(caller.home, wait=10.0).close()
    schema = schema_of(caller.home)
    answer = asdict(schema) | {"before": before}
    was = f", was {before}" if before and before != schema.version else ""
    emit(answer, as_json, lambda: click.echo(f"{schema.path} has schema {schema.version}{was}."))


@db.command(
    epilog=examples(
        "membox db move --to postgresql://membox@db.example.com/membox",
        "membox secrets set postgres-password && membox db move --to postgresql://membox@db.example.com/membox",
    )
)
@click.option(
    "--to", "dsn", required=True, metavar="DSN", help="The server's database: postgresql://USER@HOST/DATABASE."
)
@json_option
@pass_caller
def move(caller: Caller, dsn: str, as_json: bool) -> None:
    """Move everything to PostgreSQL, and go on there.

    The database there must be empty, and the daemon stopped. It is all done in one transaction, and every row is read
    back and compared before it counts. The SQLite file stays as it is: keep it until you trust the new place. A
    password is never part of DSN: it is the secret postgres-password, or where PostgreSQL's own programs look for it.
    """
    from appliance.box import move_to_postgres

    caller.require_home()
    with Lease.acquire(caller.home, COMMAND):
        moved = move_to_postgres(caller.home, dsn)
    rows = sum(moved.rows.values())
    told = f"{counted(rows, 'row')} moved and compared. Start the daemon again: it uses the server now."
    emit({"rows": rows, "tables": moved.rows}, as_json, lambda: click.echo(told))
