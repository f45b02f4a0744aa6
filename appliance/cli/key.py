"""`membox key create | list | revoke`: who may speak to the box."""

from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, emit, examples, json_option, qr, shown, table, when
from appliance.client.box_client import BoxClient, path_part
from appliance.errors import NotFoundError


@click.group(epilog=examples("membox key create phone --qr", "membox key list", "membox key revoke phone"))
def key() -> None:
    """Make, list and revoke keys for devices and agents.

    A change counts from the next request on.
    """


@key.command(
    epilog=examples(
        "membox key create phone --qr",
        "membox key create claude --role writer --agent claude",
        "export MEMBOX_API_KEY=$(membox key create laptop --role admin --json | jq -r .key)",
    )
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["capture", "reader", "writer", "admin"]),
    default="capture",
    show_default=True,
    help="capture: only add notes; reader: recall; writer: also remember; admin: everything in its tenant.",
)
@click.option("--agent", help="The agent that speaks with it. [default: NAME]")
@click.option("--tenant", help="Another tenant than the box's own.")
@click.option("--qr", "with_qr", is_flag=True, help="Show the key as a QR code for a phone's camera too.")
@json_option
@pass_caller
def create(
    caller: Caller, name: str, role: str, agent: str | None, tenant: str | None, with_qr: bool, as_json: bool
) -> None:
    """Make a key called NAME.

    The key is shown this once; the box keeps only its hash.
    """
    request = {"name": name, "role": role, "agent_id": agent or name}
    if tenant:
        request["tenant_id"] = tenant
    with caller.box() as box:
        answer = box.post("/v1/keys", request)

    def plain() -> None:
        click.echo(answer["key"])
        if with_qr:
            qr(answer["key"])
        click.echo(
            f"This is the {role} key {shown(name)} (id {answer['key_id']}). It is shown only now: put it where it is "
            "used, for a command as MEMBOX_API_KEY.",
            err=True,
        )

    emit(answer, as_json, plain)


@key.command("list", epilog=examples("membox key list", "membox key list --json"))
@json_option
@pass_caller
def list_keys(caller: Caller, as_json: bool) -> None:
    """List the keys and when each was last used."""
    with caller.box() as box:
        answer = box.get("/v1/keys")
    rows = [
        (row["key_id"], row["name"], row["role"], f"{row['tenant_id']}/{row['agent_id']}", when(row["last_used_at"]))
        for row in answer["keys"]
    ]
    emit(
        answer,
        as_json,
        lambda: table(
            ("ID", "NAME", "ROLE", "TENANT/AGENT", "LAST USED"), rows, "No keys; make one: membox key create."
        ),
    )


@key.command(epilog=examples("membox key revoke phone", "membox key revoke 3f9a1c"))
@click.argument("which", metavar="ID_OR_NAME")
@json_option
@pass_caller
def revoke(caller: Caller, which: str, as_json: bool) -> None:
    """Revoke a key, by its id or its name when only one has it."""
    with caller.box() as box:
        found = _find(box, which)
        answer = box.delete(f"/v1/keys/{path_part(found['key_id'])}")
    emit(answer, as_json, lambda: click.echo(f"Revoked: {bold(shown(found['name']))} ({found['key_id']})."))


def _find(box: BoxClient, which: str) -> dict[str, Any]:
    keys = box.get("/v1/keys")["keys"]
    found = [row for row in keys if row["key_id"] == which] or [row for row in keys if row["name"] == which]
    if not found:
        raise NotFoundError("key_not_found", f"There is no key {which!r}; `membox key list` shows them.")
    if len(found) > 1:
        ids = ", ".join(row["key_id"] for row in found)
        raise NotFoundError("key_not_found", f"{len(found)} keys are called {which!r}; name one by its id: {ids}.")
    return dict(found[0])
