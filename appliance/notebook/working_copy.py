"""Keeping database and files in step (DESIGN: the notebook's truth).

A change is one transaction: version, sections, idempotency key, and a pending mark that says what the file held and
what it will hold. Then the file is written. Whatever happens in between, the mark and the file's hash tell what is
left to do: the old hash means write it, the new one means done, another is an edit by hand, merged.

Not thread safe: the notebook's lock is held by whoever calls.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from appliance.clock import Clock, to_ms
from appliance.errors import StorageError
from appliance.notebook import versions
from appliance.notebook.documents import JOURNAL
from appliance.notebook.files import Files, Reading, Seen
from appliance.notebook.holding import Change, Facts, Held, RecentTexts
from appliance.notebook.index import SectionIndex
from appliance.notebook.merge import merge
from appliance.notebook.plaintext import MAX_TEXT_BYTES, digest, distance
from appliance.notebook.sections import cut
from appliance.notebook.versions import DELETED, FORGET, Stored
from appliance.storage.database import Database
from appliance.storage.idempotency import IdempotencyKey
from appliance.storage.schema import pending_files

BY_HAND = "by hand"
HAND_EDIT = "hand-edit"
MERGE = "merge"

_MOST_CROSSINGS = 10
_BATCH = 50
_MOST_OPEN = 20
_OPEN_MS = 60 * 60 * 1000


class WorkingCopy:
    """The files and their versions, and every way from one to the other."""

    def __init__(self, files: Files, database: Database, index: SectionIndex, timezone: str, clock: Clock) -> None:
        self.files = files
        self.held: dict[str, Held] = {}
        self.refused: dict[str, tuple[Seen | None, str]] = {}
        self._database = database
        self._index = index
        self._timezone = timezone
        self._clock = clock
        self._texts = RecentTexts()
        self._marked: set[str] = set()
        self._written: set[str] = set()
        self._last_moment = 0

    def load(self) -> dict[str, str | None]:
        """Read what the database knows; the old hash of every pending file, by path."""
        with self._database.read() as conn:
            documents = versions.stored_documents(conn)
            marks = {row.path: row.old_hash for row in conn.execute(select(pending_files))}
        self.held = {stored.path: Held(stored) for stored in documents}
        for path, held in self.held.items():
            held.file_hash = marks.get(path, held.wanted)
        self._marked = set(marks)
        self._written = {path for path in marks if path not in self.held}
        self._last_moment = max((stored.changed_at for stored in documents), default=0)
        return marks

    def text(self, path: str) -> str:
        """The newest text of a held document."""
        stored = self.held[path].stored
        text = self._texts.get(path, stored.version)
        if text is None:
            text = self.text_at(path, stored.version) or ""
            self._texts.put(path, stored.version, text)
        return text

    def text_at(self, path: str, number: int) -> str | None:
        """The text of a version; None when there is none."""
        held = self.held.get(path)
        if held is None:
            return None
        with self._database.read() as conn:
            return versions.text_at(conn, held.stored.id, number)

    def facts(self, path: str) -> Facts:
        """What a listing says of a held document."""
        held = self.held[path]
        held.facts = held.facts or Facts.of(self.text(path))
        return held.facts

    def commit(
        self,
        changes: Sequence[Change],
        key: IdempotencyKey | None = None,
        answer: str = "",
        also: Callable[[Connection], None] | None = None,
    ) -> str | None:
        """Store `changes` in one transaction; the files are brought along by `publish`.

        Args:
            key: stores nothing and returns the earlier answer when the key was used before; else keeps `answer`.
            also: further work for the same transaction, done first.

        Raises:
            StorageError: `linked_directory`, a file lies behind a link.
        """
        for change in changes:
            self.files.check_writable(change.path)
        now = self._moment(len(changes))
        last = {change.path: change for change in changes}
        sections = {
            path: cut(path, change.text, self._timezone) if change.appended is None else change.appended
            for path, change in last.items()
        }
        stored: dict[str, Stored] = {}
        finished = self._written - {change.path for change in changes}

        def work(conn: Connection) -> str | None:
            self._database.fence(conn)
            stored.clear()
            earlier = key.answer(conn, now) if key else None
            if earlier is not None:
                return earlier
            if also:
                also(conn)
            stored.update(self._append(conn, changes, before, now))
            for path, change in last.items():
                put = self._index.replace if change.appended is None else self._index.append
                put(conn, path, sections[path])
            self._mark(conn, last, stored, finished)
            if key:
                key.remember(conn, answer, now)
            return None

        before = {path: self.text(path) if path in self.held else "" for path in last}
        earlier = self._database.write(work)
        if earlier is None:
            self._written -= finished
            self._marked -= finished
            for path, change in last.items():
                self._hold(change, stored[path], before[path])
        return earlier

    def _append(
        self, conn: Connection, changes: Sequence[Change], before: dict[str, str], now: int
    ) -> dict[str, Stored]:
        newest = {path: (held.stored, before[path]) for path in before if (held := self.held.get(path))}
        for at, change in enumerate(changes, start=now):
            stored, previous = newest.get(change.path, (None, ""))
            previous = previous if change.previous is None else change.previous
            row = versions.append(conn, stored, previous, change.path, change.text, change.author, change.reason, at)
            newest[change.path] = (row, change.text)
        return {path: row for path, (row, _) in newest.items()}

    def _mark(
        self, conn: Connection, last: dict[str, Change], stored: dict[str, Stored], finished: Iterable[str]
    ) -> None:
        """Renew the pending marks: one for each file still to be written, none for those written since."""
        gone = [*finished, *(path for path in last if path in self._marked and last[path].on_file)]
        if gone:
            conn.execute(delete(pending_files).where(pending_files.c.path.in_(gone)))
        for path, change in last.items():
            if change.on_file:
                continue
            held = self.held.get(path)
            hashes = {"old_hash": held.file_hash if held else None, "new_hash": _wanted(stored[path])}
            if path in self._marked:
                conn.execute(update(pending_files).where(pending_files.c.path == path).values(hashes))
            else:
                conn.execute(insert(pending_files).values(path=path, **hashes))

    def _hold(self, change: Change, stored: Stored, before: str) -> None:
        held = self.held.get(change.path)
        if held is None:
            held = self.held[change.path] = Held(stored)
        if change.on_file:
            held.stored, held.base = stored, None
            held.file_hash = held.wanted
            self._marked.discard(change.path)
        else:
            held.base = before if not held.lags else held.base
            held.stored = stored
            self._marked.add(change.path)
        self._written.discard(change.path)
        held.facts = Facts.of(change.text)
        self._texts.put(change.path, stored.version, change.text)

    def clear_marks(self) -> None:
        """Take away the marks of files that have been written, where no later change did it."""
        finished = set(self._written)
        if finished:

            def work(conn: Connection) -> None:
                self._database.fence(conn)
                conn.execute(delete(pending_files).where(pending_files.c.path.in_(finished)))

            self._database.write(work)
            self._written -= finished
            self._marked -= finished

    def publish(self, path: str, verbatim: bool = True) -> None:
        """Bring the file to the newest version; an edit that slips in between is merged and published too.

        Args:
            verbatim: keep such an edit as a version of its own, too; not when it may hold what is being forgotten.

        Raises:
            StorageFullError, StorageError: the file could not be written; the version is safe, the mark stays.
        """
        for _ in range(_MOST_CROSSINGS):
            held = self.held[path]
            if not held.lags:
                return
            old_hash, old_look, base = held.file_hash, held.seen, held.base
            if path in self.refused:
                self.refused.pop(path)
                self.files.set_aside(path)
            if held.stored.deleted:
                self.files.remove(path)
                held.seen = None
            else:
                held.seen = self.files.write(path, self.text(path))
            held.file_hash, held.base = held.wanted, None
            self._written.add(path)
            slipped = self.files.replaced(path, old_look, self._limit(path))
            if slipped is not None and digest(slipped) not in (old_hash, held.wanted):
                self._cross(path, base if base is not None else self._text_with(path, old_hash), slipped, verbatim)
            self.files.drop_replaced(path)
        raise StorageError("file_busy", f"{path} keeps changing while it is written; close the program that does it.")

    def take_in(self, path: str, missing_is_deletion: bool = False) -> bool:
        """Look at the file: store what was edited by hand, finish what was left to write. Whether it was edited.

        A missing file counts as deleted only where the caller has made sure that it stays missing: some programs
        take a file away for a moment while they save it.
        """
        held = self.held.get(path)
        look = self.files.look(path)
        if held and held.is_as_left(look):
            return False
        if look is not None and path in self.refused and self.refused[path][0] == look:
            return False
        reading = self._reading(path)
        if path in self.refused:
            return False
        if held is None:
            return reading is not None and self._edited(path, reading)
        return self._compare(path, held, reading, missing_is_deletion)

    def take_in_new(self, paths: Sequence[str]) -> None:
        """Store files that no document stands for yet, many to a transaction."""
        for start in range(0, len(paths), _BATCH):
            readings = {path: reading for path in paths[start : start + _BATCH] if (reading := self._reading(path))}
            changes = [
                Change(path, reading.text, BY_HAND, HAND_EDIT, on_file=True) for path, reading in readings.items()
            ]
            if changes:
                self.commit(changes)
            for path, reading in readings.items():
                self.held[path].seen = reading.seen

    def _reading(self, path: str) -> Reading | None:
        """The file's text; None when there is none, or it cannot be part of the notebook, which is remembered."""
        look = self.files.look(path)
        try:
            reading = self.files.read(path, self._limit(path))
        except StorageError as fault:
            if look is not None or path in self.held:
                self.refused[path] = (look, fault.sentence)
            return None
        self.refused.pop(path, None)
        return reading

    def restore_missing(self, path: str) -> None:
        """Write the file again if it is gone, though nobody deleted it."""
        held = self.held.get(path)
        if held and held.wanted and path not in self.refused and self.files.look(path) is None:
            held.file_hash = held.seen = None
            self.publish(path)

    def refusals(self) -> dict[str, str]:
        """Why files that are there are no part of the notebook, by path."""
        return {path: reason for path, (_, reason) in self.refused.items()}

    def _compare(self, path: str, held: Held, reading: Reading | None, missing_is_deletion: bool) -> bool:
        there = digest(reading.text) if reading else None
        if there == held.wanted:
            if held.lags or path in self._marked:
                self._written.add(path)
            held.file_hash, held.base = there, None
            held.seen = reading.seen if reading else None
            held.facts = held.facts or (Facts.of(reading.text) if reading else None)
            return False
        if held.lags and there in (held.file_hash, None):
            held.seen = reading.seen if reading else None
            self.publish(path)
            return False
        if reading is None:
            if missing_is_deletion:
                self.commit([Change(path, "", BY_HAND, DELETED, on_file=True)])
                held.seen = None
            return missing_is_deletion
        if not held.lags:
            base = self._base_of(path, reading.text)
        else:
            base = held.base if held.base is not None else self._text_with(path, held.file_hash)
            if distance(reading.text, self.text(path)) < distance(reading.text, base):
                base = None  # made after our write, which a crash kept from being marked done
        if base is None:
            return self._edited(path, reading)
        held.seen, held.file_hash, held.base = reading.seen, there, reading.text
        self._cross(path, base, reading.text)
        self.publish(path)
        return True

    def _base_of(self, path: str, theirs: str) -> str | None:
        """The version a program had read that has now written `theirs`, if that is not the newest: else None.

        A program may hold a file open while a note is added, and then save what it had: the note did not stand
        there to be deleted. So the edit counts as made in that version of the last hour, back to the last edit by
        hand, that it is nearest to. One that is exactly an old version is meant: somebody took something back.
        """
        stored = self.held[path].stored
        if self.facts(path).conflict:
            return None  # it is being settled
        since = to_ms(self._clock()) - _OPEN_MS
        with self._database.read() as conn:
            first = stored.version
            for info in versions.history(conn, stored.id, _MOST_OPEN, None):
                if info.reason in (HAND_EDIT, DELETED, FORGET) or info.created_at < since or info.number == 1:
                    break
                first = info.number - 1
            if first == stored.version:
                return None
            texts = [text for _, text in versions.texts_between(conn, stored.id, first, stored.version)]
        nearest = min(reversed(texts), key=lambda text: distance(theirs, text))
        return None if nearest in (theirs, texts[-1]) else nearest

    def _edited(self, path: str, reading: Reading) -> bool:
        """Store an edit that crossed no other write."""
        self.commit([Change(path, reading.text, BY_HAND, HAND_EDIT, on_file=True)])
        self.held[path].seen = reading.seen
        return True

    def _cross(self, path: str, base: str, theirs: str, verbatim: bool = True) -> None:
        """Store an edit by hand that crossed a write of ours: the edit as it was, then both merged."""
        held, mine = self.held[path], self.text(path)
        on_file = held.file_hash == digest(theirs)
        names = (f"membox, version {held.stored.version}", "edited by hand")
        merged = merge(base, mine, theirs, names, keep_both=path.startswith(JOURNAL)).text
        edit = Change(path, theirs, BY_HAND, HAND_EDIT)
        self.commit([*([edit] if verbatim else []), Change(path, merged, BY_HAND, MERGE, on_file and merged == theirs)])

    def _text_with(self, path: str, content_hash: str | None) -> str:
        """The newest version with this content; the newest text when none has it any more."""
        if content_hash is None:
            return ""
        with self._database.read() as conn:
            document = self.held[path].stored.id
            number = versions.number_with_hash(conn, document, content_hash)
            text = versions.text_at(conn, document, number) if number else None
        return self.text(path) if text is None else text

    def merge_leftover(self, path: str, old_hash: str | None) -> None:
        """After a crash: merge what a write replaced, if no version has it; then let go of it."""
        left = self.files.replaced(path, None, self._limit(path))
        held = self.held.get(path)
        if left is not None and held is None:
            self.commit([Change(path, left, BY_HAND, HAND_EDIT)])
        elif left is not None and held and digest(left) != old_hash and not self._has_version(held, left):
            self._cross(path, self._text_with(path, old_hash), left)
        self.files.drop_replaced(path)
        if path in self.held:
            self.publish(path)

    def _has_version(self, held: Held, text: str) -> bool:
        with self._database.read() as conn:
            return versions.number_with_hash(conn, held.stored.id, digest(text)) is not None

    def _limit(self, path: str) -> int:
        """How large the file may be: a hand edit's limit beyond what membox wrote itself."""
        held = self.held.get(path)
        return MAX_TEXT_BYTES + (self.facts(path).bytes if held else 0)

    def _moment(self, count: int) -> int:
        """Now in epoch milliseconds, the first of `count` no other version has: history is in order, and pages."""
        now = to_ms(self._clock())
        if now <= self._last_moment < now + 1000:
            now = self._last_moment + 1
        self._last_moment = now + count - 1
        return now


def _wanted(stored: Stored) -> str | None:
    """The hash the file of a document should have; None when there should be no file."""
    return None if stored.deleted else stored.hash
