"""What of the refresh waits for a person."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """A refresh that would shrink the memory, and rewordings of hard constraints."""
    state = box.refresh.state()
    if state.awaiting_approval:
        yield warn(
            "refresh",
            "A refresh of the memory waits for your approval: it would make it much shorter.",
            "Look at it on the page Refresh (/refresh), or with `membox memory approve`.",
        )
    if state.offered:
        yield warn(
            "refresh",
            "A hard constraint was kept as it is, and another wording of it suggested.",
            "Take the suggestion or leave it on the page Refresh (/refresh).",
        )
    if not state.awaiting_approval and not state.offered:
        yield ok("refresh", "Nothing of a refresh waits for you.")
    if not (state.awaiting_approval or state.offered):
        yield ok("refresh", f"No refresh waits for a decision; entries to be taken in: {state.waiting_entries}.")
