"""`membox reindex`: make anew what items are found by."""

import time
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import counted, emit, examples, json_option, progress_bar
from appliance.client.box_client import LONG_WORK_SECONDS, BoxClient
from appliance.errors import PreconditionError

_PAUSE_SECONDS = 0.2  # while the daemon is at it


@click.command(epilog=examples("membox reindex", "membox reindex --no-wait", "membox reindex --json"))
@click.option("--no-wait", is_flag=True, help="Let the daemon make the vectors, and do not wait for the last of them.")
@json_option
@pass_caller
def reindex(caller: Caller, no_wait: bool, as_json: bool) -> None:
    """Make anew what items are found by.

    That is the index of their words, and the vector of each, by which it is found by its meaning. Both are made from
    the items' texts: nothing is lost by it. Recall answers meanwhile; what is written waits while the words are
    indexed.
    """
    with caller.box() as box:
        state = box.post("/v1/reindex", seconds=LONG_WORK_SECONDS)
        vectors = state["vectors_behind"]
        if not no_wait:
            state = _finish(box, state)
    emit(state, as_json, lambda: click.echo(_told(state, vectors)))


def _finish(box: BoxClient, state: dict[str, Any]) -> dict[str, Any]:
    """Go on until every item has its vector."""
    with progress_bar("Vectors", state["vectors_behind"]) as move_on:
        while (left := state["vectors_behind"]) and not state["fault"]:
            state = box.post("/v1/reindex", {"begin": False})
            move_on(max(left - state["vectors_behind"], 0))
            if state["vectors_behind"] == left:
                time.sleep(_PAUSE_SECONDS)
    if state["fault"]:
        raise PreconditionError("no_embedding_model", f"The words are indexed anew, but: {state['fault']}")
    return state


def _told(state: dict[str, Any], vectors: int) -> str:
    if state["embedding"] == "off":
        return "The words of every item are indexed anew; vectors are switched off (memory.embedding)."
    if left := state["vectors_behind"]:
        return f"The words of every item are indexed anew; {counted(left, 'vector')} will be made by and by."
    return f"The words of every item are indexed anew, and {counted(vectors, 'vector')} made."
