"""`membox db status | upgrade`: the database's schema."""

from dataclasses import asdict

import click

from appliance.cli.connect import Caller, open_in_process, pass_caller
from appliance.cli.init import write_settings
from appliance.cli.output import emit, examples, fields, json_option


@click.group(epilog=examples("membox db status", "membox db upgrade"))
def db() -> None:
    """Show and upgrade the database's schema."""


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
