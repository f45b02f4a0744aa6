"""Writing what a refresh came to: the file, the archive and the record in one transaction, or nothing.

Whatever was edited while the model worked, or while a proposal waited, is kept: the two are merged line by line, and
the hard constraints are looked at again, as they stand now.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.clock import from_ms, local
from appliance.errors import ConflictError, RefusedError
from appliance.notebook.documents import ARCHIVE
from appliance.notebook.merge import merge
from appliance.notebook.refresh import record
from appliance.notebook.refresh.checks import left_out
from appliance.notebook.refresh.constraints import guarded
from appliance.notebook.refresh.models import Offered, Refreshed
from appliance.notebook.service import Notebook

REASON, UNDO, TAKE = "refresh", "undo refresh", "reworded"


@dataclass(frozen=True)
class Change:
    """A new text of a file, made from `base`; `at` is when, in epoch milliseconds."""

    path: str
    base: str
    text: str
    at: int


class Writer:
    """Changes the notebook as refreshes ask for it; `timezone` is that of the archive's headings."""

    def __init__(self, notebook: Notebook, timezone: str) -> None:
        self._notebook = notebook
        self._timezone = timezone

    def apply(self, change: Change, author: str, stored: Callable[[Connection, int | None], None]) -> None:
        """Store a change and archive what it takes out.

        Args:
            stored: further rows of the same transaction; it is told the version's number, None for no difference.

        Raises:
            RefusedError: somebody has edited the same lines meanwhile.
        """
        before = after = ""

        def edited(current: str) -> str:
            nonlocal before, after
            before, after = current, merged(change, current)
            if current != change.base:
                after = guarded(current, after).text
            return after

        def archived(current: str) -> str:
            block = self._block(before, after, change)
            return (current or self._head(change)) + block if block else current

        def also(conn: Connection) -> None:
            stored(conn, record.next_version(conn, change.path) if before != after else None)

        self._notebook.edit({change.path: edited, self._archive(change): archived}, author, REASON, also)

    def undo(self, refresh: Refreshed, author: str, stored: Callable[[Connection], None]) -> None:
        """Take a stored refresh back, and out of the archive what it had put there. ConflictError `edit_conflict`."""
        if refresh.version is None:
            self._notebook.edit({}, author, UNDO, stored)
            return
        past = self._notebook.past
        before, after = past.version(refresh.path, refresh.version - 1), past.version(refresh.path, refresh.version)
        back = Change(refresh.path, after, before, refresh.at)
        block = self._block(before, after, back)

        def edited(current: str) -> str:
            try:
                return merged(back, current)
            except RefusedError as error:
                sentence = f"{back.path} was edited since in the same lines; its history can restore what you want."
                raise ConflictError("edit_conflict", sentence) from error

        def unarchived(current: str) -> str:
            return current.replace(block, "", 1) if block else current

        self._notebook.edit({back.path: edited, self._archive(back): unarchived}, author, UNDO, stored)

    def take(self, offer: Offered, author: str, stored: Callable[[Connection], None]) -> None:
        """Put a rewording in the place of the lines that were kept. ConflictError `offer_outdated`."""

        def edited(current: str) -> str:
            if f"\n{offer.kept}" not in f"\n{current}":
                raise ConflictError("offer_outdated", f"The line no longer stands in {offer.path} as it was kept.")
            return f"\n{current}".replace(f"\n{offer.kept}", f"\n{offer.offered}", 1).removeprefix("\n")

        self._notebook.edit({offer.path: edited}, author, TAKE, stored)

    def _archive(self, change: Change) -> str:
        return f"{ARCHIVE}memory-{self._local(change, '%Y-%m')}.md"

    def _head(self, change: Change) -> str:
        return f"# Taken out of memory, {self._local(change, '%Y-%m')}\n"

    def _block(self, before: str, after: str, change: Change) -> str:
        """What goes into the archive for a change; empty when it takes nothing out."""
        left = left_out(before, after)
        return f"\n## {self._local(change, '%Y-%m-%d %H:%M:%S')} {change.path}\n\n{left}\n" if left else ""

    def _local(self, change: Change, form: str) -> str:
        return local(from_ms(change.at), self._timezone).strftime(form)


def merged(change: Change, current: str) -> str:
    """The change on top of what the file has become since.

    Raises:
        RefusedError: both changed the same lines.
    """
    if current == change.base:
        return change.text
    both = merge(change.base, change.text, current, ("refresh", "edited meanwhile"), keep_both=True)
    if not both.clean:
        raise RefusedError("refused", f"{change.path} was edited meanwhile, in the same lines; nothing was changed.")
    return both.text
