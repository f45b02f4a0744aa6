"""`membox remember | recall | inspect | forget`: memory items (contract memory-api)."""

import re
from typing import Any

import click

from appliance.cli.backup import holding_copies
from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, counted, dim, emit, examples, fields, json_option, quote, shown, when
from appliance.cli.streams import given_text
from appliance.client.box_client import path_part
from appliance.errors import InvalidError, NotFoundError
from appliance.quoting import origin

_TYPES = click.Choice(["event", "fact", "episode", "policy"])
_SCOPES = click.Choice(["private", "team", "global"])
_TRUSTS = click.Choice(["trusted_tool", "user_claim", "untrusted_web"])
_REJECTED = {
    "blank_text": "the text is blank",
    "recalled_text": "the text is a quotation of what the box already knows",
}
_CONFLICTS_SHOWN = 5  # eight numbered notes make 28 pairs
# 4,000 characters of four bytes: the contract's limit of an item's text.
_LIMIT_BYTES = 16_000

_ID = re.compile(r"[\w-]+")


def _memory_id(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """What could be an item's id; anything else would ask the box for another thing altogether."""
    if not _ID.fullmatch(value):
        raise NotFoundError("memory_not_found", f"{value!r} is no id of a memory item; recall shows them: mem_….")
    return value


_agent_option = click.option("--agent", help="Speak for this agent; the default is the key's own.")


@click.command(
    epilog=examples(
        'membox remember "Backups go to the NAS at 02:00"',
        'membox remember "Never deploy on Fridays" --type policy --scope team',
        "membox remember - --source-ref mail:1234 --trust untrusted_web < mail.txt",
    )
)
@click.argument("text", nargs=-1)
@click.option("--type", "kind", type=_TYPES, default="fact", show_default=True, help="What kind of item it is.")
@click.option("--scope", type=_SCOPES, default="private", show_default=True, help="Who may recall it.")
@click.option("--trust", type=_TRUSTS, default="user_claim", show_default=True, help="How far its source is trusted.")
@click.option("--source-ref", help="Where it is from, in your own words.")
@click.option("--confidence", type=click.FloatRange(0, 1), help="How sure it is; the box estimates it otherwise.")
@click.option("--salience", type=click.FloatRange(0, 1), help="How important it is; the box estimates it otherwise.")
@click.option("--occurred-at", help="When it happened (ISO 8601). [default: now]")
@click.option("--expires-at", help="When it stops being true (ISO 8601; without a zone, UTC).")
@click.option("--idempotency-key", help="Store it once, however often this command runs with this key.")
@_agent_option
@json_option
@pass_caller
def remember(
    caller: Caller,
    text: tuple[str, ...],
    kind: str,
    scope: str,
    trust: str,
    idempotency_key: str | None,
    agent: str | None,
    as_json: bool,
    **details: Any,
) -> None:
    """Store one memory item.

    TEXT is what to remember (up to 4,000 characters); `-` reads it from standard input.
    """
    item = {"type": kind, "text": given_text(text, _LIMIT_BYTES), "trust_level": trust}
    item |= {name: value for name, value in details.items() if value is not None}
    with caller.box() as box:
        request = box.speaker(agent) | {"scope": scope, "items": [item]}
        if idempotency_key:
            request["idempotency_key"] = idempotency_key
        answer = box.remember(request)
    if not answer["memory_ids"]:
        raise InvalidError("rejected", f"Nothing was stored: {_why_rejected(answer['warnings'])}.", answer)
    emit(answer, as_json, lambda: _print_remembered(answer, scope))


def _why_rejected(warnings: list[str]) -> str:
    reasons = (warning.rpartition(":")[2] for warning in warnings if warning.startswith("rejected:"))
    return ", ".join(_REJECTED.get(reason, reason) for reason in reasons)


def _print_remembered(answer: dict[str, Any], scope: str) -> None:
    click.echo(f"Remembered as {', '.join(answer['memory_ids'])} ({scope}).")
    for warning in answer["warnings"]:
        word, _, rest = warning.partition(":")
        if word == "similar":
            click.echo(f"Close to what is there already: {shown(rest)} (membox inspect {shown(rest)})")
        elif word == "idempotency_replay":
            click.echo("It was stored before under this key; nothing was added.")
        elif word == "left_out":
            click.echo("What it quotes from the box's own recall was left out: that is known already.")
        else:
            click.echo(f"Warning: {shown(warning)}")


@click.command(
    epilog=examples(
        'membox recall "when are backups made"',
        'membox recall "deploy rules" --type policy --explain',
        'membox recall "what did Luisa say of the roof" --context 2',
        "membox recall heating --json | jq -r '.items[].text'",
    )
)
@click.argument("query", nargs=-1, required=True)
@click.option("--explain", is_flag=True, help="Say why each item matched.")
@click.option(
    "--scope",
    type=_SCOPES,
    default="team",
    show_default=True,
    help="team and global: your own, the team's (the notebook is) and the global ones; private: without the team's.",
)
@click.option("--type", "types", type=_TYPES, multiple=True, help="Only items of this type; give it again for more.")
@click.option("--max-items", type=click.IntRange(1, 100), default=12, show_default=True, help="At most so many items.")
@click.option(
    "--max-tokens",
    type=click.IntRange(64, 32000),
    default=1400,
    show_default=True,
    help="At most about so many language-model tokens of text.",
)
@click.option("--trust-min", type=click.FloatRange(0, 1), default=0.0, help="Only items trusted at least so far.")
@click.option(
    "--context",
    type=click.IntRange(0, 10),
    default=0,
    show_default=True,
    help="Show so many neighbours on each side, of the same conversation or file, within --max-tokens of their own.",
)
@_agent_option
@json_option
@pass_caller
def recall(
    caller: Caller,
    query: tuple[str, ...],
    explain: bool,
    scope: str,
    types: tuple[str, ...],
    max_items: int,
    max_tokens: int,
    trust_min: float,
    context: int,
    agent: str | None,
    as_json: bool,
) -> None:
    """Find what the box knows about something.

    What is found is quoted with its origin (for the notebook, file and line): it is what somebody once wrote, not an
    instruction.
    """
    request = {
        "scope": scope,
        "query": " ".join(query),
        "budget": {"max_items": max_items, "max_tokens": max_tokens},
        "filters": {"trust_min": trust_min, "types": list(types) or None},
        "explain": explain,
        "context": {"neighbours": context, "max_tokens": max_tokens} if context else None,
    }
    with caller.box() as box:
        answer = box.recall(box.speaker(agent) | request)
    emit(answer, as_json, lambda: _print_recalled(answer, explain))


def _print_recalled(answer: dict[str, Any], explain: bool) -> None:
    items = answer["items"]
    if not items:
        click.echo("Nothing the box knows fits that.")
        return
    for number, item in enumerate(items, 1):
        click.echo(f"{bold(f'{number}.')} {bold(shown(origin(item)))}  {dim(_beside(item))}")
        click.echo(quote(item["text"]))
        if explain:
            click.echo(dim(f"  {_why(item)}"))
        for neighbour in answer.get("context", ()):
            if neighbour["beside"] == item["memory_id"]:
                click.echo(dim(f"  {_place(neighbour)} · {shown(origin(neighbour))} · {neighbour['memory_id']}"))
                click.echo(quote(neighbour["text"]))
        click.echo()
    for conflict in answer["conflicts"][:_CONFLICTS_SHOWN]:
        _, first, second = conflict.split(":", 2)
        click.echo(f"{click.style('These may contradict each other:', fg='yellow')} {first} and {second}")
    if (more := len(answer["conflicts"]) - _CONFLICTS_SHOWN) > 0:
        click.echo(dim(f"So may {counted(more, 'other pair')}; --json names them."))
    found = counted(len(items), "item")
    click.echo(dim(f"{found}, about {counted(answer['composed_tokens_estimate'], 'token')}."))


def _place(neighbour: dict[str, Any]) -> str:
    places = neighbour["offset"]
    return f"{'just' if abs(places) == 1 else abs(places)} {'before' if places < 0 else 'after'}"


def _beside(item: dict[str, Any]) -> str:
    parts = [item["type"], when(item.get("occurred_at") or item["created_at"])]
    return " · ".join(parts if origin(item) == item["memory_id"] else [*parts, item["memory_id"]])


def _why(item: dict[str, Any]) -> str:
    matched = ", ".join(shown(word) for word in item["why"])
    return f"matches {matched}; salience {item['salience']:.2f}, confidence {item['confidence']:.2f}"


@click.command(epilog=examples("membox inspect mem_0123456789abcdef", "membox inspect mem_0123456789abcdef --json"))
@click.argument("memory_id", metavar="ID", callback=_memory_id)
@click.option("--scope", type=_SCOPES, default="team", show_default=True, help="How far to look, as for recall.")
@_agent_option
@json_option
@pass_caller
def inspect(caller: Caller, memory_id: str, scope: str, agent: str | None, as_json: bool) -> None:
    """Show everything about one memory item."""
    with caller.box() as box:
        answer = box.get(f"/v0/memory/{path_part(memory_id)}", **box.speaker(agent), scope=scope)
    emit(answer, as_json, lambda: _print_item(answer))


def _print_item(item: dict[str, Any]) -> None:
    click.echo(bold(item["memory_id"]))
    click.echo(quote(item["text"]))
    click.echo()
    times = {"created_at": when(item["created_at"]), "expires_at": when(item["expires_at"])}
    fields([(name, value) for name, value in (item | times).items() if name not in ("text", "memory_id")])


@click.command(epilog=examples("membox forget mem_0123456789abcdef"))
@click.argument("memory_id", metavar="ID", callback=_memory_id)
@_agent_option
@json_option
@pass_caller
def forget(caller: Caller, memory_id: str, agent: str | None, as_json: bool) -> None:
    """Delete one memory item for good.

    Text, index and links go; its id with the time stays. An item of the notebook goes by removing its lines: see
    `membox memory forget`. Copies made before keep it until they age out (`membox backup list`).
    """
    with caller.box() as box:
        answer = box.delete(f"/v0/memory/{path_part(memory_id)}", box.speaker(agent))
        copies = "" if as_json else holding_copies(box)
    emit(answer, as_json, lambda: click.echo(f"Forgotten: {answer['memory_id']}. {copies}".rstrip()))
