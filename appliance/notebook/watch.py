"""Watching the files: at start, and while membox runs, what was edited by hand is taken in."""

import time
from contextlib import suppress

from appliance.errors import StorageError, StorageFullError
from appliance.notebook.files import Files, Seen
from appliance.notebook.holding import Change
from appliance.notebook.offered import offered_files
from appliance.notebook.takeover import take_as_found
from appliance.notebook.working_copy import WorkingCopy
from appliance.storage.database import Database

SETTLE_SECONDS = 1.0
"""How long a file must stay as it is before an edit by hand is taken in."""

_READABLE = "Make it a plain UTF-8 text file that the box may read; until then its last good version is used."
_TRIED_AGAIN = "Nothing else: it is tried again on its own, and the version is kept meanwhile."
_SETTLE = "Keep what is right and remove the lines <<<<<<<, ======= and >>>>>>>."

MEMBOX = "membox"
"""The author of what the box itself writes."""


class Watch:
    """Compares the files with what is known of them. Not thread safe: the notebook's lock is held by the caller."""

    def __init__(self, files: Files, copy: WorkingCopy, database: Database) -> None:
        self._files = files
        self._copy = copy
        self._database = database
        self._watched: dict[str, tuple[Seen | None, float]] = {}
        self._left_out: dict[str, str] = {}
        self._unwritten: dict[str, str] = {}

    def settle(self, term: int = 0) -> None:
        """Bring files and database together at start; call it once, before anything else.

        Finishes every pending file, takes in what was edited, added or deleted by hand while membox was off, and
        gives a new notebook its starting files. When all files are gone they are written again from the database:
        an empty or unmounted directory is no wish to delete everything.

        `term`: of keeping a notebook that several homes take turns at (`Database.term`), else 0.
        """
        marks = self._copy.load()
        if term > 1 and self._files.term() != term - 1:
            take_as_found(self._copy, self._database)
        is_new = not self._copy.held
        leftovers = self._files.leftovers()
        found, self._left_out = self._files.scan()
        self._copy.take_in_new([path for path in found if path not in self._copy.held])
        gone = self._all_gone(found)
        for path in sorted(self._copy.held):
            self._attempt(path, missing_is_deletion=not gone)
        for path in leftovers:
            self._copy.merge_leftover(path, marks.get(path))
        if is_new:
            self._offer()
        self._copy.clear_marks()
        if term:
            with suppress(StorageError, StorageFullError):  # the next start then looks at each file more closely
                self._files.note_term(term)

    def notice(self) -> list[str]:
        """Take in what was edited by hand; the paths that changed. Cheap when nothing did: one look at each file.

        An edit is taken in once the file has stayed as it is for a second.
        """
        found, self._left_out = self._files.scan()
        gone = self._all_gone(found)
        known = {*found, *self._copy.held, *self._copy.refused}
        changed = [path for path in sorted(known) if self._look(path, found.get(path), gone)]
        self._copy.clear_marks()
        return changed

    def notice_one(self, path: str) -> None:
        """Take in what was edited by hand in one file, if it has stayed as it is for a second."""
        look = self._files.look(path)
        if look:
            self._look(path, look, gone=False)

    def _look(self, path: str, look: Seen | None, gone: bool) -> bool:
        """Take in the file if it changed and may be taken in by now; whether it was edited."""
        held = self._copy.held.get(path)
        if held and held.is_as_left(look):
            self._watched.pop(path, None)
            self._unwritten.pop(path, None)
            return False
        if gone or (held and held.lags) or self._is_settled(path, look):
            return self._attempt(path, missing_is_deletion=not gone)
        return False

    def problems(self) -> dict[str, str]:
        """What keeps files from being part of the notebook, a sentence each with its remedy; for `membox doctor`."""
        left_alone = sorted({**self._left_out, **self._copy.refusals()}.items())
        conflicts = [path for path, held in sorted(self._copy.held.items()) if held.facts and held.facts.conflict]
        return {
            **{f"{path} is left alone: {reason}.": _READABLE for path, reason in left_alone},
            **{sentence: _TRIED_AGAIN for _, sentence in sorted(self._unwritten.items())},
            **{f"{path} holds a conflict.": _SETTLE for path in conflicts},
        }

    def _attempt(self, path: str, missing_is_deletion: bool) -> bool:
        """Take in one file; what cannot be written now is kept as a problem and tried again at the next notice."""
        try:
            edited = self._copy.take_in(path, missing_is_deletion)
            if not missing_is_deletion:
                self._copy.restore_missing(path)
        except (StorageError, StorageFullError) as fault:
            self._unwritten[path] = fault.sentence
            return False
        self._unwritten.pop(path, None)
        return edited

    def _all_gone(self, found: dict[str, Seen]) -> bool:
        return not found and any(not held.stored.deleted for held in self._copy.held.values())

    def _is_settled(self, path: str, look: Seen | None) -> bool:
        """Whether the file has stayed as it is for a second, by its time or by our own watching."""
        if look and time.time() - look.mtime_ns / 1e9 >= SETTLE_SECONDS:
            return True
        before, since = self._watched.get(path, (None, None))
        if since is None or before != look:
            self._watched[path] = (look, time.monotonic())
            return False
        return time.monotonic() - since >= SETTLE_SECONDS

    def _offer(self) -> None:
        missing = {path: text for path, text in offered_files().items() if path not in self._copy.held}
        self._copy.commit([Change(path, text, MEMBOX, "start") for path, text in missing.items()])
        for path in missing:
            self._attempt(path, missing_is_deletion=True)
