"""Putting a note at the end of its day's file."""

import hashlib
from datetime import datetime

from appliance.errors import InvalidError
from appliance.notebook import journal
from appliance.notebook.documents import day_path
from appliance.notebook.holding import Change
from appliance.notebook.models import Captured, Note
from appliance.notebook.outline import open_fence
from appliance.notebook.sections import cut
from appliance.notebook.working_copy import WorkingCopy
from appliance.storage.idempotency import IdempotencyKey

CAPTURE = "capture"
_MAX_KEY = 128

_LINES_BEFORE_HEADING = 3  # an empty line, the rule, an empty line


class DayLog:
    """Appends notes to the files of `sessions/`, each in the time it takes to look at its own lines."""

    def __init__(self, copy: WorkingCopy, timezone: str) -> None:
        self._copy = copy
        self._timezone = timezone
        self._balanced: dict[str, int] = {}

    def compose(self, note: Note, author: str, moment: datetime) -> tuple[Change, Captured]:
        """The change that stores `note` at the local time `moment`, and where its lines will be."""
        day = f"{moment:%Y-%m-%d}"
        path = day_path(day)
        held = self._copy.held.get(path)
        text = self._copy.text(path) if held and not held.stored.deleted else ""
        start = f"{text}{self._closing(path, text)}" if text else f"# {day}\n"
        entry = journal.entry_text(note, moment)
        lines = start.count("\n")
        appended = cut(path, entry, self._timezone, lines) if text and start == text else None
        where = Captured(
            timestamp=f"{moment:%H:%M:%S}",
            path=path,
            first_line=lines + _LINES_BEFORE_HEADING + 1,
            last_line=lines + entry.count("\n"),
        )
        return Change(path, start + entry, author, CAPTURE, appended=appended), where

    def stored(self, path: str) -> None:
        """Say that the note composed last is stored: what it ended with leaves no code block open."""
        self._balanced = {path: self._copy.held[path].stored.version}

    def _closing(self, path: str, text: str) -> str:
        """What closes a code block that an edit by hand left open: it would swallow the entry."""
        if self._balanced.get(path) == self._copy.held[path].stored.version:
            return ""
        fence = open_fence(text)
        return f"{fence.closing}\n" if fence else ""


def key_of(tenant_id: str, author: str, key: str, note: Note) -> IdempotencyKey:
    """The idempotency key `key` of `author` for `note`.

    Raises:
        InvalidError: `invalid_idempotency_key`, it is longer than 128 characters or not printable.
    """
    if len(key) > _MAX_KEY or not key.isprintable():
        raise InvalidError("invalid_idempotency_key", "An Idempotency-Key has at most 128 printable characters.")
    payload_hash = hashlib.sha256(note.model_dump_json().encode()).hexdigest()
    return IdempotencyKey(tenant_id, author, "note", key, payload_hash)
