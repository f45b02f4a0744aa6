"""The notebook: capture, read, save, look back, and forget (contract notebook)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from threading import RLock

from sqlalchemy import Connection, insert

from appliance.clock import Clock, local, to_ms
from appliance.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    StorageError,
    StorageFullError,
    TooLargeError,
    UnavailableError,
)
from appliance.notebook import versions
from appliance.notebook.capturing import DayLog, key_of
from appliance.notebook.documents import CURATED, JOURNAL, checked_path, day_path, tier
from appliance.notebook.files import Files
from appliance.notebook.finding import lines_with, terms_of
from appliance.notebook.holding import Change, Held
from appliance.notebook.index import SectionIndex
from appliance.notebook.merge import merge
from appliance.notebook.models import (
    MAX_NOTE_BYTES,
    Captured,
    Document,
    DocumentInfo,
    FoundLine,
    Note,
    Saved,
)
from appliance.notebook.past import Past
from appliance.notebook.plaintext import checked_text, lines_of
from appliance.notebook.refresh import record
from appliance.notebook.removal import plan
from appliance.notebook.tasks import ticked
from appliance.notebook.versions import DELETED, FORGET
from appliance.notebook.watch import Watch
from appliance.notebook.working_copy import WorkingCopy
from appliance.storage.database import Database
from appliance.storage.schema import audit_log


class Notebook:
    """A tenant's notebook. Thread safe; what changes something is durable when it returns.

    Args:
        root: the directory of the files.
        timezone: IANA name, for day files and headings.
        tenant: whose notebook it is, for idempotency keys and the audit log.
    """

    def __init__(
        self, root: Path, database: Database, index: SectionIndex, timezone: str, clock: Clock, tenant: str = "home"
    ) -> None:
        self._database = database
        self._index = index
        self._timezone = timezone
        self._clock = clock
        self._tenant = tenant
        self._files = Files(root)
        self._copy = WorkingCopy(self._files, database, index, timezone, clock)
        self._watch = Watch(self._files, self._copy, database)
        self._day_log = DayLog(self._copy, timezone)
        self._lock = RLock()
        self.past = Past(self._copy, database, self._lock)
        self._settled_in: int | None = None

    # Keeping files and database in step

    def settle(self) -> None:
        """Bring files and database together at start; call it once, before anything else (see `Watch.settle`).

        While writes are held the files are left as they are: they are settled by what first wants to change or
        notice something afterwards.
        """
        try:
            with self._changing():
                pass
        except UnavailableError:
            self._copy.load()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Meanwhile nothing is between a commit and its file."""
        with self._lock:
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone, with files and database in step. UnavailableError while writes are held, or another keeps them."""
        with self._lock:
            self._database.require_open()
            if self._settled_in != (term := self._database.term()):
                self._watch.settle(term)
                self._settled_in = term
            yield

    def notice(self) -> list[str]:
        """Take in what was edited by hand; the paths that changed. Cheap when nothing did: one look at each file.

        An edit is taken in once the file has stayed as it is for a second. UnavailableError while writes are held.
        """
        with self._changing():
            return self._watch.notice()

    def close(self) -> None:
        """Leave nothing marked as pending that is done: a file deleted while membox is off then counts as deleted."""
        # Where that cannot be written, the marks say no more than that the files should be looked at.
        with self._lock, suppress(StorageError, StorageFullError, UnavailableError):
            self._copy.clear_marks()

    def problems(self) -> dict[str, str]:
        """What keeps files from being part of the notebook, a sentence each with its remedy; for `membox doctor`."""
        with self._lock:
            return self._watch.problems()

    # Capture

    def today(self) -> str:
        """The path of the day's file, in the configured timezone."""
        return day_path(f"{local(self._clock(), self._timezone):%Y-%m-%d}")

    def capture(self, note: Note, author: str, idempotency_key: str | None = None) -> Captured:
        """Append a note to the day's file; durable, in the file and indexed when this returns.

        Args:
            idempotency_key: with the same key and note within 24 hours, the first answer is given again.

        Raises:
            InvalidError: `empty note`.
            TooLargeError: `note_too_large`, over 64 KiB.
            ConflictError: `idempotency_conflict`, the key was used for another note.
            StorageFullError, StorageError: not all of it could be written; sending it again with the same key is
                safe and stores it once.
            UnavailableError: `held`, as from all that changes something.
        """
        if not note.text.strip():
            raise InvalidError("empty note", "The note is empty.")
        if len(note.text.encode()) > MAX_NOTE_BYTES:
            raise TooLargeError("note_too_large", "A note has at most 64 KiB; send it in parts.")
        key = key_of(self._tenant, author, idempotency_key, note) if idempotency_key else None
        with self._changing():
            moment = local(self._clock(), self._timezone)
            self._copy.take_in(day_path(f"{moment:%Y-%m-%d}"))
            change, captured = self._day_log.compose(note, author, moment)
            earlier = self._copy.commit([change], key, captured.model_dump_json())
            if earlier is not None:
                captured = Captured.model_validate_json(earlier).model_copy(update={"replayed": True})
            else:
                self._day_log.stored(change.path)
            if captured.path in self._copy.held:
                self._copy.publish(captured.path)
            return captured

    # Reading and saving

    def documents(self) -> list[DocumentInfo]:
        """Every file there is, by path."""
        with self._lock:
            return [
                self._info(path, held) for path, held in sorted(self.past.held().items()) if not held.stored.deleted
            ]

    def read(self, path: str) -> Document:
        """A file's current text.

        Raises:
            NotFoundError: `document_not_found`.
        """
        checked_path(path)
        with self._lock:
            with suppress(UnavailableError), self._changing():
                self._watch.notice_one(path)
            stored = self.past.live(path).stored
            return Document(
                path=path,
                text=self._copy.text(path),
                version=stored.version,
                changed_at=stored.changed_at,
                author=stored.author,
            )

    def find(self, query: str, limit: int = 100) -> list[FoundLine]:
        """The lines of every file with all words of `query` (phrases in double quotes), the newest files first.

        Not by meaning or stem: `recall` does that, and finds what is not in a file too.
        """
        terms = terms_of(query)
        newest = sorted(self.documents(), key=lambda info: (info.path != CURATED, -info.changed_at))
        found = (line for info in newest for line in lines_with(info.path, self._text_now(info.path), terms))
        return list(islice(found, limit)) if terms else []

    def _text_now(self, path: str) -> str:
        """A file's text as it lies on the disk, which is quickest; where it does not, as it is in the database."""
        with suppress(StorageError):
            if reading := self._files.read(path):
                return reading.text
        with self._lock:
            return self._copy.text(path)

    def tick(self, path: str, line: int, done: bool, base_version: int, author: str) -> Saved:
        """Tick the box of the task on a line (1-based) of `base_version`, or clear it; wherever the line is by now.

        Raises:
            InvalidError: `no_task`, there is no box on that line.
            ConflictError: `line_changed`, there is no such line any more.
            NotFoundError: `document_not_found`, `version_not_found`.
        """
        seen = self.past.version(path, base_version)
        self.past.live(path)
        self.edit({path: lambda text: ticked(text, seen, line, done)}, author, "tick")
        return self._saved(path, merged=self.past.live(path).stored.version > base_version + 1)

    def save(self, path: str, text: str, base_version: int, author: str, allow_empty: bool = False) -> Saved:
        """Store a person's or agent's new text of a file.

        Args:
            base_version: the version the writer had read; 0 for a new file.
            allow_empty: the writer was asked, and means to leave the file empty.

        Raises:
            ConflictError: `edit_conflict`, another write changed the same lines; `detail` has path, version and the
                texts base, yours, theirs and merged (with conflict markers).
            InvalidError: `invalid_path`, `invalid_text`, `empty_document`.
            NotFoundError: `document_not_found`, or `version_not_found` for a base that never was.
            TooLargeError: `document_too_large`.
        """
        checked_path(path)
        text = checked_text(text, allow_empty)
        with self._changing():
            self._copy.take_in(path)
            held = self._copy.held.get(path)
            if held is None and base_version:
                raise NotFoundError("document_not_found", f"There is no {path}; save it as a new file.")
            if held is None or (held.stored.deleted and base_version in (0, held.stored.version)):
                return self._store(path, text, author, "save")
            current = "" if held.stored.deleted else self._copy.text(path)
            if text == current and not held.stored.deleted:
                return self._saved(path)
            if base_version == held.stored.version:
                return self._store(path, text, author, "save")
            return self._merge(path, held, self.past.text_at(path, base_version), text, current, author)

    def edit(
        self,
        edits: Mapping[str, Callable[[str], str]],
        author: str,
        reason: str,
        also: Callable[[Connection], None] | None = None,
    ) -> list[Saved]:
        """Change files together, each by a function from its current text (empty: no such file) to the new one.

        Everything is stored in one transaction, with what `also` does in it; the files that changed are returned.
        Nothing is stored when a function raises.

        Args:
            reason: a word for the history, at most 32 characters.

        Raises:
            InvalidError: `invalid_path`, `invalid_text`.
            TooLargeError: `document_too_large`.
        """
        with self._changing():
            changes = []
            for path, edited in edits.items():
                self._copy.take_in(checked_path(path))
                held = self._copy.held.get(path)
                current = "" if held is None or held.stored.deleted else self._copy.text(path)
                text = checked_text(edited(current), allow_empty=True)
                if text != current:
                    changes.append(Change(path, text, author, reason))
            if changes or also:
                self._copy.commit(changes, also=also)
            for change in changes:
                self._copy.publish(change.path)
            return [self._saved(change.path) for change in changes]

    def _merge(self, path: str, held: Held, base: str, yours: str, theirs: str, author: str) -> Saved:
        version = held.stored.version
        names = ("yours", f"version {version}")
        merged = merge(base, yours, theirs, names, keep_both=path.startswith(JOURNAL))
        if merged.clean and not held.stored.deleted:
            if merged.text == theirs:
                return self._saved(path, merged=True)
            return self._store(path, merged.text, author, "merge", merged=True)
        texts = {"base": base, "yours": yours, "theirs": theirs, "merged": merged.text}
        raise ConflictError(
            "edit_conflict",
            f"{path} was changed meanwhile, in the same lines. Both sides are shown: keep what is right, save again.",
            detail={"path": path, "version": version, **texts},
        )

    # Going back

    def restore(self, path: str, number: int, author: str) -> Saved:
        """Make an old version the newest. NotFoundError `document_not_found` or `version_not_found`."""
        with self._changing():
            held = self.past.known(path)
            self._copy.take_in(path)
            text = self.past.text_at(path, number)
            with self._database.read() as conn:
                deleted = versions.reason_of(conn, held.stored.id, number) == DELETED
            if deleted == held.stored.deleted and text == self._copy.text(path):
                return self._saved(path)
            return self._store(path, text, author, DELETED if deleted else "restore")

    def undo(self, path: str, author: str) -> Saved:
        """Go back to the version before the last. NotFoundError `document_not_found` or `nothing_to_undo`."""
        with self._changing():
            held = self.past.known(path)
            self._copy.take_in(path)
            if held.stored.version == 1:
                raise NotFoundError("nothing_to_undo", f"{path} has only one version.")
            return self.restore(path, held.stored.version - 1, author)

    # Forgetting

    def forget(self, path: str, first_line: int, last_line: int, author: str) -> None:
        """Remove lines (1-based, inclusive) from the file, the archive, deleted files, and every past version.

        The history shows that something was removed, and the audit log by whom, neither says what.

        Raises:
            NotFoundError: `document_not_found`.
            InvalidError: `invalid_lines`, the file has no such lines.
        """
        self._remove(path, first_line, last_line, author)

    def _remove(self, path: str, first_line: int, last_line: int, author: str, memory_id: str | None = None) -> None:
        with self._changing():
            self.past.known(path)
            self._copy.take_in(path)
            lines = lines_of(self._copy.text(self.past.live(path).stored.path))
            if not 1 <= first_line <= last_line <= len(lines):
                raise InvalidError("invalid_lines", f"{path} has the lines 1 to {len(lines)}.")
            removal = plan(self._copy, self._database, path, first_line, last_line, author)

            def also(conn: Connection) -> None:
                for document, rewritten in removal.rewritten.items():
                    versions.rewrite(conn, document, rewritten)
                record.forget(conn, lines[first_line - 1 : last_line])
                row = {"at": to_ms(self._clock()), "tenant_id": self._tenant, "actor": author}
                conn.execute(insert(audit_log).values(**row, action=FORGET, subject=f"notebook:{path}"))
                if memory_id is not None:
                    self._index.forget(conn, memory_id)
                self._database.mark_for_scrub(conn)

            self._copy.commit(removal.changes, also=also)
            for change in removal.changes:
                self._copy.publish(change.path, verbatim=False)
        self._database.scrub()

    def forget_item(self, memory_id: str, author: str) -> bool:
        """Forget the lines that a remembered item is; False when it is no section of the notebook."""
        if (lines := self._lines_of(memory_id)) is None:
            return False  # whoever keeps the notebook
        with self._changing():
            self._copy.take_in(lines[0])
            if (lines := self._lines_of(memory_id)) is None:
                return False  # an edit by hand has just removed it
            self._remove(*lines, author, memory_id)
            return True

    def _lines_of(self, memory_id: str) -> tuple[str, int, int] | None:
        with self._database.read() as conn:
            return self._index.lines_of(conn, memory_id)

    # What the above share

    def _store(self, path: str, text: str, author: str, reason: str, merged: bool = False) -> Saved:
        self._copy.commit([Change(path, text, author, reason)])
        self._copy.publish(path)
        return self._saved(path, merged)

    def _saved(self, path: str, merged: bool = False) -> Saved:
        return Saved(path=path, version=self._copy.held[path].stored.version, text=self._copy.text(path), merged=merged)

    def _info(self, path: str, held: Held) -> DocumentInfo:
        stored, facts = held.stored, self._copy.facts(path)
        return DocumentInfo(
            path=path,
            tier=tier(path),
            version=stored.version,
            changed_at=stored.changed_at,
            author=stored.author,
            lines=facts.lines,
            bytes=facts.bytes,
        )
