"""`membox import …`: take over what another system has kept."""

from collections import Counter
from collections.abc import Iterable
from itertools import batched
from pathlib import Path
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.memsync import memsync
from appliance.cli.output import counted, emit, examples, json_option, progress_bar, shown

_AT_ONCE = 100
_REFUSED_SHOWN = 10


@click.group(
    name="import",
    epilog=examples("membox import brainstem ~/brainstem/brainstem.db", "membox import memsync ~/.claude-memory"),
)
def importing() -> None:
    """Take over what another system has kept.

    It is read from a copy and never altered, keeps its ids and times, and can be imported any number of times: what is
    here already, or was forgotten here, is left as it is.
    """


importing.add_command(memsync)


@importing.command(
    epilog=examples(
        "membox import brainstem ~/brainstem/brainstem.db",
        "membox import brainstem /srv/brainstem.db --tenant home",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--tenant", help="Put everything into this tenant. [default: the one it has there]")
@json_option
@pass_caller
def brainstem(caller: Caller, path: Path, tenant: str | None, as_json: bool) -> None:
    """Take over the items of a Brainstem store.

    PATH is its SQLite file. Each item keeps its agent and scope; what only one agent could see stays with an agent of
    that name.
    """
    from appliance.imports.brainstem import opened

    with opened(path) as store, caller.box() as box:
        items = (item | ({"tenant_id": tenant} if tenant else {}) for item in store.items())
        outcome = _send(box, items, store.count())
    emit(outcome, as_json, lambda: _tell(outcome))


def _send(box: Any, items: Iterable[dict[str, Any]], length: int) -> dict[str, Any]:
    """Import `items` in batches, with a bar for a person who watches."""
    counts: Counter[str] = Counter()
    refused: list[dict[str, str]] = []
    with progress_bar("Importing", length) as move_on:
        for batch in batched(items, _AT_ONCE, strict=False):
            answer = box.post("/v1/memory/import", {"items": list(batch)})
            counts.update({"stored": answer["stored"], "known": answer["known"]})
            refused += answer["refused"]
            move_on(len(batch))
    return {"stored": counts["stored"], "known": counts["known"], "refused": refused}


def _tell(outcome: dict[str, Any]) -> None:
    told = f"{counted(outcome['stored'], 'item')} taken over"
    if outcome["known"]:
        told += f", {outcome['known']} known already"
    click.echo(f"{told}.")
    for each in outcome["refused"][:_REFUSED_SHOWN]:
        click.echo(f"Not {each['memory_id'] or 'one without an id'}: {shown(each['why'])}")
    if len(outcome["refused"]) > _REFUSED_SHOWN:
        click.echo(f"… and {len(outcome['refused']) - _REFUSED_SHOWN} more; --json lists them.")
