"""`membox models show | history | register | promote | rollback | signal`: the model registry (contract memory-api)."""

import json
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import emit, examples, fields, json_option, shown, table, when

_KINDS = click.Choice(["reranker", "salience"])
_kind = click.argument("kind", type=_KINDS, default="reranker")
_never = "1970-01-01T00:00:00.000Z"


@click.group(epilog=examples("membox models show", "membox models history", "membox models promote reranker"))
def models() -> None:
    """See, try and judge the models that rank what is recalled.

    KIND is reranker (the order of what is recalled, the default) or salience (how much a new item matters). Each
    tenant has models of its own; these commands need an admin's key.
    """


@models.command(epilog=examples("membox models show", "membox models show salience --json"))
@_kind
@json_option
@pass_caller
def show(caller: Caller, kind: str, as_json: bool) -> None:
    """Show the active version, the canary, and what was said of them."""
    with caller.box() as box:
        answer = box.get(f"/v0/models/{kind}", **box.speaker())
    emit(answer, as_json, lambda: _print_state(answer))


def _print_state(state: dict[str, Any]) -> None:
    canary = state["canary_version"]
    fields(
        [
            ("active", state["active_version"]),
            ("canary", canary or "none"),
            ("tried on", _tried_on(state) if canary else None),
            ("metadata", json.dumps(state["metadata"], ensure_ascii=False) if state["metadata"] else None),
            ("changed", when(None if state["updated_at"] == _never else state["updated_at"])),
        ]
    )
    rows = [
        (version, metric.removesuffix(".count"), f"{count:.0f}", f"{said[metric.removesuffix('.count') + '.avg']:.4g}")
        for version, said in sorted(state["signal_summary"].items())
        for metric, count in sorted(said.items())
        if metric.endswith(".count")
    ]
    if rows:
        click.echo()
        table(("VERSION", "METRIC", "SIGNALS", "MEAN"), rows, "")


def _tried_on(state: dict[str, Any]) -> str:
    share = f"{state['rollout_percent']} % of tenants"
    named = ", ".join(state["tenant_allowlist"])
    return f"{share}, and {named}" if named else share


@models.command(epilog=examples("membox models history", "membox models history salience --limit 20"))
@_kind
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="At most so many.")
@json_option
@pass_caller
def history(caller: Caller, kind: str, limit: int, as_json: bool) -> None:
    """List changes and signals, newest first."""
    with caller.box() as box:
        answer = box.get(f"/v0/models/{kind}/history", **box.speaker(), limit=limit)
    rows = [(when(item["created_at"]), item["actor_agent_id"], _happened(item)) for item in answer["items"]]
    emit(answer, as_json, lambda: table(("WHEN", "BY", "WHAT"), rows, "Nothing has happened to this model yet."))


def _happened(item: dict[str, Any]) -> str:
    if item["kind"] == "signal":
        source = f" ({item['source']})" if item["source"] else ""
        return f"{item['version']}: {item['metric']} {item['value']:g}{source}"
    said = item["payload"]
    match item["event_kind"]:
        case "register_canary":
            as_which = said.get("decides_as", said["version"])
            weights = "" if as_which == said["version"] else f", without weights: it decides as {as_which}"
            return f"{said['version']} became the canary for {said['rollout_percent']} % of tenants{weights}"
        case "promote_canary":
            return f"{said['new_active_version']} became active after {said['previous_active_version']}"
        case "rollback_canary":
            return f"the canary {said['previous_canary_version']} was taken away"
    return str(item["event_kind"])


@models.command(
    epilog=examples(
        "membox models register reranker reranker-2 --percent 10",
        "membox models register reranker reranker-2 --percent 0 --tenant home",
        "membox models register reranker reranker-baseline-v1 --percent 100",
    )
)
@click.argument("kind", type=_KINDS)
@click.argument("version")
@click.option(
    "--percent", type=click.IntRange(0, 100), default=10, show_default=True, help="The share of tenants that get it."
)
@click.option("--tenant", "tenants", multiple=True, help="A tenant that gets it anyway; give it again for more.")
@json_option
@pass_caller
def register(caller: Caller, kind: str, version: str, percent: int, tenants: tuple[str, ...], as_json: bool) -> None:
    """Try VERSION, as the canary; it takes the place of another.

    A version that was trained here has its weights; any other name decides as the baseline does.
    """
    request = {"version": version, "rollout_percent": percent, "tenant_allowlist": list(tenants)}
    with caller.box() as box:
        answer = box.post(f"/v0/models/{kind}/canary/register", box.speaker() | request)
    emit(answer, as_json, lambda: click.echo(f"{shown(version)} is the canary of {kind}, for {_tried_on(answer)}."))


@models.command(epilog=examples("membox models promote reranker"))
@click.argument("kind", type=_KINDS)
@json_option
@pass_caller
def promote(caller: Caller, kind: str, as_json: bool) -> None:
    """Make the canary the active version."""
    with caller.box() as box:
        answer = box.post(f"/v0/models/{kind}/canary/promote", box.speaker())
    emit(answer, as_json, lambda: click.echo(f"{shown(answer['active_version'])} is the active {kind} now."))


@models.command(epilog=examples("membox models rollback reranker"))
@click.argument("kind", type=_KINDS)
@json_option
@pass_caller
def rollback(caller: Caller, kind: str, as_json: bool) -> None:
    """Take the canary away; the active version stays."""
    with caller.box() as box:
        answer = box.post(f"/v0/models/{kind}/canary/rollback", box.speaker())
    emit(answer, as_json, lambda: click.echo(f"No canary; {shown(answer['active_version'])} is the active {kind}."))


@models.command(
    epilog=examples(
        "membox models signal reranker helpful 1 --source rec_0123456789abcdef:mem_0123456789abcdef",
        "membox models signal reranker helpful 0 --source rec_0123456789abcdef:mem_fedcba9876543210",
        "membox models signal reranker recall_at_5 0.91 --version reranker-2",
    )
)
@click.argument("kind", type=_KINDS)
@click.argument("metric")
@click.argument("value", type=float)
@click.option("--version", help="The version it was measured of. [default: the active one]")
@click.option("--source", help="Where it is from; RECALL:ITEM judges one item of one recall (recall --json has both).")
@json_option
@pass_caller
def signal(
    caller: Caller, kind: str, metric: str, value: float, version: str | None, source: str | None, as_json: bool
) -> None:
    """Record that METRIC of a version was VALUE.

    `helpful` 1 or 0 with the source rec_…:mem_… judges an item that was recalled; trainings learn from these.
    """
    with caller.box() as box:
        if version is None:
            version = box.get(f"/v0/models/{kind}", **box.speaker())["active_version"]
        request = {"version": version, "metric": metric, "value": value, "source": source}
        answer = box.post(f"/v0/models/{kind}/signals", box.speaker() | request)
    said = answer["signal_summary"][version]
    told = f"Recorded: {metric} of {version} is {said[metric + '.avg']:.4g} now, of {said[metric + '.count']:.0f}."
    emit(answer, as_json, lambda: click.echo(shown(told)))
