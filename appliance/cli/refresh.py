"""`membox memory refresh` and what follows: approve, decline, take a rewording or leave it (contract notebook)."""

import time
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import (
    counted,
    dim,
    emit,
    examples,
    json_option,
    print_diff,
    progress_bar,
    quote,
    shown,
    table,
    when,
)
from appliance.client.box_client import BoxClient
from appliance.errors import (
    MalformedReplyError,
    MemboxError,
    NoProviderError,
    NotFoundError,
    ProviderError,
    RefusedError,
    UnavailableError,
)

CURATED = "GLOBAL_MEMORY.md"
_REFRESH = "/v1/notebook/refresh"
_PAUSE_SECONDS = 0.3
_FAULTS: dict[str, type[MemboxError]] = {
    "no_provider": NoProviderError,
    "budget_spent": NoProviderError,
    "provider_failed": ProviderError,
    "truncated": ProviderError,
    "malformed_reply": MalformedReplyError,
    "refused": RefusedError,
    "document_not_found": NotFoundError,
}


@click.command(
    epilog=examples(
        "membox memory refresh", "membox memory refresh --dry-run", "membox memory refresh projects/shop.md"
    )
)
@click.argument("path", default=CURATED)
@click.option("--dry-run", is_flag=True, help="Ask the model and show what would change; touch nothing.")
@json_option
@pass_caller
def refresh(caller: Caller, path: str, dry_run: bool, as_json: bool) -> None:
    """Let a language model take what was noted into the memory.

    Every reply is checked before a line is written; hard constraints are kept word for word. What a check refuses
    changes nothing, and the notes wait. Exit codes: 4 no provider (the notes are filed), 5 it failed, 6 its reply has
    not the form asked for, 7 a check refused it.
    """
    with caller.box() as box:
        last = _finish(box, path, box.post(_REFRESH, {"path": path, "dry_run": dry_run}))
    if last["word"]:
        raise _FAULTS.get(last["word"], UnavailableError)(last["word"], last["message"])
    emit(last, as_json, lambda: _print_tried(last["diff"]) if dry_run else _print_done(last["refreshes"]))


def _finish(box: BoxClient, path: str, state: dict[str, Any]) -> dict[str, Any]:
    """Wait for the end of the refresh, showing how much the model has written."""
    size = len(box.get("/v1/notebook/document", path=path)["text"])
    written = 0
    with progress_bar("The model writes", size) as move_on:
        while running := state["running"]:
            move_on(max(running["characters"] - written, 0))
            written = running["characters"]
            time.sleep(_PAUSE_SECONDS)
            state = box.get(_REFRESH)
    if state["last"] is None:
        raise UnavailableError("refresh_lost", "The box was started anew meanwhile; nothing was changed. Try again.")
    return dict(state["last"])


def _print_tried(diff: str) -> None:
    if not diff:
        click.echo("Nothing new was noted, or it changes nothing.")
    else:
        print_diff(diff)


def _print_done(done: list[dict[str, Any]]) -> None:
    if not done:
        click.echo("Nothing new was noted.")
    for each in done:
        click.echo(shown(each["detail"]))
        if each["outcome"] == "awaiting":
            click.echo(f"Look at it and decide: membox memory approve {each['id']}")


@click.command(epilog=examples("membox memory refreshes", "membox memory refreshes --outcome refused --limit 5"))
@click.option(
    "--outcome",
    type=click.Choice(["applied", "filed", "refused", "failed", "awaiting", "declined", "undone"]),
    help="Only those.",
)
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many.")
@json_option
@pass_caller
def refreshes(caller: Caller, outcome: str | None, limit: int, as_json: bool) -> None:
    """List refreshes and what came of them, newest first."""
    with caller.box() as box:
        answer = box.get("/v1/notebook/refreshes", limit=limit, outcome=outcome)
    rows = [
        (
            row["id"],
            when(row["at"]),
            row["path"],
            row["outcome"],
            row["model"],
            row["input_tokens"] + row["output_tokens"],
            f"{row['cost_micros'] / 1e6:.4f}",
            row["detail"],
        )
        for row in answer["refreshes"]
    ]
    head = ("ID", "WHEN", "PATH", "OUTCOME", "MODEL", "TOKENS", "USD", "WHAT")
    emit(answer, as_json, lambda: table(head, rows, "No refreshes yet."))


@click.command(epilog=examples("membox memory approve", "membox memory approve 12 --yes"))
@click.argument("refresh_id", type=click.IntRange(1), required=False)
@click.option("--yes", is_flag=True, help="Do not show it and ask.")
@json_option
@pass_caller
def approve(caller: Caller, refresh_id: int | None, yes: bool, as_json: bool) -> None:
    """Store what a refresh proposes, after a look at it.

    A refresh after which much less would stand in the memory waits for this. Without REFRESH_ID it is the newest that
    waits.
    """
    with caller.box() as box:
        refresh_id = refresh_id or _newest_awaiting(box)
        if not yes:
            proposal = box.get(f"/v1/notebook/refreshes/{refresh_id}")
            click.echo(shown(proposal["detail"]), err=True)
            print_diff(proposal["diff"], err=True)
            click.confirm("Store this?", abort=True, err=True)
        answer = box.post(f"/v1/notebook/refreshes/{refresh_id}/approve")
    emit(answer, as_json, lambda: click.echo(f"Stored: {shown(answer['path'])} is at version {answer['version']}."))


@click.command(epilog=examples("membox memory decline", "membox memory decline 12"))
@click.argument("refresh_id", type=click.IntRange(1), required=False)
@json_option
@pass_caller
def decline(caller: Caller, refresh_id: int | None, as_json: bool) -> None:
    """Drop what a refresh proposes; its notes wait for the next one."""
    with caller.box() as box:
        answer = box.post(f"/v1/notebook/refreshes/{refresh_id or _newest_awaiting(box)}/decline")
    said = f"Declined; {counted(answer['entries'], 'note')} for the next refresh."
    emit(answer, as_json, lambda: click.echo(said))


def _newest_awaiting(box: BoxClient) -> int:
    waiting = box.get("/v1/notebook/refreshes", outcome="awaiting", limit=1)["refreshes"]
    if not waiting:
        raise NotFoundError("nothing_awaits", "No refresh waits for approval.")
    return int(waiting[0]["id"])


@click.command(epilog=examples("membox memory offers", "membox memory offers --json"))
@json_option
@pass_caller
def offers(caller: Caller, as_json: bool) -> None:
    """List the hard constraints that replies had reworded.

    Each was kept as it was. Take a wording by `membox memory take ID`, or leave the line by `membox memory leave ID`.
    """
    with caller.box() as box:
        answer = box.get("/v1/notebook/offers")

    def plain() -> None:
        if not answer["offers"]:
            click.echo("Nothing is offered.")
        for row in answer["offers"]:
            click.echo(dim(f"{row['id']} · {shown(row['path'])} · {when(row['at'])}"))
            click.echo(f"kept:\n{quote(row['kept'])}\noffered:\n{quote(row['offered'])}")

    emit(answer, as_json, plain)


@click.command(epilog=examples("membox memory take 3"))
@click.argument("offer_id", type=click.IntRange(1))
@json_option
@pass_caller
def take(caller: Caller, offer_id: int, as_json: bool) -> None:
    """Put an offered wording in the kept line's place."""
    with caller.box() as box:
        answer = box.post(f"/v1/notebook/offers/{offer_id}/take")
    emit(answer, as_json, lambda: click.echo(f"{shown(answer['path'])} now says:\n{quote(answer['offered'])}"))


@click.command(epilog=examples("membox memory leave 3"))
@click.argument("offer_id", type=click.IntRange(1))
@json_option
@pass_caller
def leave(caller: Caller, offer_id: int, as_json: bool) -> None:
    """Leave a line as it was kept; that wording is not offered again."""
    with caller.box() as box:
        answer = box.post(f"/v1/notebook/offers/{offer_id}/leave")
    emit(answer, as_json, lambda: click.echo(f"{shown(answer['path'])} still says:\n{quote(answer['kept'])}"))


COMMANDS = (refresh, refreshes, approve, decline, offers, take, leave)
