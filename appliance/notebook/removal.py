"""Working out a forgetting before it is stored: new texts, and every past version rewritten."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.notebook import versions
from appliance.notebook.documents import ARCHIVE
from appliance.notebook.forgetting import Forgetting, cut_out
from appliance.notebook.holding import Change
from appliance.notebook.plaintext import joined, lines_of, normalise
from appliance.notebook.versions import FORGET, Rewritten
from appliance.notebook.working_copy import WorkingCopy
from appliance.storage.database import Database


@dataclass(frozen=True)
class Removal:
    """The new version of each file concerned, and the past of each document (by id) in its new form."""

    changes: list[Change]
    rewritten: dict[int, list[Rewritten]]


def plan(copy: WorkingCopy, database: Database, path: str, first: int, last: int, author: str) -> Removal:
    """What forgetting these lines of `path` leaves: of the file, of the archive, of deleted files, of their past."""
    lines = lines_of(copy.text(path))
    block, left = lines[first - 1 : last], cut_out(lines, first, last)
    removal = Removal([], {})
    with database.read() as conn:
        own = Forgetting(block, staying=left)
        previous = _rewrite(conn, removal, copy.held[path].stored.id, own)
        removal.changes.append(Change(path, normalise(joined(left)), author, FORGET, previous=previous))
        for other, held in copy.held.items():
            if other == path or not (other.startswith(ARCHIVE) or held.stored.deleted):
                continue
            forgetting = Forgetting(block)
            if not any(forgetting.concerns(text) for _, text in _texts(conn, held.stored.id)):
                continue
            previous = _rewrite(conn, removal, held.stored.id, forgetting)
            if not held.stored.deleted:
                removal.changes.append(Change(other, previous, author, FORGET, previous=previous))
    return removal


def _rewrite(conn: Connection, removal: Removal, document_id: int, forgetting: Forgetting) -> str:
    """Add the document's past without what is forgotten to `removal`; the text of its newest version then."""
    before = text = ""
    for _, text in _texts(conn, document_id):
        forgetting.learn(before, text)
        before = text
    cleaned = ((number, forgetting.removed_from(text)) for number, text in _texts(conn, document_id))
    removal.rewritten[document_id] = versions.reencoded(cleaned)
    return forgetting.removed_from(text)


def _texts(conn: Connection, document_id: int) -> Iterator[tuple[int, str]]:
    return ((row.number, text) for row, text in versions.all_texts(conn, document_id))
